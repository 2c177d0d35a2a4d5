"""`streamlit run dashboard/app.py`: the pages, and beside them which build they show and how old its data are."""

import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import streamlit as st

# `streamlit run` puts this file's folder on the path, not the project's.
sys.path[:0] = [folder for folder in [str(Path(__file__).resolve().parents[1])] if folder not in sys.path]

from dashboard import published, words  # noqa: E402
from dashboard.views import change, deals, drivers, input_quality, model_quality, overview, reps, stages  # noqa: E402

PAGES = (
    ("Overview", "overview", overview),
    ("Why it changed", "change", change),
    ("Drivers", "drivers", drivers),
    ("Stages", "stages", stages),
    ("Deals at risk", "deals", deals),
    ("Reps", "reps", reps),
    ("Forecast and model quality", "model", model_quality),
    ("Data quality", "data", input_quality),
)
ICON = str(Path(__file__).parent / "icon.svg")
LOOK_FOR_A_NEW_BUILD = "5s"


@st.fragment(run_every=LOOK_FOR_A_NEW_BUILD)
def follow(build: published.Build) -> None:
    """Shows a new build on an open page too."""
    try:
        is_new = published.file_identity() != build.identity
    except published.NotPublished:
        is_new = False
    if is_new:
        st.rerun()


def show_build(build: published.Build, now: datetime) -> None:
    age = words.age_days(build.as_of_date, now)
    with st.sidebar:
        st.caption(
            f"Data as of **{build.as_of_date}**, {age} days old  \nBuild {words.escape(build.build_id)}, "
            f"published {build.published_at:%Y-%m-%d %H:%M} UTC  \nVersion {words.escape(build.project_version)}"
        )
    if words.is_stale(build.as_of_date, now):
        st.warning(
            f"These data end on {build.as_of_date}: they are {age} days old, and nothing later is known here.", icon=":material/schedule:"
        )
    else:
        st.caption(f"Data as of {build.as_of_date}")


def main() -> None:
    try:
        build = published.current_build()
    except published.NotPublished as reason:
        st.title("Pipeline intelligence")
        st.info(words.escape(reason), icon=":material/info:")
        return
    pages = [st.Page(partial(view.show, build), title=title, url_path=path, default=view is overview) for title, path, view in PAGES]
    page = st.navigation(pages)
    st.set_page_config(page_title=f"{page.title}: pipeline intelligence", page_icon=ICON, layout="wide")
    st.title(page.title)
    show_build(build, datetime.now(UTC))
    page.run()
    follow(build)


main()

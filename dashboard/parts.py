"""What several pages are made of: the notes of what the data can't say, findings, choices."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import words
from dashboard.published import Build


def can_say(build: Build, mart: str, capability: str | None = None) -> bool:
    """Whether the mart has something to say on this input; if not, the mart's own reason stands in its place."""
    found = build.rows(
        "select answers, is_available, reason, data_level from rpt_data_capabilities where mart = ? and (? is null or capability = ?)",
        mart,
        capability,
        capability,
    )
    if found.empty:
        st.info(f"This build doesn't publish `{mart}`.", icon=":material/info:")
        return False
    row = found.sort_values("is_available", ascending=False).iloc[0]
    if not row.is_available:
        st.info(
            f"**Not in these data** ({words.escape(row.data_level)}): {words.escape(row.answers)}. {words.escape(row.reason)}",
            icon=":material/info:",
        )
    return bool(row.is_available)


def values(build: Build, mart: str, column: str, first: str = "all", newest: bool = False, **where: object) -> list[str]:
    """The values of a column as text, of the rows that have these values in other columns: `first` first, the rest in order."""
    conditions = " and ".join([f"{column} is not null", *(f"{name} = ?" for name in where)])
    order = f"{column}::text = ? desc, 1 {'desc' if newest else 'asc'}"
    found = build.rows(
        f"select {column}::text as value from {mart} where {conditions} group by {column} order by {order}", *where.values(), first
    )
    return found.value.tolist()


def own_labels(build: Build) -> dict[str, str]:
    """What the dimensions that the user declared are called, by name."""
    if not build.has("dim_dimensions"):
        return {}
    found = build.rows("select dimension, label from dim_dimensions where not is_built_in order by dimension")
    return dict(zip(found.dimension, found.label, strict=True))


def dimension(build: Build, name: str) -> str:
    return words.dimension(name, own_labels(build))


def choose(name: str, options: list[str], key: str, write=words.label, default: str | None = None) -> str:
    index = options.index(default) if default in options else 0
    return st.selectbox(name, options, index=index, key=key, format_func=write)


def chart(drawn: alt.Chart | alt.LayerChart, frame: pd.DataFrame, alt_text: str) -> None:
    if frame.empty:
        st.info("No rows for this choice.", icon=":material/info:")
    else:
        st.altair_chart(drawn, alt=alt_text)


def findings(sentences: list[str], limit: int = 6) -> None:
    """The marts' own sentences, word by word."""
    shown = [f"- {words.escape(sentence)}" for sentence in sentences if isinstance(sentence, str)]
    more = [f"- and {len(shown) - limit} more"] if len(shown) > limit else []
    if shown:
        st.markdown("\n".join([*shown[:limit], *more]))


def signals(frame: pd.DataFrame, none: str, limit: int = 6) -> None:
    """The sentences of all rows that are more than chance; without one `none`, if anything was judged at all."""
    if (frame.verdict == "signal").any():
        findings(frame[frame.verdict == "signal"].finding.tolist(), limit)
    elif (frame.verdict == "no_signal").any():
        st.markdown(none)
    elif not frame.empty:
        st.markdown("**Nothing here could be judged.**")


def most_telling(frame: pd.DataFrame, size: pd.Series, limit: int, by: str = "with the largest effects") -> pd.DataFrame:
    """The rows that a chart has room for, in their order: those that are more than chance, then the largest. Says what is left out."""
    if len(frame) <= limit:
        return frame
    st.caption(f"Shown: {limit} of {len(frame):,}, those that are more than chance and then those {by}.")
    rank = pd.DataFrame({"signal": frame.verdict == "signal", "size": size.abs()}).sort_values(
        ["signal", "size"], ascending=False, kind="stable"
    )
    return frame.loc[rank.index[:limit].sort_values()]


def figure(where, name: str, value: str, below: str, key: str, help: str | None = None) -> None:
    """A headline figure with its interval and n below it."""
    box = where.container(border=True, key=f"figure-{key}", height="stretch")
    box.metric(name, value, help=help)
    box.caption(below)


def table(frame: pd.DataFrame, columns: dict[str, object], key: str | None = None, height: int | str = "auto") -> None:
    """The named columns in their order, without those that are empty."""
    shown = frame[[name for name in columns if frame[name].notna().any()]]
    texts = shown.select_dtypes(["object", "string"]).columns
    st.dataframe(shown.fillna({name: "" for name in texts}), column_config=columns, hide_index=True, height=height, key=key)

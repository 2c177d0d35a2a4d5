"""Where deals are lost and how long they stay, from the visits of their stages."""

from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts, parts, words
from dashboard.published import Build


def show(build: Build) -> None:
    if not parts.can_say(build, "rpt_stage_conversion"):
        st.markdown(
            "Closed deals carry the stage they ended in, not the stages they went through: no funnel can be drawn from them. Give the stage "
            "history and this page fills."
        )
        parts.can_say(build, "rpt_stage_durations")
        return
    dimension, segment = choose_segment(build)
    st.subheader("Funnel")
    funnel(build, dimension, segment)
    st.subheader("Time in stage")
    if parts.can_say(build, "rpt_stage_durations"):
        durations(build, dimension, segment)


def choose_segment(build: Build) -> tuple[str, str]:
    dimensions = parts.values(build, "rpt_stage_conversion", "segment_dimension")
    left, right = st.columns(2)
    with left:
        dimension = parts.choose("Deals by", dimensions, "stage-dimension", write=partial(parts.dimension, build))
    if dimension == "all":
        return "all", "all"
    segments = parts.values(build, "rpt_stage_conversion", "segment_value", segment_dimension=dimension)
    with right:
        return dimension, parts.choose(words.escape(parts.dimension(build, dimension)), segments, "stage-segment", write=str)


def funnel(build: Build, dimension: str, segment: str) -> None:
    frame = build.rows(
        "select * from rpt_stage_conversion where segment_dimension = ? and segment_value = ? order by pipeline nulls first, stage_order",
        dimension,
        segment,
    )
    if frame.empty:
        st.info("No rows for this choice.", icon=":material/info:")
        return
    late = frame.iloc[0]
    first, second, third = st.columns(3)
    parts.figure(
        first,
        "Lost late",
        words.percent(late.late_stage_loss_rate),
        f"{words.between(late.late_stage_loss_rate_lower, late.late_stage_loss_rate_upper)}; {words.count(late.late_stage_lost_deal_count)} of "
        f"{words.count(late.late_stage_closed_deal_count)} closed deals that had reached a late stage.",
        "late-loss",
    )
    worst = frame.sort_values(["lost_here_deal_count", "loss_share_rate"], ascending=False).iloc[0]
    of_pipeline = "" if pd.isna(worst.pipeline) else f" of {words.escape(worst.pipeline)}"
    parts.figure(
        second,
        "Most losses in",
        words.escape(worst.stage),
        f"{words.percent(worst.loss_share_rate)} of the lost deals{of_pipeline} ({words.between(worst.loss_share_rate_lower, worst.loss_share_rate_upper)}; "
        f"{words.count(worst.lost_here_deal_count)} deals).",
        "worst-stage",
    )
    parts.figure(
        third,
        "Open in these stages",
        words.count(frame.open_here_deal_count.sum()),
        ", ".join(f"{words.escape(row.stage)} {words.count(row.open_here_deal_count)}" for row in frame.itertuples()),
        "open-here",
    )
    left, right = st.columns(2)
    with left:
        st.markdown("**Deals by stage reached**")
        parts.chart(reached_chart(frame), frame, "Deals that reached each stage, by what became of them there")
    with right:
        st.markdown("**Won in the end, of the deals that reached it**")
        drawn = charts.intervals(
            frame,
            "stage",
            "stage_win_probability",
            ("stage_win_probability_lower", "stage_win_probability_upper"),
            "Won, of the deals that reached the stage, open ones allowed for",
            {
                "stage": "",
                "stage_win_probability": ".1%",
                "stage_win_probability_lower": ".1%",
                "stage_win_probability_upper": ".1%",
                "reached_deal_count": ",",
                "won_deal_count": ",",
                "lost_deal_count": ",",
                "open_deal_count": ",",
                "probability_status": "",
            },
            verdict=None,
        )
        parts.chart(drawn, frame, "Probability of winning by stage reached, with intervals")
    frame["win"] = _with_interval(frame, "stage_win_probability")
    frame["loss"] = _with_interval(frame, "loss_rate")
    frame["share"] = _with_interval(frame, "loss_share_rate")
    parts.table(
        frame,
        {
            "stage": "Stage",
            "reached_deal_count": "Reached",
            "advanced_deal_count": "Went on",
            "lost_here_deal_count": "Lost here",
            "open_here_deal_count": "Open here",
            "win": "P(win | reached)",
            "loss": "Lost here / left it",
            "share": "Share of the pipeline's losses",
        },
    )


def _with_interval(frame: pd.DataFrame, name: str, write=words.percent) -> list[str]:
    return [
        f"{write(value)} ({words.between(lower, upper, write)})"
        for value, lower, upper in zip(frame[name], frame[f"{name}_lower"], frame[f"{name}_upper"], strict=True)
    ]


def reached_chart(frame: pd.DataFrame) -> alt.Chart:
    names = {"advanced_deal_count": "went on or won", "open_here_deal_count": "still open here", "lost_here_deal_count": "lost here"}
    long = frame.melt(["stage", "reached_deal_count"], list(names), "what", "deals").assign(
        what=lambda rows: rows.what.map(names), position=lambda rows: rows.what.map({name: i for i, name in enumerate(names.values())})
    )
    return charts.rows(
        alt.Chart(long)
        .mark_bar(height=18)
        .encode(
            y=charts.names("stage", frame),
            x=alt.X("deals:Q", title="Deals that reached the stage", axis=charts.axis("~s")),
            color=charts.colours("what", dict(zip(names.values(), (charts.BLUE, charts.GREY, charts.ORANGE), strict=True))),
            order="position:Q",
            tooltip=charts.tooltips({"stage": "", "what": "", "deals": ",", "reached_deal_count": ","}),
        )
    )


def durations(build: Build, dimension: str, segment: str) -> None:
    quantiles = {"median": "Median", "p75": "Three of four are through (P75)", "p90": "Nine of ten are through (P90)"}
    quantile = parts.choose("Days until", list(quantiles), "stage-quantile", write=quantiles.get)
    frame = build.rows(
        f"""
        select
            stage, stage_order, {quantile}_days as days, {quantile}_lower_days as lower_days, {quantile}_upper_days as upper_days,
            {quantile}_status as status, completed_visit_count, open_visit_count, left_truncated_visit_count
        from rpt_stage_durations
        where segment_dimension = ? and segment_value = ?
        order by pipeline nulls first, stage_order
        """,
        dimension,
        segment,
    )
    drawn = charts.intervals(
        frame,
        "stage",
        "days",
        ("lower_days", "upper_days"),
        f"{quantile.capitalize()} days in the stage, visits still open allowed for",
        {
            "stage": "",
            "days": ",",
            "lower_days": ",",
            "upper_days": ",",
            "completed_visit_count": ",",
            "open_visit_count": ",",
            "left_truncated_visit_count": ",",
            "status": "",
        },
        form=".0f",
        verdict=None,
        zero=True,
    )
    parts.chart(drawn, frame, "Days in each stage with intervals")
    frame["interval"] = [words.between(row.lower_days, row.upper_days, words.count) for row in frame.itertuples()]
    parts.table(
        frame,
        {
            "stage": "Stage",
            "days": f"{quantile.capitalize()} days",
            "interval": "Interval (days)",
            "completed_visit_count": "Ended visits",
            "open_visit_count": "Open visits",
            "left_truncated_visit_count": "Begun before the history",
            "status": "Status",
        },
    )

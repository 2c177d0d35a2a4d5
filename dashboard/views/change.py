"""Why the win rate changed (the segments' own rates, or their mix), and why the pipeline did."""

from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts, parts, words
from dashboard.published import Build

MAX_SEGMENTS = 40
BRIDGE_STEPS = {
    "opening": 0,
    "new": 1,
    "reopened": 1,
    "moved_in": 1,
    "increased": 1,
    "decreased": -1,
    "moved_out": -1,
    "won": -1,
    "lost": -1,
    "removed": -1,
    "closing": 0,
}


def show(build: Build) -> None:
    st.subheader("Win rate: own rates or mix?")
    if parts.can_say(build, "rpt_win_rate_change"):
        win_rate_change(build)
    st.subheader("Pipeline: what came in and what left")
    if parts.can_say(build, "rpt_pipeline_bridge"):
        bridge(build)


def win_rate_change(build: Build) -> None:
    columns = st.columns(3)
    headline = parts.values(build, "rpt_win_rate_change", "period_type", is_headline=True)
    types = parts.values(build, "rpt_win_rate_change", "period_type", first=headline[0] if headline else "quarter")
    with columns[0]:
        period_type = parts.choose("Compare", types, "change-type")
    periods = parts.values(build, "rpt_win_rate_change", "period_start_date", newest=True, period_type=period_type)
    with columns[1]:
        period = parts.choose("Period that begins", periods, "change-period", write=str)
    dimensions = [name for name in parts.values(build, "rpt_win_rate_change", "segment_dimension") if name != "all"]
    with columns[2]:
        dimension = parts.choose("By", dimensions, "change-dimension", write=partial(parts.dimension, build), default="lead_source")
    frame = build.rows(
        """
        select * from rpt_win_rate_change
        where period_type = ? and period_start_date = ?::date and segment_dimension = ?
        order by abs(rate_effect) + abs(mix_effect) desc nulls last, segment_value
        """,
        period_type,
        period,
        dimension,
    )
    if frame.empty:
        st.info("No rows for this choice.", icon=":material/info:")
        return
    change_figures(build, frame, period_type, period)
    st.caption(
        f"Effects of each {parts.dimension(build, dimension).lower()} in percentage points of the whole win rate, with intervals. All "
        f"{words.count(len(frame))} together add up to the total change: the rate effect is what its own win rate did, the mix effect what its share of the closed deals did."
    )
    shown = parts.most_telling(frame, frame.rate_effect.abs() + frame.mix_effect.abs(), MAX_SEGMENTS)
    for where, effect in zip(st.columns(2), ("rate", "mix"), strict=True):
        with where:
            st.markdown(f"**{words.label(effect)} effect**")
            parts.chart(effect_chart(shown, effect), shown, f"{effect} effect by {dimension} with intervals")
    parts.signals(
        frame,
        "**No segment stands out:** with this many segments compared, chance can explain each effect that could be judged.",
        limit=10,
    )
    with st.expander("Each segment in words"):
        parts.findings(frame.finding.tolist(), limit=MAX_SEGMENTS)


def change_figures(build: Build, frame: pd.DataFrame, period_type: str, period: str) -> None:
    whole = build.rows(
        "select * from rpt_win_rate_change where period_type = ? and period_start_date = ?::date and segment_dimension = 'all'",
        period_type,
        period,
    )
    row = frame.iloc[0]
    total, rate, mix = st.columns(3)
    detail = ""
    for one in whole.itertuples():
        detail = (
            f" {words.percent(one.previous_win_rate)} of {words.count(one.previous_closed_deal_count)} closed deals, then "
            f"{words.percent(one.win_rate)} of {words.count(one.closed_deal_count)}."
        )
    parts.figure(
        total,
        "Change of the win rate",
        words.points(row.total_change),
        f"{words.between(row.total_change_lower, row.total_change_upper, words.points)}: {words.verdict(row.total_verdict)}.{detail}",
        "total-change",
    )
    parts.figure(
        rate,
        "By the segments' own rates",
        words.points(row.dimension_rate_effect),
        words.between(row.dimension_rate_effect_lower, row.dimension_rate_effect_upper, words.points),
        "rate-effect",
    )
    parts.figure(
        mix,
        "By their mix",
        words.points(row.dimension_mix_effect),
        words.between(row.dimension_mix_effect_lower, row.dimension_mix_effect_upper, words.points),
        "mix-effect",
    )


def effect_chart(frame: pd.DataFrame, effect: str) -> alt.LayerChart:
    return charts.intervals(
        frame.assign(verdict=frame[f"{effect}_verdict"].map(words.verdict)),
        "segment_value",
        f"{effect}_effect",
        (f"{effect}_effect_lower", f"{effect}_effect_upper"),
        "Share of the change (percentage points)",
        {
            "segment_value": "",
            f"{effect}_effect": "+.1%",
            f"{effect}_effect_lower": "+.1%",
            f"{effect}_effect_upper": "+.1%",
            "verdict": "",
            "previous_win_rate": ".1%",
            "win_rate": ".1%",
            "previous_closed_deal_count": ",",
            "closed_deal_count": ",",
            "previous_deal_share": ".1%",
            "deal_share": ".1%",
        },
        form="points",
        rule=0,
    )


def bridge(build: Build) -> None:
    columns = st.columns(4)
    types = parts.values(build, "rpt_pipeline_bridge", "period_type", first="quarter")
    with columns[0]:
        period_type = parts.choose("Over a", types, "bridge-type")
    periods = parts.values(build, "rpt_pipeline_bridge", "period_start_date", newest=True, period_type=period_type)
    with columns[1]:
        period = parts.choose("That begins", periods, "bridge-period", write=str)
    dimensions = parts.values(build, "rpt_pipeline_bridge", "segment_dimension")
    with columns[2]:
        dimension = parts.choose("Of", dimensions, "bridge-dimension", write=partial(parts.dimension, build))
    where = {"period_type": period_type, "period_start_date": period, "segment_dimension": dimension}
    segments = parts.values(build, "rpt_pipeline_bridge", "segment_value", **where)
    segment = segments[0] if segments else None
    if dimension != "all":
        with columns[3]:
            segment = parts.choose(words.escape(parts.dimension(build, dimension)), segments, "bridge-segment", write=str)
    found = build.rows(
        """
        select * from rpt_pipeline_bridge
        where period_type = ? and period_start_date = ?::date and segment_dimension = ? and segment_value = ?
        """,
        period_type,
        period,
        dimension,
        segment,
    )
    if found.empty:
        st.info("No rows for this choice.", icon=":material/info:")
        return
    row = found.iloc[0]
    steps = waterfall(row)
    parts.chart(waterfall_chart(steps, build.money), steps, "Waterfall of the open pipeline from opening to closing amount")
    st.caption(
        f"From {row.period_start_date:%Y-%m-%d} to {row.period_end_date:%Y-%m-%d}"
        f"{' (the period is not complete)' if row.is_partial_period else ''}: {words.money(row.opening_amount)} in "
        f"{words.count(row.opening_deal_count)} deals became {words.money(row.closing_amount)} in {words.count(row.closing_deal_count)}. "
        f"Unexplained: {row.residual_amount:,.2f}."
    )


def waterfall(row: pd.Series) -> pd.DataFrame:
    """Where each bar of the bridge begins and ends; steps that didn't happen are left out."""
    steps, level = [], 0.0
    for name, sign in BRIDGE_STEPS.items():
        amount = float(row[f"{name}_amount"])
        if sign and not amount:
            continue
        start, end = (0.0, amount) if sign == 0 else (level, level + sign * amount)
        kind = "stands" if sign == 0 else "comes in" if sign > 0 else "leaves"
        steps.append(
            {
                "step": words.label(name),
                "start": start,
                "end": end,
                "amount": (sign or 1) * amount,
                "deals": row[f"{name}_deal_count"],
                "kind": kind,
            }
        )
        level = end
    return pd.DataFrame(steps)


def waterfall_chart(steps: pd.DataFrame, money: str) -> alt.LayerChart:
    kinds = {"stands": charts.GREY, "comes in": charts.BLUE, "leaves": charts.ORANGE}
    base = alt.Chart(steps).encode(
        y=charts.names("step", steps),
        tooltip=charts.tooltips({"step": "", "amount": "+,.0f", "deals": ",", "end": ",.0f"}),
    )
    bars = base.mark_bar(height=18).encode(
        x=alt.X("start:Q", title=f"Open amount ({money})", axis=charts.axis("~s")),
        x2="end:Q",
        color=charts.colours("kind", kinds),
    )
    text = base.mark_text(align="left", dx=5).encode(x="right:Q", text=alt.Text("amount:Q", format="+.3s"))
    return charts.rows(alt.layer(bars, text.transform_calculate(right="max(datum.start, datum.end)")), 30)

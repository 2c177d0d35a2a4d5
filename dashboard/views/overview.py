"""The CRO's answer first: is the fall of the win rate real, what is open, what will come of it, and how it went by month."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts, parts, words
from dashboard.published import Build
from dashboard.views import pipeline

TREND_KINDS = {
    "Closed in the period": ("closed_date", False),
    "Closed in the period, allowing for the mix of deals": ("closed_date", True),
    "Created in the period": ("created_cohort", False),
}
STATUS_MARKS = {
    "within limits": (charts.BLUE, "circle"),
    "alarm": (charts.VERMILLION, "diamond"),
    "not judged": (charts.SKY, "circle"),
    "period not complete": (charts.GREY, "square"),
}


def show(build: Build) -> None:
    headline(build)
    headline_figures(build)
    st.subheader("Win rate and its limits")
    trend(build)
    st.subheader("What the open pipeline is worth")
    if parts.can_say(build, "rpt_pipeline_value"):
        pipeline.value(build)
    st.subheader("Pipeline health by month")
    pipeline.health(build)


def trend_rows(build: Build, basis: str, period_type: str, is_risk_adjusted: bool) -> pd.DataFrame:
    return build.rows(
        """
        select
            period_start_date, won_deal_count, closed_deal_count, win_rate, win_rate_lower, win_rate_upper, expected_win_rate, lower_limit,
            upper_limit, alarm_kind, alarm_direction, verdict, missing_reason, finding, trend_finding, is_partial_period, is_mature,
            case
                when verdict = 'signal' then 'alarm'
                when verdict = 'no_signal' then 'within limits'
                when is_partial_period then 'period not complete'
                else 'not judged'
            end as status
        from rpt_win_rate_trend
        where basis = ? and period_type = ? and is_risk_adjusted = ?
        order by period_start_date
        """,
        basis,
        period_type,
        is_risk_adjusted,
    )


def newest_months(months: pd.DataFrame) -> pd.DataFrame:
    """The complete months that the headline speaks of."""
    return months[~months.is_partial_period].tail(12)


def answer(months: pd.DataFrame) -> str:
    """One sentence from the verdicts of the months."""
    complete = newest_months(months)
    if complete.empty:
        return "There is no complete month yet to judge."
    newest = complete.iloc[-1]
    month = f"{newest.period_start_date:%B %Y}"
    if newest.verdict == "signal":
        return f"It is real: in {month} the win rate lies {newest.alarm_direction} what chance explains."
    if newest.verdict != "no_signal":
        return f"It can't be told yet: {month} has {newest.missing_reason}."
    alarms = complete.query("verdict == 'signal'")
    if alarms.empty:
        within = f"Chance can explain it: the win rate of {month} is within its limits"
        before = complete.iloc[:-1]
        judged = int((before.verdict == "no_signal").sum())
        if not judged:
            return f"{within}; no month before it could be judged."
        part = "" if judged == len(before) else f" ({judged} could be judged)"
        return f"{within}, and none of the {len(before)} month{'s' * (len(before) > 1)} before it is an alarm{part}."
    named = ", ".join(f"{day:%B %Y} ({direction})" for day, direction in zip(alarms.period_start_date, alarms.alarm_direction, strict=True))
    return f"{month} is within its limits, but the {len(complete)} months up to it hold more than chance: {named}."


def headline(build: Build) -> None:
    months = trend_rows(build, "closed_date", "month", False)
    change = build.rows("select finding from rpt_win_rate_change where is_headline and segment_dimension = 'all'")
    with st.container(border=True, key="headline"):
        st.markdown(f"#### Is it real?\n\n**{words.escape(answer(months))}**")
        complete = newest_months(months)
        alarms = complete[complete.verdict == "signal"]
        parts.findings(
            list(dict.fromkeys([*complete.finding.tail(1), *alarms.finding.tail(1), *months.trend_finding.tail(1), *change.finding]))
        )


def headline_figures(build: Build) -> None:
    win_rate, pipeline, rapv, gap = st.columns(4)
    rates = build.rows("select * from rpt_segment_win_rates where segment_dimension = 'all'").set_index("period")
    if "last_4_quarters" in rates.index:
        now = rates.loc["last_4_quarters"]
        below = f"{words.between(now.win_rate_lower, now.win_rate_upper)}; {words.count(now.closed_deal_count)} closed deals. "
        before = rates.reindex(["prior_4_quarters"]).iloc[0]
        if before.closed_deal_count > 0:
            below += f"The four before: {words.percent(before.win_rate)} of {words.count(before.closed_deal_count)}."
        parts.figure(win_rate, "Win rate, last four quarters", words.percent(now.win_rate), below, "win-rate")
    value = build.rows("select * from rpt_pipeline_value where segment_dimension = 'all'")
    if value.empty:
        parts.figure(pipeline, "Open pipeline", words.MISSING, "No deal is open in these data.", "pipeline")
        parts.figure(rapv, "Risk-adjusted value (RAPV)", words.MISSING, "No deal is open in these data.", "rapv")
    else:
        [row] = value.itertuples()
        weighted = "the CRM gives no stage weights"
        if row.stage_weighted_deal_count:
            weighted = f"the CRM's stage weights make it {words.money(row.stage_weighted_amount)}"
        bare = f", {words.count(row.no_amount_deal_count)} of them without an amount" if row.no_amount_deal_count else ""
        parts.figure(
            pipeline,
            "Open pipeline",
            words.money(row.raw_amount),
            f"{words.count(row.open_deal_count)} open deals{bare}; {weighted}.",
            "pipeline",
        )
        parts.figure(
            rapv,
            "Risk-adjusted value (RAPV)",
            words.money(row.rapv_amount),
            f"P10 to P90: {words.between(row.yield_p10_amount, row.yield_p90_amount, words.money)}. "
            f"Expected loss: {words.percent(row.optimism_gap)} of the open amount.",
            "rapv",
        )
    cycle = build.rows("select * from rpt_cycle_outcome_gap where segment_dimension = 'all'")
    for row in cycle.itertuples():
        parts.figure(
            gap,
            "Cycle: won against lost deals",
            words.days(row.cycle_shift_days),
            f"Between {words.count(row.won_deal_count)} won and {words.count(row.lost_deal_count)} lost deals "
            f"({words.between(row.cycle_shift_lower_days, row.cycle_shift_upper_days, words.days)}): {words.verdict(row.verdict)}.",
            "gap",
            help="Below zero: won deals close faster than lost ones.",
        )


def trend(build: Build) -> None:
    left, right = st.columns([1, 2])
    with left:
        period_type = parts.choose("By", parts.values(build, "rpt_win_rate_trend", "period_type", first="month"), "trend-period")
    with right:
        kind = parts.choose("Deals", list(TREND_KINDS), "trend-kind", write=str)
    frame = trend_rows(build, TREND_KINDS[kind][0], period_type, TREND_KINDS[kind][1])
    parts.chart(trend_chart(frame), frame, f"Win rate by {period_type} with intervals and control limits")
    st.caption(
        "Points: win rate with its interval. Grey band: where chance alone leaves it, around the dashed rate of the periods before. "
        "Diamonds: alarms, by the limits or by several periods that went the same way. Young cohorts have no win rate yet."
    )
    with st.expander("Every period in words"):
        parts.findings(frame.finding.tolist()[::-1], limit=36)


def trend_chart(frame: pd.DataFrame) -> alt.LayerChart:
    x = charts.months("Period that begins")
    tips = charts.tooltips(
        {
            "period_start_date": "%b %Y",
            "status": "",
            "win_rate": ".1%",
            "win_rate_lower": ".1%",
            "win_rate_upper": ".1%",
            "won_deal_count": ",",
            "closed_deal_count": ",",
            "expected_win_rate": ".1%",
            "lower_limit": ".1%",
            "upper_limit": ".1%",
        }
    )
    base = alt.Chart(frame).encode(x=x, tooltip=tips)
    y = alt.Y("lower_limit:Q", title="Win rate (won / closed deals)", axis=charts.axis(".0%"), scale=alt.Scale(zero=False))
    status, shape = charts.marks(frame, "status", STATUS_MARKS)
    limits = base.mark_area(color=charts.GREY, opacity=0.15, line={"color": charts.GREY, "strokeWidth": 1}).encode(y=y, y2="upper_limit:Q")
    top = base.mark_line(color=charts.GREY, strokeWidth=1).encode(y="upper_limit:Q")
    expected = base.mark_line(color=charts.GREY, strokeDash=[4, 4]).encode(y="expected_win_rate:Q")
    interval = base.mark_rule(opacity=0.5).encode(y="win_rate_lower:Q", y2="win_rate_upper:Q", color=status)
    rate = base.mark_line(color=charts.BLUE, strokeWidth=1, opacity=0.5).encode(y="win_rate:Q")
    point = base.mark_point(filled=True, size=70, opacity=1).encode(y="win_rate:Q", color=status, shape=shape)
    judged = [limits, top, expected] if frame.expected_win_rate.notna().any() else []
    return alt.layer(*judged, interval, rate, point).properties(height=330)

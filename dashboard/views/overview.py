"""The CRO's answer first: is the fall of the win rate real, what is open, what will come of it, and how it went by month."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts, parts, words
from dashboard.published import Build

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
METHODS = {
    "raw": "Raw amount",
    "stage_weighted": "CRM stage-weighted",
    "flat": "Base win rate",
    "segment": "Segment win rate",
    "published_aging": "Published ageing factor",
    "model": "Score model",
    "rapv": "Risk-adjusted (RAPV)",
}


def show(build: Build) -> None:
    headline(build)
    headline_figures(build)
    st.subheader("Win rate and its limits")
    trend(build)
    st.subheader("What the open pipeline is worth")
    if parts.can_say(build, "rpt_pipeline_value"):
        pipeline_value(build)
    st.subheader("Pipeline health by month")
    health(build)


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


def answer(months: pd.DataFrame) -> str:
    """One sentence from the verdicts of the months."""
    complete = months[~months.is_partial_period]
    if complete.empty:
        return "There is no complete month yet to judge."
    newest = complete.iloc[-1]
    month = f"{newest.period_start_date:%B %Y}"
    if newest.verdict == "signal":
        return f"It is real: in {month} the win rate lies {newest.alarm_direction} what chance explains."
    if newest.verdict != "no_signal":
        return f"It can't be told yet: {month} has {newest.missing_reason}."
    alarms = complete.tail(12).query("verdict == 'signal'")
    if alarms.empty:
        return f"Chance can explain it: the win rate of {month} is within its limits, and none of the months judged before it is an alarm."
    named = ", ".join(f"{day:%B %Y} ({direction})" for day, direction in zip(alarms.period_start_date, alarms.alarm_direction, strict=True))
    return f"{month} is within its limits, but the twelve months up to it hold more than chance: {named}."


def headline(build: Build) -> None:
    months = trend_rows(build, "closed_date", "month", False)
    change = build.rows(
        "select finding from rpt_win_rate_change where is_newest_period and period_type = 'quarter' and segment_dimension = 'all'"
    )
    with st.container(border=True, key="headline"):
        st.markdown(f"#### Is it real?\n\n**{words.escape(answer(months))}**")
        complete = months[~months.is_partial_period]
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
        parts.figure(
            pipeline,
            "Open pipeline",
            words.money(row.raw_amount),
            f"{words.count(row.open_deal_count)} open deals; {weighted}.",
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
            words.days(row.cycle_outcome_gap_days),
            f"Medians of {words.count(row.won_deal_count)} won and {words.count(row.lost_deal_count)} lost deals. Shift "
            f"{words.days(row.cycle_shift_days)} ({words.between(row.cycle_shift_lower_days, row.cycle_shift_upper_days, words.days)}): "
            f"{words.verdict(row.verdict)}.",
            "gap",
            help="Below zero: won deals close faster than lost ones.",
        )


def trend(build: Build) -> None:
    left, right = st.columns([1, 2])
    with left:
        period_type = parts.choose("By", ["month", "quarter"], "trend-period")
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


def pipeline_value(build: Build) -> None:
    dimensions = build.rows(
        "select segment_dimension from rpt_pipeline_value group by 1 order by segment_dimension = 'all' desc, 1"
    ).segment_dimension.tolist()
    dimension = parts.choose("Open deals by", dimensions, "value-dimension", write=words.dimension)
    values = build.rows("select * from rpt_pipeline_value where segment_dimension = ? order by rapv_amount desc limit 40", dimension)
    segment = "all"
    if dimension != "all":
        drawn = charts.intervals(
            values,
            "segment_value",
            "rapv_amount",
            ("yield_p10_amount", "yield_p90_amount"),
            f"Risk-adjusted value, P10 to P90 ({build.money})",
            {
                "segment_value": "",
                "open_deal_count": ",",
                "raw_amount": ",.0f",
                "rapv_amount": ",.0f",
                "yield_p10_amount": ",.0f",
                "yield_p90_amount": ",.0f",
                "revenue_at_risk_amount": ",.0f",
                "optimism_gap": ".1%",
            },
            form="~s",
            verdict=None,
            zero=True,
        )
        parts.chart(drawn, values, f"Risk-adjusted pipeline value by {dimension} with P10 to P90")
        segment = parts.choose(words.dimension(dimension), values.segment_value.tolist(), "value-segment", write=str)
    chosen = values[values.segment_value == segment].iloc[0]
    methods = pd.DataFrame(
        {
            "method": list(METHODS.values()),
            "amount": [float(chosen[f"{name}_amount"]) for name in METHODS],
            "p10": [chosen.yield_p10_amount if name == "rapv" else None for name in METHODS],
            "p90": [chosen.yield_p90_amount if name == "rapv" else None for name in METHODS],
            "open_deals": [chosen.stage_weighted_deal_count if name == "stage_weighted" else chosen.open_deal_count for name in METHODS],
        }
    ).dropna(subset=["amount"])
    parts.chart(methods_chart(methods, build.money), methods, "The open pipeline by each method, RAPV with its P10 to P90 band")
    st.caption(
        f"{words.count(chosen.open_deal_count)} open deals. RAPV {words.money(chosen.rapv_amount)}, P10 to P90 "
        f"{words.between(chosen.yield_p10_amount, chosen.yield_p90_amount, words.money)}; the five largest deals make "
        f"{words.percent(chosen.largest_five_variance_rate, 0)} of its variance. Revenue at risk: "
        f"{words.money(chosen.revenue_at_risk_amount)}."
    )


def methods_chart(methods: pd.DataFrame, money: str) -> alt.LayerChart:
    y = charts.names("method", methods)
    tips = charts.tooltips({"method": "", "amount": ",.0f", "p10": ",.0f", "p90": ",.0f", "open_deals": ","})
    base = alt.Chart(methods).encode(y=y, tooltip=tips)
    is_rapv = alt.condition(alt.datum.method == METHODS["rapv"], alt.value(charts.BLUE), alt.value(charts.PALE))
    bar = base.mark_bar(height=16).encode(x=alt.X("amount:Q", title=f"Amount ({money})", axis=charts.axis("~s")), color=is_rapv)
    band = base.mark_rule(color="black", strokeWidth=2).encode(x="p10:Q", x2="p90:Q")
    ends = [base.mark_tick(color="black", height=12, thickness=2).encode(x=f"{end}:Q") for end in ("p10", "p90")]
    return charts.rows(alt.layer(bar, band, *ends))


def health(build: Build) -> None:
    if not parts.can_say(build, "rpt_pipeline_health"):
        return
    options = build.rows(
        """
        select metric, basis, min(metric_order) as metric_order, any_value(unit) as unit, any_value(meaning) as meaning
        from rpt_pipeline_health
        group by metric, basis
        having count(metric_value) > 1
        order by metric_order
        """
    )
    keys = [f"{row.metric}|{row.basis}" for row in options.itertuples()]
    chosen = parts.choose(
        "Figure",
        keys,
        "health-metric",
        write=lambda key: f"{words.label(key.split('|')[0])} ({words.label(key.split('|')[1]).lower()})",
        default="optimism_gap|month_end",
    )
    metric, basis = chosen.split("|")
    frame = build.rows("select * from rpt_pipeline_health where metric = ? and basis = ? order by period_start_date", metric, basis)
    unit = frame.unit.iloc[0]
    form = words.axis_format(unit)
    tips = {
        "period_start_date": "%b %Y",
        "metric_value": ".1%" if unit == "rate" else ",.2f",
        "value_lower": ".1%" if unit == "rate" else ",.2f",
        "value_upper": ".1%" if unit == "rate" else ",.2f",
        "deal_count": ",",
        "period_status": "",
    }
    drawn = charts.band_over_time(
        frame, "metric_value", ("value_lower", "value_upper"), f"{words.label(metric)} ({unit.replace('money', build.money)})", tips, form
    )
    parts.chart(drawn, frame, f"{words.label(metric)} by month with its interval")
    st.caption(words.escape(frame.meaning.iloc[0]))
    with st.expander("All figures of the newest month that has them"):
        newest = build.rows(
            """
            select * from rpt_pipeline_health
            qualify row_number() over (
                partition by metric, basis order by metric_value is null or period_status <> 'complete', period_start_date desc
            ) = 1
            order by metric_order
            """
        )
        newest["figure"] = [words.in_unit(row.metric_value, row.unit) for row in newest.itertuples()]
        newest["interval"] = [
            words.between(row.value_lower, row.value_upper, lambda v, unit=row.unit: words.in_unit(v, unit)) for row in newest.itertuples()
        ]
        newest["name"] = newest.metric.map(words.label)
        parts.table(
            newest,
            {
                "name": "Figure",
                "basis": "Basis",
                "period_start_date": st.column_config.DateColumn("Month", format="MMM YYYY"),
                "figure": "Value",
                "interval": "Interval",
                "unit": "Unit",
                "deal_count": "Deals",
                "period_status": "Period",
                "meaning": st.column_config.TextColumn("Meaning", width="large"),
            },
        )

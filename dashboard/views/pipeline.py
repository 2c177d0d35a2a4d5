"""The overview's part on the pipeline: what it is worth by each method, and its health by month."""

from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts, parts, words
from dashboard.published import Build

METHODS = {
    "raw": "Raw amount",
    "stage_weighted": "CRM stage-weighted",
    "flat": "Base win rate",
    "segment": "Segment win rate",
    "published_aging": "Published ageing factor",
    "model": "Score model",
    "rapv": "Risk-adjusted (RAPV)",
}


def value(build: Build) -> None:
    dimensions = parts.values(build, "rpt_pipeline_value", "segment_dimension")
    dimension = parts.choose("Open deals by", dimensions, "value-dimension", write=partial(parts.dimension, build))
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
        segment = parts.choose(words.escape(parts.dimension(build, dimension)), values.segment_value.tolist(), "value-segment", write=str)
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

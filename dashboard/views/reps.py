"""Reps: who wins more or less than their deals lead one to expect, and whose open deals carry risk. A funnel, no league table."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts, parts, words
from dashboard.published import Build

MAX_REPS = 40


def show(build: Build) -> None:
    if not parts.can_say(build, "rpt_rep_performance"):
        return
    teams = parts.values(build, "rpt_rep_performance", "team")
    picked = st.multiselect("Teams", teams, key="rep-teams", placeholder="All teams", disabled=not teams)
    frame = build.rows(
        """
        select *, coalesce(rep_name, sales_rep_id) as name from rpt_rep_performance
        where ? or list_contains(?, team) order by team, name
        """,
        not picked,
        picked,
    )
    frame["words"] = frame.verdict.map(words.verdict)
    st.subheader("Wins against what such deals lead one to expect")
    judged = frame.dropna(subset=["funnel_outer_lower"])
    parts.chart(funnel_chart(judged), judged, "Funnel plot of reps' risk-adjusted win rates")
    st.caption(
        "Each point is a rep: win rate adjusted for the deals they had, with its interval. Inside the bands a rep is like the others; between "
        "the bands one looks again; a diamond is more than chance, all reps compared. Order and rank of the points inside mean nothing."
    )
    parts.signals(frame, "**No rep stands out:** chance can explain the differences between those who could be judged.", limit=12)
    st.subheader("Risk in their open deals")
    if frame.open_deal_count.sum() > 0:
        risk_load(build, frame)
    else:
        parts.can_say(build, "fct_deal_scores")
    st.subheader("Each rep in words")
    rep_table(frame)


def funnel_chart(frame: pd.DataFrame) -> alt.LayerChart:
    frame = frame.sort_values("expected_won_deal_count")
    x = alt.X("expected_won_deal_count:Q", title="Wins expected of the rep's closed deals", axis=charts.axis(), scale=alt.Scale(zero=False))
    base = alt.Chart(frame).encode(x=x)
    y = alt.Y("funnel_outer_lower:Q", title="Risk-adjusted win rate", axis=charts.axis(".0%"), scale=alt.Scale(zero=False))
    outer = base.mark_area(color=charts.GREY, opacity=0.15).encode(y=y, y2="funnel_outer_upper:Q")
    inner = base.mark_area(color=charts.GREY, opacity=0.25).encode(y="funnel_inner_lower:Q", y2="funnel_inner_upper:Q")
    middle = base.mark_line(color=charts.GREY, strokeDash=[4, 4]).encode(y="overall_win_rate:Q")
    tips = charts.tooltips(
        {
            "name": "",
            "team": "",
            "words": "",
            "risk_adjusted_win_rate": ".1%",
            "risk_adjusted_lower": ".1%",
            "risk_adjusted_upper": ".1%",
            "win_rate": ".1%",
            "won_deal_count": ",",
            "expected_won_deal_count": ",.1f",
            "closed_deal_count": ",",
            "adjusted_p_value": ".4f",
        }
    )
    colour, shape = charts.marks(frame, "words", charts.VERDICT_MARKS)
    interval = base.mark_rule(opacity=0.35).encode(y="risk_adjusted_lower:Q", y2="risk_adjusted_upper:Q", color=colour)
    points = base.mark_point(filled=True, size=90, opacity=1).encode(y="risk_adjusted_win_rate:Q", color=colour, shape=shape, tooltip=tips)
    names = (
        base.transform_filter(alt.datum.verdict == "signal")
        .mark_text(align="left", dx=9, dy=-7, fontWeight="bold")
        .encode(y="risk_adjusted_win_rate:Q", text="name:N")
    )
    named = [names] if (frame.verdict == "signal").any() else []
    return alt.layer(outer, inner, middle, interval, points, *named).properties(height=380)


def risk_load(build: Build, frame: pd.DataFrame) -> None:
    rows = frame[frame.open_deal_count > 0].sort_values("at_risk_amount", ascending=False)
    shown = rows.head(MAX_REPS)
    if len(rows) > MAX_REPS:
        st.caption(f"Shown: {MAX_REPS} of {len(rows):,} reps with open deals, those with the most money at risk.")
    parts_of = {"at_risk_amount": "in deals at risk", "rest_amount": "in other open deals"}
    long = (
        shown.assign(rest_amount=shown.open_amount - shown.at_risk_amount)
        .melt(
            ["name", "team", "open_deal_count", "at_risk_deal_count", "stalled_deal_count", "rapv_amount"], list(parts_of), "part", "amount"
        )
        .assign(position=lambda r: (r.part == "rest_amount").astype(int), part=lambda r: r.part.map(parts_of))
    )
    drawn = charts.rows(
        alt.Chart(long)
        .mark_bar(height=16)
        .encode(
            y=charts.names("name", shown),
            x=alt.X("amount:Q", title=f"Open amount ({build.money})", axis=charts.axis("~s")),
            color=charts.colours("part", dict(zip(parts_of.values(), (charts.VERMILLION, charts.PALE), strict=True))),
            order="position:Q",
            tooltip=charts.tooltips(
                {
                    "name": "",
                    "team": "",
                    "part": "",
                    "amount": ",.0f",
                    "open_deal_count": ",",
                    "at_risk_deal_count": ",",
                    "stalled_deal_count": ",",
                    "rapv_amount": ",.0f",
                }
            ),
        ),
        22,
    )
    parts.chart(drawn, long, "Open amount of each rep, and how much of it is in deals at risk")
    st.caption(
        f"{words.count(rows.at_risk_deal_count.sum())} of {words.count(rows.open_deal_count.sum())} open deals of these reps are in "
        "the categories of high risk. The load says where help is needed first, not who is to blame."
    )


def rep_table(frame: pd.DataFrame) -> None:
    rows = frame.assign(
        win=[f"{words.percent(r.win_rate)} ({words.between(r.win_rate_lower, r.win_rate_upper)})" for r in frame.itertuples()],
        expected=frame.expected_won_deal_count.round(1),
    )
    parts.table(
        rows,
        {
            "name": "Rep",
            "team": "Team",
            "words": "Verdict",
            "win": "Win rate (interval)",
            "won_deal_count": "Won",
            "expected": "Expected",
            "closed_deal_count": "Closed deals",
            "at_risk_deal_count": "At risk",
            "open_deal_count": "Open",
            "finding": st.column_config.TextColumn("In words", width="large"),
            "forecast_finding": st.column_config.TextColumn("Their forecasts", width="large"),
        },
    )

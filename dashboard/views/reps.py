"""Reps: who wins more or less than the reps who look alike, and whose open deals carry risk. No league table."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts, parts, words
from dashboard.published import Build

MAX_REPS = 40
TIPS = {
    "name": "",
    "team": "",
    "rep_group": "",
    "verdict": "",
    "vs_reference_difference": "+.1%",
    "vs_reference_lower": "+.1%",
    "vs_reference_upper": "+.1%",
    "risk_adjusted_win_rate": ".1%",
    "reference_win_rate": ".1%",
    "reference_rep_count": ",",
    "won_deal_count": ",",
    "closed_deal_count": ",",
    "detectable_difference": ".1%",
    "adjusted_p_value": ".4f",
}


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
    st.subheader("Win rates against those of the reps who don't stand out")
    judged = frame.dropna(subset=["vs_reference_difference"])
    shown = parts.most_telling(judged.assign(shown=judged.name + group_names(judged)), judged.z_score, MAX_REPS)
    drawn = charts.intervals(
        shown.assign(verdict=shown.words),
        "shown",
        "vs_reference_difference",
        ("vs_reference_lower", "vs_reference_upper"),
        "Points of win rate, of the same deals",
        TIPS,
        "points",
        rule=0,
    )
    parts.chart(drawn, shown, "Reps' win rates against those of the reps who don't stand out, with intervals")
    st.caption(
        "Each row is a rep: how many points more of the same deals the rep wins than the others of the same region who don't stand out (all "
        "reps, where they sell in several regions), with the interval at which all reps are judged. A diamond is more than chance: its "
        "interval leaves out 0. Order means nothing. Two reps of a region are one comparison, and which of them is unusual can't be told."
    )
    parts.signals(frame, "**No rep stands out:** chance can explain the differences between those who could be judged.", limit=12)
    st.subheader("Risk in their open deals")
    if frame.open_deal_count.sum() > 0:
        risk_load(build, frame)
    else:
        parts.can_say(build, "fct_deal_scores")
    st.subheader("Each rep in words")
    rep_table(frame)


def group_names(frame: pd.DataFrame) -> pd.Series:
    """', EMEA' of reps who are compared inside their region."""
    return frame.rep_group.map(lambda group: "" if group == "all" else f", {group}")


def risk_load(build: Build, frame: pd.DataFrame) -> None:
    rows = frame[frame.open_deal_count > 0].sort_values("at_risk_amount", ascending=False)
    shown = rows.head(MAX_REPS)
    if len(rows) > MAX_REPS:
        st.caption(f"Shown: {MAX_REPS} of {len(rows):,} reps with open deals, those with the most money at risk.")
    parts_of = {"at_risk_amount": "in deals at risk", "rest_amount": "in other open deals"}
    long = (
        shown.assign(rest_amount=shown.open_amount - shown.at_risk_amount)
        .melt(
            ["name", "team", "open_deal_count", "at_risk_deal_count", "stalled_in_stage_deal_count", "inactive_deal_count", "rapv_amount"],
            list(parts_of),
            "part",
            "amount",
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
                    "stalled_in_stage_deal_count": ",",
                    "inactive_deal_count": ",",
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
        difference=[
            ""
            if pd.isna(r.vs_reference_difference)
            else f"{100 * r.vs_reference_difference:+.1f} ({100 * r.vs_reference_lower:.1f} to {100 * r.vs_reference_upper:.1f})"
            for r in frame.itertuples()
        ],
    )
    parts.table(
        rows,
        {
            "name": "Rep",
            "team": "Team",
            "words": "Verdict",
            "win": "Win rate (interval)",
            "won_deal_count": "Won",
            "difference": "Points of the same deals",
            "closed_deal_count": "Closed deals",
            "at_risk_deal_count": "At risk",
            "open_deal_count": "Open",
            "finding": st.column_config.TextColumn("In words", width="large"),
            "forecast_finding": st.column_config.TextColumn("Their forecasts", width="large"),
        },
    )

"""One open deal: its score, why it has it, what to do, won deals like it, and how the score moved."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts, parts, words
from dashboard.deal_filter import COLUMNS, SOURCE
from dashboard.published import Build

UNMEASURED = "What it brings, nobody has measured yet."


def show(build: Build, deal: str) -> None:
    found = build.rows(f"select {COLUMNS}, scores.* exclude (deal_id) {SOURCE} where deals.deal_id = ?", deal)
    if found.empty:
        st.info(f"Deal {words.escape(deal)} isn't open in this build.", icon=":material/info:")
        return
    row = found.iloc[0]
    name = "" if pd.isna(row.deal_name) else f": {row.deal_name}"
    st.subheader(words.escape(f"{deal}{name}"), anchor=False)
    boxes = st.columns(4)
    known = pd.notna(row.risk_score)
    parts.figure(
        boxes[0],
        "Risk score",
        f"{row.risk_score:.0f} of 100" if known else words.MISSING,
        f"{words.escape(row.risk_category)}; P(win) {words.percent(row.win_probability)}, base rate {words.percent(row.base_win_rate)}."
        if known
        else "not scored",
        "deal-risk",
    )
    parts.figure(
        boxes[1],
        "Amount",
        words.money(row.deal_amount),
        f"RAPV {words.money(row.rapv_amount)}; at risk {words.money(row.revenue_at_risk_amount)}.",
        "deal-amount",
    )
    parts.figure(
        boxes[2],
        f"Until {row.period_end_date:%Y-%m-%d}" if known else "Until the period's end",
        f"{words.percent(row.win_by_period_end_probability, 0)} won" if known else words.MISSING,
        f"{words.percent(row.lose_by_period_end_probability, 0)} lost, {words.percent(row.slip_probability, 0)} still open."
        if known
        else "not scored",
        "deal-period",
    )
    stage = "stage not known" if pd.isna(row.stage) else f"{words.count(row.days_in_stage)} days in {words.escape(row.stage)}"
    parts.figure(
        boxes[3],
        "Health",
        f"{row.health_score:.0f} of 100" if pd.notna(row.health_score) else words.MISSING,
        f"{stage}; {words.count(row.age_days)} days old; {words.escape(row.rep)}.",
        "deal-health",
    )
    parts.findings([row.score_reason, row.fallback_reason])
    left, right = st.columns(2)
    with left:
        st.markdown("**Why**")
        reasons(build, deal)
    with right:
        st.markdown("**What to do**")
        actions(build, deal)
    st.markdown("**Won deals most like it**")
    similar(build, deal)
    st.markdown("**How its score moved**")
    history(build, deal)


def reasons(build: Build, deal: str) -> None:
    if not parts.can_say(build, "fct_deal_score_reasons"):
        return
    frame = build.rows(
        """
        select *, factor_label || ': ' || factor_value as name from fct_deal_score_reasons
        where deal_id = ? and is_shown order by contribution_pp
        """,
        deal,
    )
    if frame.empty:
        st.info("The score gives no reasons for this deal.", icon=":material/info:")
        return
    base = alt.Chart(frame).encode(
        y=charts.names("name", frame, 190),
        tooltip=charts.tooltips({"name": "", "contribution_pp": "+.1f", "training_deal_count": ",", "can_rep_change": "", "factor": ""}),
    )
    bars = base.mark_bar(height=16).encode(
        x=alt.X("contribution_pp:Q", title=charts.title("Points of win probability against the average deal"), axis=charts.axis("+.0f")),
        color=alt.condition(alt.datum.contribution_pp < 0, alt.value(charts.VERMILLION), alt.value(charts.BLUE)),
    )
    zero = alt.Chart(pd.DataFrame({"at": [0]})).mark_rule(color=charts.GREY).encode(x="at:Q")
    parts.chart(charts.rows(alt.layer(bars, zero)), frame, "Reasons of the score in points")
    parts.findings(frame.reason.tolist())


def actions(build: Build, deal: str) -> None:
    if not build.has("fct_recommended_actions"):
        st.info("This build doesn't publish recommended actions.", icon=":material/info:")
        return
    frame = build.rows(
        """
        select * from fct_recommended_actions where deal_id = ?
        order by action_rank
        """,
        deal,
    )
    if frame.empty:
        st.info("No action is recommended for this deal.", icon=":material/info:")
        return
    if bool(frame.is_holdout.iloc[0]):
        st.warning(
            "This deal is in the hold-out, drawn by chance: leave it as it is, so that the effect of the actions can be measured.",
            icon=":material/science:",
        )
        return
    for row in frame.itertuples():
        st.markdown(f"**{words.escape(words.label(row.priority))}:** {words.escape(row.action_text)}")
        st.caption(f"{words.escape(row.rationale)} {effect(row)} Evidence: {words.escape(row.evidence)}.")


def effect(action: tuple) -> str:
    """What the action brought where it was measured, and what that would be worth in this deal."""
    if action.effect_status != "measured":
        return UNMEASURED
    worth = ""
    if pd.notna(action.expected_value_amount):
        interval = words.between(action.expected_value_lower_amount, action.expected_value_upper_amount, words.money)
        worth = f" For this deal that is worth {words.money(action.expected_value_amount)} ({interval})."
    return (
        f"Deals in which this action came first and any action was taken closed won "
        f"{100 * action.effect_per_acted_deal:.1f} points more often (measured against the hold-out).{worth}"
    )


def similar(build: Build, deal: str) -> None:
    if not parts.can_say(build, "fct_similar_won_deals"):
        return
    frame = build.rows("select * from fct_similar_won_deals where deal_id = ? order by similarity_rank", deal)
    if frame.empty:
        st.info("No won deal is like it.", icon=":material/info:")
        return
    parts.table(
        frame,
        {
            "similar_deal_id": "Won deal",
            "similarity": st.column_config.NumberColumn("Likeness (0 to 1)", format="%.2f"),
            "similar_deal_amount": st.column_config.NumberColumn("Amount", format="localized"),
            "similar_sales_rep_id": "Rep",
            "similar_won_date": st.column_config.DateColumn("Won on"),
            "similar_cycle_days": "Cycle (days)",
            "similar_days_in_stage": "Its days in this stage",
            "matching_values": st.column_config.TextColumn("In common", width="large"),
        },
    )


def history(build: Build, deal: str) -> None:
    if not parts.can_say(build, "fct_deal_score_history"):
        return
    frame = build.rows("select * from fct_deal_score_history where deal_id = ? order by build_number", deal)
    if len(frame) < 2:
        st.caption("One build has scored it so far: the history begins with the next.")
        return
    drawn = (
        alt.Chart(frame)
        .mark_line(color=charts.BLUE, point=alt.OverlayMarkDef(color=charts.BLUE, size=60))
        .encode(
            x=charts.months("As of", "as_of_date", "%Y-%m-%d"),
            y=alt.Y("win_probability:Q", title="P(win)", axis=charts.axis(".0%"), scale=alt.Scale(domain=[0, 1])),
            order="build_number:O",
            tooltip=charts.tooltips(
                {
                    "as_of_date": "%Y-%m-%d",
                    "win_probability": ".1%",
                    "risk_score": ",",
                    "change_pp": "+.1f",
                    "change_by_data_pp": "+.1f",
                    "change_by_ageing_pp": "+.1f",
                    "change_by_model_pp": "+.1f",
                    "main_cause": "",
                    "build_id": "",
                }
            ),
        )
        .properties(height=220)
    )
    parts.chart(drawn, frame, "Win probability of the deal from build to build")

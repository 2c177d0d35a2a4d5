"""The open deals: pick some, see what they add up to, and why one of them is at risk."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts, parts, words
from dashboard.deal_filter import COLUMNS, LISTS, ORDERS, SEGMENTS, SOURCE, DealFilter
from dashboard.published import Build

PAGE = 50
CATEGORIES = ["critical", "high", "medium", "low"]
EFFECTS = {"measured": "Its effect was measured.", "unmeasured": "What it brings, nobody has measured yet."}
FLAGS = ["stalled", "stale", "pushed", "overdue"]


def show(build: Build) -> None:
    if not parts.can_say(build, "fct_open_deals"):
        st.markdown(
            "Of closed deals only, one day before the newest close shows this page as it would have looked then: build with "
            "`as_of_date` set to a past day. How well scores would have told them apart stands under *Forecast and model quality*."
        )
        return
    is_scored = say_if_gated(build)
    chosen, order = pick(build, "Highest risk" if is_scored else "Most money at risk")
    where, parameters = chosen.where()
    totals(build, where, parameters)
    deal = deal_table(build, where, parameters, order)
    if deal:
        one_deal(build, deal)
    else:
        st.info("Click the box left of a deal to see why it is at risk, and what to do.", icon=":material/touch_app:")


def say_if_gated(build: Build) -> bool:
    """Whether scores tell deals apart; if not, the scores' own sentence."""
    statuses = build.rows("select score_status, any_value(score_reason) as reason from fct_deal_scores group by 1")
    for row in statuses.itertuples():
        if row.score_status != "model":
            st.info(words.escape(row.reason), icon=":material/info:")
    return not (statuses.score_status == "gated").any()


def pick(build: Build, default_order: str) -> tuple[DealFilter, str]:
    """The filters: the usual ones in the open, the rest folded in."""
    options = {name: _options(build, name) for name in LISTS}
    options["risk_category"] = [name for name in CATEGORIES if name in options["risk_category"]]
    reps = build.rows("select sales_rep_id, coalesce(rep_name || ' (' || sales_rep_id || ')', sales_rep_id) as name from dim_reps")
    names = dict(zip(reps.sales_rep_id, reps.name, strict=True))
    picked: dict[str, list[str]] = {}
    first = st.columns(4)
    for where, name in zip(first, ("risk_category", "team", "sales_rep_id", "stage"), strict=True):
        with where:
            picked[name] = st.multiselect(
                words.dimension(name),
                options[name],
                key=f"deals-{name}",
                placeholder="All",
                format_func=lambda value, name=name: names.get(value, value) if name == "sales_rep_id" else value,
                disabled=not options[name],
            )
    with st.expander("More filters: segments, amount, dates, flags"):
        for where, name in zip(st.columns(len(SEGMENTS)), SEGMENTS, strict=True):
            with where:
                picked[name] = st.multiselect(words.dimension(name), options[name], key=f"deals-{name}", placeholder="All")
        second = st.columns(4)
        with second[0]:
            flags = st.multiselect("Flags (any of)", FLAGS, key="deals-flags", placeholder="None asked for")
        with second[1]:
            search = st.text_input("Deal id or name contains", key="deals-search")
        with second[2]:
            least = st.number_input("Amount from", min_value=0.0, value=None, step=1000.0, key="deals-least")
        with second[3]:
            most = st.number_input("Amount to", min_value=0.0, value=None, step=1000.0, key="deals-most")
        dates = []
        for where, name in zip(st.columns(4), ("Expected close from", "Expected close to", "Created from", "Created to"), strict=True):
            with where:
                dates.append(st.date_input(name, value=None, key=f"deals-{name}", format="YYYY-MM-DD"))
    order = parts.choose("Order", list(ORDERS), "deals-order", write=str, default=default_order)
    return DealFilter(picked, flags, search, least, most, *dates), order


def _options(build: Build, name: str) -> list[str]:
    return build.rows(f"select distinct {LISTS[name]} as value {SOURCE} where {LISTS[name]} is not null order by 1").value.tolist()


def totals(build: Build, where: str, parameters: list) -> None:
    [row] = build.rows(
        f"""
        select
            count(*) as deals, coalesce(sum(deals.deal_amount), 0)::double as amount, sum(deal_values.rapv_amount) as rapv,
            sum(deal_values.revenue_at_risk_amount) as at_risk, count(deal_values.rapv_amount) as valued
        {SOURCE} {where}
        """,
        *parameters,
    ).itertuples()
    boxes = st.columns(4)
    valued = f"of {words.count(row.valued)} deals that have a value."
    parts.figure(boxes[0], "Open deals", words.count(row.deals), "that pass the filters.", "deals-count")
    parts.figure(boxes[1], "Amount", words.money(row.amount), f"of {words.count(row.deals)} deals.", "deals-amount")
    parts.figure(boxes[2], "Risk-adjusted value", words.money(row.rapv), valued, "deals-rapv")
    parts.figure(boxes[3], "Revenue at risk", words.money(row.at_risk), valued, "deals-at-risk")


def deal_table(build: Build, where: str, parameters: list, order: str) -> str | None:
    """One page of the deals; the id of the chosen one."""
    [(count,)] = build.rows(f"select count(*) as n {SOURCE} {where}", *parameters).itertuples(index=False)
    if not count:
        st.info("No open deal passes these filters.", icon=":material/info:")
        return st.query_params.get("deal")
    pages = -(-count // PAGE)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    number = 1
    with right:
        if pages > 1:
            number = int(st.number_input(f"Page, of {pages:,}", min_value=1, max_value=pages, value=1, key=f"deals-page-{pages}"))
    rows = build.rows(
        f"select {COLUMNS} {SOURCE} {where} order by {ORDERS[order]}, deals.deal_id limit {PAGE} offset {PAGE * (number - 1)}", *parameters
    )
    with left:
        st.download_button(
            "Download these deals (CSV)",
            lambda: to_csv(build.rows(f"select {COLUMNS} {SOURCE} {where} order by {ORDERS[order]}, deals.deal_id", *parameters)),
            file_name=f"deals_at_risk_{build.as_of_date}.csv",
            mime="text/csv",
            on_click="ignore",
            key="deals-download",
        )
    # Another choice is another table: a chosen row number must not mean another deal.
    event = st.dataframe(
        rows,
        key=f"deals-{hash((build.key, where, str(parameters), order, number))}",
        on_select="rerun",
        selection_mode="single-row",
        hide_index=True,
        height=min(38 + 35 * len(rows), 460),
        column_order=[name for name in TABLE if name in rows and rows[name].notna().any()],
        column_config=TABLE,
    )
    if event.selection.rows:
        st.query_params["deal"] = rows.deal_id.iloc[event.selection.rows[0]]
    return st.query_params.get("deal")


TABLE = {
    "deal_id": "Deal",
    "deal_name": "Name",
    "risk_score": st.column_config.ProgressColumn("Risk (0 to 100)", min_value=0, max_value=100, format="%d"),
    "risk_category": "Category",
    "win_probability": st.column_config.NumberColumn("P(win)", format="percent"),
    "deal_amount": st.column_config.NumberColumn("Amount", format="localized"),
    "rapv_amount": st.column_config.NumberColumn("RAPV", format="%,.0f"),
    "revenue_at_risk_amount": st.column_config.NumberColumn("At risk", format="%,.0f"),
    "stage": "Stage",
    "days_in_stage": "Days in stage",
    "age_days": "Age (days)",
    "expected_close_date": st.column_config.DateColumn("Expected close"),
    "rep": "Rep",
    "team": "Team",
    "is_stalled": "Stalled",
    "is_stale": "Stale",
    "push_count": "Pushes",
    "is_overdue": "Overdue",
    "days_since_last_activity": "Days since activity",
    "industry": "Industry",
    "region": "Region",
    "product_type": "Product",
    "lead_source": "Lead source",
    "deal_size_band": "Size",
}


def to_csv(rows: pd.DataFrame) -> bytes:
    return rows.map(words.spreadsheet_safe).to_csv(index=False).encode()


def one_deal(build: Build, deal: str) -> None:
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
        x=alt.X("contribution_pp:Q", title="Points of win probability against the average deal", axis=charts.axis("+.0f")),
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
    for row in frame.itertuples():
        st.markdown(f"**{words.escape(words.label(row.priority))}:** {words.escape(row.action_text)}")
        st.caption(f"{words.escape(row.rationale)} {EFFECTS.get(row.effect_status, '')} Evidence: {words.escape(row.evidence)}.")


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

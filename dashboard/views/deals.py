"""The open deals: pick some, see what they add up to, and choose one."""

import pandas as pd
import streamlit as st

from dashboard import parts, words
from dashboard.deal_filter import COLUMNS, FLAGS, LISTS, ORDERS, SEGMENTS, SOURCE, DealFilter
from dashboard.published import Build
from dashboard.views import one_deal

PAGE = 50


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
        one_deal.show(build, deal)
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
        own = pick_own(build)
        second = st.columns(4)
        with second[0]:
            flags = st.multiselect("Flags (any of)", list(FLAGS), key="deals-flags", placeholder="None asked for")
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
    return DealFilter(picked, own, flags, search, least, most, *dates), order


def pick_own(build: Build) -> dict[str, list[str]]:
    """The same for the dimensions that the user declared, four a line; those that no open deal has a value of can't be picked."""
    picked: dict[str, list[str]] = {}
    if not build.has("fct_deal_dimensions"):
        return picked
    found = build.rows(
        """
        select dimension, any_value(label) as label, list(distinct dimension_value order by dimension_value) as options
        from fct_deal_dimensions
        where deal_id in (select deal_id from fct_open_deals)
        group by dimension
        order by dimension
        """
    )
    for number, row in enumerate(found.itertuples()):
        if number % 4 == 0:
            line = st.columns(4)
        with line[number % 4]:
            picked[row.dimension] = st.multiselect(
                words.escape(words.label(row.label)), list(row.options), key=f"deals-own-{row.dimension}", placeholder="All"
            )
    return picked


def _options(build: Build, name: str) -> list[str]:
    """The riskiest category first, everything else by its name."""
    order = "max(scores.risk_score) desc" if name == "risk_category" else "1"
    found = build.rows(f"select {LISTS[name]} as value {SOURCE} where {LISTS[name]} is not null group by 1 order by {order}")
    return found.value.tolist()


def totals(build: Build, where: str, parameters: list) -> None:
    [row] = build.rows(
        f"""
        select
            count(*) as deals, coalesce(sum(deals.deal_amount), 0)::double as amount, sum(deal_values.rapv_amount) as rapv,
            sum(deal_values.revenue_at_risk_amount) as at_risk, count(deal_values.rapv_amount) as valued,
            count(deals.deal_amount) as with_amount
        {SOURCE} {where}
        """,
        *parameters,
    ).itertuples()
    boxes = st.columns(4)
    valued = f"of {words.count(row.valued)} deals that have a value."
    parts.figure(boxes[0], "Open deals", words.count(row.deals), "that pass the filters.", "deals-count")
    parts.figure(boxes[1], "Amount", words.money(row.amount), f"of {words.count(row.with_amount)} deals that have one.", "deals-amount")
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
    "is_stalled_in_stage": "Stalled in stage",
    "is_inactive": "Inactive",
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

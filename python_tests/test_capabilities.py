"""A mart that is empty, or null where it matters, is never called available, and its reason names what the input lacks."""

import datetime
import random

import pytest
from conftest import Build, run_dbt, write_deals

HEADER = "deal_id,created_date,closed_date,sales_rep_id,industry,lead_source,deal_stage,deal_amount,outcome"
# The column that a mart is for; others say all by having rows.
MAIN = {
    "rpt_segment_win_rates": "win_rate", "rpt_win_rate_trend": "win_rate", "rpt_cycle_outcome_gap": "cycle_outcome_gap_days", "rpt_win_rate_drivers": "vs_others_pp",
    "fct_deal_values": "rapv_amount", "rpt_pipeline_value": "rapv_amount", "fct_deal_scores": "win_probability", "rpt_score_quality": "auc",
    "rpt_pipeline_value_backtest": "forecast_amount", "rpt_stage_durations": "median_days", "rpt_lost_reasons": "lost_share",
}  # fmt: skip


def crm(
    deal_count: int, months: int, states: str = "Won Lost Lost Open", cycle: int = 30, amount: str = "{}", dated: str = "Won Lost"
) -> list[str]:
    """Deals created over `months` before 2025-07-01; the oldest three quarters closed."""
    draw, rows = random.Random(3), []
    for number in range(deal_count):
        created = datetime.date(2025, 6, 30) - datetime.timedelta(days=round(30.4 * months * (1 - number / deal_count)))
        state = draw.choice(states.split())
        closed = created + datetime.timedelta(days=draw.randint(0, 2 * cycle) if cycle else 0)
        if state != "Open" and closed > datetime.date(2025, 6, 30):
            closed = created
        stage = {"Won": "Closed Won", "Lost": "Closed Lost", "Open": "Proposal"}[state]
        shown = closed if state in dated.split() else ""
        rows.append(
            f"D{number},{created},{shown},R{number % 4},{'Retail Health'.split()[number % 2]},Web,{stage},"
            f"{amount.format(draw.randint(1_000, 9_000))},{'' if state == 'Open' else state}"
        )
    return rows


# Each is a whole build; the others run with `-m campaign`.
KEPT = ("open deals too", "one deal", "no date of any loss")
INPUTS = {
    "closed deals only": (
        crm(600, 24, "Won Lost"),
        {"fct_deal_scores": "no deal is open", "rpt_stage_durations": "set stage_history_file"},
    ),
    "open deals too": (
        crm(600, 24),
        {"rpt_pipeline_bridge": "set field_history_file", "rpt_intervention_effects": "set interventions_file"},
    ),
    "created and closed on one day": (crm(600, 24, "Won Lost", cycle=0), {"rpt_cycle_outcome_gap": "closed on the day they were created"}),
    "two months": (crm(200, 2), {"rpt_pipeline_value_backtest": "it takes 211", "rpt_cycle_outcome_gap": ""}),
    "all open": (crm(60, 12, "Open"), {"rpt_segment_win_rates": "no deal has closed", "fct_deal_values": ""}),
    "no amounts": (crm(300, 12, amount=""), {"rpt_pipeline_value_backtest": "no deal has an amount"}),
    "one deal": (crm(1, 1, "Won"), {"rpt_win_rate_drivers": "no deal was lost", "fct_open_deals": "no deal is open"}),
    "no date of any close": (crm(300, 12, dated=""), {"rpt_win_rate_change": "no closed deal has the date of its close"}),
    "no date of any loss": (crm(600, 24, dated="Won"), {"rpt_cycle_outcome_gap": "lost deals has the date of its close"}),
}


def without_a_word(build: Build) -> list[str]:
    """Marts that say nothing and are called available, or have no reason."""
    faults = []
    for mart, is_available, reason in build.query(
        "select mart, is_available, reason from marts.rpt_data_capabilities where mart <> 'rpt_data_capabilities'"
    ):
        [(count,)] = build.query(f"select count({MAIN.get(mart, '*')}) from marts.{mart}")
        if count == 0 and (is_available or not reason):
            faults.append(f"{mart}: available {is_available}, {reason}")
    return faults


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in KEPT else pytest.mark.campaign) for name in INPUTS])
def test_an_empty_mart_has_its_reason(name, tmp_path):
    rows, reasons = INPUTS[name]
    deals = write_deals(tmp_path / "deals.csv", *rows, header=HEADER)
    build = run_dbt(tmp_path / "sales.duckdb", {"deals_file": deals}, with_tests=False).check()
    assert without_a_word(build) == []
    for mart, reason in reasons.items():
        found = build.query(f"select is_available, reason from marts.rpt_data_capabilities where mart = '{mart}'")
        assert any(not is_available and reason in text for is_available, text in found), found


def test_all_that_the_demo_has_is_available(demo):
    """It has no forecast calls, and declares no dimensions of its own. Every mart is counted."""
    assert without_a_word(demo) == []
    missing = demo.query("select distinct mart from marts.rpt_data_capabilities where not is_available or reason is not null order by 1")
    assert missing == [("fct_deal_dimensions",), ("fct_forecast_calls",)]
    marts = {mart for (mart,) in demo.query("select mart from marts.rpt_data_capabilities")}
    assert {mart for (mart,) in demo.query("select mart from intermediate.int_mart_row_counts")} == marts - {"rpt_data_capabilities"}

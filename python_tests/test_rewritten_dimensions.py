"""Columns that are filled in or changed at the close: the statistics, the harness that measures them, and whole builds that leave them out."""

import csv

import numpy as np
import pytest
from conftest import run_dbt
from scipy import stats
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.proportion import proportions_ztest

from models.deals import int_rewritten_dimensions as tests
from tools import crm, process
from tools.generate import generate
from tools.simulations import rewritten
from tools.simulations.settings import model_settings

SETTINGS = model_settings("int_rewritten_dimensions")


def judged(table: dict[tuple[str, str], tuple[int, int, int, int]], **changed) -> dict[str, dict]:
    """Rows by dimension, of counts (then, now, won, lost) by dimension and level."""
    cells = {name: np.array([key[position] for key in table], object) for position, name in enumerate(("dimension", "level"))}
    cells["cell_order"] = np.array(
        [float(level) if dimension == "deal_size_band" and level != "Unknown" else np.nan for dimension, level in table]
    )
    counts = np.array(list(table.values()), float)
    totals = np.array([np.sum([row for (other, _), row in table.items() if other == dimension], axis=0) for dimension, _ in table], float)
    return {row["dimension"]: row for row in tests.judge(cells, counts, totals, SETTINGS | changed)}


# Blank on 40 % of open deals, and of those that were won never.
FILLED_IN = {
    ("industry", "Unknown"): (60, 40, 0, 120),
    ("industry", "Health"): (120, 30, 200, 90),
    ("industry", "Trade"): (120, 30, 200, 90),
}
HONEST = {("region", "East"): (150, 50, 200, 150), ("region", "West"): (150, 50, 200, 150)}


def test_a_column_that_is_blank_until_the_win_is_flagged_by_its_blank_level():
    found = judged(FILLED_IN | HONEST)
    assert found["industry"]["may_be_rewritten_at_close"] and found["industry"]["level"] == "Unknown"
    assert found["region"]["may_be_rewritten_at_close"] is False
    row = found["industry"]
    assert row["p_value"] == pytest.approx(proportions_ztest([60, 40], [300, 100])[1])
    # One of the five levels is telling enough to be corrected for: the others' odds are too near.
    assert row["q_value"] == pytest.approx(row["p_value"])
    oracle = Table2x2(np.array([[0, 120], [400, 180]]) + 0.5)
    assert row["odds_ratio"] == pytest.approx(oracle.oddsratio)
    assert [row["odds_ratio_lower"], row["odds_ratio_upper"]] == pytest.approx(oracle.oddsratio_confint(0.05))


def test_neither_another_share_nor_other_odds_are_enough():
    moved = judged({("source", "Web"): (60, 60, 100, 100), ("source", "Call"): (240, 40, 300, 300)})
    assert moved["source"]["p_value"] < 1e-6 and not moved["source"]["may_be_rewritten_at_close"]
    strong = judged({("source", "Web"): (60, 20, 190, 10), ("source", "Call"): (240, 80, 210, 390)})
    assert (
        strong["source"]["level"] == "Call"
        and strong["source"]["odds_ratio_upper"] < 1 / 3
        and not strong["source"]["may_be_rewritten_at_close"]
    )


def test_telling_levels_share_the_level():
    """Two of four levels have odds far enough from the others'."""
    table = {("a", "x"): (60, 40, 0, 120), ("a", "y"): (240, 60, 400, 180), ("b", "x"): (90, 40, 0, 120), ("b", "y"): (210, 60, 400, 180)}
    found = judged(table)
    assert found["a"]["q_value"] == pytest.approx(4 * found["a"]["p_value"])
    assert found["b"]["q_value"] == pytest.approx(4 * found["b"]["p_value"])


def test_amounts_are_compared_by_their_distributions():
    rng = np.random.default_rng(2)
    groups = [rng.normal(mean, 12, size).round() for mean, size in ((100, 400), (92, 120), (108, 300), (85, 300))]
    values = np.unique(np.concatenate(groups))
    table = {("deal_size_band", f"{value:g}"): tuple((group == value).sum() for group in groups) for value in values}
    row = judged(table)["deal_size_band"]
    oracle = stats.ks_2samp(groups[0], groups[1], method="asymp")
    cut = float(row["level"])
    assert row["is_cut"] and oracle.statistic == pytest.approx(abs((groups[0] <= cut).mean() - (groups[1] <= cut).mean()))
    size = 400 * 120 / 520
    assert row["p_value"] == pytest.approx(stats.kstwobign.sf(np.sqrt(size) * oracle.statistic))
    assert row["may_be_rewritten_at_close"] and row["won_deal_count"] == (groups[2] <= cut).sum()
    assert row["then_deal_count"] == (groups[0] <= cut).sum() and row["all_then_deal_count"] == 400


def test_amounts_that_are_blank_until_the_win_are_a_level():
    table = {
        ("deal_size_band", "Unknown"): (60, 40, 0, 120),
        ("deal_size_band", "7"): (120, 30, 200, 90),
        ("deal_size_band", "9"): (120, 30, 200, 90),
    }
    row = judged(table)["deal_size_band"]
    assert row["may_be_rewritten_at_close"] and row["level"] == "Unknown" and not row["is_cut"]
    assert row["all_now_deal_count"] == 100


@pytest.mark.parametrize("missing", [0, 1])
def test_without_deals_of_one_side_nothing_is_said(missing):
    table = {key: tuple(0 if place == missing else count for place, count in enumerate(row)) for key, row in FILLED_IN.items()}
    table[("deal_size_band", "7")] = tuple(0 if place == missing else 50 for place in range(4))
    found = judged(table)
    assert {row["may_be_rewritten_at_close"] for row in found.values()} == {None}


def test_the_order_of_rows_makes_no_difference():
    table = FILLED_IN | HONEST
    one, other = (repr(sorted(judged(each).items())) for each in (table, dict(reversed(table.items()))))
    assert one == other


# Measured: docs/evidence.md has more files of more kinds


def test_rewritten_columns_are_found_and_honest_ones_left_alone():
    found = {name: rewritten.shares(30, 0, rewritten.KINDS[name], size) for name, size in (("rewritten", 4_500), ("filled_in", 4_500))}
    assert found["rewritten"]["found"] == {"lead_source": 1.0, "sales_rep_id": 1.0} and found["rewritten"]["others"] == 0
    assert found["filled_in"]["found"]["industry"] >= 0.8 and found["filled_in"]["others"] == 0
    honest = [rewritten.shares(12, 0, kind, 1_350)["others"] for kind in rewritten.KINDS.values() if not kind.rewritten]
    assert len(honest) > 12 and np.mean(honest) <= 0.02


# Whole builds


@pytest.fixture(scope="module")
def crm_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rewritten")
    generate(folder, 2_500, 3, "csv", process.Settings(rewritten=("lead_source", "sales_rep_id", "industry")))
    return folder


def test_a_build_names_what_is_rewritten_and_scores_and_forecasts_leave_it_out(crm_files, tmp_path):
    variables = {"deals_file": crm_files / "process_deals.csv"}
    build = run_dbt(
        tmp_path / "one.duckdb", variables, select="+rpt_data_quality +int_score_observations +int_segment_offsets", with_tests=False
    ).check()
    flagged = dict(
        build.query("select dimension, may_be_rewritten_at_close from marts.dim_dimensions where may_be_rewritten_at_close is not null")
    )
    assert {name for name, flag in flagged.items() if flag} == {"lead_source", "sales_rep_id", "industry"}
    assert set(flagged) == {"industry", "region", "product_type", "lead_source", "sales_rep_id", "deal_size_band"}
    warnings = build.query(
        "select check_name, message from marts.rpt_data_quality where is_warning and check_name like 'may_be%' order by 1"
    )
    assert [name.split(": ")[1] for name, _ in warnings] == ["industry", "lead_source", "sales_rep_id"]
    assert "industry may be filled in or changed when deals close: no value is on " in warnings[0][1]
    assert "lead source may be filled in or changed when deals close: Referral is on " in warnings[1][1]
    left = "lead_source = 'Unknown' and industry = 'Unknown' and sales_rep_id = 'Unknown'"
    assert build.query(f"select bool_and({left}), count(distinct region) from intermediate.int_score_observations") == [(True, 4)]
    kept = "sum(abs(log_odds_offset)) + sum(log_odds_variance)"
    offsets = dict(build.query(f"select segment_dimension, {kept} from intermediate.int_segment_offsets group by 1"))
    assert offsets["lead_source"] == offsets["industry"] == 0
    rates = build.query(
        "select count(win_rate) from intermediate.int_segment_offsets where segment_dimension in ('lead_source', 'industry')"
    )
    assert rates == [(0,)]


def test_an_accepted_column_is_used_and_owners_with_a_history_are_as_they_were(crm_files, tmp_path):
    variables = {
        "deals_file": crm_files / "process_deals.csv",
        "field_history_file": crm_files / "process_field_history.csv",
        "accepted_at_close": ["lead_source"],
    }
    build = run_dbt(tmp_path / "two.duckdb", variables, select="+rpt_data_quality +int_score_observations", with_tests=False).check()
    rows = build.query("select dimension, may_be_rewritten_at_close, is_accepted_as_known from marts.dim_dimensions order by 1")
    flagged = {name: accepted for name, flag, accepted in rows if flag}
    assert flagged == {"industry": False, "lead_source": True}
    [(finding, message)] = build.query(
        "select is_finding, message from marts.rpt_data_quality where check_name = 'may_be_rewritten_at_close: lead_source'"
    )
    assert not finding and message.endswith("the var accepted_at_close accepts it")
    counts = "count(distinct lead_source), count(distinct sales_rep_id), count(distinct industry)"
    [(sources, reps, industries)] = build.query(f"select {counts} from intermediate.int_score_observations")
    assert sources > 4 and reps > 4 and industries == 1


def test_counts_are_those_of_a_walk_through_the_deals(crm_files, tmp_path):
    """Plain Python over the file, beside the model's SQL and the simulation's numpy."""
    variables = {"deals_file": crm_files / "process_deals.csv"}
    build = run_dbt(tmp_path / "three.duckdb", variables, select="+int_dimension_level_counts", with_tests=False).check()
    with (crm_files / "process_deals.csv").open(encoding="utf-8") as file:
        deals = list(csv.DictReader(file))
    day = {text: crm.days(crm.date.fromisoformat(text)) for row in deals for text in (row["created_date"], row["closed_date"]) if text}
    lives = sorted(day[row["closed_date"]] - day[row["created_date"]] for row in deals if row["outcome"] in ("Won", "Lost"))
    life = lives[int(np.ceil(0.95 * len(lives))) - 1]
    [(as_of,)] = build.query("select as_of_date from intermediate.int_as_of")
    expected = {}
    for row in deals:
        closed = day[row["closed_date"]] if row["outcome"] in ("Won", "Lost") else np.inf
        then = any(day[row["created_date"]] <= crm.days(as_of) - times * life < closed for times in (1, 2, 3))
        counts = expected.setdefault(row["lead_source"], [0, 0, 0, 0])
        for place, is_in in enumerate((then, closed == np.inf, row["outcome"] == "Won", row["outcome"] == "Lost")):
            counts[place] += is_in
    found = build.query(
        f"select level, {', '.join(tests.COUNTS)} from intermediate.int_dimension_level_counts where dimension = 'lead_source'"
    )
    assert {level: counts for level, *counts in found} == expected


def test_a_file_of_closed_deals_says_that_nothing_can_be_compared(crm_files, tmp_path):
    with (crm_files / "process_deals.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["outcome"] in ("Won", "Lost")]
    with (tmp_path / "closed.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    build = run_dbt(tmp_path / "four.duckdb", {"deals_file": tmp_path / "closed.csv"}, select="+int_value_checks", with_tests=False).check()
    found = build.query(
        "select check_name, is_finding_above_zero, message from intermediate.int_value_checks where check_name like 'may_be%'"
    )
    assert [(name, is_finding) for name, is_finding, _ in found] == [("may_be_rewritten_at_close", False)]
    assert found[0][2].startswith("no open deals: ")
    assert build.query("select count(may_be_rewritten_at_close) from marts.dim_dimensions") == [(0,)]

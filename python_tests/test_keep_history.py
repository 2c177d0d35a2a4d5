"""The history that the project keeps from builds of one day after the other, where the CRM gives none."""

import datetime

import pytest
from conftest import DEAL_COLUMNS, Build, run_dbt, write_deals

SELECT = "+fct_deal_stage_visits +fct_open_deals +int_data_levels"
HEADER = DEAL_COLUMNS + ",expected_close_date"
MON, TUE, THU = "2024-03-04", "2024-03-05", "2024-03-07"


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def row(deal_id: str, created: str, stage: str, amount: int, expected: str, closed: str = "", outcome: str = "", rep: str = "R1") -> str:
    return f"{deal_id},{created},{closed},{rep},Retail,EMEA,Team,Inbound,{stage},{amount},,{outcome},{expected}"


# Old was open before anybody looked, New is created on the first day, Later on the second; Done had closed before.
EXPORTS = {
    MON: [
        row("Old", "2024-01-10", "Demo", 100, "2024-04-01"),
        row("New", MON, "Qualified", 50, "2024-05-01"),
        row("Done", "2024-01-05", "Closed Won", 70, "2024-02-01", "2024-02-01", "Won"),
    ],
    TUE: [
        row("Old", "2024-01-10", "Proposal", 100, "2024-04-01"),
        row("New", MON, "Qualified", 60, "2024-05-20", rep="R2"),
        row("Done", "2024-01-05", "Closed Won", 70, "2024-02-01", "2024-02-01", "Won"),
        row("Later", TUE, "Qualified", 10, "2024-06-01"),
    ],
    # No build on Wednesday, on which Old closed.
    THU: [
        row("Old", "2024-01-10", "Closed Won", 90, "2024-04-01", "2024-03-06", "Won"),
        row("New", MON, "Demo", 60, "2024-05-20", rep="R2"),
        row("Done", "2024-01-05", "Closed Won", 70, "2024-02-01", "2024-02-01", "Won"),
        row("Later", TUE, "Qualified", 10, "2024-06-01"),
    ],
}
KEPT = "select deal_id, field, old_value, new_value, changed_at::date, observed_date from intermediate.int_kept_changes order by all"
VISITS = """
    select deal_id, stage, entered_at::date, exited_at::date, days_in_stage, is_left_truncated
    from marts.fct_deal_stage_visits order by deal_id, visit_number
"""


def build(folder, date: str, export: str) -> Build:
    deals = write_deals(folder / f"{export}.csv", *EXPORTS[export], header=HEADER)
    variables = {"deals_file": deals, "keep_history": True, "as_of_date": date}
    return run_dbt(folder / "kept.duckdb", variables, select=SELECT, with_tests=False).check()


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> dict[str, dict[str, list]]:
    """What is kept after each step, in the order of the steps."""
    folder = tmp_path_factory.mktemp("kept")
    steps = {
        "monday": (MON, MON), "tuesday": (TUE, TUE), "tuesday again": (TUE, TUE), "thursday": (THU, THU),
        "tuesday replayed": (TUE, THU), "the old file again": (TUE, TUE), "thursday again": (THU, THU),
    }  # fmt: skip
    found = {}
    for step, (date, export) in steps.items():
        done = build(folder, date, export)
        found[step] = {
            "output": done.output,
            "kept": done.query(KEPT),
            "visits": done.query(VISITS),
            "open": done.query(
                "select deal_id, deal_amount::int, sales_rep_id, push_count, push_days, amount_change_count from marts.fct_open_deals order by 1"
            ),
            "capabilities": done.query(
                "select is_available, reason, observed_since_date from intermediate.int_data_levels where capability in ('open_deals', 'stage_history') order by capability"
            ),
        }
    return found


def test_the_first_build_writes_what_open_deals_hold(kept):
    assert [each for each in kept["monday"]["kept"] if each[1] == "stage"] == [
        ("New", "stage", None, "Qualified", day(MON), day(MON)),
        ("Old", "stage", None, "Demo", day(MON), day(MON)),
    ]
    assert {each[1] for each in kept["monday"]["kept"]} == {"stage", "amount", "expected_close_date", "sales_rep_id"}
    assert len(kept["monday"]["kept"]) == 8
    assert kept["monday"]["capabilities"] == [(True, None, None), (True, None, day(MON))]


def test_later_builds_write_what_changed(kept):
    new = [each for each in kept["tuesday"]["kept"] if each not in kept["monday"]["kept"]]
    assert [each for each in new if each[0] != "Later"] == [
        ("New", "amount", "50.00", "60.00", day(TUE), day(TUE)),
        ("New", "expected_close_date", "2024-05-01", "2024-05-20", day(TUE), day(TUE)),
        ("New", "sales_rep_id", "R1", "R2", day(TUE), day(TUE)),
        ("Old", "stage", "Demo", "Proposal", day(TUE), day(TUE)),
    ]
    assert len(new) == 4 + 4
    new = [each for each in kept["thursday"]["kept"] if each not in kept["tuesday"]["kept"]]
    # Old had its last values by the close, the day before the build.
    assert new == [
        ("New", "stage", "Qualified", "Demo", day(THU), day(THU)),
        ("Old", "amount", "100.00", "90.00", day("2024-03-06"), day(THU)),
        ("Old", "stage", "Proposal", "Closed Won", day("2024-03-06"), day(THU)),
    ]


def test_visits_and_movements_are_those_that_happened(kept):
    assert kept["thursday"]["visits"] == [
        ("Later", "Qualified", day(TUE), None, 2, False),
        ("New", "Qualified", day(MON), day(THU), 3, False),
        ("New", "Demo", day(THU), None, 0, False),
        # Nobody knows when it came to Demo: it is taken back to the creation, and says so.
        ("Old", "Demo", day("2024-01-10"), day(TUE), 55, True),
        ("Old", "Proposal", day(TUE), day("2024-03-06"), 1, False),
    ]
    assert kept["thursday"]["open"] == [("Later", 10, "R1", 0, 0, 0), ("New", 60, "R2", 1, 19, 1)]


def test_the_same_build_twice_appends_nothing(kept):
    for again, first in (("tuesday again", "tuesday"), ("thursday again", "thursday")):
        assert {**kept[again], "output": ""} == {**kept[first], "output": ""}


def test_an_older_date_appends_nothing_and_sees_what_was_known_then(kept):
    for step in ("tuesday replayed", "the old file again"):
        assert kept[step]["kept"] == kept["thursday"]["kept"]
        assert f"keep_history added nothing as of {TUE}: what is kept knows {THU} already" in kept[step]["output"]
        assert kept[step]["visits"] == kept["tuesday"]["visits"]
        assert kept[step]["open"] == kept["tuesday"]["open"]


def test_a_replay_before_anything_was_kept_appends_nothing(tmp_path):
    """As of Tuesday the file of Thursday holds stages of Thursday."""
    done = build(tmp_path, TUE, THU)
    assert done.query(KEPT) == []
    assert f"keep_history added nothing as of {TUE}: 1 rows of '{THU}.csv' are of later days, the newest of 2024-03-06" in done.output


def test_a_day_long_after_the_file_is_a_typo(tmp_path):
    """The newest date of Monday's file is that Monday; a year and a day later is 366 days."""
    deals = write_deals(tmp_path / "deals.csv", *EXPORTS[MON], header=HEADER)
    variables = {"deals_file": deals, "keep_history": True, "as_of_date": "2025-03-05"}
    stopped = run_dbt(tmp_path / "stopped.duckdb", variables, select="+int_kept_changes", with_tests=False)
    assert stopped.exit_code != 0
    assert "would date what it keeps 2025-03-05, 366 days after the newest date of 'deals.csv', 2024-03-04" in stopped.output


@pytest.mark.parametrize(("missing", "sentence"), [("deals_file", "without deals_file"), ("as_of_date", "without as_of_date")])
def test_keeping_needs_a_file_and_a_day(missing, sentence, tmp_path):
    variables = {"deals_file": write_deals(tmp_path / "deals.csv", *EXPORTS[MON], header=HEADER), "keep_history": True, "as_of_date": MON}
    stopped = run_dbt(tmp_path / "stopped.duckdb", {**variables, missing: None}, select="int_as_of")
    assert stopped.exit_code != 0 and sentence in stopped.output

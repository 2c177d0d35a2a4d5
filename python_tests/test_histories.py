"""Histories as CRMs write them: field names, owners by name, value intervals, two sources of one fact, planned activities, and replays of all that."""

import duckdb
import pytest
from conftest import PROJECT, Build, run_dbt

from intake.histories import folded, problems_of_fields
from intake.inputs import problems_of_combinations
from intake.request import Request
from intake.vars import problems, schema

SELECT = "+fct_open_deals fct_deal_stage_visits +fct_deals int_history_checks int_interval_checks int_deal_checks int_input_row_counts int_past_amounts int_past_field_values"
DEALS = """deal_id,created_date,closed_date,outcome,deal_stage,deal_amount,sales_rep_id,expected_close_date,updated_at
Pushed,2025-09-01,,Open,Demo,20000,R1,2026-03-31,2025-12-10 09:00:00
Edited,2025-09-01,,Open,Negotiation,50000,Cid Coe,2026-01-31,2025-12-20 09:00:00
Stale,2025-09-01,,Open,Demo,50000,R3,2026-01-31,2025-10-01 09:00:00
Undated,2025-09-01,,Open,Demo,50000,R3,2026-01-31,
Won,2025-09-01,2025-11-15,Won,Closed Won,70000,R2,2025-11-15,2025-12-01 09:00:00
"""
REPS = "sales_rep_id,name\nR1,Ann Lee\nR2,Bob Roe\nR3,Cid Coe\n"
HISTORY = """deal_id,field,old_value,new_value,changed_at
Pushed,CloseDate,2025-10-31,2025-12-31,2025-10-20 09:00:00
Pushed,close date,2025-12-31,2026-03-31,2025-12-10 09:00:00
Pushed,StageName,Qualified,Demo,2025-10-01 09:00:00
Pushed,Mood,grim,bright,2025-10-01 09:00:00
Edited,Amount,,20000,2025-09-01 09:00:00
Edited,Owner,Ann Lee,Bob Roe,2025-10-01 09:00:00
Edited,OwnerId,R1,R2,2025-10-01 09:00:00
Edited,closedate,,2025-11-30,2025-09-01 09:00:00
Edited,dealstage,,Demo,2025-09-01 09:00:00
Stale,amount,,20000,2025-10-01 09:00:01
Undated,amount,,20000,2025-09-01 09:00:00
Won,hubspot_owner_id,R1,R2,2025-11-16 09:00:00
"""
INTERVALS = """deal_id,field,value,valid_from,valid_to
Pushed,CloseDate,2025-10-31,2025-09-01 08:00:00,2025-10-20 09:00:00
Pushed,close date,2025-12-31,2025-10-20 09:00:00,2025-12-10 09:00:00
Pushed,closedate,2026-03-31,2025-12-10 09:00:00,9999-12-31 00:00:00
Pushed,StageName,Qualified,2025-09-01 08:00:00,2025-10-01 09:00:00
Pushed,StageName,Demo,2025-10-01 09:00:00,
Edited,Amount,20000,2025-09-01 09:00:00,2025-12-20 09:00:00
Edited,Amount,50000,2025-12-20 09:00:00,
Edited,Owner,Ann Lee,2025-09-01 09:00:00,2025-10-01 09:00:00
Edited,Owner,R2,2025-11-01 09:00:00,
Stale,Amount,9,2025-10-01 09:00:00,2025-09-01 09:00:00
Nobody,Amount,9,2025-10-01 09:00:00,
"""
OPEN = "select deal_id, deal_amount::int, sales_rep_id, expected_close_date::varchar, stage, push_count, push_days from marts.fct_open_deals order by 1"
ROWS = """
    select row_count, accepted_count, quarantined_count, duplicate_count, not_yet_known_count
    from intermediate.int_input_row_counts where input = '{}'
"""


def build(folder, select: str = SELECT, **files: str) -> Build:
    """The inputs given as text (files) or as values of vars."""
    variables = {}
    for name, text in files.items():
        if name.endswith("_file"):
            variables[name] = folder / f"{name}.csv"
            variables[name].write_text(text, encoding="utf-8")
        else:
            variables[name] = text
    return run_dbt(folder / "histories.duckdb", variables, select=select, with_tests=False).check()


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> Build:
    folder = tmp_path_factory.mktemp("history")
    activities = "deal_id,activity_type,occurred_at\nPushed,Phone Call,2025-12-01\nPushed,Seance,2025-12-02\nPushed,meeting,2026-03-01\n"
    return build(folder, deals_file=DEALS, reps_file=REPS, field_history_file=HISTORY, activities_file=activities, as_of_date="2025-12-31")


def test_fields_have_many_names(history):
    pushed = next(row for row in history.query(OPEN) if row[0] == "Pushed")
    assert pushed == ("Pushed", 20000, "R1", "2026-03-31", "Demo", 2, 151)


def test_the_newer_of_file_and_history_counts(history):
    rows = {row[0]: row[1:5] for row in history.query(OPEN)}
    assert rows["Edited"] == (50000, "R3", "2026-01-31", "Negotiation")
    assert rows["Stale"][0] == 20000 and rows["Undated"][0] == 20000
    checks = dict(
        history.query("select check_name, row_count from intermediate.int_deal_checks where check_name like '%other_than_history'")
    )
    assert checks == {"amounts_other_than_history": 2, "close_dates_other_than_history": 1, "owners_other_than_history": 1}
    amounts = "select deal_amount::int, known_from_date::varchar, changed_date::varchar from intermediate.int_past_amounts where deal_id = 'Edited'"
    assert history.query(amounts) == [(20000, "2025-09-01", "2025-12-20")]


def test_a_win_belongs_to_who_owned_the_deal_when_it_closed(history):
    assert history.query("select sales_rep_id from marts.fct_deals where deal_id = 'Won'") == [("R1",)]


def test_an_owner_change_that_is_written_twice_is_one(history):
    [(_, accepted, quarantined, duplicates, later)] = history.query(ROWS.format("field_history"))
    assert (accepted, quarantined, duplicates, later) == (11, 0, 1, 0)
    owners = "select sales_rep_id, changed_date::varchar from intermediate.int_past_field_values where deal_id = 'Edited' and field = 'sales_rep_id' order by 2"
    assert history.query(owners) == [("R1", "2025-10-01"), ("R2", "2025-12-20")]


def test_stages_of_the_field_history_are_the_stage_history_where_there_is_no_other(history):
    visits = "select stage, entered_at::date::varchar, is_left_truncated from marts.fct_deal_stage_visits where deal_id = 'Pushed' order by visit_number"
    assert history.query(visits) == [("Qualified", "2025-09-01", False), ("Demo", "2025-10-01", False)]


def test_what_nobody_knows_is_a_finding(history):
    found = dict(history.query("select check_name, row_count from intermediate.int_history_checks"))
    assert found == {"unknown_field: Mood": 1, "unknown_activity_type: Seance": 1, "stages_other_than_history": 1}
    assert history.query(ROWS.format("activities")) == [(3, 2, 0, 0, 1)]


@pytest.mark.parametrize("date", [pytest.param("2025-10-15", marks=pytest.mark.campaign), "2025-12-15"])
def test_a_replay_is_a_build_on_what_was_known(date, tmp_path):
    def known(text: str, column: int) -> str:
        header, *lines = text.splitlines()
        return "\n".join([header, *(line for line in lines if line.split(",")[column][:10] <= date)]) + "\n"

    header, *deals = DEALS.splitlines()
    cut = [header]
    for line in deals:
        values = line.split(",")
        if values[2] > date:
            values[2], values[3], values[4] = "", "", ""
        if values[-1][:10] > date:
            values[-1] = ""
        cut.append(",".join(values))
    builds = []
    for name, deals_text, history_text in [("whole", DEALS, HISTORY), ("cut", "\n".join(cut) + "\n", known(HISTORY, 4))]:
        folder = tmp_path / name
        folder.mkdir()
        builds.append(build(folder, deals_file=deals_text, reps_file=REPS, field_history_file=history_text, as_of_date=date))
    for sql in [
        OPEN,
        "select * from marts.fct_deals order by deal_id",
        "select * from intermediate.int_deal_checks order by all",
        "select * from intermediate.int_history_checks order by all",
        "select * from intermediate.int_past_field_values order by all",
    ]:
        assert builds[0].query(sql) == builds[1].query(sql)


def test_a_planned_meeting_does_not_move_the_as_of_date(tmp_path):
    activities = "deal_id,activity_type,occurred_at\nPushed,call,2025-11-01\nPushed,meeting,2026-03-15\n"
    done = build(tmp_path, "+int_history_checks", deals_file=DEALS, activities_file=activities, max_date_gap_days=366)
    assert done.query("select as_of_date::varchar from intermediate.int_as_of") == [("2025-11-15",)]
    assert ("activities_planned", 1) in done.query("select check_name, row_count from intermediate.int_history_checks")


def test_value_intervals_tell_what_histories_tell(tmp_path):
    done = build(tmp_path, deals_file=DEALS, reps_file=REPS, value_intervals_file=INTERVALS, as_of_date="2025-12-31")
    rows = {row[0]: row[1:] for row in done.query(OPEN)}
    assert rows["Pushed"] == (20000, "R1", "2026-03-31", "Demo", 2, 151)
    assert rows["Edited"][:2] == (50000, "R3")
    assert done.query(ROWS.format("value_intervals")) == [(11, 9, 2, 0, 0)]
    rejected = "select reason_codes from intermediate.int_rejected_rows where input = 'value_intervals' order by 1"
    assert done.query(rejected) == [("deal_not_accepted",), ("valid_to_before_valid_from",)]
    checks = "select check_name, row_count from intermediate.int_interval_checks order by 1"
    assert done.query(checks) == [("intervals_overlap", 0), ("intervals_with_a_gap", 1)]
    visits = "select stage, entered_at::date::varchar from marts.fct_deal_stage_visits where deal_id = 'Pushed' order by visit_number"
    assert done.query(visits) == [("Qualified", "2025-09-01"), ("Demo", "2025-10-01")]


def test_a_file_without_updated_at_is_of_its_newest_day(tmp_path):
    deals = "\n".join(line.rpartition(",")[0] for line in DEALS.splitlines()) + "\n"
    done = build(tmp_path, "+int_deals", deals_file=deals, field_history_file=HISTORY, as_of_date="2025-12-31")
    rows = {
        row[0]: row[1:]
        for row in done.query("select deal_id, deal_amount::int, sales_rep_id, expected_close_date::varchar from intermediate.int_deals")
    }
    # Its newest day is the close of 15 November: Edited's and Stale's amounts changed before it, Pushed's date after it.
    assert rows["Edited"][0] == 50000 and rows["Stale"][0] == 50000 and rows["Pushed"][2] == "2026-03-31"


def test_own_names_of_fields_and_types_come_from_a_var():
    assert problems({"value_maps": {"field": {"Abschluss": "expected_close_date"}, "activity_type": {"Ortstermin": "meeting"}}}, []) == []
    [sentence] = problems({"value_maps": {"field": {"Abschluss": "close"}}}, [])
    assert "close" in sentence and "expected_close_date" in sentence
    assert problems({"value_maps": {"feld": {"Abschluss": "amount"}}}, []) != []


@pytest.mark.parametrize(("seed", "var"), [("field_names", "field"), ("activity_types", "activity_type")])
def test_each_name_means_one_thing_and_the_schema_knows_it(seed, var):
    rows = [line.rsplit(",", 1) for line in (PROJECT / "seeds" / "reference" / f"{seed}.csv").read_text(encoding="utf-8").splitlines()[1:]]
    names = [folded(name) for name, _ in rows]
    assert len(names) == len(set(names)) > 50
    allowed = schema()["properties"]["value_maps"]["properties"][var]["additionalProperties"]["enum"]
    assert {meaning for _, meaning in rows} == {*allowed} - {None}


def test_one_field_of_two_inputs_stops_the_build():
    connection = duckdb.connect()
    connection.execute("create schema landing")
    connection.execute("create table landing.field_history as select unnest(['CloseDate', 'Betrag X', 'Mood']) as field")
    connection.execute("create table landing.value_intervals as select unnest(['expected close date', 'Amount', 'mood']) as field")
    [sentence] = problems_of_fields(connection, {})
    assert "both give expected_close_date," in sentence
    [sentence] = problems_of_fields(connection, {"betrag x": "amount", "closedate": None})
    assert "both give amount," in sentence


def test_kept_history_and_value_intervals_exclude_each_other():
    variables = {"deals_file": "d.csv", "value_intervals_file": "v.csv", "keep_history": True, "as_of_date": "2025-12-31"}
    [sentence] = problems_of_combinations(Request([], [], variables, []))
    assert "keep_history is true beside value_intervals_file" in sentence

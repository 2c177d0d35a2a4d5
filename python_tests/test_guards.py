"""What keeps a build from beginning, from its marts and from being published, and what it says at its end."""

import os
import pathlib

import duckdb
import pytest
from conftest import published_file, run_dbt, write_deals

from intake.places import OLD_FILES, Published, problem_of_database, problem_of_published, problem_of_replacing, published
from tools import summary
from tools.publish import other_size, problems_of_build, too_many

HEADER = "deal_id,created_date,closed_date,deal_stage,deal_amount,outcome"


# Places


@pytest.mark.parametrize("name", ["main", "system", "temp", "marts", "Intermediate", "landing", "published", "marts.acme"])
def test_a_database_whose_name_is_taken_is_refused(name, tmp_path):
    problem = problem_of_database(str(tmp_path / f"{name}.duckdb"))
    assert f"and {name.split('.')[0]} is" in problem and problem.endswith("give it another name, such as sales.duckdb")


@pytest.mark.parametrize("name", ["sales.duckdb", "memory.duckdb", "a b.duckdb", "sales.marts.duckdb", ".hidden.duckdb"])
def test_other_names_are_none_of_our_business(name, tmp_path):
    assert problem_of_database(str(tmp_path / name)) is None
    assert problem_of_database(":memory:") is None


def test_a_place_where_nothing_can_be_written_is_said(tmp_path):
    (tmp_path / "folder.duckdb").mkdir()
    os.mkfifo(tmp_path / "fifo.duckdb")
    (tmp_path / "deals.csv").write_text("deal_id,created_date\n")
    (tmp_path / "link.duckdb").symlink_to(tmp_path / "sales.duckdb")
    duckdb.connect(str(tmp_path / "marts.duckdb")).close()
    sentences = {
        "folder.duckdb": "is a folder: name a file", "fifo.duckdb": "is no file: name a file", "deals.csv": "is a file of another kind",
        "nowhere/marts.duckdb": "there is no folder", "link.duckdb": "is the build's own database", "./sales.duckdb": "is the build's own database",
    }  # fmt: skip
    for name, sentence in sentences.items():
        assert sentence in problem_of_published(f"{tmp_path}/{name}", [str(tmp_path / "sales.duckdb")]), name
    for name in ("marts.duckdb", "new.duckdb"):
        assert problem_of_published(str(tmp_path / name), [str(tmp_path / "sales.duckdb")]) is None


def publish_by_hand(path: pathlib.Path, input_name: str | None, row_count: int = 100, sources: tuple = ()) -> pathlib.Path:
    """A published file; with no name one of a version before 0.2, whose alerts are of `sources`."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table build_info as select " + (f"'{input_name}' as input_name" if input_name else "1 as build_id"))
        connection.execute(
            f"create table rpt_data_quality as select 'deals' as input, 'rows_in' as check_name, {row_count}::double as check_value"
        )
        connection.execute("create table fct_alert_events (alert_source varchar)")
        connection.executemany("insert into fct_alert_events values (?)", [(source,) for source in sources] or [(None,)])
    return path


def test_a_published_file_says_whose_marts_it_holds(tmp_path):
    assert published(str(tmp_path / "none.duckdb")) is None
    (tmp_path / "text.duckdb").write_text("no database")
    assert published(str(tmp_path / "text.duckdb")) is None
    assert published(str(publish_by_hand(tmp_path / "new.duckdb", "acme"))) == Published("acme", 100)
    for number, (sources, name) in enumerate({("demo", "demo"): "demo", ("files",): OLD_FILES, ("demo", "files"): None}.items()):
        assert published(str(publish_by_hand(tmp_path / f"old_{number}.duckdb", None, sources=sources))) == Published(name, 100)


def test_marts_of_another_input_are_not_replaced():
    for old, new in (("acme", "demo"), ("acme", "other"), (OLD_FILES, "demo")):
        assert "replace_published_input" in problem_of_replacing("m.duckdb", Published(old, 1), new)
    assert "holds the marts of the input 'acme', and this build is of the demo CRM" in problem_of_replacing(
        "m.duckdb", Published("acme", 1), "demo"
    )
    for old, new in (("acme", "acme"), ("demo", "acme"), (None, "demo"), (OLD_FILES, "acme")):
        assert problem_of_replacing("m.duckdb", Published(old, 1), new) is None
    assert problem_of_replacing("m.duckdb", None, "demo") is None


# Limits and the summary


@pytest.fixture
def built(tmp_path):
    """Tables of a build of 1,000 rows: 380 accepted, 600 turned away, 20 duplicates; of 10 open deals 6 were turned away."""
    with duckdb.connect(str(tmp_path / "sales.duckdb")) as connection:
        connection.execute(
            "create table counts as select 'deals' as input, 1000 as row_count, 380 as accepted_count, 600 as quarantined_count, 20 as duplicate_count, "
            "0 as filtered_count, 0 as not_yet_known_count union all select 'reps', 5, 5, 0, 0, 0, 0 union all select 'quotas', 4, 3, 1, 0, 0, 0"
        )
        connection.execute(
            "create table rejected as select * from (values ('deals', 'created_date_unreadable', 590), "
            "('deals', 'deal_id_missing, created_date_unreadable', 10), ('quotas', 'amount_unreadable', 1)) as rows (input, reason_codes, row_count)"
        )
        connection.execute(
            "create table judged as select * from (values ('Open', null, 4), ('Open', 'deal_id_missing', 6), ('Won', null, 200)) as deals (outcome, reason_codes, row_count)"
        )
        connection.execute("create table deals as select * from (values ('Won'), ('Lost'), ('Lost'), ('Open')) as deals (outcome)")
        connection.execute("create table as_of as select date '2025-12-31' as as_of_date, false as is_given")
        connection.execute(
            "create table quality as select * from (values ('deals', 'row_identity_difference', 2, 'rows', 0.002, 'rows were lost', true, true, 1), "
            "('deals', 'rows_quarantined', 600, 'rows', 0.6, 'turned away', true, true, 4), ('deals', 'amount_outliers', 1, 'rows', null, 'high', true, false, null), "
            "('deals', 'rows_in', 1000, 'rows', null, 'in', false, false, null)) "
            "as checks (input, check_name, check_value, unit, share_rate, message, is_finding, is_warning, gravity_rank)"
        )
        connection.execute(
            "create table capabilities as select 'mart_' || range as mart, range > 6 as is_available from range(9) union all select 'mart_0', true"
        )
        marts = {"fct_deals": "deals", "rpt_data_quality": "quality", "rpt_data_capabilities": "capabilities"}
        yield connection, {
            "marts": {name: {"relation": relation} for name, relation in marts.items()},
            "row_counts": "counts", "rejected_rows": "rejected", "judged_deals": "judged", "as_of": "as_of", "input_name": "acme", "may_replace": False,
            "is_open_and_rejected": "outcome = 'Open' and reason_codes is not null",
            "limits": {"max_rejected_share": 0.6, "max_rejected_open_share": 0.6, "max_row_count_change": 10},
        }  # fmt: skip


def test_a_build_that_turned_too_much_away_is_not_published(built, tmp_path):
    """600 of 1,000 is not more than 0.6, and neither is 6 of 10."""
    connection, request = built
    path = str(tmp_path / "marts.duckdb")
    assert problems_of_build(connection, path, request) == []
    request["limits"] |= {"max_rejected_share": 0.59, "max_rejected_open_share": 0.59}
    deals, open_deals = problems_of_build(connection, path, request)
    assert deals.startswith("600 of 1,000 deals were turned away, more than 59%") and deals.endswith("set max_rejected_share higher")
    assert open_deals.startswith("6 of 10 open deals were turned away") and open_deals.endswith("set max_rejected_open_share higher")


@pytest.mark.parametrize("limit, shown", [(0.005, "0.5%"), (0.59, "59%"), (0, "0%"), (0.07, "7%"), (0.3333, "33.33%")])
def test_a_limit_of_rejected_rows_is_shown_as_it_was_given(limit, shown):
    assert f"more than {shown}: marts." in too_many(6, 10, "deals", "limit", {"limit": limit})


@pytest.mark.parametrize(
    "now, limit, sentence",
    [
        (900, 10, "the deals have 900 rows, and the last published build of acme had 10,001, more than 10 times as many: "),
        (100_000, 2.5, "the deals have 100,000 rows, more than 2.5 times the 10,001 of the last published build of acme: "),
        (20_000, 10, None),
        (30_000_000, 1234.5, "more than 1,234.5 times the 10,001"),
    ],
)
def test_another_size_is_said_with_both_numbers_and_the_limit(now, limit, sentence):
    found = other_size(Published("acme", 10_001), "acme", now, limit)
    assert found is None if sentence is None else sentence in found


@pytest.mark.parametrize("before, is_stopped", [(100, False), (99, True), (10_000, False), (10_001, True), (0, False)])
def test_a_build_of_another_size_than_the_last_of_its_input_is_not_published(built, tmp_path, before, is_stopped):
    """Of 1,000 rows: ten times as many as 100, a tenth of 10,000."""
    connection, request = built
    path = publish_by_hand(tmp_path / "marts.duckdb", "acme", before)
    problems = problems_of_build(connection, str(path), request)
    assert bool(problems) == is_stopped and all("set max_row_count_change higher" in problem for problem in problems)
    # Another input's size says nothing of this one's.
    request["may_replace"] = True
    assert problems_of_build(connection, str(publish_by_hand(tmp_path / "other.duckdb", "other", 1)), request) == []


def test_the_summary_says_in_a_few_lines_what_came_of_a_build(built):
    assert summary.lines(*built) == [
        "deals: 1,000 rows in, 380 accepted, 600 quarantined, 20 duplicate (quarantined for 600 created_date_unreadable, 10 deal_id_missing)",
        "quotas: 4 rows in, 3 accepted, 1 quarantined (quarantined for 1 amount_unreadable)",
        "accepted whole: reps 5",
        "acme as of 2025-12-31 (its newest date): 1 won, 2 lost, 1 open",
        "Warning: row_identity_difference of deals: 2 rows (0.2%); rows were lost",
        "Warning: rows_quarantined of deals: 600 rows (60.0%); turned away",
        "1 more findings in rpt_data_quality",
        "can't say all: mart_0, mart_1, mart_2, mart_3 and 3 more; rpt_data_capabilities says why",
    ]


# Builds


def test_a_build_that_can_accept_no_row_stops_before_the_marts_with_the_reasons(tmp_path):
    rows = [f"D{number},13.{1 + number % 9:02}/2024,,Proposal,100," for number in range(60)]
    deals = write_deals(tmp_path / "deals.csv", *rows, header=HEADER)
    done = run_dbt(tmp_path / "sales.duckdb", {"deals_file": deals}, select="+fct_deals", with_tests=False)
    assert done.exit_code != 0 and "Traceback" not in done.output
    assert (
        "Input check: none of the 60 rows of deals_file 'deals.csv' could be accepted: 60 created_date_unreadable (such as '13."
        in done.output
    )
    assert "Constraint Error" not in done.output and "SKIP" in done.output
    assert done.query("select count(*) from intermediate.int_judged_deals where reason_codes is not null") == [(60,)]


def test_a_build_without_any_open_deal_left_stops_unless_it_is_told_to_go_on(tmp_path):
    rows = ["D1,2024-01-01,2024-02-01,Closed Won,100,Won", "D2,2024-01-01,2024-02-01,Closed Lost,100,Lost", "D3,soon,,Proposal,100,Open"]
    deals = write_deals(tmp_path / "deals.csv", *rows, header=HEADER)
    done = run_dbt(tmp_path / "sales.duckdb", {"deals_file": deals}, select="+int_deals", with_tests=False)
    assert done.exit_code != 0
    assert "all 1 open deals of deals_file 'deals.csv' were turned away: 1 created_date_unreadable (such as 'soon')" in done.output
    run_dbt(tmp_path / "sales.duckdb", {"deals_file": deals, "max_rejected_open_share": 1}, select="+int_deals", with_tests=False).check()


def test_the_published_marts_of_another_input_stop_a_build_before_it_begins(tmp_path):
    database = tmp_path / "sales.duckdb"
    before = publish_by_hand(published_file(database), "acme").read_bytes()
    done = run_dbt(database)
    assert done.exit_code != 0 and "START" not in done.output.replace("START hook", "")
    assert "holds the marts of the input 'acme', and this build is of the demo CRM" in done.output
    assert published_file(database).read_bytes() == before


def test_a_database_with_a_schemas_name_is_said_in_a_sentence(tmp_path):
    done = run_dbt(tmp_path / "marts.duckdb", select="dim_stages")
    assert done.exit_code != 0 and "Traceback" not in done.output
    assert "SALES_DB 'marts.duckdb' can't be used: a database is called after its file, and marts is a schema of the build" in done.output
    assert not (tmp_path / "marts.duckdb").exists()

"""Rows that are kept from build to build belong to an input: the demo, two inputs and a database of an older version never mix."""

import re
import shutil
import types

import duckdb
import jinja2
import pytest
from conftest import PROJECT, Build, run_dbt

from tools import generate

TABLES = ("deals", "stage_history", "field_history", "activities")
SELECT = "+fct_alerts +int_kept_score_changes"
KEPT = {
    "intermediate.int_kept_score_terms": "model_version, factor, level, contribution",
    "intermediate.int_kept_deal_scores": "build_id, build_number, deal_id, win_probability",
    "intermediate.int_kept_score_changes": "build_id, previous_build_id, deal_id, log_odds_by_data",
    "marts.fct_deal_score_history": "build_id, build_number, deal_id, win_probability, previous_build_id, change_pp",
    "marts.fct_alert_events": "as_of_date, alert_key, alert_rule_id, subject_id, status, status_reason, first_seen_date",
}
DAYS = ("2025-12-18", "2025-12-19")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    """A CRM whose deals have the same ids as the demo's."""
    folder = tmp_path_factory.mktemp("crm")
    generate.generate(folder, 400, 6, "csv", clean=True, tables=TABLES)
    return {f"{name}_file": str(folder / f"demo_{name}.csv") for name in TABLES}


def build(database, as_of_date: str, **variables: str) -> Build:
    return run_dbt(database, {"as_of_date": as_of_date, **variables}, select=SELECT, with_tests=False).check()


def kept(done: Build, name: str) -> dict[str, list[tuple]]:
    return {table: done.query(f"select {columns} from {table} where input_name = '{name}' order by all") for table, columns in KEPT.items()}


def test_the_demo_and_two_inputs_in_one_database_keep_what_each_keeps_alone(files, tmp_path):
    """Two builds of each, in turns; the second input is the file of the first under another name, so that even their build ids are the same."""
    inputs = {"demo": {}, "one": {**files, "input_name": "one"}, "other": {**files, "input_name": "other"}}
    for day in DAYS:
        for variables in inputs.values():
            mixed = build(tmp_path / "mixed.duckdb", day, **variables)
        # What stands in the marts is this build's input alone.
        assert {key for (key,) in mixed.query("select alert_key from marts.fct_alerts")} <= {
            key for (key,) in mixed.query("select alert_key from marts.fct_alert_events where input_name = 'other'")
        }
    for name in ("demo", "one"):
        for day in DAYS:
            alone = build(tmp_path / f"{name}.duckdb", day, **inputs[name])
        assert all(kept(alone, name).values())
        assert kept(mixed, name) == kept(alone, name)
    one, other = kept(mixed, "one"), kept(mixed, "other")
    assert one.keys() == other.keys() and all(len(one[table]) == len(other[table]) for table in one)
    assert one["marts.fct_deal_score_history"] == other["marts.fct_deal_score_history"]
    # Keys of alerts are messages' keys, so they must not be the same.
    keys = [{row[1] for row in each["marts.fct_alert_events"]} - {None} for each in (one, other)]
    assert keys[0] and not keys[0] & keys[1]


def as_before(done: Build, path, source: str) -> Build:
    """The database as a version before 0.2 would have left it."""
    shutil.copy(done.database, path)
    with duckdb.connect(str(path)) as connection:
        for table in KEPT:
            if table == "marts.fct_alert_events":
                connection.execute(f"alter table {table} rename column input_name to alert_source")
                connection.execute(f"update {table} set alert_source = '{source}'")
            else:
                connection.execute(f"alter table {table} drop column input_name")
    return Build(0, "", path)


def names(done: Build) -> set[str]:
    return {name for table in KEPT for (name,) in done.query(f"select distinct input_name from {table}")}


def test_rows_of_an_older_version_get_a_name_where_it_is_certain(files, tmp_path):
    variables = {**files, "input_name": "acme"}
    first = build(tmp_path / "first.duckdb", DAYS[0], **variables)
    adopted = build(as_before(first, tmp_path / "sales.duckdb", "files").database, DAYS[1], **variables)
    assert "are those of the input acme" in adopted.output and names(adopted) == {"acme"}
    assert adopted.query("select max(build_number) from marts.fct_deal_score_history") == [(2,)]
    # Once and no more.
    assert "kept before" not in build(tmp_path / "sales.duckdb", DAYS[1], **variables).output
    # The demo doesn't know whose rows of files are, nor does an input that lacks one of the deals.
    by_demo = build(as_before(first, tmp_path / "by_demo.duckdb", "files").database, DAYS[1])
    assert "are called before_0.2" in by_demo.output and names(by_demo) == {"before_0.2", "demo"}
    assert by_demo.query("select min(build_number), max(build_number) from marts.fct_deal_score_history where input_name = 'demo'") == [
        (1, 1)
    ]
    [(deal,)] = first.query("select min(deal_id) from marts.fct_deal_score_history")
    shorter = tmp_path / "shorter.csv"
    with open(files["deals_file"]) as source:
        shorter.write_text("".join(line for line in source if not line.startswith(f"{deal},")))
    lacking = build(as_before(first, tmp_path / "lacking.duckdb", "files").database, DAYS[1], **{**variables, "deals_file": str(shorter)})
    assert names(lacking) == {"before_0.2", "acme"}


NAMES = {
    "exports/acme_2025-12-31.csv": "exports/acme", "exports/acme_2026-01-01.csv": "exports/acme", "./exports/acme_20251231_051200.csv.gz": "exports/acme",
    "/data/2025/12/31/deals.csv": "/data/deals", "year=2025/month=12/deals.parquet": "deals", "acme 31.12.2025.csv": "acme", "acme_12312025.csv": "acme",
    "acme_31dec2025.csv": "acme", "acme-Dec-2025.csv": "acme", "acme_2025Q4.csv": "acme", "acme_2025-W52.csv": "acme", "acme (2).csv": "acme",
    "report1703847562345.csv": "report", "exports/deals_*.parquet": "exports/deals", "2024-03-04.csv": "deals", "crm.deals_20251231": "crm.deals",
    # Numbers that are no date tell inputs apart.
    "tenant_1/deals.csv": "tenant_1/deals", "tenant_1_2025-12-31.csv": "tenant_1", "tenant_2_31_12_2025.csv": "tenant_2", "100234.csv": "100234",
    "demo.csv": "demo_file", "before_0.2.csv": "before_0.2_file", "march_deals.csv": "march_deals", "O'Brien.csv": "O'Brien",
}  # fmt: skip


def test_the_export_of_the_next_day_has_the_same_name_and_another_tenants_has_not():
    text = (PROJECT / "macros" / "input_name.sql").read_text()
    jinja = jinja2.Environment(extensions=["jinja2.ext.do"])
    macros = jinja.from_string(text, globals={"modules": types.SimpleNamespace(re=re)}).module
    assert {path: str(macros.name_of_path(path)) for path in NAMES} == NAMES

"""The project as a package of another one, set up as docs/as_a_package.md says: its marts, metrics and published file, and the host's own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml
from conftest import PROJECT
from exports import deals, totals

PAGE = (PROJECT / "docs" / "as_a_package.md").read_text(encoding="utf-8")
MODELS = {
    "wins.sql": "select count(*) as won, '{{ greeting() }}' as greeting, {{ var('answer') }} as answer from {{ ref('fct_deals') }} where outcome = 'Won'",
    "twice.sql": "select 2 * won as won from {{ ref('wins') }}",
}


def run(folder: Path, *command: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SALES_", "DBT_"))}
    program = str(Path(sys.executable).parent / command[0])
    return subprocess.run([program, *command[1:]], capture_output=True, text=True, cwd=folder, env=environment)


def passes(folder: Path, *command: str) -> str:
    done = run(folder, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Path:
    """The files of the page, a table of deals, and two models, a macro and a var of the host's own."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "models").mkdir()
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL):
        (folder / name).write_text(text.replace("../pipeline-intelligence", str(PROJECT)), encoding="utf-8")
    settings = yaml.safe_load((folder / "dbt_project.yml").read_text())
    settings["vars"]["answer"] = 42
    settings["vars"]["pipeline_intelligence"]["column_mapping"] = {"deal_id": "Deal No", "deal_stage": "stage", "sales_rep_id": "owner"}
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(settings))
    (folder / "macros").mkdir()
    (folder / "macros" / "greeting.sql").write_text("{% macro greeting() %}good day{% endmacro %}")
    for name, text in MODELS.items():
        (folder / "models" / name).write_text(text)
    rows = [
        (f"D{deal.number}", deal.created, deal.closed, deal.expected, deal.stage, deal.amount, deal.owner, deal.industry)
        for deal in deals()
    ]
    with duckdb.connect(str(folder / "acme.duckdb")) as connection:
        connection.execute("create schema raw")
        connection.execute(
            'create table raw.deals ("Deal No" varchar, created_date date, closed_date date, expected_close_date date, stage varchar, '
            "deal_amount decimal(18, 2), owner varchar, industry varchar)"
        )
        connection.executemany("insert into raw.deals values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    (folder / "stages.csv").write_text(
        "stage,stage_order,is_closed,is_won\nQualification,1,false,\nProposal,2,false,\nNegotiation,3,false,\nClosed Won,4,true,true\nClosed Lost,5,true,false\n"
    )
    settings["vars"]["pipeline_intelligence"]["stages_file"] = "stages.csv"
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(settings))
    passes(folder, "dbt", "deps")
    return folder


@pytest.fixture(scope="module")
def built(host) -> str:
    return passes(host, "dbt", "--no-use-colors", "build", "--exclude-resource-type", "unit_test", "--exclude", "tag:code")


def query(file: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_the_marts_of_a_source_are_built_and_published(host, built):
    count, won, lost, open_, amount = totals(deals())
    published = host / "marts.duckdb"
    assert query(published, "select input_name from build_info") == [("acme",)]
    by_outcome = "select count(*), count(case when outcome = 'Won' then 1 end), count(case when outcome = 'Lost' then 1 end), count(case when is_open then 1 end), sum(deal_amount)"
    [found] = query(published, f"{by_outcome} from fct_deals")
    assert found[:4] == (count, won, lost, open_) and float(found[4]) == pytest.approx(amount)
    assert "marts published" in built and f"deals: {count} rows in, {count} accepted" in built


def test_the_hosts_own_models_vars_and_macros_work_on(host, built):
    won = totals(deals())[1]
    assert query(host / "acme.duckdb", "select * from main.wins") == [(won, "good day", 42)]
    assert query(host / "acme.duckdb", "select * from main.twice") == [(2 * won,)]
    compiled = (host / "target" / "compiled" / "acme" / "models" / "twice.sql").read_text()
    assert '"acme"."main"."wins"' in compiled  # the package's own `ref` leaves the database out


def test_the_source_is_upstream_of_the_marts(host, built):
    said = passes(host, "dbt", "ls", "--quiet", "--select", "+fct_deals", "--resource-type", "source")
    assert "source:acme.crm.deals" in said.split()


def test_a_build_of_the_host_alone_leaves_the_packages_input_and_marts_as_they_are(host, built):
    before = (host / "marts.duckdb").stat().st_mtime_ns
    said = passes(host, "dbt", "--no-use-colors", "build", "--select", "acme", "--vars", "{deals_file: nowhere.csv}")
    assert "Input check" not in said and "published" not in said
    assert (host / "marts.duckdb").stat().st_mtime_ns == before


def test_its_metrics_are_there_and_answer(host, built):
    """dbt 1.12 looks in the root project for the semantic model of a simple metric in its new YAML; measures are found in any project."""
    own = yaml.safe_load((PROJECT / "models" / "metrics" / "_win_rate_metrics.yml").read_text())["metrics"]
    said = passes(host, "dbt", "ls", "--quiet", "--resource-type", "metric", "saved_query").split()
    assert {f"metric:pipeline_intelligence.{metric['name']}" for metric in own} <= set(said) and len(said) > 70
    passes(host, "mf", "query", "--metrics", "win_rate", "--csv", "win_rate.csv")
    [_, value] = (host / "win_rate.csv").read_text().split()
    _, won, lost, *_ = totals(deals())
    assert float(value) == pytest.approx(won / (won + lost))


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (("module: intake.plugin", "module: tools.publish"), "doesn't load pipeline_intelligence: give its target module_paths"),
        (("TimeZone: UTC",), "set TimeZone to UTC in its settings"),
    ],
)
def test_a_profile_that_lacks_something_is_told_so(host, built, lines, sentence, tmp_path):
    profile = yaml.safe_load((host / "profiles.yml").read_text())
    target = profile["acme"]["outputs"]["dev"]
    if len(lines) > 1:
        del target["plugins"]
    else:
        target["settings"]["TimeZone"] = "America/New_York"
    (tmp_path / "profiles.yml").write_text(yaml.safe_dump(profile))
    done = run(host, "dbt", "--no-use-colors", "build", "--select", "dim_stages", "--profiles-dir", str(tmp_path))
    assert done.returncode and sentence in done.stdout

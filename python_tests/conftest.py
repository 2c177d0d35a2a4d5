"""Whole builds of the project, each in a process, a database and a target folder of its own."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys

import duckdb
import pytest

PROJECT = pathlib.Path(__file__).resolve().parent.parent
REFERENCE_FOLDER = os.environ.get("SALES_REFERENCE_DATA")

DEAL_COLUMNS = (
    "deal_id,created_date,closed_date,sales_rep_id,industry,region,product_type,lead_source,deal_stage,deal_amount,"
    "sales_cycle_days,outcome"
)


@dataclasses.dataclass
class Build:
    """One finished dbt command: its exit code, what it printed, its database, and the file it publishes to."""

    exit_code: int
    output: str
    database: pathlib.Path

    @property
    def published(self) -> pathlib.Path:
        return published_file(self.database)

    def query(self, sql: str) -> list[tuple]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def frame(self, sql: str):
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql).df()

    def check(self) -> "Build":
        assert self.exit_code == 0, self.output
        return self


def published_file(database: pathlib.Path) -> pathlib.Path:
    return database.with_name(f"{database.stem}_marts.duckdb")


def run_dbt(
    database: pathlib.Path,
    variables: dict | None = None,
    command: str = "build",
    select: str | None = None,
    selector: str | None = None,
    with_tests: bool = True,
    **environment: str,
) -> Build:
    """Run one dbt command of the project against `database`; `environment` adds environment variables.

    A selection brings the tests whose parents it holds; `selector` is one of selectors.yml, without which unit tests don't run;
    `with_tests=False` leaves out all data and unit tests.
    """
    scratch = database.parent / (database.stem + "_dbt")
    arguments = [str(pathlib.Path(sys.executable).parent / "dbt"), "--no-use-colors", *command.split()]
    arguments += ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    arguments += ["--target-path", str(scratch / "target"), "--log-path", str(scratch / "logs")]
    if variables:
        arguments += ["--vars", json.dumps(variables, default=str)]
    if select:
        arguments += ["--indirect-selection", "buildable", "--select", *select.split()]
    if selector:
        arguments += ["--selector", selector]
    if not with_tests:
        arguments += ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
    files = {"SALES_DB": str(database), "SALES_MARTS_DB": str(published_file(database))}
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=database.parent, env={**os.environ, **files, **environment})
    return Build(done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr), database)


def write_deals(path: pathlib.Path, *rows: str, header: str = DEAL_COLUMNS) -> pathlib.Path:
    path.write_text("\n".join((header,) + rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Build:
    """The embedded demo CRM, built whole with its data and unit tests."""
    return run_dbt(tmp_path_factory.mktemp("demo") / "demo_sales.duckdb", selector="data_and_code").check()


@pytest.fixture(scope="session")
def reference_folder() -> pathlib.Path:
    """Folder with the real 5,000-deal file and its reference figures; not part of the project."""
    if not REFERENCE_FOLDER:
        pytest.skip("SALES_REFERENCE_DATA names no folder with skygeni_sales_data.csv and skygeni_reference.json")
    return pathlib.Path(REFERENCE_FOLDER).resolve()


@pytest.fixture(scope="session")
def real_build(reference_folder, tmp_path_factory) -> Build:
    """The real file, built whole: closed deals only."""
    return run_dbt(tmp_path_factory.mktemp("reference") / "reference.duckdb", {"deals_file": reference_folder / "skygeni_sales_data.csv"}).check()

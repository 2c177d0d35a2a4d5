"""Whole builds of the project, each in a process, a database and a target folder of its own."""

import atexit
import dataclasses
import fcntl
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable

import duckdb
import jinja2
import pandas
import pytest

from tools import screenshots

PROJECT = pathlib.Path(__file__).resolve().parent.parent
REFERENCE_FOLDER = os.environ.get("SALES_REFERENCE_DATA")

DEAL_COLUMNS = (
    "deal_id,created_date,closed_date,sales_rep_id,industry,region,product_type,lead_source,deal_stage,deal_amount,sales_cycle_days,outcome"
)

# Edges that no day's closes move, and those of the reference figures of the real file.
SIZE_BANDS = """band_type,band,band_order,lower_bound,upper_bound
deal_size_band,small,1,,5000
deal_size_band,medium,2,5000,15000
deal_size_band,large,3,15000,30000
deal_size_band,enterprise,4,30000,
"""

# Fixtures that build, or that look at what a build published.
BUILDS = {"demo", "real_build", "real_build_as_of", "browser"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The linters and files that build come first, so that short ones are left when workers run out of work; what builds or opens a build is `slow`."""
    items.sort(key=lambda item: (item.path.name != "test_lint.py", not hasattr(item.module, "run_dbt")))
    for item in items:
        if "run_dbt" in item.function.__code__.co_names or BUILDS & set(item.fixturenames):
            item.add_marker("slow")


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
    command: str | list[str] = "build",
    select: str | None = None,
    selector: str | None = None,
    with_tests: bool = True,
    with_artifacts: bool = False,
    killed_after: float | None = None,
    killed_at: str | None = None,
    **environment: str,
) -> Build:
    """Run one dbt command of the project against `database`; `environment` adds environment variables.

    Paths in `variables` are given relative to the database's folder, in which dbt runs. A selection brings the tests whose parents it
    holds; `selector` is one of selectors.yml, without which unit tests don't run; `with_tests=False` leaves out all data and unit tests;
    `with_artifacts=True` writes manifest.json and its like, which takes a second. The process is ended without warning when it still runs
    after `killed_after` seconds, or when what it prints matches `killed_at`.
    """
    scratch = database.parent / (database.stem + "_dbt")
    arguments = [
        "--no-use-colors",
        *(command.split() if isinstance(command, str) else command),
        "--project-dir",
        str(PROJECT),
        "--profiles-dir",
        str(PROJECT),
    ]
    arguments += ["--target-path", str(scratch / "target"), "--log-path", str(scratch / "logs")]
    given = json.dumps(variables or {}, default=lambda value: relative(value, database.parent), ensure_ascii=False)
    arguments += ["--vars", given]
    if select:
        indirect = environment.get("DBT_INDIRECT_SELECTION", "buildable")
        arguments += ["--indirect-selection", indirect, "--select", *select.split()]
    if selector:
        arguments += ["--selector", selector]
    if not with_tests:
        arguments += ["--exclude-resource-type", "test"]
    if not with_tests or (select and command == "build"):
        arguments += ["--exclude-resource-type", "unit_test"]
    if not with_artifacts:
        arguments += ["--no-write-json"]
    server = DbtServer.started()
    parsed = server.parsed / f"{hashlib.md5(f'{database.name} {structure(variables or {})}'.encode()).hexdigest()}.msgpack"
    reread = scratch / "target" / "partial_parse.msgpack"
    reread.parent.mkdir(parents=True, exist_ok=True)
    if parsed.exists():
        shutil.copy(parsed, reread)
    output = scratch / "output.txt"
    output.write_text("")
    files = {"SALES_DB": database.name, "SALES_MARTS_DB": str(published_file(database))}
    exit_code = server.run(
        arguments=arguments,
        folder=str(database.parent),
        environment={**os.environ, **files, **environment},
        output=str(output),
        structure=structure(variables or {}),
        killed_after=killed_after,
        killed_at=killed_at,
    )
    if reread.exists() and not parsed.exists():
        parsed.parent.mkdir(exist_ok=True)  # A worker that is done has removed it.
        os.replace(shutil.copy(reread, parsed.with_suffix(f".{os.getpid()}")), parsed)
    return Build(exit_code, re.sub(r"\x1b\[[0-9;]*m", "", output.read_text()), database)


def structure(variables: dict) -> str:
    """What vars decide of a parsed project: of files, days and the input's name it is that they are there, of all others their values.

    Which models there are and what they refer to; their SQL is made of the vars when it runs.
    """
    is_read_later = ("as_of_date", "train_as_of_date", "input_name")
    known = {
        name: value is not None if name.endswith("_file") or name in is_read_later else str(value) for name, value in variables.items()
    }
    return json.dumps(known, sort_keys=True)


def relative(path: object, folder: pathlib.Path) -> str:
    return os.path.relpath(path, folder) if isinstance(path, pathlib.Path) else str(path)


class DbtServer:
    """The process of dbt_server.py, one for each worker of pytest."""

    @classmethod
    @functools.cache
    def started(cls) -> "DbtServer":
        return cls()

    def __init__(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sales_dbt_server_"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        # Parsed projects, for all workers of a run.
        self.parsed = pathlib.Path(tempfile.gettempdir()) / f"sales_parsed_{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
        self.parsed.mkdir(exist_ok=True)
        atexit.register(shutil.rmtree, self.parsed, ignore_errors=True)
        warm_up = ["--no-use-colors", "parse", "--no-write-json", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        warm_up += ["--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "logs")]
        with (self.folder / "server.txt").open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(PROJECT / "python_tests" / "dbt_server.py"), *warm_up],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=self.folder,
            )

    def run(self, **request) -> int:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"dbt_server.py ended: {(self.folder / 'server.txt').read_text()}")
        return int(answer)


def one_row(build: Build, sql: str) -> dict:
    [row] = build.frame(sql).to_dict("records")
    return row


class FakeDbt:
    """What a Python model asks of dbt: its settings, and its relations."""

    def __init__(self, settings: dict, **relations) -> None:
        self.settings, self.ref, self.config = settings, relations.__getitem__, self

    def __call__(self, **ignored) -> None:
        pass

    def meta_get(self, name: str) -> dict:
        return {"settings": self.settings}[name]


def findings(macro: str, rows: pandas.DataFrame, **variables) -> list[str]:
    """The sentences that a macro of macros/wording.sql makes of rows, in their order, without own dimensions."""
    names = {"var": variables.__getitem__, "own_dimensions": lambda *known: [], "dbt": {"type_string": lambda: "varchar"}}
    wording = jinja2.Environment().from_string((PROJECT / "macros" / "wording.sql").read_text(encoding="utf-8"), names).module
    with duckdb.connect() as connection:
        connection.register("rows_of_a_mart", rows)
        found = connection.execute(f"select {getattr(wording, macro)('rows_of_a_mart')} from rows_of_a_mart").fetchall()
    return [sentence for (sentence,) in found]


def write_deals(path: pathlib.Path, *rows: str, header: str = DEAL_COLUMNS) -> pathlib.Path:
    path.write_text("\n".join((header,) + rows) + "\n", encoding="utf-8")
    return path


def write_size_bands(folder: pathlib.Path) -> pathlib.Path:
    """A bands_file of fixed edges; without one, a past day within a build has the quartiles of the build's as-of date."""
    path = folder / "bands.csv"
    path.write_text(SIZE_BANDS, encoding="utf-8")
    return path


def made_once(tmp_path_factory, name: str, make: Callable[[pathlib.Path], Build]) -> Build:
    """A build that `make` makes in a folder: once for all workers of pytest, and each has a copy."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"{name}_build"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            built = make(folder)
            (folder / "build.json").write_text(json.dumps([built.exit_code, built.output, built.database.name]))
    copy = pathlib.Path(shutil.copytree(folder, tmp_path_factory.mktemp(name) / folder.name))
    exit_code, output, database = json.loads((copy / "build.json").read_text())
    return Build(exit_code, output, copy / database).check()


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Build:
    """The embedded demo CRM, built whole with its data and unit tests."""
    return made_once(
        tmp_path_factory, "demo", lambda folder: run_dbt(folder / "demo_sales.duckdb", selector="data_and_code", with_artifacts=True)
    )


@pytest.fixture(scope="session")
def reference_folder() -> pathlib.Path:
    """Folder with the real 5,000-deal file and its reference figures; not part of the project."""
    if not REFERENCE_FOLDER:
        pytest.skip("SALES_REFERENCE_DATA names no folder with skygeni_sales_data.csv and skygeni_reference.json")
    return pathlib.Path(REFERENCE_FOLDER).resolve()


@pytest.fixture(scope="session")
def real_build(reference_folder, tmp_path_factory) -> Build:
    """The real file, built whole: closed deals only; bands of amounts are those of the reference figures."""

    def whole(folder: pathlib.Path) -> Build:
        variables = {"deals_file": reference_folder / "skygeni_sales_data.csv", "bands_file": write_size_bands(folder)}
        return run_dbt(folder / "reference.duckdb", variables)

    return made_once(tmp_path_factory, "real", whole)


@pytest.fixture(scope="session")
def real_build_as_of(reference_folder, tmp_path_factory) -> Callable[[str], Build]:
    """The real file as of a day on which some hundred of its deals were open, built whole but without tests."""

    @functools.cache
    def build(date: str) -> Build:
        variables = {"deals_file": reference_folder / "skygeni_sales_data.csv", "as_of_date": date}
        whole = functools.partial(run_dbt, variables=variables, with_tests=False, with_artifacts=True)
        return made_once(tmp_path_factory, f"real_{date}", lambda folder: whole(folder / "reference.duckdb"))

    return build


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium. Without one the tests that look at pages are skipped, but not in CI."""
    path = screenshots.chromium()
    if not path:
        if os.environ.get("CI"):
            pytest.fail("CI needs a Chromium to look at the dashboard and the docs")
        pytest.skip(f"no Chromium on the path: one of {', '.join(screenshots.BROWSERS)}")
    playwright = pytest.importorskip("playwright.sync_api").sync_playwright().start()
    opened = playwright.chromium.launch(executable_path=path, args=screenshots.BROWSER_ARGUMENTS)
    yield opened
    opened.close()
    playwright.stop()

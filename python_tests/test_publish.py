"""The published file: what it holds, and that readers see one whole build whatever happens to the builds.

SALES_ALL_BUILDS=1 runs twenty whole builds under readers instead of six.
"""

import collections
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import duckdb
import pandas
import pytest
import sqlalchemy
from conftest import PROJECT, published_file, run_dbt, write_deals

from intake.inputs import fingerprint
from tools.publish import BUILD_INFO_COLUMNS, publish

ROWS = 1_000
MARTS = ("fct_one", "fct_two")


# What is in it


def test_published_marts_are_the_marts_of_the_build(demo):
    with duckdb.connect() as connection:
        connection.execute(f"attach '{demo.database}' as build (read_only)")
        connection.execute(f"attach '{demo.published}' as published (read_only)")
        tables = "select table_name from duckdb_tables() where database_name = 'published' and table_name <> 'build_info'"
        marts = "select table_name from information_schema.tables where table_catalog = 'build' and table_schema = 'marts'"
        names = [name for (name,) in connection.execute(f"{tables} order by 1").fetchall()]
        assert names == [name for (name,) in connection.execute(f"{marts} order by 1").fetchall()]
        for name in names:
            one, other = f"build.marts.{name}", f"published.{name}"
            difference = f"(from {one} except all from {other}) union all (from {other} except all from {one})"
            assert connection.execute(f"select count(*) from ({difference})").fetchall() == [(0,)], name
        counts = {name: connection.execute(f"select count(*) from published.{name}").fetchall()[0][0] for name in names}
        info = connection.execute("select * from published.build_info").df().to_dict("records")
        as_of_date = connection.execute("select as_of_date from build.intermediate.int_as_of").fetchall()[0][0]
        uncommented = "select table_name, column_name from duckdb_columns() where database_name = 'published' and comment is null"
        assert connection.execute(uncommented).fetchall() == []
    assert len(info) == 1
    assert list(info[0]) == list(BUILD_INFO_COLUMNS)
    assert json.loads(info[0]["row_counts"]) == counts
    assert (info[0]["mart_count"], info[0]["row_count"]) == (len(counts), sum(counts.values()))
    assert info[0]["as_of_date"].date() == as_of_date
    assert info[0]["duckdb_version"] == duckdb.__version__


def test_pandas_sqlalchemy_and_plain_duckdb_read_it(demo):
    question = "select sales_rep_id, count(*) as deal_count from fct_deals where is_won group by sales_rep_id order by sales_rep_id"
    with duckdb.connect(str(demo.published), read_only=True) as connection:
        plain = connection.execute(question).fetchall()
        frame = connection.execute(question).df()
    engine = sqlalchemy.create_engine(f"duckdb:///{demo.published}", connect_args={"read_only": True})
    with engine.connect() as connection:
        by_engine = [tuple(row) for row in connection.execute(sqlalchemy.text(question))]
        by_pandas = pandas.read_sql(question, connection)
    engine.dispose()
    assert plain == by_engine == list(frame.itertuples(index=False, name=None)) == list(by_pandas.itertuples(index=False, name=None))
    assert plain == demo.query(question.replace("fct_deals", "marts.fct_deals"))
    assert sum(count for _, count in plain) > 900


def test_the_name_of_the_file_can_stand_before_a_mart(demo, tmp_path):
    """A file marts.duckdb with a schema `marts` would make `marts.fct_deals` ambiguous: the tables are in the main schema."""
    os.link(demo.published, tmp_path / "marts.duckdb")
    with duckdb.connect(str(tmp_path / "marts.duckdb"), read_only=True) as connection:
        assert (
            connection.execute("select count(*) from marts.fct_deals").fetchall()
            == connection.execute("select count(*) from fct_deals").fetchall()
        )


# The function by itself


@pytest.fixture
def build(tmp_path):
    """The database of a build of two small marts, and what is asked of the publisher."""
    with duckdb.connect(str(tmp_path / "sales.duckdb")) as connection:
        connection.execute("create table as_of as select date '2025-12-31' as as_of_date")
        for mart in MARTS:
            connection.execute(f"create table {mart} as select range as deal_id, 'it''s' as note from range({ROWS})")
        yield connection, request(0)


def request(number: int) -> dict:
    marts = {mart: {"relation": mart, "description": "It's one row", "columns": {"deal_id": "Key of the deal's row"}} for mart in MARTS}
    versions = {"project_version": "1", "dbt_version": "1", "published_at": "2026-01-01 00:00:00"}
    return {"marts": marts, "inputs": list(MARTS), "input_name": "acme", "as_of": "as_of", "code": str(number), **versions}


def whole_build(connection: duckdb.DuckDBPyConnection) -> str:
    """The build id that a reader sees, after comparing what build_info says with the tables."""
    build_id, row_counts = connection.execute("select build_id, row_counts from build_info").fetchall()[0]
    for mart, count in json.loads(row_counts).items():
        assert connection.execute(f"select count(*) from {mart}").fetchall() == [(count,)], mart
    return build_id


def files_of(folder: pathlib.Path) -> list[str]:
    """All but the log of the build's own database, which is open."""
    return sorted(file.name for file in folder.iterdir() if file.name != "sales.duckdb.wal")


def read(path: pathlib.Path) -> str:
    with duckdb.connect(str(path), read_only=True) as connection:
        return whole_build(connection)


def build_info(path: pathlib.Path) -> dict:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute("select * from build_info").df().to_dict("records")[0]


def test_the_same_input_in_another_order_is_the_same_build(build, tmp_path):
    connection, asked = build
    publish(connection, str(tmp_path / "one.duckdb"), asked)
    connection.execute("create or replace table fct_one as select * from fct_one order by hash(deal_id)")
    publish(connection, str(tmp_path / "shuffled.duckdb"), {**asked, "published_at": "2026-01-02 00:00:00"})
    connection.execute("update fct_one set note = 'other' where deal_id = 7")
    publish(connection, str(tmp_path / "changed.duckdb"), asked)
    one, shuffled, changed = (build_info(tmp_path / f"{name}.duckdb") for name in ("one", "shuffled", "changed"))
    assert {name for name in one if one[name] != shuffled[name]} == {"published_at"}
    assert one["input_fingerprint"] != changed["input_fingerprint"] and one["build_id"] != changed["build_id"]


def test_another_interval_is_another_build(build, tmp_path, monkeypatch):
    """Python models import their statistics: dbt's compiled code is the same when these change."""
    connection, asked = build
    package = pathlib.Path(shutil.copytree(PROJECT / "inference", tmp_path / "inference", ignore=shutil.ignore_patterns("__pycache__")))
    monkeypatch.setattr("tools.publish.PACKAGE", package)

    def build_id() -> str:
        publish(connection, str(tmp_path / "marts.duckdb"), asked)
        return build_info(tmp_path / "marts.duckdb")["build_id"]

    first, again = build_id(), build_id()
    intervals = package / "intervals.py"
    intervals.write_text(intervals.read_text().replace("np.clip(centre - half, 0, rate)", "centre - half"))
    changed = build_id()
    (package / "more.py").write_text("")
    assert first == again and len({first, changed, build_id()}) == 3


def test_the_builds_own_database_is_refused(build, tmp_path):
    connection, asked = build
    with pytest.raises(ValueError, match="is the build's own database"):
        publish(connection, str(tmp_path / "sales.duckdb"), asked)


def test_a_file_that_was_replaced_since_the_check_is_refused(build, tmp_path):
    connection, asked = build
    deals = tmp_path / "deals.csv"
    deals.write_text("deal_id\nD1\n")
    connection.execute("create schema landing")
    connection.execute(
        "create table landing.files as select 'deals' as input, ? as file_name, ? as fingerprint", [str(deals), fingerprint(deals)]
    )
    publish(connection, str(tmp_path / "marts.duckdb"), asked)
    deals.write_text("deal_id\nD1\nD2\n")
    with pytest.raises(
        ValueError, match=r"^deals_file '.*deals.csv' was changed or replaced while the build read it: run the build again$"
    ):
        publish(connection, str(tmp_path / "marts.duckdb"), asked)


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(build, tmp_path):
    connection, asked = build
    path = tmp_path / "marts.duckdb"
    publish(connection, str(path), asked)
    before = path.read_bytes()
    broken = {**asked, "marts": {**asked["marts"], "fct_three": {"relation": "nowhere", "description": "", "columns": {}}}}
    with pytest.raises(duckdb.CatalogException, match="nowhere"):
        publish(connection, str(path), broken)
    assert path.read_bytes() == before
    assert files_of(tmp_path) == ["marts.duckdb", "sales.duckdb"]
    with pytest.raises(ValueError, match="there is no folder"):
        publish(connection, str(tmp_path / "no_folder" / "marts.duckdb"), asked)


def test_what_somebody_wrote_into_the_old_file_is_not_replayed_into_the_new_one(build, tmp_path):
    connection, asked = build
    path = tmp_path / "marts.duckdb"
    publish(connection, str(path), asked)
    vandal = f"import duckdb, os; c = duckdb.connect('{path}'); c.execute('create table mine as select 1 as x'); os._exit(0)"
    subprocess.run([sys.executable, "-c", vandal], check=True)
    assert path.with_name("marts.duckdb.wal").exists()
    publish(connection, str(path), asked)
    with duckdb.connect(str(path), read_only=True) as published:
        assert {name for (name,) in published.execute("select table_name from duckdb_tables()").fetchall()} == {*MARTS, "build_info"}


def test_a_full_disk_is_what_the_error_speaks_of(build, tmp_path):
    """A limit on the size of files, in a process of its own, stands for the disk."""
    connection, asked = build
    connection.execute("create or replace table fct_one as select range as deal_id, md5(range::varchar) as note from range(200000)")
    connection.execute("checkpoint")
    connection.close()
    script = f"""
import resource, signal, sys, duckdb
sys.path[:0] = ["{PROJECT}", "{PROJECT}/python_tests"]
from test_publish import request
from tools.publish import publish
connection = duckdb.connect("{tmp_path}/sales.duckdb")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
publish(connection, "{tmp_path}/marts.duckdb", request(0))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode != 0 and "Could not write" in done.stderr.splitlines()[-1], done.stderr
    assert not (tmp_path / "marts.duckdb").exists()


def test_what_a_killed_build_left_is_cleared_and_a_running_ones_is_not(build, tmp_path):
    connection, asked = build
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, alive = (tmp_path / f"marts.duckdb.{process}.unfinished" for process in (ended.pid, os.getppid()))
    for file in (dead, alive, dead.with_name(dead.name + ".wal")):
        file.write_bytes(b"half")
    publish(connection, str(tmp_path / "marts.duckdb"), asked)
    assert files_of(tmp_path) == ["marts.duckdb", alive.name, "sales.duckdb"]


# Under readers


PUBLISHERS = f"""
import os, random, signal, sys, time, duckdb
sys.path[:0] = ["{PROJECT}", "{PROJECT}/python_tests"]
from test_publish import request
from tools.publish import publish
moments = random.Random(4)
for kill in range(int(sys.argv[3])):
    process = os.fork()
    if not process:
        connection = duckdb.connect(sys.argv[1], config={{"threads": 1}})
        for number in range(1 + kill * 1000, (kill + 1) * 1000):
            publish(connection, sys.argv[2], request(number))
    time.sleep(0.1 + moments.random())
    os.kill(process, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(process, 0)[1])
"""

READER = f"""
import json, sys, time, duckdb
sys.path[:0] = ["{PROJECT}", "{PROJECT}/python_tests"]
from test_publish import read, whole_build
seen, errors, path, pause, ticks = [], [], sys.argv[1], float(sys.argv[2]), 0
held = duckdb.connect(path, read_only=True) if sys.argv[3] == "holds" else None
print("reading", flush=True)
import select
while not select.select([sys.stdin], [], [], pause)[0]:
    ticks += 1
    try:
        build_id = whole_build(held) if held else read(path)
        seen += [build_id] if build_id not in seen[-1:] else []
    except Exception as error:
        errors.append(repr(error))
print(json.dumps({{"ticks": ticks, "seen": seen, "errors": errors}}))
"""


@contextlib.contextmanager
def readers(path: pathlib.Path, pause: float):
    """A process that opens the file again and again and one that holds it open; yields what they saw, filled in at the end."""
    saw = collections.defaultdict(dict)
    processes = {
        kind: subprocess.Popen(
            [sys.executable, "-c", READER, str(path), str(pause), kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for kind in ("polls", "holds")
    }
    for process in processes.values():
        assert process.stdout.readline() == "reading\n"
    try:
        yield saw
    finally:
        for kind, process in processes.items():
            output, _ = process.communicate("stop\n", timeout=60)
            saw[kind].update(json.loads(output))


def test_readers_see_whole_builds_while_publishers_are_killed_at_random_moments(build, tmp_path):
    connection, asked = build
    path = tmp_path / "marts.duckdb"
    publish(connection, str(path), asked)
    first = read(path)
    connection.close()
    kills = 20
    with readers(path, 0.01) as saw:
        subprocess.run([sys.executable, "-c", PUBLISHERS, str(tmp_path / "sales.duckdb"), str(path), str(kills)], check=True)
        time.sleep(0.5)
    assert saw["polls"]["errors"] == saw["holds"]["errors"] == []
    assert saw["holds"]["seen"] == [first]
    assert len(saw["polls"]["seen"]) > kills and len(set(saw["polls"]["seen"])) == len(saw["polls"]["seen"])
    assert saw["polls"]["seen"][-1] == read(path)


@pytest.fixture(scope="module")
def small_crm(tmp_path_factory) -> pathlib.Path:
    rows = [
        f"D{i},2024-{1 + i % 9:02}-10,{f'2024-{2 + i % 9:02}-15' if i % 4 else ''},R{i % 3},Retail,EU,Core,Web,"
        f"{['Proposal', 'Won', 'Lost', 'Won'][i % 4]},{1000 + i},,{['', 'Won', 'Lost', 'Won'][i % 4]}"
        for i in range(48)
    ]
    return write_deals(tmp_path_factory.mktemp("crm") / "deals.csv", *rows)


def test_builds_that_fail_or_are_killed_or_partial_change_nothing_that_readers_see(small_crm, tmp_path):
    """The first build publishes; of the others the finished ones publish, each as of another date, and the rest leave the file alone."""
    database = tmp_path / "sales.duckdb"
    path = published_file(database)
    moments = random.Random(5)
    fates = ["killed", "fails", "partial", "stopped", "finishes"] * (4 if os.environ.get("SALES_ALL_BUILDS") else 1)
    expected = []

    def build_once(number: int, fate: str) -> None:
        variables = {"deals_file": str(small_crm), "as_of_date": f"2024-11-{1 + number:02}"}
        if fate == "killed":
            killed = run_dbt(database, variables, killed_after=1 + 20 * moments.random())
            assert killed.exit_code in (0, -signal.SIGALRM)
            # It may have been killed right after it had published.
            if read(path) != expected[-1]:
                expected.append(read(path))
        elif fate == "fails":
            failed = run_dbt(database, {**variables, "score_factors": [{"factor": "mood", "label": "mood", "column": "no_such_column"}]})
            assert failed.exit_code != 0 and "was not published: a node did not pass" in failed.output
        elif fate == "partial":
            partial = run_dbt(database, variables, select="dim_stages").check()
            assert "was not published: only a part was built" in partial.output
        elif fate == "stopped":
            stopped = run_dbt(database, {**variables, "deals_file": str(tmp_path / "nowhere.csv")})
            assert stopped.exit_code != 0 and "names no file" in stopped.output and "marts published" not in stopped.output
        else:
            finished = run_dbt(database, variables).check()
            assert f"{path}: " in finished.output
            expected.append(read(path))
        assert read(path) == expected[-1], fate

    build_once(0, "finishes")
    with readers(path, 0.05) as saw:
        for number, fate in enumerate(fates, start=1):
            build_once(number, fate)
        before = build_info(path)
        build_once(len(fates), "finishes")
        again = build_info(path)
    # The same input and vars as in the last build: the same build, published once more.
    assert {name for name in before if before[name] != again[name]} == {"published_at"}
    assert expected.pop() == expected[-1]
    assert len(set(expected)) == len(expected) >= 2
    assert saw["polls"]["errors"] == saw["holds"]["errors"] == []
    assert saw["holds"]["seen"] == expected[:1]
    assert saw["polls"]["seen"] == expected
    assert saw["polls"]["ticks"] > 100
    assert not list(tmp_path.glob("*.unfinished*"))

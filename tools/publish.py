"""Publishing: the public marts of a finished build as one DuckDB file that BI tools read, also while the next build runs.

dbt-duckdb loads the module as a plugin (profiles.yml), which gives the build's connection the function `publish_marts`; the macro
`publish` calls it when every node has passed. The marts are copied into a new file beside the target, and an atomic rename swaps it in:
whoever reads has either the whole old build or the whole new one, and who holds the old file open keeps it (not on Windows, which
refuses to replace an open file).
"""

import contextlib
import glob
import hashlib
import json
import os
from pathlib import Path

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from intake.inputs import fingerprint
from intake.places import Published, problem_of_published, problem_of_replacing, published
from tools import summary

# What clients of DuckDB 1.0 and newer can read.
STORAGE_VERSION = "v1.0.0"
# With fewer rows an input may grow or shrink as it likes.
FEW_ROWS = 100
# What Python models import. dbt, which compiles each model by itself, doesn't see it.
PACKAGE = Path(__file__).resolve().parent.parent / "inference"

BUILD_INFO_COLUMNS = {
    "build_id": "What the tables are made of: a hash of the input's fingerprint, the as-of date, the reference seeds, the compiled code and parameters of every model, "
    "and the code of the statistics they import; the same input, vars and version give the same id. (The build_id of fct_deal_score_history stands for what scores read alone.)",
    "input_name": "What the input is called: demo, the var input_name, or a name made of deals_file. The marts of another input don't replace these unless they are told to.",
    "as_of_date": "The day at whose end everything is known.",
    "input_fingerprint": "A hash of all accepted and rejected rows of the input, as known at the as-of date, whatever their order.",
    "project_version": "Version of this project.",
    "dbt_version": "Version of dbt that built it.",
    "duckdb_version": "Version of DuckDB that built it.",
    "mart_count": "Number of marts in the file.",
    "row_count": "Rows of all marts together.",
    "row_counts": "Rows of each mart, as a JSON object.",
    "published_at": "When the build began by the clock of the machine that ran it, in UTC: the one column in which two builds of the same input differ.",
}


class Plugin(BasePlugin):
    """Gives the connection of a build `publish_marts(path, request)`: JSON of the `summary`, lines, and the `problems` that kept it from publishing."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        def publish_marts(path: str, request: str) -> str:
            return json.dumps(end_build(conn.cursor(), path, json.loads(request)), ensure_ascii=False)

        conn.create_function("publish_marts", publish_marts, ["VARCHAR", "VARCHAR"], "VARCHAR", side_effects=True)


def end_build(connection: DuckDBPyConnection, path: str, request: dict) -> dict[str, list[str]]:
    """Publish a build unless something is far from usual, and sum it up."""
    said = summary.lines(connection, request)
    problems = problems_of_build(connection, path, request)
    if not problems:
        said.append(f"{path}: {publish(connection, path, request)} marts published")
    return {"summary": said, "problems": problems}


def problems_of_build(connection: DuckDBPyConnection, path: str, request: dict) -> list[str]:
    """Why a build must not be published, a clause each: its place, another input's marts there, too much turned away, another size than the last."""
    if problem := problem_of_published(path, databases(connection)):
        return [problem]
    old, limits = published(path), request["limits"]
    found = [] if request["may_replace"] else [problem_of_replacing(path, old, request["input_name"])]
    [(rejected, known, row_count)] = connection.execute(
        f"select quarantined_count, accepted_count + quarantined_count + duplicate_count, row_count from {request['row_counts']} where input = 'deals'"
    ).fetchall()
    [(open_rejected, open_known)] = connection.execute(
        f"select coalesce(sum(case when {request['is_open_and_rejected']} then row_count end), 0), coalesce(sum(case when outcome = 'Open' then row_count end), 0) "
        f"from {request['judged_deals']}"
    ).fetchall()
    found += [
        too_many(rejected, known, "deals", "max_rejected_share", limits),
        too_many(open_rejected, open_known, "open deals", "max_rejected_open_share", limits),
        other_size(old, request["input_name"], row_count, limits["max_row_count_change"]),
    ]
    return [problem for problem in found if problem]


def too_many(rejected: int, known: int, what: str, limit: str, limits: dict[str, float]) -> str | None:
    if rejected <= limits[limit] * known:
        return None
    return (
        f"{rejected:,} of {known:,} {what} were turned away, more than {percent(limits[limit])}: marts.fct_quarantined_rows of SALES_DB says why; "
        f"mend the input, or set {limit} higher"
    )


def percent(share: float) -> str:
    """A limit as it was given: 0.5% for 0.005."""
    return f"{share * 100:.12g}%"


def other_size(old: Published | None, input_name: str, row_count: int, limit: float) -> str | None:
    """A file that was cut off, or another one under the same name. Small inputs may change as they like."""
    if not old or old.input_name != input_name or not old.row_count or max(old.row_count, row_count) < FEW_ROWS:
        return None
    if row_count <= old.row_count * limit and row_count * limit >= old.row_count:
        return None
    last, remedy = f"the last published build of {input_name}", "mend the input, or set max_row_count_change higher"
    if row_count > old.row_count:
        return f"the deals have {row_count:,} rows, more than {limit:,.12g} times the {old.row_count:,} of {last}: {remedy}"
    return f"the deals have {row_count:,} rows, and {last} had {old.row_count:,}, more than {limit:,.12g} times as many: {remedy}"


def databases(connection: DuckDBPyConnection) -> list[str]:
    return [file for (file,) in connection.execute("select path from duckdb_databases() where path is not null").fetchall()]


def publish(connection: DuckDBPyConnection, path: str, request: dict) -> int:
    """Write the marts of `connection`'s database to the file `path`, whole or not at all, and return their number.

    `request` holds `marts` (name -> relation, description, columns: name -> description), `inputs` (relations whose rows are the input), `input_name`,
    `as_of` (relation of the as-of date), `code` (what decides the tables besides the input and the package), and versions and time for build_info.
    Raises ValueError if `path` is the build's own database or no place for a file or an input file has changed since it was checked, and OSError or duckdb.Error if it can't be written; then the old file stays.
    """
    target = Path(path).resolve()
    if problem := problem_of_published(path, databases(connection)):
        raise ValueError(problem)
    if changed := changed_file(connection):
        raise ValueError(f"{changed} was changed or replaced while the build read it: run the build again")
    remove_leftovers(target)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.unfinished")
    try:
        connection.execute(f"attach '{quoted(str(unfinished))}' as published (storage_version '{STORAGE_VERSION}')")
        try:
            connection.execute("begin")
            copy_marts(connection, request)
            connection.execute("commit")
        except duckdb.Error:
            # DuckDB has ended the transaction itself where it couldn't write: what failed first is what counts.
            with contextlib.suppress(duckdb.Error):
                connection.execute("rollback")
            raise
        finally:
            connection.execute("detach published")
        # What somebody who opened the old file for writing left unsaved would be replayed into the new one.
        log_of(target).unlink(missing_ok=True)
        os.replace(unfinished, target)
    finally:
        remove(unfinished)
    sync_folder(target.parent)
    return len(request["marts"])


def changed_file(connection: DuckDBPyConnection) -> str | None:
    """An input file that is not the one that the check before the build saw: its var and its path."""
    if not connection.execute("from duckdb_tables() where schema_name = 'landing' and table_name = 'files'").fetchall():
        return None
    for name, file, seen in connection.execute(
        "select input, file_name, fingerprint from landing.files where fingerprint is not null order by 1, 2"
    ).fetchall():
        if not Path(file).exists() or fingerprint(Path(file)) != seen:
            return f"{name}_file '{file}'"
    return None


def copy_marts(connection: DuckDBPyConnection, request: dict) -> None:
    row_counts = {}
    for name, mart in request["marts"].items():
        table = f'published."{name}"'
        # What is kept from build to build may be of other inputs too.
        own = f" where input_name = '{quoted(request['input_name'])}'" if "input_name" in mart["columns"] else ""
        connection.execute(f"create table {table} as select * from {mart['relation']}{own}")
        row_counts[name] = connection.execute(f"select count(*) from {table}").fetchall()[0][0]
        describe(connection, table, mart["description"], mart["columns"])
    write_build_info(connection, request, row_counts)


def package_hash() -> str:
    """A hash of the names and texts of the package's files."""
    texts = [f"{file.relative_to(PACKAGE).as_posix()}\n{file.read_text(encoding='utf-8')}" for file in sorted(PACKAGE.rglob("*.py"))]
    return hashlib.md5("\n".join(texts).encode()).hexdigest()


def write_build_info(connection: DuckDBPyConnection, request: dict, row_counts: dict[str, int]) -> None:
    prints = [
        connection.execute(f"select count(*) || '-' || coalesce(sum(hash(input_row)), 0) from {relation} as input_row").fetchall()[0][0]
        for relation in request["inputs"]
    ]
    connection.execute(
        f"""
        create table published.build_info as
        select
            substr(md5(concat_ws('|', md5($prints), as_of_date, $code, $package)), 1, 12) as build_id,
            $input_name as input_name,
            as_of_date,
            md5($prints) as input_fingerprint,
            $project_version as project_version,
            $dbt_version as dbt_version,
            substr(version(), 2) as duckdb_version,
            cast($mart_count as integer) as mart_count,
            cast($row_count as bigint) as row_count,
            $row_counts as row_counts,
            cast($published_at as timestamp) as published_at
        from {request["as_of"]}
        """,
        {
            "prints": "|".join(prints),
            "package": package_hash(),
            "mart_count": len(row_counts),
            "row_count": sum(row_counts.values()),
            "row_counts": json.dumps(row_counts),
            **{name: request[name] for name in ("input_name", "code", "project_version", "dbt_version", "published_at")},
        },
    )
    describe(connection, "published.build_info", "One row: which build this file is.", BUILD_INFO_COLUMNS)


def describe(connection: DuckDBPyConnection, table: str, description: str, columns: dict[str, str]) -> None:
    """Descriptions travel with the tables: BI tools show them as comments."""
    connection.execute(f"comment on table {table} is '{quoted(description)}'")
    for column, text in columns.items():
        connection.execute(f"""comment on column {table}."{column}" is '{quoted(text)}'""")


def quoted(text: str) -> str:
    return text.replace("'", "''")


def remove_leftovers(target: Path) -> None:
    """What a killed build left half-written. A file whose process lives is another build's, and stays."""
    for file in glob.glob(f"{glob.escape(str(target))}.*.unfinished"):
        process = file.split(".")[-2]
        if process == str(os.getpid()) or not is_running(process):
            remove(Path(file))


def remove(unfinished: Path) -> None:
    for file in (unfinished, log_of(unfinished)):
        file.unlink(missing_ok=True)


def log_of(file: Path) -> Path:
    return file.with_name(file.name + ".wal")


def is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def sync_folder(folder: Path) -> None:
    """The rename itself is on disk, where the system can say so."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

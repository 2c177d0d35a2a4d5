"""The files that a build writes, its database and the published marts: what is wrong with their places, and whose marts a published file holds."""

import contextlib
import dataclasses
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import duckdb

# Names that DuckDB gives its own catalogs, schemas of the project, and the name under which the published file is attached.
TAKEN = {
    **dict.fromkeys(("main", "system", "temp"), "is DuckDB's own"),
    **dict.fromkeys(("landing", "staging", "intermediate", "marts", "seeds"), "is a schema of the build"),
    "published": "is what the published marts are called while they are written",
}
OLD_FILES = "an input of files (its name is not known, for a version before 0.2 published it)"


@dataclasses.dataclass(frozen=True)
class Published:
    """What a published file says of its build: the input's name, and rows of its deals, either of which may be unknown."""

    input_name: str | None
    row_count: int | None


def problem_of_database(path: str) -> str | None:
    """Why a build can't keep its tables in SALES_DB: DuckDB calls the database as the file is called."""
    name = Path(path).name.lstrip(".").split(".")[0]
    if reason := TAKEN.get(name.casefold()):
        return f"SALES_DB '{path}' can't be used: a database is called after its file, and {name} {reason}; give it another name, such as sales.duckdb"
    return None if path == ":memory:" else problem_of_place("SALES_DB", path, "sales.duckdb")


def problem_of_published(path: str, databases: Sequence[str]) -> str | None:
    """Why the marts can't be published to SALES_MARTS_DB; `databases` are the files that the build itself has open."""
    if any(Path(each).resolve() == Path(path).resolve() for each in databases):
        return f"SALES_MARTS_DB '{path}' is the build's own database: give the published marts a file of their own"
    return problem_of_place("SALES_MARTS_DB", path, "marts.duckdb")


def problem_of_place(variable: str, path: str, example: str) -> str | None:
    """Why a DuckDB file can't be written to the path that an environment variable names."""
    file, start = Path(path), f"{variable} '{path}'"
    if not file.resolve().parent.is_dir():
        return f"{start} can't be written: there is no folder '{file.parent}'; make it, or name another"
    if not os.access(file.resolve().parent, os.W_OK | os.X_OK):
        return f"{start} can't be written: nothing may be written to the folder '{file.parent}'; allow it, or name another"
    try:
        mode = file.stat().st_mode
    except OSError:
        return None
    if not stat.S_ISREG(mode):
        return f"{start} is {'a folder' if stat.S_ISDIR(mode) else 'no file'}: name a file, such as {example}"
    with contextlib.suppress(OSError), file.open("rb") as opened:
        beginning = opened.read(12)
        if beginning and beginning[8:] != b"DUCK":
            return f"{start} is a file of another kind: name another file, such as {example}"
    return None


def published(path: str) -> Published | None:
    """What the file at `path` says; none if there is no file of published marts that can be read."""
    if not Path(path).is_file():
        return None
    with contextlib.suppress(duckdb.Error), duckdb.connect() as connection:
        connection.execute(f"attach '{path.replace(chr(39), chr(39) * 2)}' as old (read_only)")
        columns = dict(
            connection.execute(
                "select table_name, list(column_name) from duckdb_columns() where database_name = 'old' group by table_name"
            ).fetchall()
        )
        rows = connection.execute(
            "select check_value from old.rpt_data_quality where input = 'deals' and check_name = 'rows_in'"
        ).fetchall()
        row_count = int(rows[0][0]) if rows else None
        if "input_name" in columns.get("build_info", []):
            return Published(connection.execute("select input_name from old.build_info").fetchall()[0][0], row_count)
        sources = connection.execute("select distinct alert_source from old.fct_alert_events").fetchall()
        return Published({"demo": "demo", "files": OLD_FILES}[sources[0][0]] if len(sources) == 1 else None, row_count)
    return None


def problem_of_replacing(path: str, old: Published | None, input_name: str) -> str | None:
    """Why a build of one input may not replace the marts of another; those of the demo are anybody's to replace."""
    if old is None or old.input_name in (None, input_name, "demo") or (old.input_name == OLD_FILES and input_name != "demo"):
        return None
    return (
        f"SALES_MARTS_DB '{path}' holds the marts of {shown(old.input_name)}, and this build is of {shown(input_name)}: "
        "name another file, or set the var replace_published_input to true"
    )


def shown(input_name: str) -> str:
    return {"demo": "the demo CRM", OLD_FILES: OLD_FILES}.get(input_name, f"the input '{input_name}'")

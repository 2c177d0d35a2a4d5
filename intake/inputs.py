"""The check of a build's inputs, and their landing: all that is wrong is said at once, before the first node and without a trace in the marts.

Text files are read here, once, into the schema `landing` as text under canonical names; Parquet stays where it is, behind a view. What else the
models need to know of the files stands beside them: `landing.files`, `landing.columns` and `landing.rejected_lines`.
"""

import glob
import hashlib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from intake.currencies import problems_of_currencies
from intake.dimensions import problems_of_dimensions, problems_of_values
from intake.histories import problems_of_fields
from intake.landing import DELIMITERS, Dialect, Landed, Unusable, land, nearest, position, read_header
from intake.places import problem_of_published, problem_of_replacing, published
from intake.request import SOURCE, Input, Request, quoted_name
from intake.stages import problems_of_stages
from intake.vars import problems as problems_of_vars

# Names of columns that a message lists at most.
MOST_NAMES = 40
# Words for yes and no, as CRMs write them.
FLAGS = frozenset(("true", "false", "yes", "no", "t", "f", "y", "n", "1", "0"))
RESERVED_NAMES = {"demo": "is the demo CRM's", "before_0.2": "is that of rows whose input is not known"}
TABLES = {
    "files": "input varchar, file_name varchar, row_count bigint, rejected_count bigint, fingerprint varchar",
    "columns": "input varchar, column_name varchar, is_read boolean",
    "rejected_lines": "input varchar, file_name varchar, line_number bigint, error varchar, line varchar",
}


def check(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """Sentences that say what is wrong; none means that every input of `request` has landed in the schema `landing`."""
    found = problems_of_vars(request.variables, request.given, request.is_own_project) or problems_of_combinations(request)
    found = found or problems_of_dimensions(connection, request)
    places = problems_of_places(connection, request)
    if found or not request.is_landing:
        return found + places
    connection.execute("create schema if not exists landing")
    for table, columns in TABLES.items():
        connection.execute(f"create or replace table landing.{table} ({columns})")
    for source in request.inputs:
        drop(connection, source.name)
        if request.path(source.name):
            found += problems_of_input(connection, request, source)
        else:
            connection.execute(f"create table landing.{source.name} ({', '.join(f'{column} varchar' for column in source.columns)})")
    if not found and request.path("stages"):
        stage_map = (request.variables.get("value_maps") or {}).get("deal_stage") or {}
        percent, decimal_mark = request.of_input("percent", "stages", None), request.of_input("decimal_mark", "stages", ".")
        found += problems_of_stages(connection, request.path("stages"), stage_map, percent, decimal_mark)
    if not found and request.path("deals"):
        found += problems_of_outcomes(connection, request)
        found += problems_of_currencies(connection, request)
        found += problems_of_values(connection, request)
    if not found and request.path("field_history") and request.path("value_intervals"):
        found += problems_of_fields(connection, (request.variables.get("value_maps") or {}).get("field") or {})
    return places + found


def problems_of_combinations(request: Request) -> list[str]:
    """What is wrong with vars that need each other."""
    variables, found = request.variables, []
    names = {source.name: source for source in request.inputs}
    if not request.path("deals"):
        found += [
            f"{name}_file is set without deals_file: set deals_file too, or unset it to build the demo CRM"
            for name in names
            if name not in ("deals", *request.reference_inputs) and request.path(name)
        ]
    name = variables.get("input_name")
    if name and not request.path("deals"):
        found.append(f"input_name is '{name}' without deals_file: set deals_file too, or unset it to build the demo CRM")
    elif name in RESERVED_NAMES:
        found.append(f"input_name is '{name}', which {RESERVED_NAMES[name]}: choose another")
    for key, value in (variables.get("column_mapping") or {}).items():
        name, columns = (key, list(value)) if isinstance(value, Mapping) else ("deals", [key])
        if name not in names:
            near = nearest(name, list(names))
            found.append(
                f"column_mapping names the input '{name}', which is none of {', '.join(names)}: "
                + (f"did you mean {near}?" if near else "take one of these")
            )
            continue
        for column in columns:
            if column not in names[name].columns:
                near = nearest(column, names[name].columns)
                found.append(
                    f"column_mapping maps '{column}', which is no canonical column of {name}"
                    + (f": did you mean {near}?" if near else f": map one of {', '.join(names[name].columns)}")
                )
    as_of, train = variables.get("as_of_date"), variables.get("train_as_of_date")
    if as_of and train and str(train) > str(as_of):
        found.append(
            f"train_as_of_date {train} is after as_of_date {as_of}: a fit can't know what comes later; "
            "give an earlier date, or unset it to train as of as_of_date"
        )
    if request.path("exchange_rates") and not variables.get("home_currency"):
        found.append("exchange_rates_file is set without home_currency: name the currency that its rates convert to, such as EUR")
    if variables.get("home_currency") and not request.path("deals"):
        found.append("home_currency is set without deals_file: the demo CRM names no currency, so set deals_file or unset home_currency")
    if variables.get("keep_history") and not request.path("deals"):
        found.append("keep_history is true without deals_file: the demo CRM has its histories, so set deals_file or unset keep_history")
    if variables.get("keep_history") and request.path("value_intervals"):
        found.append(
            "keep_history is true beside value_intervals_file, and both would tell of the same changes: unset keep_history, or leave the file out"
        )
    if variables.get("keep_history") and not as_of:
        found.append(
            "keep_history is true without as_of_date: set as_of_date to the day of the export, because what is kept can't be corrected later"
        )
    return found


def problems_of_outcomes(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """An outcome of true and false, which says of open deals what it says of lost ones: every row of it would be turned away."""
    if not any(source.name == "deals" and "outcome" in source.columns for source in request.inputs):
        return []
    values = connection.execute(
        "select distinct lower(trim(cast(outcome as varchar))) from landing.deals where outcome is not null limit 10"
    ).fetchall()
    flags = {value for (value,) in values if value}
    meant = (request.variables.get("value_maps") or {}).get("outcome") or {}
    if not flags or not flags <= FLAGS or any(str(word).strip().lower() in flags for word in meant):
        return []
    is_mapped = "outcome" in request.mapping("deals")
    remedy = "take outcome out of column_mapping, so that the stages tell, or say" if is_mapped else "say"
    return [
        f"deals_file '{request.path('deals')}' has as outcome, in '{request.mapping('deals').get('outcome', 'outcome')}', {' and '.join(sorted(flags))}, "
        f"which doesn't tell lost deals from open ones: {remedy} what they mean in value_maps"
    ]


def problems_of_places(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """Why the marts can't be published, known before anything is built."""
    path = request.published_file
    if not path:
        return []
    databases = [file for (file,) in connection.execute("select path from duckdb_databases() where path is not null").fetchall()]
    if problem := problem_of_published(path, databases):
        return [problem]
    problem = None if request.variables.get("replace_published_input") else problem_of_replacing(path, published(path), request.input_name)
    return [problem] if problem else []


def problems_of_input(connection: duckdb.DuckDBPyConnection, request: Request, source: Input) -> list[str]:
    pattern, variable = request.path(source.name), f"{source.name}_file"
    if table := request.table(source.name):
        return land_table(connection, request, source, table)
    if problem := problem_of_name(pattern):
        return [f"{variable} is {pattern}, {problem}"]
    is_pattern = glob.has_magic(pattern) and not os.path.exists(pattern)
    files = sorted(Path(name) for name in (glob.glob(pattern, recursive=True) if is_pattern else [pattern]))
    if not files:
        return [f"{variable} '{pattern}' names no file: correct the path (a relative one starts where dbt is called)"]
    found = [f"{variable} '{file}' {problem}" for file in files if (problem := problem_of_path(file))]
    if found:
        return found
    try:
        if is_parquet(files[0]):
            return land_parquet(connection, request, source, files)
        return land_text(connection, request, source, files)
    except Unusable as error:
        return [f"{variable} {error}"]
    except duckdb.Error as error:
        return [f"{variable} '{pattern}' can't be read ({str(error).splitlines()[0]}): copy or export it again, or save it as CSV"]


def problem_of_name(value: str) -> str | None:
    """Why what is no path, an address or what dbt calls a table by, can't be an input."""
    if re.match(r"[a-z][a-z0-9+.-]+://", value, re.IGNORECASE):
        return "an address, but an input is a file of this machine, or a table: download it first"
    if SOURCE.fullmatch(value):
        return "a source of dbt, which only a build can look up: name its table, such as raw.deals, to check it without one"
    if re.fullmatch(r"\s*(ref|source)\(.*\)\s*", value):
        return (
            "but an input is a file, a table that is there before the build, such as raw.deals, or a source, such as source('crm', 'deals')"
        )
    return None


def problem_of_path(file: Path) -> str | None:
    try:
        found = file.stat()
    except (OSError, ValueError) as error:
        home = "; write the home folder out for ~" if str(file).startswith("~") else ""
        return f"names no file: correct the path (a relative one starts where dbt is called{home}; {getattr(error, 'strerror', error)})"
    if not stat.S_ISREG(found.st_mode):
        return (
            "is a folder, not a file: name the files in it, such as folder/*.csv"
            if stat.S_ISDIR(found.st_mode)
            else "is no file that can be read twice: save it as a file"
        )
    if not found.st_size:
        return "is empty (0 bytes): export it again with a header line"
    return None


def is_parquet(file: Path) -> bool:
    return file.suffix.lower() in (".parquet", ".pq")


def drop(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    for (kind,) in connection.execute(
        "select table_type from information_schema.tables where table_schema = 'landing' and table_name = ?", [name]
    ).fetchall():
        connection.execute(f"drop {'view' if kind == 'VIEW' else 'table'} landing.{name}")


def land_text(connection: duckdb.DuckDBPyConnection, request: Request, source: Input, files: Sequence[Path]) -> list[str]:
    dialect, names = request.dialect(source.name), file_columns(request, source)
    found = []
    for file in files:
        try:
            header, _ = read_header(file, dialect)
        except Unusable as error:
            found.append(f"{source.name}_file '{file}' {error}")
            continue
        found += problems_of_header(request, source, file, header, dialect)
    if found:
        return found
    connection.execute(f"create table landing.{source.name} ({', '.join(f'{column} varchar' for column in names)})")
    row_count = 0
    for file in files:
        seen = fingerprint(file)
        try:
            landed = land(connection, f"landing.{source.name}", file, dialect, list(names.values()))
        except Unusable as error:
            found.append(f"{source.name}_file '{file}' {error}")
            continue
        keep(connection, source.name, file, seen, landed, [position(landed.header, name) for name in names.values()])
        row_count += landed.row_count
    return found or problems_of_rows(request, source, row_count)


def land_parquet(connection: duckdb.DuckDBPyConnection, request: Request, source: Input, files: Sequence[Path]) -> list[str]:
    prints = {file: fingerprint(file) for file in files}
    scan = f"read_parquet([{', '.join(quoted(str(file)) for file in files)}], union_by_name = true, hive_partitioning = false)"
    header, places, found = view(connection, request, source, scan, str(files[0]))
    if found:
        return found
    row_count = 0
    for file, seen in prints.items():
        [(count,)] = connection.execute(f"select count(*) from read_parquet({quoted(str(file))}, hive_partitioning = false)").fetchall()
        keep(connection, source.name, file, seen, Landed(header if file == files[0] else [], count, []), places)
        row_count += count
    return problems_of_rows(request, source, row_count)


def land_table(connection: duckdb.DuckDBPyConnection, request: Request, source: Input, table: str) -> list[str]:
    """A view of a table of the database, or of one that is attached to it."""
    value = request.path(source.name)
    try:
        header, places, found = view(connection, request, source, table, value)
    except duckdb.CatalogException:
        return [f"{source.name}_file '{value}' names no table{near_table(connection, value)}, and no file"]
    if found:
        return found
    [(row_count,)] = connection.execute(f"select count(*) from {table}").fetchall()
    keep(connection, source.name, value, None, Landed(header, row_count, []), places)
    return problems_of_rows(request, source, row_count)


def near_table(connection: duckdb.DuckDBPyConnection, value: str) -> str:
    rows = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_schema not in ('landing', 'staging', 'intermediate', 'marts', 'seeds') order by 1"
    ).fetchall()
    near = nearest(value, [name for (name,) in rows])
    return f" (near: {near})" if near else ""


def view(
    connection: duckdb.DuckDBPyConnection, request: Request, source: Input, scan: str, shown: str
) -> tuple[list[str], list[int | None], list[str]]:
    """A view of `scan` under canonical names: names of its columns, where each canonical one stands among them, and what is wrong."""
    header = [name for name, *_ in connection.execute(f"describe select * from {scan}").fetchall()]
    names = file_columns(request, source)
    places = [position(header, name) for name in names.values()]
    found = problems_of_header(request, source, shown, header, None)
    if not found:
        columns = ", ".join(
            f"{'cast(null as varchar)' if place is None else quoted_name(header[place])} as {column}"
            for column, place in zip(names, places, strict=True)
        )
        connection.execute(f"create view landing.{source.name} as select {columns} from {scan}")
    return header, places, found


def keep(
    connection: duckdb.DuckDBPyConnection, name: str, file: Path | str, seen: str | None, landed: Landed, places: Sequence[int | None]
) -> None:
    """Note what the models must know of a file or a table; `seen` is a file's fingerprint of before it was read."""
    connection.execute("insert into landing.files values (?, ?, ?, ?, ?)", [name, str(file), landed.row_count, len(landed.rejected), seen])
    known = {column for (column,) in connection.execute("select column_name from landing.columns where input = ?", [name]).fetchall()}
    columns = [(name, column, place in places) for place, column in enumerate(landed.header) if column not in known]
    if columns:
        connection.executemany("insert into landing.columns values (?, ?, ?)", columns)
    lines = [(name, str(file), line.line_number, line.error, line.line) for line in landed.rejected]
    if lines:
        connection.executemany("insert into landing.rejected_lines values (?, ?, ?, ?, ?)", lines)


def file_columns(request: Request, source: Input) -> dict[str, str]:
    """The file's name of each canonical column."""
    return {column: request.mapping(source.name).get(column, column) for column in source.columns}


def problems_of_header(request: Request, source: Input, file: Path | str, header: Sequence[str], dialect: Dialect | None) -> list[str]:
    """All columns that a file lacks, in one clause with what it has, and with the names that are nearest."""
    mapping = request.mapping(source.name)
    lacking = [
        column
        for column in source.columns
        if (column in source.required or column in mapping) and position(header, mapping.get(column, column)) is None
    ]
    has_none = source.one_of and all(position(header, mapping.get(column, column)) is None for column in source.one_of)
    if has_none:
        lacking += [column for column in source.one_of if column not in lacking]
    if not lacking:
        return []
    variable = f"{source.name}_file '{file}'"
    other = (
        None
        if dialect is None
        else next((mark for mark in DELIMITERS if mark != dialect.delimiter and len(header) == 1 and mark in header[0]), None)
    )
    if other:
        return [
            f"{variable} has one column, {cut(header[0])}: its columns are separated by {DELIMITERS[other]}, so set delimiter to {other!r}"
        ]
    clauses = []
    for column in lacking:
        name = mapping.get(column, column)
        near = nearest(name, header)
        label = "row_filters" if column.startswith("filter_") else column
        clauses.append(f"'{name}'" + (f" (for {label})" if name != column else "") + (f" (near: {cut(near)})" if near else ""))
    if has_none:
        clauses[-2:] = [" or ".join(clauses[-2:])]
    return [
        f"{variable} has no column {', '.join(clauses)}; it has {', '.join(map(cut, header[:MOST_NAMES])) or 'none'}"
        + (f" and {len(header) - MOST_NAMES:,} more" if len(header) > MOST_NAMES else "")
        + ": rename columns, or map them with the column_mapping var"
    ]


def cut(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:57] + "...")


def problems_of_rows(request: Request, source: Input, row_count: int) -> list[str]:
    if row_count or source.name not in ("deals", *request.reference_inputs):
        return []
    return [f"{source.name}_file '{request.path(source.name)}' has a header and no row that can be read: export it again with its data"]


def fingerprint(file: Path) -> str:
    """What a file that is replaced while a build runs doesn't keep: its size, the time of its last change, its place on the disk."""
    found = file.stat()
    return hashlib.md5(f"{found.st_size}|{found.st_mtime_ns}|{found.st_ino}".encode()).hexdigest()


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

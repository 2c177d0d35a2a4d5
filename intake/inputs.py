"""The check of a build's inputs, and their landing: all that is wrong is said at once, before the first node and without a trace in the marts.

Text files are read here, once, into the schema `landing` as text under canonical names; Parquet stays where it is, behind a view. What else the
models need to know of the files stands beside them: `landing.files`, `landing.columns` and `landing.rejected_lines`.
"""

import dataclasses
import glob
import hashlib
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from intake.landing import DELIMITERS, Dialect, Landed, Unusable, land, nearest, position, read_header
from intake.vars import problems as problems_of_vars

MOST_STAGES = 50
TABLES = {
    "files": "input varchar, file_name varchar, row_count bigint, rejected_count bigint, fingerprint varchar",
    "columns": "input varchar, column_name varchar, is_read boolean",
    "rejected_lines": "input varchar, file_name varchar, line_number bigint, error varchar, line varchar",
}


@dataclasses.dataclass(frozen=True)
class Input:
    """One input as the contract declares it: its name, canonical columns, and those that a file must have."""

    name: str
    required: Sequence[str]
    optional: Sequence[str]

    @property
    def columns(self) -> list[str]:
        return [*self.required, *self.optional]


@dataclasses.dataclass(frozen=True)
class Request:
    """What a build asks for: the contract, the inputs that the demo may have too, the vars, and which of them were given."""

    inputs: Sequence[Input]
    reference_inputs: Sequence[str]
    variables: Mapping[str, Any]
    given: Sequence[str]
    is_landing: bool = True
    is_own_project: bool = True

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Request":
        """From what the macro sends: the same in plain JSON."""
        inputs = [Input(name, columns["required"], columns["optional"]) for name, columns in request["contract"].items()]
        return cls(inputs, request["reference_inputs"], request["variables"], request["given"], request["is_landing"])

    def path(self, name: str) -> str | None:
        return self.variables.get(f"{name}_file") or None

    def of_input(self, variable: str, name: str, default: Any) -> Any:
        """Value of a var that is one for all inputs, or a mapping of input to value."""
        value = self.variables.get(variable)
        if isinstance(value, Mapping):
            value = value.get(name)
        return default if value is None else value

    def dialect(self, name: str) -> Dialect:
        return Dialect(
            self.of_input("delimiter", name, ","), self.of_input("encoding", name, "utf-8"), self.of_input("skip_lines", name, 0)
        )

    def mapping(self, name: str) -> dict[str, str]:
        """The file's name of each canonical column of an input that has another one. Entries that aren't mappings are about the deals."""
        mapping = self.variables.get("column_mapping") or {}
        own = mapping.get(name)
        if isinstance(own, Mapping):
            return dict(own)
        return {column: value for column, value in mapping.items() if isinstance(value, str)} if name == "deals" else {}


def check(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """Sentences that say what is wrong; none means that every input of `request` has landed in the schema `landing`."""
    found = problems_of_vars(request.variables, request.given, request.is_own_project) or problems_of_combinations(request)
    if found or not request.is_landing:
        return found
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
        found += problems_of_stages(connection, request.path("stages"))
    if not found and request.path("deals"):
        found += problems_of_currencies(connection, request) or problems_of_currency_signs(connection, request)
    return found


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
    for key, value in (variables.get("column_mapping") or {}).items():
        name, columns = (key, list(value)) if isinstance(value, Mapping) else ("deals", [key])
        if name not in names:
            found.append(f"column_mapping names the input '{name}', which is none of {', '.join(names)}")
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
    if variables.get("keep_history") and not request.path("deals"):
        found.append("keep_history is true without deals_file: the demo CRM has its histories, so set deals_file or unset keep_history")
    if variables.get("keep_history") and not as_of:
        found.append(
            "keep_history is true without as_of_date: set as_of_date to the day of the export, because what is kept can't be corrected later"
        )
    return found


def problems_of_currencies(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    found = connection.execute(
        "select distinct upper(trim(cast(currency_code as varchar))) as currency from landing.deals where trim(cast(currency_code as varchar)) <> '' order by 1 limit 6"
    ).fetchall()
    if len(found) < 2:
        return []
    column = request.mapping("deals").get("currency_code", "currency_code")
    currencies = ", ".join(currency for (currency,) in found)
    return [
        f"deals_file '{request.path('deals')}' mixes currencies in '{column}' ({currencies}): convert deal_amount to one currency first"
    ]


def problems_of_currency_signs(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """Amounts with several signs, or several codes, of currencies in them: one sign beside one code may be the same currency."""
    column = request.mapping("deals").get("deal_amount", "deal_amount")
    for sign in (r"\p{Sc}", "[A-Z]{3}"):
        found = connection.execute(
            """
            select distinct regexp_extract(cast(deal_amount as varchar), $sign) as sign
            from landing.deals
            where try_cast(deal_amount as double) is null and regexp_matches(cast(deal_amount as varchar), '\\d') and sign <> ''
            order by 1 limit 6
            """,
            {"sign": sign},
        ).fetchall()
        if len(found) > 1:
            signs = ", ".join(each for (each,) in found)
            return [f"deals_file '{request.path('deals')}' mixes currencies in '{column}' ({signs}): convert it to one currency first"]
    return []


def problems_of_stages(connection: duckdb.DuckDBPyConnection, path: str) -> list[str]:
    """Each fault of the file, with the first stage that has it."""
    faults = {
        "a stage is blank": "stage is null",
        f"it has more than {MOST_STAGES} stages": f"stage_count > {MOST_STAGES}",
        "a stage stands in it twice": "same_stage_count > 1",
        "a stage_order is no whole number": "stage_order is null",
        "a stage_order stands in it twice": "stage_order is not null and same_order_count > 1",
        "an is_closed is neither true nor false": "is_closed is null",
        "an is_won is neither true, false nor blank": "raw_is_won is not null and is_won is null",
        "a default_probability is no number from 0 to 1, or to 100 %": "raw_probability is not null and coalesce(probability not between 0 and 100, true)",
    }
    connection.execute(
        """
        create or replace temp table checked_stages as
        select
            *,
            count(*) over () as stage_count,
            count(*) over (partition by stage) as same_stage_count,
            count(*) over (partition by stage_order) as same_order_count
        from (
            select
                nullif(trim(cast(stage as varchar)), '') as stage,
                try_cast(stage_order as integer) as stage_order,
                try_cast(is_closed as boolean) as is_closed,
                nullif(trim(cast(is_won as varchar)), '') as raw_is_won,
                try_cast(is_won as boolean) as is_won,
                nullif(trim(cast(default_probability as varchar)), '') as raw_probability,
                try_cast(replace(rtrim(cast(default_probability as varchar), ' %'), ',', '.') as double) as probability
            from landing.stages
        )
        """
    )
    found = []
    for fault, condition in faults.items():
        rows = connection.execute(f"select coalesce(stage, '(blank)') from checked_stages where {condition} order by 1 limit 1").fetchall()
        found += [f"stages_file '{path}' can't be used: {fault} (stage '{stage}'); correct the file" for (stage,) in rows]
    return found


def problems_of_input(connection: duckdb.DuckDBPyConnection, request: Request, source: Input) -> list[str]:
    pattern, variable = request.path(source.name), f"{source.name}_file"
    files = sorted(Path(name) for name in (glob.glob(pattern, recursive=True) if glob.has_magic(pattern) else [pattern]))
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
        return [f"{variable} '{pattern}' can't be read: {str(error).splitlines()[0]}"]


def problem_of_path(file: Path) -> str | None:
    try:
        found = file.stat()
    except OSError as error:
        return f"names no file: correct the path (a relative one starts where dbt is called; {error.strerror})"
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
    header = [name for name, *_ in connection.execute(f"describe select * from {scan}").fetchall()]
    if found := problems_of_header(request, source, files[0], header, None):
        return found
    names = file_columns(request, source)
    places = [position(header, name) for name in names.values()]
    columns = ", ".join(
        f"{'cast(null as varchar)' if place is None else quoted_name(header[place])} as {column}"
        for column, place in zip(names, places, strict=True)
    )
    connection.execute(f"create view landing.{source.name} as select {columns} from {scan}")
    row_count = 0
    for file, seen in prints.items():
        [(count,)] = connection.execute(f"select count(*) from read_parquet({quoted(str(file))}, hive_partitioning = false)").fetchall()
        keep(connection, source.name, file, seen, Landed(header if file == files[0] else [], count, []), places)
        row_count += count
    return problems_of_rows(request, source, row_count)


def keep(
    connection: duckdb.DuckDBPyConnection, name: str, file: Path, seen: str, landed: Landed, places: Sequence[int | None]
) -> None:
    """Note what the models must know of a file; `seen` is its fingerprint of before it was read."""
    connection.execute(
        "insert into landing.files values (?, ?, ?, ?, ?)", [name, str(file), landed.row_count, len(landed.rejected), seen]
    )
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


def problems_of_header(request: Request, source: Input, file: Path, header: Sequence[str], dialect: Dialect | None) -> list[str]:
    """All columns that a file lacks, in one clause with what it has, and with the names that are nearest."""
    mapping = request.mapping(source.name)
    lacking = [
        column
        for column in source.columns
        if (column in source.required or column in mapping) and position(header, mapping.get(column, column)) is None
    ]
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
            f"{variable} has one column, '{header[0][:60]}': its columns are separated by {DELIMITERS[other]}, so set delimiter to {other!r}"
        ]
    clauses = []
    for column in lacking:
        name = mapping.get(column, column)
        near = nearest(name, header)
        clauses.append(f"'{name}'" + (f" (for {column})" if name != column else "") + (f" (near: '{near}')" if near else ""))
    return [
        f"{variable} has no column {', '.join(clauses)}; it has {', '.join(repr(name) for name in header) or 'none'}: "
        "rename columns, or map them with the column_mapping var"
    ]


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


def quoted_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

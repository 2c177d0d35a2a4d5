"""The check of a build's inputs, and their landing: all that is wrong is said at once, before the first node and without a trace in the marts.

Text files are read here, once, into the schema `landing` as text under canonical names; Parquet stays where it is, behind a view. What else the
models need to know of the files stands beside them: `landing.files`, `landing.columns` and `landing.rejected_lines`.
"""

import dataclasses
import glob
import hashlib
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from intake.histories import problems_of_fields
from intake.landing import DELIMITERS, Dialect, Landed, Unusable, land, nearest, position, read_header
from intake.places import problem_of_published, problem_of_replacing, published
from intake.stages import problems_of_stages
from intake.vars import problems as problems_of_vars

RESERVED_NAMES = {"demo": "is the demo CRM's", "before_0.2": "is that of rows whose input is not known"}
MOST_VALUES = 10_000
TABLES = {
    "files": "input varchar, file_name varchar, row_count bigint, rejected_count bigint, fingerprint varchar",
    "columns": "input varchar, column_name varchar, is_read boolean",
    "rejected_lines": "input varchar, file_name varchar, line_number bigint, error varchar, line varchar",
}


@dataclasses.dataclass(frozen=True)
class Input:
    """One input as the contract declares it: its name, canonical columns, those that a file must have, and those of which it must have one."""

    name: str
    required: Sequence[str]
    optional: Sequence[str]
    one_of: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        return [*self.required, *self.optional]


@dataclasses.dataclass(frozen=True)
class Request:
    """What a build asks for: the contract, the inputs that the demo may have too, the vars and which of them were given, what the input is called,
    and the file that the marts go to, if they are to be published."""

    inputs: Sequence[Input]
    reference_inputs: Sequence[str]
    variables: Mapping[str, Any]
    given: Sequence[str]
    is_landing: bool = True
    is_own_project: bool = True
    input_name: str = "demo"
    published_file: str | None = None

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Request":
        """From what the macro sends: the same in plain JSON."""
        own = own_columns(request["variables"])
        inputs = [
            Input(name, columns["required"], [*columns["optional"], *(own if name == "deals" else ())], columns.get("one_of", ()))
            for name, columns in request["contract"].items()
        ]
        return cls(inputs, **{name: value for name, value in request.items() if name != "contract"})

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
        found = {column: value for column, value in mapping.items() if isinstance(value, str)} if name == "deals" else {}
        if isinstance(mapping.get(name), Mapping):
            found |= mapping[name]
        return found | (own_columns(self.variables) if name == "deals" else {})


def own_columns(variables: Mapping[str, Any]) -> dict[str, str]:
    """The file's name of each column of the deals that is read besides the canonical ones, as the macro of that name lists them."""
    found = {str(each["dimension"]): str(each["column"]) for each in variables.get("own_dimensions") or [] if well_formed(each)}
    return found | {
        f"filter_{number}": str(each["column"])
        for number, each in enumerate(variables.get("row_filters") or [], start=1)
        if isinstance(each, Mapping) and "column" in each
    }


def well_formed(dimension: Any) -> bool:
    return isinstance(dimension, Mapping) and "dimension" in dimension and "column" in dimension


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


BUILT_IN = (
    "industry", "region", "product_type", "lead_source", "deal_type", "deal_size_band", "sales_rep_id", "forecast_category", "currency_code",
    "account_id", "pipeline",
)  # fmt: skip
LISTS = ("segment_dimensions", "driver_factors", "rapv_segment_dimensions", "rapv_offset_dimensions", "similar_deal_dimensions")
# Names of columns that stand beside the dimensions in some model.
TAKEN = frozenset(
    """
    all cycle_band closed_month cohort_month expected_close_month created_month stage deal_age_band stage_age_band activity_age_band
    age_days aging_factor_published amount_decrease_band amount_decrease_count amount_increase_band amount_increase_count
    amount_problem as_of_date average_log_odds band band_type base_rate build_id build_number cell_age_days cell_key cell_rank
    cell_stage cell_win_rate closed_at closed_deal_count closes_later contribution created_at creation_period cycle_days days_in_stage
    days_since_created days_since_last_open deal_count deal_weight depth dimension dimension_value effective_deal_count entered_date
    factor first_segment_value fit fit_intercept flat_amount forecast_date from_date half_year_start_date has_close_date_while_open
    has_stage_rates inactive_days known_amount known_expected_close_date known_sales_rep_id known_size_band label level log_odds
    log_odds_offset log_odds_variance matching_dimension_count method model_amount model_probability model_version month_count
    newest_step observation_date observed_after_days observed_until_date oldest_step open_days penalty_group period previous_build_id
    previous_model_version profile published_aging_amount purpose push_band push_count rapv_amount rapv_probability raw reason
    reason_codes recency regression_band regression_count row_count sample_number score_status second_segment_value segment_amount
    segment_dimension segment_value segment_win_rate squared_amount stage_weighted_amount state tested_until_date trained_as_of_date
    trained_from_date trained_until_date typical_cycle_days unseen_dimensions until_date win_log_odds win_probability won_amount
    won_deal_count amount_in_currency deal_amount_in_currency home_rate input_name
    owner_newer_in file_amount history_close_date file_rep_id history_amount amount_newer_in known_amount_in_currency history_rep_id
    recorded_at history_amount_in_currency history_owner_at_close owned_at close_date_newer_in
    """.split()
)


def is_taken(name: str, own: Sequence[str], canonical: Collection[str], reserved: Collection[str]) -> bool:
    """Would a column of this name be mistaken for another one, or for a word of SQL?"""
    return (
        name in (*canonical, *BUILT_IN, *TAKEN, *reserved)
        or name.startswith(("is_", "raw_", "stated_", "filter_"))
        or name.removesuffix("_value") in {*own, *BUILT_IN, "competitor", "lost_reason"} - {name}
    )


def problems_of_dimensions(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """What is wrong with own dimensions, row filters, and the vars that name dimensions."""
    variables, found = request.variables, []
    own = [each["dimension"] for each in variables.get("own_dimensions") or []]
    filters = variables.get("row_filters") or []
    columns = next((source.columns for source in request.inputs if source.name == "deals"), [])
    found += [f"own_dimensions has {name} twice: give one of them another name" for name in sorted(set(own)) if own.count(name) > 1]
    reserved = {
        word
        for (word,) in connection.execute("select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'").fetchall()
    }
    canonical = {column for column in columns if column not in own or columns.count(column) > 1}
    found += [
        f"own_dimensions names a dimension {name}, which is a word of SQL or a name of the project's own: choose another one, such as own_{name}"
        for name in own
        if is_taken(name, own, canonical, reserved)
    ]
    found += [
        f"row_filters has a filter of {each['column']} that needs either keep or drop"
        for each in filters
        if ("keep" in each) == ("drop" in each)
    ]
    if (own or filters) and not request.path("deals"):
        found.append("own_dimensions and row_filters are about columns of a file: set deals_file too")
    late = [each["dimension"] for each in variables.get("own_dimensions") or [] if each.get("known") == "close"]
    found += [
        f"{variable} has {name}, which own_dimensions says is known only at the close: take it out of {variable}, or change known if it is known before"
        for variable in LISTS
        for name in variables.get(variable) or []
        if name in late
    ]
    for variable in LISTS:
        for name in variables.get(variable) or []:
            if name not in (*BUILT_IN, *own):
                near = nearest(name, [*BUILT_IN, *own])
                found.append(
                    f"{variable} has {name}, which is no dimension"
                    + (f": did you mean {near}?" if near else f": {', '.join([*BUILT_IN, *own])} are, or declare it in own_dimensions")
                )
    return found


def currency_marks(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Signs, or codes, of several currencies that stand in the amounts themselves; none where there is one kind at most."""
    columns = [name for name, *_ in connection.execute("describe landing.deals").fetchall()]
    if "deal_amount" not in columns:
        return []
    marks = """
        select distinct regexp_extract(amount, $pattern, 1) as mark
        from (select upper(trim(cast(deal_amount as varchar))) as amount from landing.deals where try_cast(deal_amount as double) is null)
        where mark <> '' order by 1 limit 6
    """
    signs, codes = [r"([A-Z]{0,2}\p{Sc})"], [r"^([A-Z]{3})\s?[-+(]?\d", r"\d\s?([A-Z]{3})$"]
    for patterns in (signs, codes):
        rows = [row for pattern in patterns for row in connection.execute(marks, {"pattern": pattern}).fetchall()]
        found = {mark.replace("US$", "$") for (mark,) in rows}
        if len(found) > 1:
            return sorted(found)
    return []


def problems_of_values(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """Own dimensions that tell deals apart instead of grouping them."""
    found = []
    for each in request.variables.get("own_dimensions") or []:
        if each.get("kind", "text") != "text":
            continue
        [(count,)] = connection.execute(f"select count(distinct {each['dimension']}) from landing.deals").fetchall()
        if count > MOST_VALUES:
            found.append(
                f"own_dimensions has {each['dimension']}, whose column '{each['column']}' has {count:,} values, more than the {MOST_VALUES:,} that "
                "groups of deals may have: take it out, or give it as kind: number if it is one"
            )
    return found


def problems_of_currencies(connection: duckdb.DuckDBPyConnection, request: Request) -> list[str]:
    """Why amounts of deals can't be added up, or can't be converted to the home currency."""
    home, file = request.variables.get("home_currency"), f"deals_file '{request.path('deals')}'"
    [(home_amount_count,)] = connection.execute(
        "select count(*) from landing.deals where trim(cast(home_amount as varchar)) <> ''" if home else "select 0"
    ).fetchall()
    if home_amount_count:
        return []
    found = connection.execute(
        "select distinct upper(trim(cast(currency_code as varchar))) as currency from landing.deals where trim(cast(currency_code as varchar)) <> '' order by 1 limit 6"
    ).fetchall()
    column = request.mapping("deals").get("currency_code", "currency_code")
    currencies = ", ".join(currency for (currency,) in found)
    if home and not found:
        return [f"home_currency is {home}, but no deal of {file} has a currency_code: map the column that holds it, or unset home_currency"]
    if home and not request.path("exchange_rates") and currencies != home.strip().upper():
        return [
            f"home_currency is {home}, but nothing says what the currencies of {file} ({currencies}) are worth in it: "
            "set exchange_rates_file, or map home_amount to the column that holds converted amounts"
        ]
    if len(found) < 2 and (marks := currency_marks(connection)):
        return [
            f"{file} mixes currencies in '{request.mapping('deals').get('deal_amount', 'deal_amount')}' ({', '.join(marks)}): put their codes into a column "
            "of their own, map it to currency_code, and set home_currency and exchange_rates_file"
        ]
    if home or len(found) < 2:
        return []
    return [
        f"{file} mixes currencies in '{column}' ({currencies}): set home_currency and exchange_rates_file, "
        "or set home_currency and map home_amount to the column that holds converted amounts"
    ]


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
        return [f"{variable} '{pattern}' can't be read ({str(error).splitlines()[0]}): copy or export it again, or save it as CSV"]


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


def keep(connection: duckdb.DuckDBPyConnection, name: str, file: Path, seen: str, landed: Landed, places: Sequence[int | None]) -> None:
    """Note what the models must know of a file; `seen` is its fingerprint of before it was read."""
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


def problems_of_header(request: Request, source: Input, file: Path, header: Sequence[str], dialect: Dialect | None) -> list[str]:
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
            f"{variable} has one column, '{header[0][:60]}': its columns are separated by {DELIMITERS[other]}, so set delimiter to {other!r}"
        ]
    clauses = []
    for column in lacking:
        name = mapping.get(column, column)
        near = nearest(name, header)
        clauses.append(f"'{name}'" + (f" (for {column})" if name != column else "") + (f" (near: '{near}')" if near else ""))
    if has_none:
        clauses[-2:] = [" or ".join(clauses[-2:])]
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

"""Puts together what a file is and what its columns mean: the vars with which a build reads it, and a page that says why."""

import collections
import csv
import dataclasses
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from intake.contract import contract
from intake.inputs import is_parquet, problem_of_path
from intake.landing import Dialect, Unusable
from intake.profiling.columns import DATES, Column, Table, candidates, guess_by_content, input_of, mapping_of, read, repeated_count
from intake.profiling.shape import Shape, shape_of
from intake.profiling.states import States, is_late, states_of
from intake.profiling.values import MONTH_FIRST, DateFormats
from intake.profiling.workbook import is_workbook, workbook_to_csv

MEMORY_LIMIT = "300MB"
OWN_LEVELS = (2, 60)
# Beside those that JSON escapes.
UNREADABLE = "[\\x7f-\\x9f\\u2028\\u2029\\ufeff\\ufffe\\uffff]"


@dataclasses.dataclass(frozen=True)
class FileProfile:
    """What was found out of one file: the input that it is, the file's column of each canonical one, vars, evidence, doubts, and its states."""

    source: str
    path: Path
    table: Table
    mapping: dict[str, tuple[Column, str]]
    date_format: list[str]
    decimal_mark: str
    percent: str | None
    evidence: list[str]
    doubts: list[str]
    states: States | None
    own: list[Column]


def profile(paths: Sequence[Path], out: Path) -> list[FileProfile]:
    """Raises Unusable, with the file's name, where a file can't be read. Workbooks are written as CSV beside `out`."""
    found: list[FileProfile] = []
    with tempfile.TemporaryDirectory() as folder:
        connection = duckdb.connect(
            str(Path(folder) / "profile.duckdb"), config={"memory_limit": MEMORY_LIMIT, "preserve_insertion_order": "false"}
        )
        try:
            for number, path in enumerate(paths):
                try:
                    found.append(profile_file(connection, path, out, number, {each.source for each in found}))
                except Unusable as error:
                    raise Unusable(f"{path} {error}") from error
                except duckdb.OutOfMemoryException as error:
                    raise Unusable(f"{path} needs more memory than {MEMORY_LIMIT}: give a part of its rows or columns") from error
                except (OSError, duckdb.Error) as error:
                    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
                    raise Unusable(f"{path} can't be read ({reason}): copy or export it again") from error
        finally:
            connection.close()
    return found


def profile_file(connection: duckdb.DuckDBPyConnection, path: Path, out: Path, number: int, sources: set[str]) -> FileProfile:
    evidence: list[str] = []
    if not path.exists():
        raise Unusable("is no file: correct the path")
    if problem := problem_of_path(path):
        raise Unusable(problem)
    if is_workbook(path):
        target = target_of(path, out)
        sheet, row_count = workbook_to_csv(path, target)
        evidence.append(f"sheet '{sheet}' of {path.name}, {row_count - 1} rows, was written to {target.name}, which the build reads")
        path = target
    table = read(connection, path, parquet_shape(connection, path) if is_parquet(path) else shape_of(path), f"file_{number}")
    if not number and not table.landed.row_count:
        raise Unusable("has no row below its header that can be read: export it again with its data")
    rules = contract()
    source, mapping = input_of(table, rules)
    if number and source in sources:
        raise Unusable(
            f"is taken for {source.replace('_', ' ')}, as another file is: give one file of several alike; a pattern in the vars, such as exports/*.csv, names them all"
        )
    if not number:
        source, rule = "deals", rules["deals"]
        mapping = mapping_of(table, source, [*rule["required"], *rule["optional"]])
    if source == "deals":
        guess_by_content(table, mapping)
    columns = {name: column for name, (column, _) in mapping.items()}
    doubts = missing(source, rules[source], columns, mapping, table)
    date_format, why, unsure = formats_of(
        [columns[name] for name in columns if columns[name].dates and name.endswith(("_date", "_at", "_start", "_end"))], columns, table
    )
    mark, why_mark = mark_of(columns)
    states = states_of(table, columns) if source == "deals" and ("outcome" in columns or "deal_stage" in columns) else None
    percent = percent_of(columns.get("stage_probability"))
    return FileProfile(
        source, path, table, mapping, date_format, mark, percent,
        [*evidence, *table.shape.evidence, *why, *why_mark], [*doubts, *unsure], states,
        own_columns(table, columns) if source == "deals" else [],
    )  # fmt: skip


def target_of(path: Path, out: Path) -> Path:
    """The CSV that a workbook becomes."""
    return out.with_name(f"{out.stem}_{path.stem}.csv")


def parquet_shape(connection: duckdb.DuckDBPyConnection, path: Path) -> Shape:
    header = [
        name for name, *_ in connection.execute("describe select * from read_parquet(?, hive_partitioning = false)", [str(path)]).fetchall()
    ]
    return Shape(Dialect(), header, ["a Parquet file, whose columns have types"])


def missing(
    source: str, rule: Mapping[str, Any], columns: Mapping[str, Column], guessed: Mapping[str, tuple[Column, str]], table: Table
) -> list[str]:
    found = [
        f"no column was recognised as {name}, which {source} need: name it in column_mapping" + other_content(table, source, name)
        for name in rule["required"]
        if name not in columns
    ]
    one_of = rule.get("one_of") or ()
    if one_of and not any(name in columns for name in one_of):
        found.append(f"no column was recognised as {' or '.join(one_of)}, one of which {source} need: name it in column_mapping")
    found += [f"'{column.name}' is taken for {name}: {why}" for name, (column, why) in guessed.items() if why.startswith("a guess")]
    counted = collections.Counter(name for name in table.shape.header if name)
    found += [f"'{name}' stands {count} times in the header: only the first is read" for name, count in counted.items() if count > 1]
    if not table.landed.row_count:
        found.append("it has no row below its header that can be read, so that how its dates and numbers are written is not known")
    key = columns.get("deal_id")
    if source == "deals" and key and (repeats := repeated_count(table, key)):
        found.append(f"'{key.name}' has {repeats} rows whose id stands in the file before: equal rows count once, others are turned away")
    if table.landed.rejected:
        line = table.landed.rejected[0]
        found.append(
            f"{len(table.landed.rejected)} lines have another number of fields than the header, such as line {line.line_number}: they are turned away"
        )
    return found


def other_content(table: Table, source: str, name: str) -> str:
    """What is said of a column that has a canonical one's name, and other values than it needs."""
    column = next((column for column, _ in candidates(table, source, name, is_exact=True)), None)
    if column is None:
        return ""
    held = f"holds '{column.values[0][:40]}'" if column.values else "is blank"
    return f" ('{column.name}' is called so, but {held}" + (", which is read as no date)" if name in DATES and column.values else ")")


def formats_of(dated: Sequence[Column], columns: Mapping[str, Column], table: Table) -> tuple[list[str], list[str], list[str]]:
    """One list of formats for all date columns of a file, the columns that tell day from month deciding for those that don't."""
    formats: list[str] = []
    evidence, doubts = [], []
    firm = {pattern for column in dated if column.dates and not column.dates.swapped for pattern in column.dates.formats}
    for column in dated:
        found: DateFormats = column.dates
        chosen = list(found.formats)
        if found.swapped:
            month_first = any(day in pattern for pattern in firm for day in MONTH_FIRST.values())
            day_first = any(day in pattern for pattern in firm for day in MONTH_FIRST)
            chosen = [turned(pattern, month_first) for pattern in chosen] if month_first != day_first else chosen
            if month_first == day_first:
                chosen = [turned(pattern, "/" in pattern) for pattern in chosen]
                doubts.append(
                    f"'{column.name}': {found.evidence}; read as {', '.join(chosen)}, swap %d and %m in date_format if that is wrong"
                )
        evidence.append(f"'{column.name}' is read as {', '.join(chosen)}: {found.evidence}")
        formats += [pattern for pattern in chosen if pattern not in formats]
        if found.share < 1:
            doubts.append(f"'{column.name}': {1 - found.share:.1%} of its values are no dates so written")
    orders = {"%m" in pattern[: max(pattern.find("%d"), 0)] for pattern in formats if "%d" in pattern and "%m" in pattern}
    if len(orders) == 2:
        doubts.append(
            f"date columns differ in the order of day and month ({', '.join(formats)}): the first format that fits a value reads it"
        )
    return formats or ["iso"], evidence, doubts


def turned(pattern: str, month_first: bool) -> str:
    is_month_first = pattern.find("%m") < pattern.find("%d")
    if is_month_first == month_first:
        return pattern
    return pattern.replace("%m", "\0").replace("%d", "%m").replace("\0", "%d")


def mark_of(columns: Mapping[str, Column]) -> tuple[str, list[str]]:
    for name in ("deal_amount", "amount", "home_amount", "stage_probability"):
        column = columns.get(name)
        if column and column.numbers and column.numbers.decimal_mark:
            return column.numbers.decimal_mark, [f"'{column.name}': {column.numbers.evidence}"]
    return ".", []


def percent_of(column: Column | None) -> str | None:
    if column is None or column.numbers is None:
        return None
    return "percent" if column.numbers.has_percent or column.numbers.greatest > 1 else "fraction"


def own_columns(table: Table, columns: Mapping[str, Column]) -> list[Column]:
    """Columns that no canonical one reads and that deals could be split by."""
    taken = {column.place for column in columns.values()}
    return [
        column
        for column in table.columns
        if column.place not in taken
        and table.shape.header[column.place]
        and not (column.dates and column.dates.is_written)
        and column.filled > 0.3 * table.landed.row_count
        and (
            OWN_LEVELS[0] <= column.distinct <= OWN_LEVELS[1]
            or (column.numbers and column.numbers.share > 0.95 and column.distinct > OWN_LEVELS[1])
        )
        and column.distinct < 0.9 * column.filled
    ]


def identifier(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", name.casefold().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")).strip(
        "_"
    )
    return plain if plain[:1].isalpha() else f"own_{plain}".rstrip("_")


def yaml_of(value: Any) -> str:
    """As YAML has it, in quotes, also characters that it reads as the end of a line or not at all."""
    return re.sub(UNREADABLE, lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def one_line(text: str) -> str:
    """For a comment or a table."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def vars_file(profiles: Sequence[FileProfile], stages_file: Path | None) -> str:
    """A commented YAML of the vars of all files, for `dbt build --vars "$(cat FILE)"`."""
    lines = [
        "# Vars with which a build reads these files. Each line is a finding that you can change; docs/vars.md says what else there is."
    ]
    for each in profiles:
        lines.append(f"{each.source}_file: {yaml_of(str(each.path))}")
    if stages_file:
        lines += [
            "# Look at it: the order of the stages, which of them close a deal, whether as won, and which count as late.",
            f"stages_file: {yaml_of(str(stages_file))}",
        ]
    lines += [
        "# The day of the export. Unset, it is the newest day on which a deal was created, closed or changed; expected close dates don't count.",
        "# as_of_date: 2025-12-31",
    ]
    lines += dialect_lines(profiles, has_written=stages_file is not None)
    mappings = {each.source: mapped_columns(each) for each in profiles}
    if any(mappings.values()):
        lines.append("column_mapping:")
    for source, mapped in mappings.items():
        if mapped:
            lines += [f"  {source}:", *(f"    {name}: {yaml_of(column)}" for name, column in mapped.items())]
    deals = next((each for each in profiles if each.source == "deals"), None)
    if deals and deals.states and deals.states.value_map:
        lines += ["value_maps:", "  outcome:"]
        lines += [f"    {yaml_of(value)}: {meant or 'null'}" for value, meant in deals.states.value_map.items()]
    if deals and deals.own:
        lines += [
            "# Columns that nothing reads yet. Take the # away where deals should be split by one; known: creation, changes or close.",
            "# own_dimensions:",
        ]
        lines += [own_line(column) for column in deals.own]
    return "\n".join(lines) + "\n"


def mapped_columns(each: FileProfile) -> dict[str, str]:
    """The file's name of each canonical column that has another one there."""
    tells_nothing = each.states is not None and each.states.outcome is None
    return {
        name: column.name for name, (column, _) in each.mapping.items() if column.name != name and not (name == "outcome" and tells_nothing)
    }


def own_line(column: Column) -> str:
    kind = "number" if column.distinct > OWN_LEVELS[1] else "text"
    examples = one_line(", ".join(column.values[:3]))
    return (
        f"#   - {{dimension: {identifier(column.name)}, column: {yaml_of(column.name)}, "
        f"label: {yaml_of(column.name)}, kind: {kind}, known: changes}}  # {column.distinct} values: {examples[:60]}"
    )


def dialect_lines(profiles: Sequence[FileProfile], has_written: bool) -> list[str]:
    """Vars of how the files are written, one value where all files agree, else a mapping of input to value; defaults aren't written.

    `has_written`: another file is read besides these, which is written plainly.
    """
    found = {
        "delimiter": ({each.source: each.table.shape.dialect.delimiter for each in profiles}, ","),
        "encoding": ({each.source: each.table.shape.dialect.encoding for each in profiles}, "utf-8"),
        "skip_lines": ({each.source: each.table.shape.dialect.skip_lines for each in profiles}, 0),
        "date_format": ({each.source: each.date_format[0] if len(each.date_format) == 1 else each.date_format for each in profiles}, "iso"),
        "decimal_mark": ({each.source: each.decimal_mark for each in profiles}, "."),
        "percent": ({each.source: each.percent for each in profiles if each.percent}, None),
    }
    lines = []
    for name, (values, default) in found.items():
        distinct = {json.dumps(value) for value in values.values()}
        if distinct == {json.dumps(default)} or not distinct:
            continue
        value = next(iter(values.values())) if len(distinct) == 1 and not has_written else values
        lines.append(f"{name}: {yaml_of(value)}")
    if any(column.dates and column.dates.has_offsets for each in profiles for column, _ in each.mapping.values()):
        lines.append(
            "# Moments have an offset to UTC. Days are UTC's unless you name your company's time zone:\n# time_zone: Europe/Berlin"
        )
    return lines


def write_stages(states: States, path: Path) -> None:
    """The file's own stages as a stages_file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        has_pipelines = any(stage.pipeline for stage in states.stages)
        writer.writerow(
            [*(["pipeline"] if has_pipelines else []), "stage", "stage_order", "is_closed", "is_won", "is_late", "default_probability"]
        )
        for order, stage in enumerate(states.stages, start=1):
            is_closed = stage.state != "Open"
            chance = "" if stage.probability is None else f"{stage.probability:g}"
            closed = [str(is_closed).lower(), str(stage.state == "Won").lower() if is_closed else "", str(is_late(stage)).lower(), chance]
            writer.writerow([*([stage.pipeline or ""] if has_pipelines else []), stage.name, order, *closed])


def page(profiles: Sequence[FileProfile], out: Path, stages_file: Path | None) -> str:
    return "\n".join(page_lines(profiles, out, stages_file)) + "\n"


def page_lines(profiles: Sequence[FileProfile], out: Path, stages_file: Path | None) -> Iterator[str]:
    for each in profiles:
        yield f"{each.path}: {each.table.landed.row_count:,} rows of {each.source.replace('_', ' ')}"
        yield from (f"  {line}" for line in each.evidence)
        yield ""
        yield f"  {'column of the file':<32} {'read as':<20} {'filled':>7} {'values':>9}  such as"
        by_place = {column.place: name for name, (column, _) in each.mapping.items()}
        for column in each.table.columns:
            name = by_place.get(column.place, "-")
            if name == "outcome" and each.states and each.states.outcome is None:
                name = "- (see below)"
            share = column.filled / max(each.table.landed.row_count, 1)
            yield f"  {one_line(column.name)[:32]:<32} {name:<20} {share:>7.0%} {column.distinct:>9,}  {one_line(', '.join(column.values[:3]))[:50]}"
        yield ""
        if each.states:
            yield from (f"  {line}" for line in each.states.evidence)
            if each.states.left_out:
                yield f"  {each.states.left_out:,} rows without an id or a date of creation, such as lines of totals, will be turned away"
            counted = ", ".join(f"{count:,} {state.lower()}" for state, count in each.states.counts.items() if count)
            yield f"  {sum(each.states.counts.values()):,} deals: {counted}"
            yield ""
        doubts = [*each.doubts, *(each.states.doubts if each.states else [])]
        if doubts:
            yield "  Look at these:"
            yield from (f"  - {line}" for line in doubts)
            yield ""
    if stages_file:
        yield f"Wrote {stages_file}: the stages of this file. Check their order, which of them close a deal, and which count as late."
    yield f'Wrote {out}. Next: python -m tools check {out}, then dbt build --vars "$(cat {out})"'

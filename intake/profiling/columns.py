"""What a file's columns hold, and which canonical column each of them is."""

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import duckdb

from intake.inputs import is_parquet
from intake.landing import Landed, land
from intake.profiling.shape import Shape
from intake.profiling.values import BLANKS, DateFormats, Numbers, date_formats, numbers, stage_state, state_words
from intake.request import quoted_name

HEADERS = Path(__file__).with_name("headers.csv")
SAMPLE = 20_000
# Of a column of more values about so many are looked at.
PROBED = 5_000
# A column is of a kind when this share of its filled values can be read so.
MOST = 0.8
DATES = {"created_date", "closed_date", "expected_close_date", "updated_at", "entered_at", "changed_at", "occurred_at", "period_start"}
AMOUNTS = {"deal_amount", "home_amount", "stage_probability", "sales_cycle_days", "amount"}
# Fields that another one must not take: the sooner in this list, the sooner it chooses among the file's columns.
ORDER = (
    "deal_id", "created_date", "deal_stage", "outcome", "closed_date", "expected_close_date", "deal_amount", "sales_rep_id", "stage", "entered_at",
    "field", "new_value", "old_value", "changed_at", "activity_type", "occurred_at", "period_start", "amount",
)  # fmt: skip


# Fields whose names other columns rarely hold: `Opportunity Amount (EUR)` is an amount, but `Customer Size` no customer.
INEXACT = {
    "deal_id", "created_date", "closed_date", "expected_close_date", "deal_amount", "deal_stage", "sales_rep_id", "outcome", "stage_probability",
    "lead_source", "lost_reason",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a file: its place, rows that hold something, distinct values, the commonest of them, and how dates or numbers in it are written."""

    name: str
    place: int
    filled: int
    distinct: int
    top: list[tuple[str, int]]
    dates: DateFormats | None
    numbers: Numbers | None

    @property
    def values(self) -> list[str]:
        return [value for value, _ in self.top]


@dataclasses.dataclass(frozen=True)
class Table:
    """A file that was read into the table `name` of `connection`, its columns as text c0, c1, ..."""

    path: Path
    shape: Shape
    connection: duckdb.DuckDBPyConnection
    name: str
    landed: Landed
    columns: list[Column]

    def column(self, name: str | None) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


def read(connection: duckdb.DuckDBPyConnection, path: Path, shape: Shape, name: str) -> Table:
    """Read a whole file and look at each of its columns; raises Unusable where it can't be read to its end."""
    header = [column or f"column {place + 1}" for place, column in enumerate(shape.header)]
    connection.execute(f"create table {name} ({', '.join(f'c{place} varchar' for place in range(len(header)))})")
    if is_parquet(path):
        columns = ", ".join(f"cast({quoted_name(column)} as varchar)" for column in shape.header)
        [(count,)] = connection.execute(
            f"insert into {name} select {columns} from read_parquet(?, hive_partitioning = false)", [str(path)]
        ).fetchall()
        landed = Landed(shape.header, count, [])
    else:
        landed = land(connection, name, path, shape.dialect, shape.header)
    return Table(path, shape, connection, name, landed, [look(connection, name, place, column) for place, column in enumerate(header)])


def look(connection: duckdb.DuckDBPyConnection, table: str, place: int, name: str) -> Column:
    """What a column holds; of many values their number is an estimate, and those that are looked at are a sample by hash, the same in any order of rows."""
    text = "trim(value, ' \t\r\n\u00a0')"
    filled = f"{text} <> '' and lower({text}) not in ({', '.join(repr(word) for word in BLANKS)})"
    [(count, distinct)] = connection.execute(f"select count(nullif(c{place}, '')), approx_count_distinct(c{place}) from {table}").fetchall()
    if distinct < SAMPLE:
        top = connection.execute(
            f"""
            select {text}, sum(row_count)::bigint from (select c{place} as value, count(*) as row_count from {table} group by 1)
            where {filled} group by 1 order by 2 desc, 1 limit {SAMPLE}
            """
        ).fetchall()
        count, distinct = sum(number for _, number in top), len(top)
    else:
        top = connection.execute(
            f"""
            with probed as materialized (
                select distinct c{place} as value from {table} where hash(c{place}) % {max(distinct // PROBED, 1)}::ubigint = 0
            )
            select distinct {text}, 1 from probed where {filled} order by 1 limit {SAMPLE}
            """
        ).fetchall()
        distinct = min(distinct, count)
    return Column(name, place, count, distinct, top, date_formats(connection, top), numbers(top))


def repeated_count(table: Table, column: Column) -> int:
    """Rows whose value stands in another row before."""
    text = expression(column)
    return table.connection.execute(f"select count({text}) - count(distinct {text}) from {table.name} where {text} <> ''").fetchall()[0][0]


def folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


@cache
def known_headers() -> dict[tuple[str, str], list[str]]:
    """Folded names that exports give a column, the likeliest first, by input and canonical column."""
    found: dict[tuple[str, str], list[str]] = {}
    with HEADERS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault((row["input"], row["column"]), []).append(folded(row["header"]))
    return found


def mapping_of(table: Table, source: str, canonical: Sequence[str]) -> dict[str, tuple[Column, str]]:
    """The file's column of each canonical one of an input, with the reason; one column may stand for two where the close date is the only one."""
    found: dict[str, tuple[Column, str]] = {}
    taken: set[int] = set()
    ordered = sorted(canonical, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), canonical.index(name)))
    for is_exact in (True, False):
        for field in ordered:
            if field in found:
                continue
            for column, why in candidates(table, source, field, is_exact):
                if column.place not in taken and suits(field, column, table):
                    found[field] = (column, why)
                    taken.add(column.place)
                    break
    return found


def guess_by_content(table: Table, found: dict[str, tuple[Column, str]]) -> None:
    """Where no name of a file of deals tells: the first gapless column of dates is that of the creation, one with words for won and lost is the outcome."""
    taken = {column.place for column, _ in found.values()}
    free = [column for column in table.columns if column.place not in taken and table.shape.header[column.place]]
    if "created_date" not in found:
        dates = [column for column in free if suits("created_date", column, table) and column.filled > 0.95 * table.landed.row_count]
        if dates:
            found["created_date"] = (dates[0], "a guess: the first column of dates without gaps")
    if "outcome" not in found and "deal_stage" not in found:
        for column in free:
            states = {stage_state(value) for value in column.values[:60]} if column.distinct <= 60 else set()
            if {"Won", "Lost"} <= states:
                found["outcome" if column.distinct <= 4 else "deal_stage"] = (column, "a guess: it has words for won and lost")
                break
    if "deal_id" not in found:
        ids = [
            column
            for column in free
            if column.distinct == column.filled == table.landed.row_count and not (column.dates and column.dates.is_written)
        ]
        if ids:
            found["deal_id"] = (ids[0], "a guess: the first column without repeats")


def candidates(table: Table, source: str, field: str, is_exact: bool) -> list[tuple[Column, str]]:
    names = known_headers().get((source, field), [field])
    ranked = []
    for column in table.columns:
        name = folded(column.name)
        if is_exact and name in names:
            ranked.append((names.index(name), column.place, column, "by its name"))
        elif not is_exact and field in INEXACT:
            inside = [known for known in names if len(known) >= 5 and known in name]
            if inside:
                ranked.append((-len(max(inside, key=len)), column.place, column, "its name holds that of a known column"))
    return [(column, why) for *_, column, why in sorted(ranked, key=lambda item: item[:2])]


def suits(field: str, column: Column, table: Table) -> bool:
    """Can what the column holds be what the field needs? A blank column can be anything but a key."""
    if field == "deal_id":
        return column.filled > 0.5 * max(table.landed.row_count, 1)
    if not column.filled:
        return field not in ("created_date", "outcome", "deal_stage", "sales_rep_id")
    if field in DATES:
        return column.dates is not None and column.dates.share >= MOST
    if field in AMOUNTS:
        return column.numbers is not None and column.numbers.share >= MOST and not (column.dates and column.dates.is_written)
    if field == "outcome":
        return column.distinct <= 12 and any(state_words(value) for value in column.values)
    if field in ("deal_stage", "stage"):
        return column.distinct <= 100 and not (column.dates and column.dates.is_written)
    return True


def input_of(table: Table, contract: Mapping[str, Mapping]) -> tuple[str, dict[str, tuple[Column, str]]]:
    """Which input a file is: the one all whose required columns it has, and of those the one of which it has the most.

    A file of deals has a column of states or stages besides a date; a history has neither amount nor owner.
    """
    best: tuple[tuple, str, dict] = ((-1,), "deals", {})
    for source in ("deals", "stage_history", "field_history", "activities", "quotas", "reps"):
        rule = contract[source]
        columns = [*rule["required"], *rule["optional"]]
        found = mapping_of(table, source, columns)
        has_all = all(name in found for name in rule["required"]) and (
            not rule.get("one_of") or any(name in found for name in rule["one_of"])
        )
        is_keyed = source not in ("deals", "reps") or unique_share(table, found.get(rule["required"][0])) > 0.9
        score = (has_all, is_keyed, len(found) / (1 if source == "deals" else len(columns)))
        if score > best[0]:
            best = (score, source, found)
    return best[1], best[2]


def unique_share(table: Table, found: tuple[Column, str] | None) -> float:
    return found[0].distinct / max(found[0].filled, 1) if found else 0.0


def expression(column: Column) -> str:
    return f"trim({quoted_name(f'c{column.place}')}, ' \t\r\n\u00a0')"

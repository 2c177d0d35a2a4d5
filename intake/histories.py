"""Field history and value intervals tell of different fields: of one field both would tell each change twice."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

FIELD_NAMES = Path(__file__).parents[1] / "seeds" / "reference" / "field_names.csv"
READ_FIELDS = ("amount", "expected_close_date", "sales_rep_id", "stage")


def folded(name: str) -> str:
    """A name as the models compare names: without case, blanks, underscores and hyphens."""
    return name.strip().lower().translate(str.maketrans("", "", " _-"))


def field_names(own: Mapping[str, str | None]) -> dict[str, str | None]:
    """What the project calls each field, by its folded name: the user's own names count before those of the seed."""
    with FIELD_NAMES.open(encoding="utf-8", newline="") as file:
        known = {folded(row["name"]): row["field"] for row in csv.DictReader(file)}
    return known | {folded(str(name)): field for name, field in own.items()}


def problems_of_fields(connection: duckdb.DuckDBPyConnection, own_names: Mapping[str, str | None]) -> list[str]:
    """A clause if the landed field history and value intervals share a field that the models read."""
    names = field_names(own_names)

    def fields(table: str) -> Iterable[str | None]:
        rows = connection.execute(f"select distinct cast(field as varchar) from landing.{table} where field is not null").fetchall()
        return (names.get(folded(name)) for (name,) in rows)

    shared = {*fields("field_history")}.intersection(fields("value_intervals"), READ_FIELDS)
    if not shared:
        return []
    return [
        f"field_history_file and value_intervals_file both give {', '.join(sorted(shared))}, so each change would count twice: "
        "leave one of the two out, or drop the rows of that field from one of them"
    ]

"""Compare two published files, table by table and row by row: does a change of the code leave every figure as it was?

Rows are matched in the order of all their columns, so the order in which they stand doesn't matter. Doubles are equal when they differ by
no more than 1e-12 of the larger one, everything else when it is identical. `build_info`, which says which build a file is, is left out.
Ends with 0 when all is equal but for what --renamed and --without name, with 1 when something differs, with 2 when a file can't be read.
"""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

import duckdb

TOLERANCE = 1e-12
EXAMPLES = 3
SHOWN_LENGTH = 80
DOUBLES = ("DOUBLE", "FLOAT")


@dataclasses.dataclass
class Difference:
    """What differs in one table: a sentence, and some rows (row number, column, old value, new value)."""

    table: str
    text: str
    examples: list[tuple] = dataclasses.field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", type=Path, help="a published file, such as marts.duckdb of the code before")
    parser.add_argument("new", type=Path, help="another one, such as that of the code after")
    parser.add_argument("--renamed", action="append", default=[], metavar="TABLE.OLD=NEW", help="a column whose name changed")
    parser.add_argument(
        "--without", action="append", default=[], metavar="TABLE.COLUMN", help="a column that may differ; COLUMN is the new name"
    )


def columns(connection: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, dict[str, str]]:
    """Type of each column by table and column name."""
    found: dict[str, dict[str, str]] = {}
    rows = connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() where database_name = ? order by table_name, column_index",
        [catalog],
    ).fetchall()
    for table, column, kind in rows:
        if table != "build_info":
            found.setdefault(table, {})[column] = kind
    return found


def compare_table(
    connection: duckdb.DuckDBPyConnection, table: str, old: dict[str, str], new: dict[str, str], without: set[str]
) -> list[Difference]:
    """Differences of one table; `old`, `new`: type by column, both by their new names."""
    found = []
    if list(old.items()) != list(new.items()):
        gone, added = sorted(old.items() - new.items()), sorted(new.items() - old.items())
        what = f"gone {gone}, added {added}" if gone or added else "their order"
        found.append(Difference(table, f"columns differ: {what}"))
    both = [name for name in new if name in old and name not in without]
    exact = [name for name in both if new[name] not in DOUBLES]
    order = ", ".join(f'"{name}"' for name in [*exact, *(name for name in both if name not in exact)]) or "1"
    counts = [connection.execute(f'select count(*) from {side}."{table}"').fetchall()[0][0] for side in ("old", "new")]
    if counts[0] != counts[1]:
        found.append(Difference(table, f"{counts[0]} rows before, {counts[1]} after"))
        return found
    ranked = {side: f'(select {order}, row_number() over (order by {order}) as row_rank from {side}."{table}")' for side in ("old", "new")}
    for name in both:
        left, right = f'old_rows."{name}"', f'new_rows."{name}"'
        differs = f"{left} is distinct from {right}"
        if name not in exact:
            near = f"isfinite({left} - {right}) and abs({left} - {right}) <= {TOLERANCE} * greatest(abs({left}), abs({right}))"
            differs += f" and not coalesce({near}, false)"
        rows = connection.execute(
            f"""
            select row_rank, {left}, {right}, count(*) over ()
            from {ranked["old"]} as old_rows inner join {ranked["new"]} as new_rows using (row_rank)
            where {differs}
            order by row_rank limit {EXAMPLES}
            """
        ).fetchall()
        if rows:
            found.append(
                Difference(table, f"{name} differs in {rows[0][3]} of {counts[0]} rows", [(row[0], name, row[1], row[2]) for row in rows])
            )
    return found


def compare(
    old: Path, new: Path, renamed: dict[str, dict[str, str]] | None = None, without: dict[str, set[str]] | None = None
) -> tuple[int, list[Difference]]:
    """Number of tables compared, and all that differs. `renamed`: old to new column by table; `without`: new names by table."""
    renamed, without = renamed or {}, without or {}
    with duckdb.connect() as connection:
        for side, path in (("old_file", old), ("new_file", new)):
            if not path.is_file():
                raise FileNotFoundError(f"{path} is no file")
            try:
                connection.execute(f"""attach '{str(path).replace("'", "''")}' as {side} (read_only)""")
            except duckdb.Error as error:
                raise ValueError(f"{path} is no DuckDB database that can be read") from error
        before, after = columns(connection, "old_file"), columns(connection, "new_file")
        found = [Difference(table, "table is gone") for table in before if table not in after]
        found += [Difference(table, "table is new") for table in after if table not in before]
        connection.execute("create schema old")
        connection.execute("create schema new")
        for table in (table for table in before if table in after):
            names = {name: renamed.get(table, {}).get(name, name) for name in before[table]}
            aliases = ", ".join(f'"{name}" as "{new_name}"' for name, new_name in names.items())
            connection.execute(f'create view old."{table}" as select {aliases} from old_file."{table}"')
            connection.execute(f'create view new."{table}" as from new_file."{table}"')
            old_columns = {names[name]: kind for name, kind in before[table].items()}
            found += compare_table(connection, table, old_columns, after[table], without.get(table, set()))
    return len(before), found


def shown(value: object, other: object) -> str:
    """A value, of a long text the part from a little before where it begins to differ."""
    if not isinstance(value, str) or not isinstance(other, str) or len(value) <= SHOWN_LENGTH:
        return repr(value)
    start = max(0, len(os.path.commonprefix([value, other])) - SHOWN_LENGTH // 4)
    return repr(("..." if start else "") + value[start : start + SHOWN_LENGTH] + ("..." if start + SHOWN_LENGTH < len(value) else ""))


def run(arguments: argparse.Namespace) -> int:
    renamed: dict[str, dict[str, str]] = {}
    without: dict[str, set[str]] = {}
    try:
        for text in arguments.renamed:
            column, _, new_name = text.partition("=")
            table, _, old_name = column.partition(".")
            if not (table and old_name and new_name):
                raise ValueError(f"--renamed '{text}' is not TABLE.OLD=NEW")
            renamed.setdefault(table, {})[old_name] = new_name
        for text in arguments.without:
            table, _, column = text.partition(".")
            if not (table and column):
                raise ValueError(f"--without '{text}' is not TABLE.COLUMN")
            without.setdefault(table, set()).add(column)
        count, found = compare(arguments.old, arguments.new, renamed, without)
    except (OSError, ValueError, duckdb.Error) as error:
        print(error, file=sys.stderr)
        return 2
    for difference in found:
        print(f"{difference.table}: {difference.text}")
        for row, column, before, after in difference.examples:
            print(f"    row {row}: {column} {shown(before, after)} before, {shown(after, before)} after")
    left_out = f", without {', '.join(sorted(arguments.without))}" if arguments.without else ""
    print(f"{count} tables compared{left_out}: " + (f"{len(found)} differences" if found else "all equal"))
    return 1 if found else 0

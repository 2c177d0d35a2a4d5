"""Check a vars file and the files and tables that it names, as a build does before its first node, without dbt: a second, not a build.

Tables are looked up in SALES_DB, which is only read. Prints all that is wrong, a sentence each, and ends with 1; or says that nothing is, and ends with 0.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import duckdb
import yaml

from intake.contract import contract, reference_inputs
from intake.inputs import check
from intake.request import Request, is_table, quoted_table
from intake.vars import plain

PROJECT = Path(__file__).parents[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("vars", type=Path, help="a vars file, such as `python -m tools profile` writes")


def request_of(given: dict[str, Any], database: str | None = None) -> Request:
    """What a build with these vars would ask for, but for the file that it publishes to; tables are those of the attached `database`."""
    defaults = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    return Request.of(
        {
            "contract": contract(),
            "reference_inputs": reference_inputs(),
            "variables": plain({**defaults, **given}),
            "given": list(given),
            "input_name": "demo" if not given.get("deals_file") else "checked",
            "source_tables": {name: f"{database}.{quoted_table(value)}" for name, value in tables(given).items() if database},
        }
    )


def tables(given: dict[str, Any]) -> dict[str, str]:
    """The inputs that are tables of SALES_DB, `schema.table`."""
    return {
        name.removesuffix("_file"): value
        for name, value in given.items()
        if name.endswith("_file") and isinstance(value, str) and is_table(value) and value.count(".") == 1
    }


def run(arguments: argparse.Namespace) -> int:
    try:
        given = yaml.safe_load(arguments.vars.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeError) as error:
        print(f"{arguments.vars} can't be read: {error}.", file=sys.stderr)
        return 1
    except yaml.YAMLError as error:
        print(f"{arguments.vars} is no YAML: {' '.join(str(error).split())}.", file=sys.stderr)
        return 1
    if not isinstance(given, dict):
        print(f"{arguments.vars} has no vars: each line is `name: value`.", file=sys.stderr)
        return 1
    database = os.environ.get("SALES_DB", "sales.duckdb") if tables(given) else None
    with duckdb.connect() as connection:
        if database:
            try:
                connection.execute(f"attach '{database.replace(chr(39), chr(39) * 2)}' as build (read_only)")
            except duckdb.Error as error:
                print(
                    f"SALES_DB '{database}', in which tables are looked up, can't be read ({str(error).splitlines()[0]}).", file=sys.stderr
                )
                return 1
        problems = check(connection, request_of(given, database and "build"))
        for problem in problems:
            print(f"{problem}.", file=sys.stderr)
        if problems:
            return 1
        for name, count in connection.execute(
            "select input, sum(row_count) from landing.files group by input order by min(rowid)"
        ).fetchall():
            print(f"{name}: {count:,} rows can be read")
    print("Nothing is wrong with the vars and the files.")
    return 0

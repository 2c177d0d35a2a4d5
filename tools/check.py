"""Check a vars file and the files that it names, as a build does before its first node, without dbt: a second, not a build.

Prints all that is wrong, a sentence each, and ends with 1; or says that nothing is, and ends with 0.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import duckdb
import yaml

from intake.contract import contract, reference_inputs
from intake.inputs import check
from intake.request import Request
from intake.vars import plain

PROJECT = Path(__file__).parents[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("vars", type=Path, help="a vars file, such as `python -m tools profile` writes")


def request_of(given: dict[str, Any]) -> Request:
    """What a build with these vars would ask for, but for the file that it publishes to."""
    defaults = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    return Request.of(
        {
            "contract": contract(),
            "reference_inputs": reference_inputs(),
            "variables": plain({**defaults, **given}),
            "given": list(given),
            "input_name": "demo" if not given.get("deals_file") else "checked",
        }
    )


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
    with duckdb.connect() as connection:
        problems = check(connection, request_of(given))
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

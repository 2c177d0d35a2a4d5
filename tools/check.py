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
from intake.landing import Unusable
from intake.request import Request, is_table, quoted_table
from intake.vars import plain

PROJECT = Path(__file__).parents[1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("vars", type=Path, help="a vars file, such as `python -m tools profile` writes")


class Loader(yaml.SafeLoader):
    """Leaves dates text: of one that doesn't exist the check of the vars says more than YAML's reader."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def given_vars(file: Path) -> dict[str, Any]:
    """Raises Unusable if the file holds none, or is none."""
    try:
        given = plain(yaml.load(file.read_text(encoding="utf-8"), Loader))
    except OSError as error:
        raise Unusable(f"can't be read ({error.strerror}): name a vars file, such as `python -m tools profile` writes") from error
    except UnicodeError as error:
        raise Unusable("is not text in UTF-8: name a vars file, or save it as UTF-8") from error
    except RecursionError as error:
        raise Unusable("is nested without an end: take out an alias (*) that stands inside its own anchor (&), or brackets") from error
    except yaml.YAMLError as error:
        raise Unusable(
            f"is no YAML ({reason(error)}): correct it there; a text that holds : or # needs quotes, and no line begins with a tab"
        ) from error
    except (AttributeError, LookupError, ValueError) as error:
        raise Unusable("has a value that doesn't fit its type (!!): take the type out") from error
    if not isinstance(given, dict | None):
        raise Unusable("has no vars: write `name: value`, a line each")
    return given or {}


def reason(error: yaml.YAMLError) -> str:
    """What YAML's reader found, and where; its own text has lines of the file too."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark and problem else " ".join(str(error).split())


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
        given = given_vars(arguments.vars)
    except Unusable as error:
        print(f"{arguments.vars} {error}.", file=sys.stderr)
        return 1
    database = os.environ.get("SALES_DB", "sales.duckdb") if tables(given) else None
    with duckdb.connect() as connection:
        if database:
            try:
                connection.execute(f"attach '{database.replace(chr(39), chr(39) * 2)}' as build (read_only)")
            except duckdb.Error as error:
                print(
                    f"SALES_DB '{database}', in which tables are looked up, can't be read ({str(error).splitlines()[0]}): "
                    "name the database that has them in SALES_DB, or wait until the build that holds it has ended.",
                    file=sys.stderr,
                )
                return 1
        problems = check(connection, request_of(given, database and "build"))
        for problem in problems:
            print(problem if problem.endswith("?") else f"{problem}.", file=sys.stderr)
        if problems:
            return 1
        for name, count in connection.execute(
            "select input, sum(row_count) from landing.files group by input order by min(rowid)"
        ).fetchall():
            print(f"{name}: {count:,} rows can be read")
    print("Nothing is wrong with the vars and the files.")
    return 0

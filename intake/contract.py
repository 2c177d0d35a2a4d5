"""The input contract as the macro `input_contract` declares it, for what runs without dbt."""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

MACROS = Path(__file__).parents[1] / "macros"


@cache
def contract() -> dict[str, dict[str, Any]]:
    """Required and optional columns by input."""
    return called("input_columns", "input_contract")


@cache
def reference_inputs() -> list[str]:
    """Inputs that stand in for a reference seed."""
    return called("input_columns", "reference_inputs")


@cache
def month_names() -> list[str]:
    """Names of each month in the languages that a build reads, as alternatives of a regular expression."""
    return called("read_dates", "month_names")


def called(file: str, macro: str) -> Any:
    """What a macro of a file of macros returns."""
    returned: list[Any] = []
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals["return"] = lambda value: returned.append(value) or ""
    getattr(environment.from_string((MACROS / f"{file}.sql").read_text(encoding="utf-8")).module, macro)()
    return returned[0]

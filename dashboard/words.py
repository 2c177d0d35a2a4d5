"""How figures and names are written. Pure functions."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType

import pandas as pd

from tools.export import FORMULA_STARTS

STALE_AFTER = timedelta(hours=24)
VERDICTS = {
    "signal": "more than chance",
    "no_signal": "chance can explain it",
    "insufficient_n": "too few deals to judge",
    "not_computable": "can't be judged",
}
MISSING = "–"


def escape(text: object) -> str:
    """Text of the data for Markdown: no markup, HTML, formula or directive of Streamlit's survives."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(str(text).split()))


def spreadsheet_safe(value: object) -> object:
    """A cell for a CSV: text that a spreadsheet would run as a formula begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(tuple(FORMULA_STARTS)) else value


def label(name: str) -> str:
    """A column's or value's name as words: `lead_source` is Lead source."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def dimension(name: str, labels: Mapping[str, str] = MappingProxyType({})) -> str:
    """`labels`: what those that the user declared are called, by name."""
    known = {"all": "All deals", "sales_rep_id": "Sales rep", "product_type": "Product"} | dict(labels)
    return label(known.get(name, name))


def verdict(name: object) -> str:
    return VERDICTS.get(name, label(name)) if isinstance(name, str) else MISSING


def percent(rate: float | None, digits: int = 1) -> str:
    return MISSING if pd.isna(rate) else f"{100 * rate:.{digits}f} %"


def points(change: float | None) -> str:
    """A change of a rate, 0 to 1, in points."""
    return MISSING if pd.isna(change) else f"{100 * change:+.1f} points"


def count(number: float | None) -> str:
    return MISSING if pd.isna(number) else f"{number:,.0f}"


def money(amount: float | None) -> str:
    """Three significant figures or more: 3,995,890 is 4.00 M."""
    if pd.isna(amount):
        return MISSING
    for size, unit in ((1e9, " bn"), (1e6, " M"), (1e3, " k")):
        if abs(amount) >= size:
            return f"{amount / size:,.2f}{unit}"
    return f"{amount:,.0f}"


def days(number: float | None) -> str:
    return MISSING if pd.isna(number) else f"{number:+.1f} days"


def between(lower: float | None, upper: float | None, write=percent) -> str:
    return "no interval" if pd.isna(lower) or pd.isna(upper) else f"{write(lower)} to {write(upper)}"


def age_days(as_of_date: date, now: datetime) -> int:
    return (now.date() - as_of_date).days


def is_stale(as_of_date: date, now: datetime) -> bool:
    """Everything is known as of the end of the as-of day."""
    end = datetime.combine(as_of_date + timedelta(days=1), time(), UTC)
    return now - end > STALE_AFTER


def in_unit(value: float | None, unit: str) -> str:
    """A figure of rpt_pipeline_health in its unit."""
    if pd.isna(value):
        return MISSING
    if unit == "rate":
        return percent(value)
    if unit.startswith("money"):
        return money(value)
    return f"{value:,.1f}" if unit == "days" else f"{value:,.2f}"


def axis_format(unit: str) -> str:
    """The same for an axis, as Vega writes formats."""
    if unit == "rate":
        return ".0%"
    if unit.startswith("money"):
        return "~s"
    return ".0f" if unit == "days" else ".2f"

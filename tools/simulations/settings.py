"""What the models run with: the parameters of their yml, with the vars of dbt_project.yml filled in, and the bands of the project's seed; and
what they run on: CRMs of both kinds, with effects and without."""

import csv
import re
from datetime import date
from functools import cache
from pathlib import Path

import yaml

from tools import crm, process

PROJECT = Path(__file__).resolve().parents[2]
# In a process: as much as the demo has of a lead source, two reps and a bad quarter.
PROCESS = process.Settings(
    reps=len(crm.REPS),
    planted=(("lead_source", *crm.PLANTED.lead_source), *(("sales_rep_id", rep, points) for rep, points in crm.PLANTED.reps.items())),
    falls=((date(2025, 4, 1), date(2025, 6, 30), 0.15),),
)
NO_PROCESS_EFFECTS = process.Settings(reps=len(crm.REPS))
GENERATORS = (crm.Effects.kind, process.Settings.kind)
VAR = re.compile(r"\{\{ *var\('(\w+)'\) *\}\}")


@cache
def project_vars() -> dict:
    """Defaults of the project's vars."""
    return yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]


def model_settings(name: str) -> dict:
    """`meta.settings` of a Python model."""
    [file] = PROJECT.glob(f"models/*/{name}.yml")
    [model] = [each for each in yaml.safe_load(file.read_text())["models"] if each["name"] == name]
    return {key: filled(value) for key, value in model["config"]["meta"]["settings"].items()}


def filled(value: object) -> object:
    """A value of the yml, or of the var that it names."""
    if not isinstance(value, str):
        return value
    match = VAR.fullmatch(value)
    if not match:
        raise ValueError(f"'{value}' is more than a var, and nothing but dbt can fill it in")
    return project_vars()[match[1]]


# Those that the generator's effect of size is made of. A build cuts sizes at the quartiles of its own amounts, or takes such edges from bands_file.
SIZE_BANDS = (["small", "medium", "large", "enterprise"], [5_000.0, 15_000.0, 30_000.0])


@cache
def bands(band_type: str) -> tuple[list[str], list[float]]:
    """Names of the bands of a type, and the upper bounds, ascending, of all but the last."""
    if band_type == "deal_size_band":
        return SIZE_BANDS
    with (PROJECT / "seeds" / "reference" / "bands.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["band_type"] == band_type]
    return [row["band"] for row in rows], [float(row["upper_bound"]) for row in rows if row["upper_bound"]]

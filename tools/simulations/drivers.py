"""The driver model on generated CRMs: do its intervals hold the truth, does it find what is planted and nothing else?

The truth of a level is its effect in one CRM of a million deals with the same effects and the same choice of deals. Kinds of CRM: the demo's
effects; effects of the same size planted in the most frequent source and size band, so that the reference itself is unusual; none; and of the
second generator, a source and two reps planted, and none.
"""

import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import numpy as np

from inference.survival import life_table
from models.win_rates import ml_win_rate_drivers as drivers
from tools import crm
from tools.crm import Effects
from tools.process import Plan
from tools.simulations.settings import GENERATORS, NO_PROCESS_EFFECTS, PROCESS, bands, model_settings, project_vars

SETTINGS = drivers.Settings(**model_settings("ml_win_rate_drivers"))
DEALS, POPULATION, CHUNK, YEARS = 3_000, 1_000_000, 250_000, 2
KINDS = {
    "planted as in the demo": crm.PLANTED,
    "planted in the most frequent levels": replace(crm.PLANTED, lead_source=("Inbound", 0.14), size_band=(5_000, 15_000, 0.13)),
    "nothing planted": crm.NO_EFFECTS,
    "process, planted": PROCESS,
    "process, nothing planted": NO_PROCESS_EFFECTS,
}


def is_mature(created: np.ndarray, closed: np.ndarray, as_of: int) -> np.ndarray:
    """Of each deal whether its cohort is mature as of the day, as `int_cohort_maturity` has it; all arrays are days since 1970."""
    is_closed = closed <= as_of
    age = np.minimum(closed, as_of) - created
    table = life_table(age, np.zeros(len(age)), is_closed.astype(int), np.ones(len(age)), causes=1)
    maturity_days = table.days_until(project_vars()["maturity_quantile"])
    if maturity_days is None:
        return np.zeros(len(created), bool)
    cohort = created.astype("datetime64[D]").astype("datetime64[M]").astype(int)
    cohort -= cohort.min()
    deals = np.bincount(cohort)
    youngest = np.zeros(len(deals), np.int64)
    np.maximum.at(youngest, cohort, created)
    is_old = as_of - youngest > maturity_days
    return (is_old & (np.bincount(cohort, ~is_closed, len(deals)) <= project_vars()["max_mature_open_share"] * deals))[cohort]


def half_years(closed: np.ndarray, created: np.ndarray) -> np.ndarray:
    """First day of the half-year of each close; None in the one in which the data begin, or past the as-of date."""
    half = closed.astype("datetime64[D]").astype("datetime64[M]").astype(int) // 6
    first = {each: date(1970 + each // 2, each % 2 * 6 + 1, 1) for each in np.unique(half).tolist()}
    ends = {each: date(1970 + (each + 1) // 2, (each + 1) % 2 * 6 + 1, 1) - timedelta(1) for each in first}
    begin = date(1970, 1, 1) + timedelta(int(created.min()))
    complete = {each: start if start > begin and ends[each] <= crm.AS_OF else None for each, start in first.items()}
    return np.array([complete[each] for each in half.tolist()], object)


def draw(seed: int, deals: int, effects: Plan):
    """Closed deals of mature cohorts of a CRM, grouped as the model has them, and the half-year of each cell."""
    names, edges = bands("deal_size_band")
    labels = {name: effects.words()[name] for name in ("industry", "region", "product_type", "lead_source")}
    labels |= {"deal_size_band": names, "sales_rep_id": effects.words()["sales_rep"]}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("created", "closed", "won", *labels)}
    for start in range(0, deals, CHUNK):
        lives = effects.draw_lives(seed, deals, start, min(start + CHUNK, deals), YEARS)
        parts["created"].append(lives.created_day)
        parts["closed"].append(lives.closed_day)
        parts["won"].append(lives.won)
        for name in labels:
            code = lives.segments.get("sales_rep" if name == "sales_rep_id" else name)
            parts[name].append(np.searchsorted(edges, lives.segments["amount"]) if code is None else code)
    columns = {name: np.concatenate(part) for name, part in parts.items()}
    as_of = crm.days(crm.AS_OF)
    kept = (columns["closed"] <= as_of) & is_mature(columns["created"], columns["closed"], as_of)
    values = {name: np.array(labels[name], object)[columns[name][kept]] for name in labels}
    grouped = drivers.group(values, columns["won"][kept].astype(float), np.ones(kept.sum()), SETTINGS.min_level_deals)
    return grouped, half_years(columns["closed"][kept], columns["created"])


def population(seed: int, effects: Plan) -> dict[tuple[str, str], float]:
    """Effect of each level against the factor's others, in percentage points."""
    deals, _ = draw(seed, POPULATION, effects)
    found = drivers.estimate(deals.where(np.ones(len(deals.count), bool)), SETTINGS)
    return {(row["factor"], row["level"]): row["vs_others_pp"] for row in drivers.level_rows(found, SETTINGS)}


def planted_levels(effects: Plan) -> set[tuple[str, str]]:
    """Those of factors that are judged, which reps are not."""
    if not isinstance(effects, Effects):
        return {(column, value) for column, value, _ in effects.planted if column != "sales_rep_id"}
    names, edges = bands("deal_size_band")
    source, points = effects.lead_source
    return {("lead_source", source), ("deal_size_band", names[np.searchsorted(edges, effects.size_band[1])])} if points else set()


def one_crm(seed: int, effects: Plan, truth: dict[tuple[str, str], float]) -> dict[str, list]:
    """Of one CRM: which intervals held the truth, which levels were signals, and whether a sign was said to flip."""
    rows = drivers.analyse(*draw(seed, DEALS, effects), SETTINGS)
    levels = {(row["factor"], row["level"]): row for row in rows if row["half_year_start_date"] is None}
    return {
        "held": [row["vs_others_lower_pp"] <= truth[key] <= row["vs_others_upper_pp"] for key, row in levels.items() if key in truth],
        "signals": [key for key, row in levels.items() if row["verdict"] == "signal"],
        "flips": [key for key, row in levels.items() if row["is_sign_flip"]],
    }


def percent(shares: Iterable[bool]) -> str:
    shares = list(shares)
    return f"{100 * np.mean(shares):.1f} %" if shares else ""


def run(crms: int, seed: int, processes: int, kinds: tuple[str, ...] = tuple(KINDS), generators: tuple[str, ...] = GENERATORS) -> str:
    """A Markdown table with a row per kind of CRM: `crms` of each, seeds from `seed` on."""
    lines = [
        f"| {crms} CRMs of {DEALS:,} deals | 95 % intervals that hold the truth | planted source found | planted size found "
        "| a level without effect flagged | a sign flip claimed |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind in kinds:
        effects = KINDS[kind]
        if effects.kind not in generators:
            continue
        job = partial(one_crm, effects=effects, truth=population(seed, effects))
        seeds = range(seed + 1, seed + 1 + crms)
        if processes > 1:
            with ProcessPoolExecutor(processes) as pool:
                found = list(pool.map(job, seeds, chunksize=4))
        else:
            found = [job(each) for each in seeds]
            print(f"{kind}: done", file=sys.stderr)
        planted = planted_levels(effects)
        by_factor = {key[0]: percent(key in each["signals"] for each in found) for key in planted}
        figures = [
            percent(held for each in found for held in each["held"]),
            by_factor.get("lead_source", ""),
            by_factor.get("deal_size_band", ""),
            percent(bool(set(each["signals"]) - planted) for each in found),
            percent(bool(each["flips"]) for each in found),
        ]
        lines.append(f"| {kind} | {' | '.join(figures)} |")
    return "\n".join(lines)

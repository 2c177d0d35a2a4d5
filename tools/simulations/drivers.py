"""The driver model on generated CRMs: do its intervals hold the truth, does it find what is planted and nothing else?

The truth of a level is its effect against the same other levels in one CRM of a million deals with the same effects and the same choice of
deals. Kinds of CRM: the demo's effects; effects of the same size planted in the most frequent source and size band, so that the reference itself
is unusual; none. Of the second generator: a source and two reps planted; a region whose reps sell nowhere else; none, with deals that stand
alone, with seasons, and with 3, 8 and 20 deals of an account that has its own chance to win.
"""

import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import numpy as np

from models.win_rates import ml_win_rate_drivers as drivers
from tools import crm, process
from tools.crm import Effects
from tools.process import Plan
from tools.simulations.settings import GENERATORS, NO_PROCESS_EFFECTS, PROCESS, bands, model_settings, project_vars

SETTINGS = drivers.Settings(**model_settings("ml_win_rate_drivers"), fdr_level=project_vars()["fdr_level"])
DEALS, POPULATION, CHUNK, YEARS = 3_000, 1_000_000, 250_000, 2
KINDS = {
    "planted as in the demo": crm.PLANTED,
    "planted in the most frequent levels": replace(crm.PLANTED, lead_source=("Inbound", 0.14), size_band=(5_000, 15_000, 0.13)),
    "nothing planted": crm.NO_EFFECTS,
    "process, planted": PROCESS,
    "process, a region planted, each rep in one region": process.Settings(territories=True, planted=(("region", "Nordics", 0.15),)),
    "process, nothing planted": NO_PROCESS_EFFECTS,
    "process, seasons, nothing planted": process.Settings(**process.PRESETS["seasonal"][1]),
    "process, 3 deals an account, nothing planted": process.Settings(account_deals=3.0, account_sd=1.0),
    "process, 8 deals an account, nothing planted": process.Settings(account_deals=8.0, account_sd=1.0),
    "process, 20 deals an account, nothing planted": process.Settings(account_deals=20.0, account_sd=1.0),
    "process, 8 deals an account, planted": replace(PROCESS, account_deals=8.0, account_sd=1.0),
}


def is_mature(created: np.ndarray, closed: np.ndarray, as_of: int) -> np.ndarray:
    """Of each deal whether its cohort is mature as of the day, as `int_mature_cohorts` has it; all arrays are days since 1970."""
    lives = np.sort((closed - created)[closed <= as_of])
    if not len(lives):
        return np.zeros(len(created), bool)
    horizon = lives[int(np.ceil(0.99 * len(lives))) - 1]
    until = as_of if np.any(closed > as_of) else closed.max()
    cohort = created.astype("datetime64[D]").astype("datetime64[M]").astype(int)
    cohort -= cohort.min()
    youngest = np.zeros(cohort.max() + 1, np.int64)
    np.maximum.at(youngest, cohort, created)
    return (youngest <= until - horizon)[cohort]


def half_years(closed: np.ndarray, created: np.ndarray) -> np.ndarray:
    """First day of the half-year of each close; None in the one in which the data begin, or past the as-of date."""
    half = closed.astype("datetime64[D]").astype("datetime64[M]").astype(int) // 6
    first = {each: date(1970 + each // 2, each % 2 * 6 + 1, 1) for each in np.unique(half).tolist()}
    ends = {each: date(1970 + (each + 1) // 2, (each + 1) % 2 * 6 + 1, 1) - timedelta(1) for each in first}
    begin = date(1970, 1, 1) + timedelta(int(created.min()))
    complete = {each: start if start > begin and ends[each] <= crm.AS_OF else None for each, start in first.items()}
    return np.array([complete[each] for each in half.tolist()], object)


def sum_accounts(values: dict[str, np.ndarray], won: np.ndarray, account: np.ndarray) -> drivers.ByAccount:
    """What `int_driver_accounts` has."""
    account, sizes = np.unique(account, return_inverse=True, return_counts=True)[1:]
    found = {}
    for factor, texts in values.items():
        names, level = np.unique(texts.astype(str), return_inverse=True)
        cell = account * len(names) + level
        residual = np.bincount(account, won - (np.bincount(level, won) / np.bincount(level))[level])
        pair, deals = np.unique(cell, return_counts=True)
        of_account, of_level = pair // len(names), pair % len(names)
        size = sizes[of_account]
        terms = (
            np.ones(len(pair)), deals / size, deals, np.bincount(cell, won)[pair], deals**2, deals * size,
            deals * (residual[of_account] / size) ** 2,
        )  # fmt: skip
        sums = np.array([np.bincount(of_level, term, len(names)) for term in terms])
        found[factor] = {name: drivers.LevelAccounts(*each) for name, each in zip(names.tolist(), sums.T.tolist(), strict=True)}
    return found


def draw(seed: int, deals: int, effects: Plan):
    """Closed deals of mature cohorts of a CRM, grouped as the model has them, the half-year of each cell, and the sums over accounts."""
    names, edges = bands("deal_size_band")
    labels = {name: effects.words()[name] for name in ("industry", "region", "product_type", "lead_source")}
    labels |= {"deal_size_band": names}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("created", "closed", "won", "account", *labels)}
    for start in range(0, deals, CHUNK):
        lives = effects.draw_lives(seed, deals, start, min(start + CHUNK, deals), YEARS)
        parts["created"].append(lives.created_day)
        parts["closed"].append(lives.closed_day)
        parts["won"].append(lives.won)
        parts["account"].append(lives.account)
        for name in labels:
            code = lives.segments.get(name)
            parts[name].append(np.searchsorted(edges, lives.segments["amount"]) if code is None else code)
    columns = {name: np.concatenate(part) for name, part in parts.items()}
    as_of = crm.days(crm.AS_OF)
    kept = (columns["closed"] <= as_of) & is_mature(columns["created"], columns["closed"], as_of)
    values = {name: np.array(labels[name], object)[columns[name][kept]] for name in labels}
    won = columns["won"][kept].astype(float)
    grouped = drivers.group(values, won, np.ones(kept.sum()), SETTINGS.min_level_deals)
    return grouped, half_years(columns["closed"][kept], columns["created"]), sum_accounts(values, won, columns["account"][kept])


def population(seed: int, effects: Plan) -> dict[tuple[str, str], tuple[float, float]]:
    """Of each level the win rate with the other factors held equal, in percent, and its deals."""
    deals, _, _ = draw(seed, POPULATION, effects)
    found = drivers.estimate(deals.where(np.ones(len(deals.count), bool)), SETTINGS)
    return {
        (factor.name, level): (100 * mean, count)
        for factor, means in zip(found.deals.factors, found.means, strict=True)
        for level, mean, count in zip(factor.levels, means.mean.tolist(), means.count.tolist(), strict=True)
    }


def true_effect(row: dict, truth: dict[tuple[str, str], tuple[float, float]]) -> float:
    """In percentage points, against the levels that the row is compared with; those that are rare in the CRM, and in no other, have no truth."""
    others = np.array([truth[row["factor"], level] for level in row["other_levels"].split(", ") if (row["factor"], level) in truth])
    return truth[row["factor"], row["level"]][0] - float(np.average(others[:, 0], weights=others[:, 1]))


def planted_levels(effects: Plan) -> set[tuple[str, str]]:
    """Those of factors of the fit, which reps are not."""
    if not isinstance(effects, Effects):
        return {(column, value) for column, value, _ in effects.planted if column != "sales_rep_id"}
    names, edges = bands("deal_size_band")
    source, points = effects.lead_source
    return {("lead_source", source), ("deal_size_band", names[np.searchsorted(edges, effects.size_band[1])])} if points else set()


def one_crm(seed: int, effects: Plan, truth: dict[tuple[str, str], tuple[float, float]]) -> dict[str, list]:
    """Of one CRM: which truths lie within 1.96 standard errors, which levels were signals, and whether a sign was said to flip."""
    rows = drivers.analyse(*draw(seed, DEALS, effects), SETTINGS)
    levels = {(row["factor"], row["level"]): row for row in rows if row["half_year_start_date"] is None}
    judged = [row for row in levels.values() if row["verdict"] in ("signal", "no_signal")]
    distance = SETTINGS.normal_quantile
    return {
        "held": [abs(row["vs_others_pp"] - true_effect(row, truth)) <= distance * row["vs_others_standard_error_pp"] for row in judged],
        "signals": [key for key, row in levels.items() if row["verdict"] == "signal"],
        "flips": [key for key, row in levels.items() if row["is_sign_flip"]],
    }


def percent(shares: Iterable[bool]) -> str:
    shares = list(shares)
    return f"{100 * np.mean(shares):.1f} %" if shares else ""


def run(crms: int, seed: int, processes: int, kinds: tuple[str, ...] = tuple(KINDS), generators: tuple[str, ...] = GENERATORS) -> str:
    """A Markdown table with a row per kind of CRM: `crms` of each, seeds from `seed` on."""
    lines = [
        f"| {crms} CRMs of {DEALS:,} deals | 95 % intervals that hold the truth | planted source or region found | planted size found "
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
            by_factor.get("lead_source", by_factor.get("region", "")),
            by_factor.get("deal_size_band", ""),
            percent(bool(set(each["signals"]) - planted) for each in found),
            percent(bool(each["flips"]) for each in found),
        ]
        lines.append(f"| {kind} | {' | '.join(figures)} |")
    return "\n".join(lines)

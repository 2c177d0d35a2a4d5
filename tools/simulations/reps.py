"""The funnel of reps on generated CRMs: are the two planted reps found, and is anyone else flagged?

Kinds of CRM: the demo's effects; none; reps who differ as a rule, their true win rates normal about the average with the standard
deviation in the kind's name, where any signal is one about an end of the usual spread; and of the second generator, the same two reps
planted, and none.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product

import numpy as np

from models.reps import ml_rep_performance as reps
from tools import crm
from tools.process import Plan
from tools.simulations.drivers import is_mature, percent
from tools.simulations.settings import GENERATORS, NO_PROCESS_EFFECTS, PROCESS, bands, model_settings

SETTINGS = reps.Settings(**model_settings("ml_rep_performance"))
YEARS = 2
SIZES = (3_000, 4_000, 5_000, 10_000)
# What is planted, and the standard deviation between reps.
KINDS = {
    "planted as in the demo": (crm.PLANTED, 0.0),
    "nothing planted": (crm.NO_EFFECTS, 0.0),
    "all reps differ, by 2 points": (crm.NO_EFFECTS, 0.02),
    "all reps differ, by 4 points": (crm.NO_EFFECTS, 0.04),
    "process, planted": (PROCESS, 0.0),
    "process, nothing planted": (NO_PROCESS_EFFECTS, 0.0),
}


def draw(seed: int, deals: int, effects: Plan, spread: float = 0.0) -> tuple[list[str], object]:
    """Closed deals of a CRM, as int_rep_cells groups them; with `spread` the reps' own win rates instead of the effects."""
    lives = effects.draw_lives(seed, deals, 0, deals, YEARS)
    won, as_of = lives.won, crm.days(crm.AS_OF)
    if spread:
        rng = np.random.default_rng(seed)
        own = crm.NO_EFFECTS.base_rate + spread * rng.standard_normal(len(crm.REPS))
        won = rng.random(deals) < np.clip(own, 0.01, 0.99)[lives.segments["sales_rep"]]
    month = lives.created_day.astype("datetime64[D]").astype("datetime64[M]").astype(int)
    values = {name: lives.segments[name] for name in ("industry", "region", "product_type", "lead_source")}
    values["deal_size_band"] = np.searchsorted(bands("deal_size_band")[1], lives.segments["amount"])
    values["creation_period"] = np.where(is_mature(lives.created_day, lives.closed_day, as_of), month // 6, 10_000 + month)
    closed = lives.closed_day <= as_of
    values = {name: each[closed].astype(str) for name, each in values.items()}
    names = np.array(lives.words["sales_rep"], object)[lives.segments["sales_rep"][closed]]
    return reps.group(names, values, won[closed].astype(float), np.ones(closed.sum()), SETTINGS.min_level_deals)


def one_crm(seed: int, deals: int, effects: Plan, spread: float = 0.0) -> dict:
    """Of one CRM: the reps that are signals, and closed deals a rep."""
    rows = reps.funnel(*draw(seed, deals, effects, spread), SETTINGS)
    return {
        "signals": {name for name, row in rows.items() if row["verdict"] == "signal"},
        "deals": np.mean([row["closed_deal_count"] for row in rows.values()]),
        "disperse": any(row["dispersion"] > 1 for row in rows.values()),
    }


def run(
    crms: int,
    seed: int,
    processes: int,
    kinds: tuple[str, ...] = tuple(KINDS),
    sizes: tuple[int, ...] = SIZES,
    generators: tuple[str, ...] = GENERATORS,
) -> str:
    """A Markdown table with a row per kind of CRM and number of deals: `crms` of each, seeds from `seed` on."""
    planted = tuple(crm.PLANTED.reps)
    lines = [
        f"| {crms} CRMs each | deals | closed deals a rep | {' | '.join(f'{rep} found' for rep in planted)} | any other rep flagged | dispersion above 1 |",
        "| --- |" + " --- |" * (len(planted) + 4),
    ]
    for kind, deals in product(kinds, sizes):
        effects, spread = KINDS[kind]
        if effects.kind in generators:
            job, seeds = partial(one_crm, deals=deals, effects=effects, spread=spread), range(seed, seed + crms)
            if processes > 1:
                with ProcessPoolExecutor(processes) as pool:
                    found = list(pool.map(job, seeds, chunksize=4))
            else:
                found = [job(each) for each in seeds]
            targets = set(planted) if effects in (crm.PLANTED, PROCESS) else set()
            figures = [percent(rep in each["signals"] for each in found) if targets else "" for rep in planted]
            figures += [percent(bool(each["signals"] - targets) for each in found), percent(each["disperse"] for each in found)]
            lines.append(f"| {kind} | {deals:,} | {np.mean([each['deals'] for each in found]):.0f} | {' | '.join(figures)} |")
    return "\n".join(lines)

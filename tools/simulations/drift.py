"""Does rpt_score_drift stay quiet while nothing changes, and hear it when something does? Simulated CRMs through the functions of the model.

- no drift: a CRM whose deals are made in the same way all along. Of the p values 5 % should be below 0.05, and few CRMs
  should have a signal in any factor.
- a lead source grows: of the deals created in the last 120 days, a share of the others comes from it too. Then it should have the signal.

Beside it, how often p would be below 0.05 if each row were a deal of its own: chi-square with (1 / n + 1 / m) x (values - 1).
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from scipy.special import chdtrc

from models.scores import ml_score_drift as model
from tools import crm
from tools.simulations.scores import AS_OF_DAY, observe
from tools.simulations.settings import GENERATORS, PROCESS, model_settings

DEALS = 3_000
# What is planted, and the share of new deals that come from another source.
KINDS = {
    "no drift": (crm.PLANTED, 0.0),
    "a lead source grows": (crm.PLANTED, 0.15),
    "a lead source grows a lot": (crm.PLANTED, 0.3),
    "process, no drift": (PROCESS, 0.0),
    "process, a lead source grows a lot": (PROCESS, 0.3),
}


def pipelines(lives: crm.Lives, days: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Deal and day of every deal open at the end of each day, ordered by deal."""
    parts = [(np.flatnonzero((lives.created_day <= day) & (lives.closed_day > day)), day) for day in days]
    deal = np.concatenate([deals for deals, _ in parts])
    day = np.concatenate([np.full(len(deals), day) for deals, day in parts])
    order = np.lexsort((day, deal))
    return deal[order], day[order]


def simulate(kind: str, seed: int) -> dict[str, dict]:
    """What the model finds in one CRM, by factor and for a score of random terms, with the p value by rows beside it."""
    chosen = model_settings("ml_score_drift")
    effects, share = KINDS[kind]
    lives = effects.draw_lives(seed, DEALS, 0, DEALS, 2)
    rng = np.random.Generator(np.random.PCG64([seed, 2]))
    moved = (lives.created_day > AS_OF_DAY - 120) & (rng.random(len(lives.created_day)) < share)
    lives.segments["lead_source"][moved] = 0
    month_ends = [int(np.datetime64(f"2025-{month:02d}", "M").astype("datetime64[D]").astype(int)) - 1 for month in range(1, 13)]
    deal, day = pipelines(lives, [*month_ends[-chosen["dates"] :], AS_OF_DAY])
    is_now = day == AS_OF_DAY
    index = np.unique(deal, return_inverse=True)[1]
    values = {name: (codes, [str(level) for level in range(int(codes.max()) + 1)]) for name, codes in observe(lives, deal, day).items()}
    terms = [(None, None, 0.0)]
    terms += [(name, level, float(rng.normal(0, 0.3))) for name, (_, levels) in values.items() for level in levels]
    values[model.SCORE] = model.score_bins(values, terms, chosen["bins"])
    found = {name: model.drift(index, is_now, *value, chosen) for name, value in values.items()}
    model.judge(found, chosen["fdr_level"])
    for name, (codes, levels) in values.items():
        each = found[name]
        if np.isfinite(each["psi"]):
            n, m = each["open_deal_count"], each["reference_observation_count"]
            share = sum(np.bincount(codes[side], minlength=len(levels)) / side.sum() for side in (is_now, ~is_now)) / 2
            bins = int(model.pooled(share, min(n, each["reference_deal_count"])).max()) + 1
            each["p_by_rows"] = float(chdtrc(bins - 1, max(each["psi"], 0.0) / (1 / n + 1 / m)))
    return found


def run(crms: int, seed: int, processes: int, generators: tuple[str, ...] = GENERATORS) -> str:
    """Simulates `crms` CRMs of each kind; returns a Markdown table."""
    lines = [
        "| CRM | runs | p below 0.05 | the highest rate of a factor | if rows were deals | CRMs with any signal | signal in the lead source |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    with ProcessPoolExecutor(processes) as pool:
        for kind in (kind for kind, (effects, _) in KINDS.items() if effects.kind in generators):
            seeds = range(seed, seed + crms)
            found = list(pool.map(partial(simulate, kind), seeds) if processes > 1 else map(partial(simulate, kind), seeds))
            judged = {name: [each[name] for each in found if "p_by_rows" in each[name]] for name in found[0]}
            rates = {name: np.mean([each["p_value"] < 0.05 for each in rows]) for name, rows in judged.items() if rows}
            rows = [each for each_factor in judged.values() for each in each_factor]
            worst = max(rates, key=lambda name: rates[name])
            any_signal = np.mean([any(each["verdict"] == "signal" for each in one.values()) for one in found])
            source = np.mean([one["lead_source"]["verdict"] == "signal" for one in found])
            lines.append(
                f"| {kind} | {crms} | {np.mean([each['p_value'] < 0.05 for each in rows]):.1%} | {rates[worst]:.1%} ({worst}) "
                f"| {np.mean([each['p_by_rows'] < 0.05 for each in rows]):.1%} | {any_signal:.1%} | {source:.1%} |"
            )
    return "\n".join(lines)

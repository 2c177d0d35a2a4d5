"""Verdicts of reps on generated CRMs: are planted reps found, and is anyone else flagged?

In CRMs of the demo's kind, and in processes unless they have territories, each rep sells in all regions: all reps are one group. With
territories each rep sells in one region, and the regions themselves differ by 5 points; one rep of the largest region is planted, so that the
other reps of that region and the reps of other regions are told apart. Further kinds: nothing planted; one region that wins 15 points
less; several deals an account, whose log odds of winning differ by 1; reps who differ as a rule, their true win rates normal about the
average with the standard deviation in the kind's name.

The level is that of a database in which builds are kept.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from models.win_rates import ml_rep_win_rates as reps
from tools import crm
from tools.process import Plan
from tools.simulations.drivers import is_mature, percent
from tools.simulations.settings import GENERATORS, NO_PROCESS_EFFECTS, PROCESS, bands, model_settings, project_vars

SETTINGS = reps.Settings(**model_settings("ml_rep_win_rates"))
LEVEL = project_vars()["fdr_level"]
YEARS = 2
REGIONS_DIFFER = (("region", "Central Europe", -0.05), ("region", "Nordics", 0.05))
FACTORS = ("industry", "region", "product_type", "lead_source")


@dataclass(frozen=True)
class Kind:
    """What CRMs are made of, how many deals they have, and the standard deviation between the reps' own win rates, if those are drawn."""

    plan: Plan
    sizes: tuple[int, ...]
    spread: float = 0.0

    @property
    def planted(self) -> list[str]:
        if isinstance(self.plan, crm.Effects):
            return sorted(self.plan.reps)
        return [value for column, value, _ in self.plan.planted if column == "sales_rep_id"]

    def region_of(self, rep: str) -> str | None:
        """Of a rep with a territory."""
        staff = self.plan.staff()
        return staff.teams[staff.team[staff.reps.index(rep)]] if getattr(self.plan, "territories", False) else None


DEMO_SIZES, SIZES = (3_000, 4_000, 5_000, 10_000), (700, 1_400, 3_500)


def territories(
    count: int, points: float = 0.0, regions: tuple = REGIONS_DIFFER, account_deals: float = 1.0, account_sd: float = 0.0
) -> Kind:
    """A process in which each of so many reps sells in one region; R01 differs by `points`."""
    planted = (*regions, ("sales_rep_id", "R01", points)) if points else regions
    plan = replace(NO_PROCESS_EFFECTS, reps=count, territories=True, planted=planted, account_deals=account_deals, account_sd=account_sd)
    return Kind(plan, SIZES)


KINDS = {
    "planted as in the demo": Kind(crm.PLANTED, DEMO_SIZES),
    "nothing planted": Kind(crm.NO_EFFECTS, DEMO_SIZES),
    "all reps differ, by 2 points": Kind(crm.NO_EFFECTS, DEMO_SIZES, 0.02),
    "all reps differ, by 4 points": Kind(crm.NO_EFFECTS, DEMO_SIZES, 0.04),
    "process, planted": Kind(PROCESS, DEMO_SIZES),
    "process, nothing planted": Kind(NO_PROCESS_EFFECTS, DEMO_SIZES),
}
for each in (2, 3, 5):
    KINDS |= {
        f"{each} reps a region, nothing planted": territories(4 * each),
        f"{each} reps a region, R01 15 points lower": territories(4 * each, -0.15),
        f"{each} reps a region, R01 20 points lower": territories(4 * each, -0.20),
        f"{each} reps a region, one region 15 points lower": territories(4 * each, regions=(("region", "Nordics", -0.15),)),
    }
for each in (3, 8):
    KINDS |= {
        f"3 reps a region, {each} deals an account": territories(12, account_deals=each, account_sd=1.0),
        f"3 reps a region, {each} deals an account, R01 20 points lower": territories(12, -0.20, account_deals=each, account_sd=1.0),
    }


def draw(seed: int, deals: int, kind: Kind) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Closed deals of a CRM, as int_rep_cells and int_rep_accounts have them, but for a row a deal, and a row an account."""
    lives = kind.plan.draw_lives(seed, deals, 0, deals, YEARS)
    won, as_of = lives.won, crm.days(crm.AS_OF)
    if kind.spread:
        rng = np.random.default_rng(seed)
        own = crm.NO_EFFECTS.base_rate + kind.spread * rng.standard_normal(len(crm.REPS))
        won = rng.random(deals) < np.clip(own, 0.01, 0.99)[lives.segments["sales_rep"]]
    month = lives.created_day.astype("datetime64[D]").astype("datetime64[M]").astype(int)
    values = {name: np.array(lives.words[name], object)[lives.segments[name]] for name in FACTORS}
    values["deal_size_band"] = np.searchsorted(bands("deal_size_band")[1], lives.segments["amount"]).astype(str)
    values["creation_period"] = np.where(is_mature(lives.created_day, lives.closed_day, as_of), month // 6, 10_000 + month).astype(str)
    values["sales_rep_id"] = np.array(lives.words["sales_rep"], object)[lives.segments["sales_rep"]]
    closed = lives.closed_day <= as_of
    cells = {name: each[closed] for name, each in values.items()}
    cells |= {"closed_deal_count": np.ones(closed.sum()), "won_deal_count": won[closed].astype(float)}
    key = np.array([lives.segments["sales_rep"], lives.segments["region"], lives.account])[:, closed]
    [rep, region, _], place = np.unique(key, axis=1, return_inverse=True)
    accounts = {"sales_rep_id": np.array(lives.words["sales_rep"], object)[rep], "region": np.array(lives.words["region"], object)[region]}
    accounts |= {"closed_deal_count": np.bincount(place), "won_deal_count": np.bincount(place, cells["won_deal_count"])}
    return cells, accounts | {"account_count": np.ones(len(rep))}


def one_crm(seed: int, deals: int, kind: Kind, level: float = LEVEL) -> dict:
    """Of one CRM: the reps that are signals, and closed deals a rep."""
    rows = reps.judge(*draw(seed, deals, kind), SETTINGS, level)
    return {
        "signals": {row["sales_rep_id"] for row in rows if row["verdict"] == "signal"},
        "deals": np.mean([row["closed_deal_count"] for row in rows]),
    }


def flagged(kind: Kind, found: list[dict]) -> list[str]:
    """Shares of CRMs in which each planted rep, another one of the planted rep's region, and any other rep are signals."""
    planted = set(kind.planted)
    regions = {kind.region_of(rep) for rep in planted} - {None}
    beside = {rep for rep in kind.plan.staff().reps if kind.region_of(rep) in regions} - planted
    return [
        ", ".join(percent(rep in each["signals"] for each in found) for rep in kind.planted),
        percent(bool(each["signals"] & beside) for each in found) if beside else "",
        percent(bool(each["signals"] - planted - beside) for each in found),
    ]


def run(
    crms: int,
    seed: int,
    processes: int,
    kinds: tuple[str, ...] = tuple(KINDS),
    sizes: tuple[int, ...] = (),
    generators: tuple[str, ...] = GENERATORS,
) -> str:
    """A Markdown table with a row per kind of CRM and number of deals (`sizes`, else the kind's): `crms` of each, seeds from `seed` on."""
    lines = [
        f"| {crms} CRMs each | deals | closed deals a rep | planted reps found | another rep of their region flagged | any other rep flagged |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in kinds:
        kind = KINDS[name]
        for deals in (sizes or kind.sizes) if kind.plan.kind in generators else ():
            job, seeds = partial(one_crm, deals=deals, kind=kind), range(seed, seed + crms)
            if processes > 1:
                with ProcessPoolExecutor(processes) as pool:
                    found = list(pool.map(job, seeds, chunksize=4))
            else:
                found = [job(each) for each in seeds]
            lines.append(f"| {name} | {deals:,} | {np.mean([each['deals'] for each in found]):.0f} | {' | '.join(flagged(kind, found))} |")
    return "\n".join(lines)

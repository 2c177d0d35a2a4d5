"""Verdicts on segments over generated CRMs: how often is something said that is false, what is found, and what does a year of nightly reading do?

Three tables. Noise: CRMs without any difference between segments, of both generators, one to eight deals an account, with seasons and late
losses; a false signal in the primary tier, and in any tier, at both levels that verdicts have (builds kept or not). Power: a lead source that
a quarter of the deals come from, and that wins less; found, and another segment of the primary tier flagged. A year: CRMs without differences
that grow by a year's deals, read every week: the share of years in which a tier says something false at any look, and in which that
is confirmed.

`look` counts closed deals as the models do that stand before `int_segment_win_rate_tests`.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import combinations

import numpy as np

from inference.clusters import Accounts, within_account_correlation
from models.win_rates import int_segment_win_rate_tests as tests
from tools import crm, process
from tools.process import Plan
from tools.simulations.settings import GENERATORS, model_settings, project_vars

Array = np.ndarray
SETTINGS = model_settings("int_segment_win_rate_tests")
LEVELS = (project_vars()["fdr_level"], project_vars()["fdr_level"] / 2)
PRIMARY = project_vars()["primary_dimensions"]
DIMENSIONS = project_vars()["segment_dimensions"]
TIERS = ("primary", "single", "pair", "period")
SOURCE, YEARS, WEEK = "Website", 3, 7
QUARTERS = {"last_4_quarters": (0, 4), "prior_4_quarters": (4, 8)}

NOISE = {
    "demo": crm.NO_EFFECTS,
    "process": process.Settings(),
    "process, seasons and quarter ends": process.Settings(season=0.12, volume_season=0.3, quarter_end=0.6),
    "process, losses 2.5 times as long, growing": process.Settings(loss_length=2.5, growth=1.5),
    "process, 3 deals an account, sd 1": process.Settings(account_deals=3, account_sd=1),
    "process, 8 deals an account, sd 1": process.Settings(account_deals=8, account_sd=1),
    "process, 8 deals an account, sd 1, territories": process.Settings(account_deals=8, account_sd=1, territories=True),
}
NOISE_SIZES, POWER_SIZES, POINTS = (1_200, 3_000), (300, 600, 1_200, 3_000), (0.05, 0.10, 0.15)


def draw(seed: int, closed: int, plan: Plan, more: int = 0) -> tuple[dict[str, Array], int]:
    """A CRM with enough deals, and the day on which `closed` of them had closed, `more` having yet to do so by the end."""
    deals = int((closed + more) * 1.35) + 100
    lives = (
        process.draw_deals(seed, deals, plan, YEARS)
        if isinstance(plan, process.Settings)
        else crm.draw_lives(seed, deals, 0, deals, plan, YEARS)
    )
    columns = {name: lives.segments[name] for name in ("industry", "region", "product_type", "lead_source", "sales_rep", "amount")}
    columns = {"sales_rep_id" if name == "sales_rep" else name: values for name, values in columns.items()}
    columns |= {"account": lives.account, "won": lives.won, "closed_day": lives.closed_day}
    return columns, int(np.sort(lives.closed_day)[closed - 1])


def look(columns: dict[str, Array], as_of: int, level: float, tiers: Iterable[str] = TIERS) -> tuple[dict[str, list], dict[str, Array]]:
    """Rows of the tests' input as of a day, and what the tests say of them."""
    closed = columns["closed_day"] <= as_of
    deals = {name: values[closed] for name, values in columns.items()}
    edges = np.unique(np.quantile(deals["amount"], [0.25, 0.5, 0.75]))
    codes = {name: np.searchsorted(edges, deals["amount"]) if name == "deal_size_band" else deals[name] for name in DIMENSIONS}
    month = deals["closed_day"].astype("datetime64[D]").astype("datetime64[M]").astype(int)
    ended = (np.datetime64(as_of + 1, "D").astype("datetime64[M]").astype(int)) // 3
    past = ended - 1 - month // 3  # complete quarters ago
    rows: list[tuple] = []
    correlations = {}
    for name, values in codes.items():
        correlations[name] = within_account_correlation(sums_of(values, deals["account"], deals["won"]))
        tier = "primary" if name in PRIMARY else "single"
        if {tier, "pair"} & set(tiers):
            rows += single_rows(tier if tier in tiers else None, name, "all", values, deals, np.ones(len(values), bool))
        if "period" in tiers:
            for period, (first, last) in QUARTERS.items():
                rows += single_rows("period", name, period, values, deals, (past >= first) & (past < last))
    if "pair" in tiers:
        for one, two in combinations(codes, 2):
            rows += pair_rows(one, two, codes[one], codes[two], deals["won"])
    names = ("verdict_tier", *tests.KEYS, *tests.PAIR, *tests.COUNTS, *tests.ACCOUNTS)
    counts = {name: [row[position] for row in rows] for position, name in enumerate(names)}
    return counts, tests.judge(counts, correlations, tests.Settings(fdr_level=level, **SETTINGS))


def sums_of(values: Array, account: Array, won: Array) -> Accounts:
    """As int_account_sums."""
    rate = np.bincount(values, won) / np.maximum(np.bincount(values), 1)
    residual = won - rate[values]
    account = np.unique(account, return_inverse=True)[1]
    size = np.bincount(account)
    between = float(np.sum(np.bincount(account, residual) ** 2 / size))
    return Accounts(len(size), len(account), float(np.sum(size**2)), between, float(np.sum(residual**2)))


def single_rows(tier: str | None, dimension: str, period: str, values: Array, deals: dict[str, Array], kept: Array) -> Iterator[tuple]:
    for value in np.unique(values):
        inside = kept & (values == value)
        size = np.unique(deals["account"][inside], return_counts=True)[1]
        won, count = int(deals["won"][inside].sum()), int(inside.sum())
        yield tier, dimension, str(value), period, None, None, count, won, len(size), int(np.sum(size**2))


def pair_rows(one: str, two: str, first: Array, second: Array, won: Array) -> Iterator[tuple]:
    code = first * (second.max() + 1) + second
    count, wins = np.bincount(code), np.bincount(code, won)
    for cell in np.flatnonzero(count):
        parts = (str(cell // (second.max() + 1)), str(cell % (second.max() + 1)))
        yield "pair", f"{one} x {two}", " x ".join(parts), "all", *parts, int(count[cell]), int(wins[cell]), None, None


def signals_of(counts: dict[str, list], found: dict[str, Array]) -> dict[str, set[tuple]]:
    """By tier, what is a signal: segment and direction."""
    signals: dict[str, set[tuple]] = {tier: set() for tier in TIERS}
    for row in np.flatnonzero(found["verdict"] == "signal"):
        key = (*(counts[name][row] for name in tests.KEYS), bool(found["vs_reference_difference"][row] > 0))
        signals[counts["verdict_tier"][row]].add(key)
    return signals


def of_noise(seed: int, plan: Plan, closed: int) -> list[bool]:
    """For each level: a false signal in the primary tier, and in any."""
    columns, as_of = draw(seed, closed, plan)
    said = [signals_of(*look(columns, as_of, level)) for level in LEVELS]
    return [value for signals in said for value in (bool(signals["primary"]), any(signals.values()))]


def of_power(seed: int, points: float, closed: int) -> list[bool]:
    """For each level: the planted source found, and another segment of the primary tier flagged."""
    columns, as_of = draw(seed, closed, process.Settings(planted=(("lead_source", SOURCE, -points),)))
    target = ("lead_source", str(process.LEAD_SOURCES.index(SOURCE)), "all", False)
    said = [signals_of(*look(columns, as_of, level, ["primary"]))["primary"] for level in LEVELS]
    return [value for signals in said for value in (target in signals, bool(signals - {target}))]


def of_year(seed: int, plan: Plan, closed: int, tiers: tuple[str, ...], step: int = WEEK, days: int = 364) -> list[bool]:
    """Of a year of looks, by tier: something false at any look, and confirmed: held at all looks of `confirm_days`."""
    columns, as_of = draw(seed, closed, plan, closed)
    held: dict[tuple, int] = {}
    ever, confirmed = dict.fromkeys(tiers, False), dict.fromkeys(tiers, False)
    for day in range(0, days + 1, step):
        signals = signals_of(*look(columns, as_of + day, LEVELS[0], tiers))
        now = {(tier, *key) for tier in tiers for key in signals[tier]}
        held = {key: held.get(key, day) for key in now}
        for tier, *_ in now:
            ever[tier] = True
        for (tier, *_), since in held.items():
            confirmed[tier] |= day - since >= project_vars()["confirm_days"]
    return [value for tier in tiers for value in (ever[tier], confirmed[tier])]


def shares(job: Callable[[int], list[bool]], seeds: range, processes: int) -> list[str]:
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            found = list(pool.map(job, seeds, chunksize=4))
    else:
        found = [job(seed) for seed in seeds]
    return [f"{100 * share:.1f} %" for share in np.mean(found, axis=0)]


def table(heads: list[str], rows: Iterable[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def run(
    crms: int, seed: int, processes: int, generators: tuple[str, ...] = GENERATORS, parts: tuple[str, ...] = ("noise", "power", "year")
) -> str:
    """Three Markdown tables; `crms` of each kind, seeds from `seed` on."""
    seeds, tables = range(seed, seed + crms), []
    plans = {name: plan for name, plan in NOISE.items() if plan.kind in generators}
    kept, not_kept = (f"{level:g}" for level in LEVELS)
    if "noise" in parts:
        heads = [f"Nothing differs, {crms} CRMs each", "closed deals"]
        heads += [f"false signal, {tier}, at {level}" for level in (kept, not_kept) for tier in ("primary tier", "any tier")]
        rows = (
            [name, f"{size:,}", *shares(partial(of_noise, plan=plan, closed=size), seeds, processes)]
            for name, plan in plans.items()
            for size in NOISE_SIZES
        )
        tables.append(table(heads, rows))
    if "power" in parts and process.Settings.kind in generators:
        heads = [f"One source of six wins less, {crms} CRMs each", "closed deals"]
        heads += [f"{what} at {level}" for level in (kept, not_kept) for what in ("found", "another flagged")]
        rows = (
            [f"by {100 * points:.0f} points", f"{size:,}", *shares(partial(of_power, points=points, closed=size), seeds, processes)]
            for points in POINTS
            for size in POWER_SIZES
        )
        tables.append(table(heads, rows))
    if "year" in parts:
        heads = [f"A year of weekly looks, nothing differs, {crms} CRMs each"]
        heads += [f"{tier}: {what}" for tier in TIERS for what in ("at any look", "confirmed")]
        rows = (
            [name, *shares(partial(of_year, plan=plans[name], closed=1_200, tiers=TIERS), seeds, processes)]
            for name in plans
            if name in ("demo", "process")
        )
        tables.append(table(heads, rows))
    return "\n\n".join(tables)

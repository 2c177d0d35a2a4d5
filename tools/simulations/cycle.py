"""The cycle gap on generated deals: does it find the product whose lost deals take longer, and nothing where won and lost deals take equally long?

Deals have industry, region and rep of their account, and product, source and size of their own. Cycles are log-normal with a median of about 55
days. In a planted CRM the lost deals of one product take 8 or 14 days longer. Accounts may differ in their log odds of winning, by a standard
deviation of 1, and in their pace: the share of the spread of log cycles that is theirs.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from scipy.special import expit

from inference.clusters import Accounts
from models.win_rates import int_cycle_gap_tests as gap
from tools.simulations.drivers import percent
from tools.simulations.settings import model_settings, project_vars

SETTINGS = model_settings("int_cycle_gap_tests") | {"fdr_level": project_vars()["fdr_level"]}
DEALS, WIN_RATE, SPREAD = 3_000, 0.4, 0.7
OF_ACCOUNT = {"industry": 6, "region": 4, "sales_rep_id": 15}
OF_DEAL = {"product_type": 3, "lead_source": 6, "deal_size_band": 4}
# Deals an account, standard deviation of its log odds, its share of the variance of log cycles, days planted.
KINDS = {
    "nothing planted": (1, 0.0, 0.0, 0),
    "3 deals an account, nothing planted": (3, 1.0, 0.0, 0),
    "8 deals an account, nothing planted": (8, 1.0, 0.0, 0),
    "8 deals an account that has its own pace (half of the spread), nothing planted": (8, 1.0, 0.5, 0),
    "20 deals an account that has its own pace (a fifth), nothing planted": (20, 1.0, 0.2, 0),
    "8 days in one product": (1, 0.0, 0.0, 8),
    "14 days in one product": (1, 0.0, 0.0, 14),
    "14 days in one product, 8 deals an account that has its own pace (half)": (8, 1.0, 0.5, 14),
}
Array = np.ndarray


def sum_accounts(account: Array, won: Array, days: Array, segments: dict[tuple[str, str], Array]) -> dict[tuple[str, str], Accounts]:
    """What `int_cycle_accounts` has; `segments` says which deals are in one."""
    ordered = np.sort(days)
    rank = (np.searchsorted(ordered, days) + np.searchsorted(ordered, days, side="right")) / 2 / len(days) - 0.5
    term, found = (won - won.mean()) * rank, {}
    for key, inside in segments.items():
        size, sums = np.bincount(account[inside]), np.bincount(account[inside], term[inside])
        size, sums = size[size > 0], sums[size > 0]
        found[key] = Accounts(len(size), size.sum(), np.sum(size**2), np.sum(sums**2 / size), np.sum(term[inside] ** 2))
    return found


def one_crm(seed: int, kind: str) -> set[tuple[str, str]]:
    """Segments that are signals."""
    rng = np.random.default_rng(seed)
    deals_of_account, odds_sd, pace, planted = KINDS[kind]
    accounts = DEALS // deals_of_account
    account = rng.integers(0, accounts, DEALS) if deals_of_account > 1 else np.arange(DEALS)
    codes = {"all": np.zeros(DEALS, int)}
    codes |= {name: rng.integers(0, size, accounts)[account] for name, size in OF_ACCOUNT.items()}
    codes |= {name: rng.integers(0, size, DEALS) for name, size in OF_DEAL.items()}
    won = rng.random(DEALS) < expit(np.log(WIN_RATE / (1 - WIN_RATE)) + odds_sd * rng.standard_normal(accounts)[account])
    log_days = np.sqrt(pace) * rng.standard_normal(accounts)[account] + np.sqrt(1 - pace) * rng.standard_normal(DEALS)
    days = np.rint(np.exp(4 + SPREAD * log_days)).astype(int) + planted * (~won & (codes["product_type"] == 2))
    segments = {
        (name, str(value) if value or name != "all" else "all"): code == value for name, code in codes.items() for value in np.unique(code)
    }
    rows = [
        (*key, is_won, int(day), int(count))
        for key, inside in segments.items()
        for is_won in (True, False)
        for day, count in zip(*np.unique(days[inside & (won == is_won)], return_counts=True), strict=True)
    ]
    found = gap.judge(rows, sum_accounts(account, won, days, segments), **SETTINGS)
    return {key for key, figures in found.items() if figures["verdict"] == "signal"}


def run(crms: int, seed: int, processes: int) -> str:
    """A Markdown table with a row per kind: `crms` of each, seeds from `seed` on."""
    lines = [
        f"| {crms} CRMs of {DEALS:,} deals | planted product found | another product flagged | any segment flagged |",
        "| --- | --- | --- | --- |",
    ]
    for kind, (*_, planted) in KINDS.items():
        job, seeds = partial(one_crm, kind=kind), range(seed + 1, seed + 1 + crms)
        if processes > 1:
            with ProcessPoolExecutor(processes) as pool:
                found = list(pool.map(job, seeds, chunksize=4))
        else:
            found = [job(each) for each in seeds]
        others = [bool(signals & {("product_type", "0"), ("product_type", "1")}) for signals in found]
        figures = ["", "", percent(map(bool, found))]
        if planted:
            figures = [percent(("product_type", "2") in signals for signals in found), percent(others), ""]
        lines.append(f"| {kind} | {' | '.join(figures)} |")
    return "\n".join(lines)

"""Does the gate of the scores open when it should, and stay closed when it should? Simulated CRMs through the functions of the models.

- noise: every deal wins with the same chance. The gate should open in at most 1 % of CRMs.
- AUC 0.60, spread: a little from each of industry, region, product and lead source. It should open in at least 90 %.
- AUC 0.60, one segment: one lead source wins less, nothing else differs.
- planted, no bad quarter: the demo's kind of CRM, aging and all, without the quarter in which everything wins less. The gate should open,
  and scores should be right on later deals: calibration slope 0.95 to 1.05; open deals of more than 21 days in their stage should be
  scored lower, and be won less, than the others.
- planted: with that quarter, in the middle of the test: what no score can foresee.

Noise is simulated `crms` times, the others a fifth as often. Deals live as in `tools/crm.py`: two years of creations, observed weekly, about 5,000 of them trained and tested (3,000 deals in all for
planted, as in the demo). Settings are the defaults of `dbt_project.yml`.
"""

import dataclasses
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from inference.logistic import calibration, logit, sigmoid
from models.scores import ml_score_fits as fits
from models.scores import ml_score_quality as quality
from tools import crm
from tools.simulations.settings import bands, model_settings, project_vars

AS_OF_DAY = crm.days(crm.AS_OF)
DEALS = 6_600
KINDS = ("noise", "AUC 0.60, spread", "AUC 0.60, one segment", "planted, no bad quarter", "planted")
BASE_RATE = 0.45
first_day, last_day, _ = crm.PLANTED.bad_quarter
EFFECTS = {
    "planted": crm.PLANTED,
    "planted, no bad quarter": dataclasses.replace(crm.PLANTED, bad_quarter=(first_day, last_day, 0.0)),
}


def settings() -> tuple[dict, dict]:
    """Of the fits and of their quality."""
    return model_settings("ml_score_fits"), model_settings("ml_score_quality")


def band(kind: str, values: np.ndarray) -> np.ndarray:
    return np.searchsorted(bands(kind)[1], values)


def observe(lives: crm.Lives, deal: np.ndarray, day: np.ndarray) -> dict[str, np.ndarray]:
    """What was known of each deal at the end of its day: the factors of `score_factors`, as numbers."""
    end = (day + 1) * crm.DAY - 1
    rows = np.arange(len(deal))
    at, stage = lives.event_at[deal], lives.event_stage[deal]
    known = at <= end[:, None]
    is_open_stage = stage <= crm.LAST_OPEN
    last = np.where(known & is_open_stage, np.arange(8), 0).max(axis=1)
    current = stage[rows, last]
    # The visit began at the first row of the stage since another stage was entered.
    other = known & (stage != current[:, None]) & (np.arange(8) < last[:, None])
    began = np.where(other, np.arange(8) + 1, 0).max(axis=1)
    days_in_stage = day - at[rows, began] // crm.DAY
    highest = np.maximum.accumulate(np.where(is_open_stage, stage, -1), axis=1)
    moves_back = (is_open_stage[:, 1:] & (stage[:, 1:] < highest[:, :-1]) & (stage[:, 1:] != stage[:, :-1]) & known[:, 1:]).sum(axis=1)
    amounts = (lives.amount_at[deal] <= end[:, None]).sum(axis=1) - 1
    amount = np.where(amounts[:, None] >= np.arange(3), lives.amount[deal], 0)
    changed = (lives.amount_at[deal] <= end[:, None])[:, 1:]
    # A deal of one edit repeats the second value, which is no change.
    rises = (changed & (lives.amount[deal][:, 1:] > lives.amount[deal][:, :-1])).sum(axis=1)
    falls = (changed & (lives.amount[deal][:, 1:] < lives.amount[deal][:, :-1])).sum(axis=1)
    newest_amount = np.where(amount > 0, np.arange(3), 0).max(axis=1)
    activity = np.where(lives.activity_at[deal] <= end[:, None], lives.activity_at[deal], lives.created_at[deal][:, None]).max(axis=1)
    owner = lives.owner[deal][rows, (lives.owner_at[deal] <= end[:, None]).sum(axis=1) - 1]
    stage_age = band("stage_age_band", days_in_stage)
    return {
        **{name: lives.segments[name][deal] for name in ("industry", "region", "product_type", "lead_source")},
        "sales_rep_id": owner,
        "deal_size_band": band("deal_size_band", amount[rows, newest_amount]),
        "deal_age_band": band("deal_age_band", day - lives.created_day[deal]),
        "stage": current,
        "stage_age_band": current * 8 + stage_age,
        "regression_band": band("count_band", moves_back),
        "push_band": band("count_band", (lives.expected_at[deal] <= end[:, None]).sum(axis=1) - 1),
        "amount_increase_band": band("count_band", rises),
        "amount_decrease_band": band("count_band", falls),
        "activity_age_band": band("activity_age_band", day - activity // crm.DAY),
    }


def observations(lives: crm.Lives, chosen: np.ndarray, deal: np.ndarray, day: np.ndarray, groups: int):
    """As the model reads them, of the chosen deals (indices, ascending), `deal` counting among these."""
    codes = observe(lives, chosen[deal], day)
    return fits.Observations(
        deal=deal,
        weight=1 / np.bincount(deal)[deal],
        codes=codes,
        levels={name: [str(level) for level in range(int(values.max()) + 1)] for name, values in codes.items()},
        won=lives.won[chosen].astype(int),
        created_day=lives.created_day[chosen],
        closed_day=lives.closed_day[chosen],
        group=chosen * 7 % groups,
    )


def closed_observations(lives: crm.Lives, groups: int, interval: int):
    """Of every deal closed and mature on the as-of date, weekly, and the number of days after which deals are mature."""
    length = np.sort((lives.closed_day - lives.created_day)[lives.closed_day <= AS_OF_DAY])
    maturity = int(length[int(project_vars()["maturity_quantile"] * len(length))])
    chosen = np.flatnonzero((lives.closed_day <= AS_OF_DAY) & (lives.created_day + maturity < AS_OF_DAY))
    newest = -(-(AS_OF_DAY - lives.closed_day[chosen] + 1) // interval)
    count = np.maximum((AS_OF_DAY - lives.created_day[chosen]) // interval - newest + 1, 0)
    chosen, newest, count = chosen[count > 0], newest[count > 0], count[count > 0]
    deal = np.repeat(np.arange(len(chosen)), count)
    step = np.arange(len(deal)) - np.repeat(np.cumsum(count) - count, count)
    return observations(lives, chosen, deal, AS_OF_DAY - interval * (newest[deal] + step), groups), maturity


def predict(terms: list[tuple], data) -> np.ndarray:
    """Log odds of observations by the terms of one method, as SQL sums them."""
    average = next(term[2] for term in terms if term[0] is None)
    contribution = {(factor, level): value for factor, level, value, *_ in terms}
    total = np.full(len(data.deal), average)
    for factor in dict.fromkeys(term[0] for term in terms if term[0]):
        parts = factor.split(" x ")
        size = [len(data.levels[part]) for part in parts]
        code = np.ravel_multi_index([data.codes[part] for part in parts], size)
        values = np.zeros(int(np.prod(size)))
        for at in np.unique(code):
            level = " | ".join(data.levels[part][i] for part, i in zip(parts, np.unravel_index(at, size), strict=True))
            values[at] = contribution.get((factor, level), 0.0)
        total += values[code]
    return total


def by_method(rows: list[tuple], name: str) -> dict[str, list[tuple]]:
    return {method: [row[6:] for row in rows if row[0] == name and row[3] == method] for method in ("base", "table", "model")}


def test_rows(data, rows: list[tuple], dates: list[tuple[int, int]]) -> dict[str, np.ndarray]:
    parts = []
    for number, (day, until) in enumerate(dates, 1):
        tested = (data.created_day > day) & (data.created_day <= until)
        part = data.of(tested)
        part_rows = {method: predict(terms, part) for method, terms in by_method(rows, f"fold {number}").items()}
        part_rows |= {"deal": np.flatnonzero(tested)[part.deal], "weight": part.weight, "won": part.won[part.deal].astype(float)}
        parts.append(part_rows | {"fold": np.full(len(part.deal), f"fold {number}")})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    joined["deal"] = np.unique(joined["deal"], return_inverse=True)[1]
    return joined


def redrawn(lives: crm.Lives, kind: str, rng: np.random.Generator) -> crm.Lives:
    """Lives of a null CRM with other outcomes: with an AUC of 0.60 between deals, by their segments."""
    if kind == "AUC 0.60, one segment":
        chance = BASE_RATE + 0.215 * (0.35 - (lives.segments["lead_source"] == 0))
    else:
        effects = {
            name: rng.normal(0, 1, len(crm.SHARES[name]))[lives.segments[name]]
            for name in ("industry", "region", "product_type", "lead_source")
        }
        total = sum(effects.values())
        chance = sigmoid(0.363 * (total - total.mean()) / total.std() + logit(BASE_RATE))
    return dataclasses.replace(lives, won=rng.random(len(chance)) < chance)


def simulate(kind: str, seed: int) -> dict[str, float]:
    """One CRM: the gate, the pooled figures, seconds, and for planted the scores of open deals."""
    deals = 3_000 if kind in EFFECTS else DEALS
    lives = crm.draw_lives(seed, deals, 0, deals, EFFECTS.get(kind, crm.NO_EFFECTS), 2)
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    lives = redrawn(lives, kind, rng) if kind.startswith("AUC") else lives
    fit_settings, quality_settings = settings()
    data, days = closed_observations(lives, fit_settings["penalty_groups"], project_vars()["observation_interval_days"])
    started = time.process_time()
    month_ends = [
        int(np.datetime64(f"{year}-{month:02d}", "M").astype("datetime64[D]").astype(int)) - 1
        for year in (2024, 2025)
        for month in range(1, 13)
    ]
    maturity = [(day, days) for day in month_ends if day >= lives.created_day.min() + 180]
    arguments = (fit_settings["folds"], fit_settings["first_training_share"], fit_settings["min_deals"])
    dates = fits.rolling_dates(data.created_day, data.closed_day, maturity, *arguments)
    rows = fits.fit_all(data, dates, maturity, fit_settings)
    found = quality.judge(test_rows(data, rows, dates), quality_settings)["all"]
    found["seconds"] = time.process_time() - started
    found["training_rows"] = len(data.deal)
    if kind in EFFECTS:
        found |= open_scores(lives, by_method(rows, "final")["model"], fit_settings["penalty_groups"])
    return found


def open_scores(lives: crm.Lives, terms: list[tuple], groups: int) -> dict[str, float]:
    """Calibration slope of the scores of deals open on the as-of date against what became of them, and mean score and share won by whether
    they have been in their stage for more than 21 days."""
    chosen = np.flatnonzero((lives.created_day <= AS_OF_DAY) & (lives.closed_day > AS_OF_DAY))
    data = observations(lives, chosen, np.arange(len(chosen)), np.full(len(chosen), AS_OF_DAY), groups)
    odds, won = predict(terms, data), data.won.astype(float)
    chance, ones = sigmoid(odds), np.ones(len(odds))
    slope, _ = calibration(0 * ones, np.stack([odds, ones], axis=1), won, ones, data.deal)
    aging = data.codes["stage_age_band"] % 8 >= 6
    means = {
        f"{what}_{name}": float(values[mask].mean())
        for what, values in (("score", chance), ("won", won))
        for name, mask in (("aging", aging), ("fresh", ~aging))
    }
    return means | {"open_slope": slope}


def run(crms: int, seed: int, processes: int) -> str:
    """Simulates CRMs of each kind; returns a Markdown table."""
    lines = [
        "| CRM | runs | gate open | mean AUC | mean calibration slope: past folds | open deals | score (won later): aging, other open deals | seconds a CRM |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    with ProcessPoolExecutor(processes) as pool:
        for kind in KINDS:
            runs = crms if kind == "noise" else max(1, crms // 5)
            seeds = range(seed, seed + runs)
            found = list(pool.map(partial(simulate, kind), seeds) if processes > 1 else map(partial(simulate, kind), seeds))
            mean = {name: float(np.mean([each[name] for each in found])) for name in found[0] if isinstance(found[0][name], float)}
            opened = sum(each["score_status"] in ("model", "table") for each in found)
            aging = "{score_aging:.3f} ({won_aging:.3f}), {score_fresh:.3f} ({won_fresh:.3f})".format(**mean) if kind in EFFECTS else ""
            slope = f"{mean['calibration_slope']:.3f}" if kind != "noise" else ""
            open_slope = f"{mean['open_slope']:.3f}" if kind in EFFECTS else ""
            lines.append(
                f"| {kind} | {runs} | {opened} ({opened / runs:.1%}) | {mean['auc']:.3f} | {slope} | {open_slope} | {aging} | {mean['seconds']:.2f} |"
            )
    return "\n".join(lines)

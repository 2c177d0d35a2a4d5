"""One row per dimension: may its values be filled in or changed when a deal closes?

Then: closed deals that were open on one of five past days, with the values that are known of that day, where only those of today are with these.
Now: open deals. What is typed in while a deal is open has about the same shares in both; what is typed in at the close hasn't. Each level with enough
deals (blank is one) gets a z test of its share now against then, amounts a Kolmogorov-Smirnov test, Bonferroni over all of them. But honest shares
move too, with the mix of deals and their speed; and a level that is given at the close tells won deals from lost ones as hardly an honest one does. So
a dimension is flagged by a level for which both hold: its share differs, and its odds of winning are surely more than `least_odds_ratio` times those of
the other deals, or less than one in so many. Of amounts the level is those up to where the two distributions differ most.
`python -m tools simulate rewritten` says how often that is right.
"""

import numpy as np
from scipy.special import kolmogorov

from inference.intervals import Proportion, normal_quantile, ratio
from inference.significance import pooled_z, two_sided
from inference.tables import from_rows, read_columns

THEN, NOW, WON, LOST = range(4)
COUNTS = ("then_deal_count", "now_deal_count", "won_deal_count", "lost_deal_count")
TOTALS = tuple(f"all_{name}" for name in COUNTS)
FIGURES = ("then_share", "now_share", "p_value", "q_value", "odds_ratio", "odds_ratio_lower", "odds_ratio_upper")


def odds_ratios(counts: np.ndarray, totals: np.ndarray, level: float) -> np.ndarray:
    """Odds of winning, deals of a level over the others, and limits; a half more in each count (Haldane, Anscombe): levels x 3.

    `counts`: levels x COUNTS; `totals` likewise, of all deals of the dimension.

    >>> odds_ratios(np.array([[0, 0, 30, 10]]), np.array([[0, 0, 50, 50]]), 0.95).round(3).tolist()
    [[5.737, 2.395, 13.743]]
    """
    own, other = counts[:, WON:] + 0.5, totals[:, WON:] - counts[:, WON:] + 0.5
    log_ratio = np.log(own[:, 0] * other[:, 1] / (own[:, 1] * other[:, 0]))
    reach = normal_quantile(level) * np.sqrt((1 / own).sum(axis=1) + (1 / other).sum(axis=1))
    return np.exp(np.column_stack([log_ratio, log_ratio - reach, log_ratio + reach]))


def widest_cut(counts: np.ndarray) -> tuple[int, float]:
    """Of cells in order, cells x COUNTS: the one up to which shares then and now differ most, and the asymptotic p value of Kolmogorov and Smirnov.

    >>> cut, p_value = widest_cut(np.array([[10, 30, 0, 0], [40, 20, 0, 0]]))
    >>> cut, round(p_value, 6)
    (0, 0.000671)
    """
    then, now = counts[:, THEN], counts[:, NOW]
    distance = np.abs(np.cumsum(then) / then.sum() - np.cumsum(now) / now.sum())
    cut = int(np.argmax(distance))
    return cut, float(kolmogorov(distance[cut] * np.sqrt(then.sum() * now.sum() / (then.sum() + now.sum()))))


def with_cuts(
    cells: dict[str, np.ndarray], counts: np.ndarray, totals: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Levels and, in place of the cells of amounts, the part up to the widest cut: names, counts, totals and p values."""
    p_value = two_sided(pooled_z(*(Proportion(counts[:, group], totals[:, group]) for group in (NOW, THEN))))
    order = cells["cell_order"]
    kept = np.isnan(order)
    for dimension in np.unique(cells["dimension"][~kept]):
        rows = np.flatnonzero((cells["dimension"] == dimension) & ~kept)
        rows = rows[np.argsort(order[rows])]
        if not counts[rows][:, [THEN, NOW]].sum(axis=0).all():
            continue
        cut, p_value[rows[0]] = widest_cut(counts[rows])
        cells["level"][rows[0]], totals[rows[0]] = cells["level"][rows[cut]], counts[rows].sum(axis=0)
        counts[rows[0]] = counts[rows[: cut + 1]].sum(axis=0)
        kept[rows[0]] = True
    return {name: values[kept] for name, values in cells.items()}, counts[kept], totals[kept], p_value[kept]


def judge(cells: dict[str, np.ndarray], counts: np.ndarray, totals: np.ndarray, settings: dict[str, float]) -> list[dict]:
    """A row per dimension: its most telling level, that level's COUNTS, TOTALS and FIGURES, and `may_be_rewritten_at_close`, None where nothing is compared.

    `cells`: `dimension` and `level`, both of objects, and `cell_order`, NaN but for amounts. `counts` and `totals` as in `odds_ratios`.
    """
    cells, counts, totals, p_value = with_cuts({**cells, "level": cells["level"].copy()}, counts.astype(float), totals.astype(float))
    tested = (counts[:, [THEN, NOW]].sum(axis=1) >= settings["least_deals"]) & np.isfinite(p_value)
    odds = odds_ratios(counts, totals, settings["confidence_level"])
    telling = tested & ((odds[:, 1] > settings["least_odds_ratio"]) | (odds[:, 2] < 1 / settings["least_odds_ratio"]))
    q_value = np.where(telling, np.minimum(1, telling.sum() * p_value), np.nan)
    flagged = q_value < settings["level"]
    figures = np.column_stack([ratio(counts[:, THEN], totals[:, THEN]), ratio(counts[:, NOW], totals[:, NOW]), p_value, q_value, odds])
    rows = []
    for dimension in dict.fromkeys(cells["dimension"]):
        own = np.flatnonzero(cells["dimension"] == dimension)
        best = min(own, key=lambda row: (not flagged[row], not tested[row], np.nan_to_num(p_value[row], nan=1), str(cells["level"][row])))
        whole = dict(zip(COUNTS + TOTALS, (*counts[best].astype(int), *totals[best].astype(int)), strict=True))
        row = {"dimension": dimension, "level": cells["level"][best], "is_cut": bool(np.isfinite(cells["cell_order"][best]))}
        flag = bool(flagged[own].any()) if tested[own].any() else None
        rows.append(row | whole | dict(zip(FIGURES, figures[best].tolist(), strict=True)) | {"may_be_rewritten_at_close": flag})
    return rows


def model(dbt, session):
    dbt.config(materialized="table")
    settings = dbt.config.meta_get("settings")
    names = ("dimension", "level", "cell_order", *COUNTS, *TOTALS)
    rows = read_columns(dbt.ref("int_dimension_level_counts"), names, ("dimension", "cell_order", "level"))
    cells = {name: np.array(rows[name], object) for name in ("dimension", "level")}
    cells["cell_order"] = np.array([np.nan if each is None else each for each in rows["cell_order"]], float)
    counts, totals = (np.array([rows[name] for name in group], float).reshape(4, -1).T for group in (COUNTS, TOTALS))
    found = judge(cells, counts, totals, settings) if len(counts) else []
    accepted = dbt.config.meta_get("accepted")
    for row in found:
        row["is_accepted_as_known"] = row["dimension"] in accepted
        row["is_left_out"] = bool(row["may_be_rewritten_at_close"]) and not row["is_accepted_as_known"]
    flags = ("is_cut", "may_be_rewritten_at_close", "is_accepted_as_known", "is_left_out")
    return from_rows(found, {str: ("dimension", "level"), int: (*COUNTS, *TOTALS), float: FIGURES, bool: flags})

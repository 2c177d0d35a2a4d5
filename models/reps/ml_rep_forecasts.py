"""One row per sales rep with a past pipeline or a closed deal whose close date was said: was more said of the pipelines than was won?

The bias of a forecast is sum of amounts said / sum of amounts won - 1. A deal stands at several dates, so deals are the sample: p is that of the
paired t test of said against won, with (won deals - 1) degrees of freedom because few large wins make the sum, and the interval is
Fieller's, the inverse of that test, at the level at which one of so many reps is a signal. (Simulated with skewed amounts, 40 to 300
deals a rep: at 95 % the interval holds the truth in 95 to 97 %.)
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from inference.intervals import Proportion, Quotient, fieller, normal_quantile, wilson
from inference.multiplicity import correct
from inference.tables import from_rows, read_rows

BIAS = ("forecast_bias_rate", "forecast_bias_lower", "forecast_bias_upper", "forecast_bias_p_value", "forecast_bias_adjusted_p_value")
ON_TIME = ("on_time_rate_lower", "on_time_rate_upper")
SUMS = (
    "forecast_date_count", "forecast_deal_count", "forecast_won_deal_count", "forecast_amount", "realised_amount",
    "squared_forecast_amount", "squared_realised_amount", "crossed_amount",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    min_deals: float
    min_forecast_dates: float
    confidence_level: float


@dataclass(frozen=True)
class Bias:
    """What was said of one rep's past pipelines over what was won of them, and the paired t test that both are the same."""

    quotient: Quotient
    freedom: int
    p_value: float

    def interval(self, level: float) -> tuple[float, float]:
        """Of said / won - 1, at 1 - `level`: 0 lies outside exactly where p is below `level`. NaN where too little was won for two ends."""
        lower, upper = fieller(self.quotient, float(stdtrit(self.freedom, 1 - level / 2)))
        return float(np.maximum(lower, 0)) - 1, float(upper) - 1


def bias(sums: dict, settings: Settings) -> Bias | None:
    """Of one rep with something said and something won, `sums` being SUMS over the deals; None where that is too little for a test."""
    said, won, deals = float(sums["forecast_amount"]), float(sums["realised_amount"]), sums["forecast_deal_count"]
    freedom = sums["forecast_won_deal_count"] - 1
    if deals < max(2, settings.min_deals) or freedom < 1 or sums["forecast_date_count"] < settings.min_forecast_dates:
        return None
    # Variances and covariance of the two sums over deals.
    pairs = (("squared_forecast_amount", said * said), ("squared_realised_amount", won * won), ("crossed_amount", said * won))
    variance, won_variance, covariance = (deals / (deals - 1) * (sums[name] - product / deals) for name, product in pairs)
    error = np.sqrt(max(0.0, variance - 2 * covariance + won_variance))
    if error == 0:
        return None
    found = Bias(Quotient(said, won, variance, won_variance, covariance), freedom, float(2 * stdtr(freedom, -abs(said - won) / error)))
    return found if np.isfinite(found.interval(1 - settings.confidence_level)).all() else None


def biases(sums: dict[str, dict], settings: Settings, level: float) -> dict[str, dict]:
    """Bias of each rep, judged together."""
    found = {}
    for rep, each in sorted(sums.items()):
        said, won = float(each["forecast_amount"]), float(each["realised_amount"])
        is_there = said > 0 and won > 0
        found[rep] = {"forecast_bias_verdict": "insufficient_n" if is_there else "not_computable"}
        found[rep] |= {"forecast_bias_rate": said / won - 1} if is_there else {}
    tests = {rep: bias(sums[rep], settings) for rep, each in found.items() if "forecast_bias_rate" in each}
    tests = {rep: each for rep, each in tests.items() if each}
    correction = correct(np.array([each.p_value for each in tests.values()]), level)
    for (rep, each), adjusted in zip(tests.items(), correction.adjusted, strict=True):
        lower, upper = each.interval(correction.each_level)
        found[rep] |= {"forecast_bias_lower": lower, "forecast_bias_upper": upper, "forecast_bias_p_value": each.p_value}
        found[rep] |= {"forecast_bias_adjusted_p_value": float(adjusted)}
        found[rep] |= {"forecast_bias_verdict": "signal" if each.p_value <= correction.each_level else "no_signal"}
    return found


def on_time(dated: int, count: int, settings: Settings) -> dict:
    """Interval of the share of a rep's deals that closed by the date first said."""
    interval = wilson(Proportion(count, dated), normal_quantile(settings.confidence_level))
    return dict(zip(ON_TIME, map(float, interval), strict=True))


def model(dbt, session):
    dbt.config(materialized="table")
    settings = Settings(**dbt.config.meta_get("settings"))
    [(level,)] = dbt.ref("int_verdict_level").project("fdr_level").fetchall()
    sums = read_rows(dbt.ref("int_rep_forecasts"), ["sales_rep_id", *SUMS], ["sales_rep_id"])
    rows = biases({each["sales_rep_id"]: each for each in sums}, settings, level)
    for rep, dated, count in dbt.ref("int_rep_close_dates").project("sales_rep_id, dated_deal_count, on_time_deal_count").fetchall():
        rows[rep] = rows.get(rep, {}) | on_time(dated, count, settings)
    table = [{"sales_rep_id": rep} | rows[rep] for rep in sorted(rows)]
    return from_rows(table, {str: ("sales_rep_id", "forecast_bias_verdict"), float: (*BIAS, *ON_TIME)})

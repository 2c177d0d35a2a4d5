"""One row: the confidence level, the normal quantile of its two-sided interval (1.96 at 0.95), and the quantiles by which a period is
compared with the few before it: t with one degree of freedom less than there are baseline periods, of the interval and of an alarm."""

from inference.intervals import normal_quantile
from inference.significance import student_score
from inference.tables import from_rows


def model(dbt, session):
    settings = dbt.config.meta_get("settings")
    level, freedom = settings["confidence_level"], settings["baseline_periods"] - 1
    quantile = normal_quantile(level)
    row = {
        "confidence_level": level,
        "normal_quantile": quantile,
        "baseline_quantile": student_score(quantile, freedom),
        "baseline_limit": student_score(settings["limit"], freedom),
    }
    return from_rows([row], {float: tuple(row)})

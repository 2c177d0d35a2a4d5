"""One row: the confidence level, the normal quantile of its two-sided interval (1.96 at 0.95), and the quantiles by which a period is
compared with the few before it: t with one degree of freedom less than there are baseline periods, of the interval and of an alarm."""


def normal_quantile(confidence_level: float) -> float:
    """Number of standard errors a two-sided interval of this level reaches to each side."""
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + confidence_level) / 2)


def t_quantile(normal_value: float, baseline_periods: int) -> float:
    """What t exceeds as seldom as a normal value exceeds `normal_value`."""
    from scipy.special import ndtr, stdtrit

    return float(stdtrit(baseline_periods - 1, ndtr(normal_value)))


def model(dbt, session):
    level = float(dbt.config.meta_get("confidence_level"))
    periods, limit = int(dbt.config.meta_get("baseline_periods")), float(dbt.config.meta_get("limit"))
    quantile = normal_quantile(level)
    columns = {
        "confidence_level": level,
        "normal_quantile": quantile,
        "baseline_quantile": t_quantile(quantile, periods),
        "baseline_limit": t_quantile(limit, periods),
    }
    return session.sql("select " + ", ".join(f"cast({value!r} as double) as {name}" for name, value in columns.items()))

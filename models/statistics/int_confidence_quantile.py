"""One row: the confidence level, and the normal quantile of its two-sided interval (1.96 at 0.95)."""


def normal_quantile(confidence_level: float) -> float:
    """Number of standard errors a two-sided interval of this level reaches to each side."""
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + confidence_level) / 2)


def model(dbt, session):
    level = float(dbt.config.meta_get("confidence_level"))
    return session.sql(f"select cast({level!r} as double) as confidence_level, cast({normal_quantile(level)!r} as double) as normal_quantile")

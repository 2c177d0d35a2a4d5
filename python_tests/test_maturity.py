"""Which cohorts are mature, of random deals: int_mature_cohorts by pandas, int_cohort_maturity by statsmodels' Kaplan-Meier estimate."""

import datetime
import random

import numpy
import pytest
from conftest import Build, run_dbt, write_deals
from statsmodels.duration.survfunc import SurvfuncRight

FIRST_DAY = datetime.date(2023, 1, 1)
QUANTILE = 0.9
MAX_OPEN_SHARE = 0.05


def random_deals(seed: int, count: int = 900, days: int = 420) -> list[str]:
    """Deals with many ties and a long tail, created ever more rarely; some never close, most of them of one month."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        created = FIRST_DAY + datetime.timedelta(days=int(days * draw.random() ** 1.3))
        cycle = draw.choice([0, 7, 14, 30, 30, draw.randrange(120), int(draw.expovariate(1 / 60))])
        closed = created + datetime.timedelta(days=cycle)
        never_closes = draw.random() < (0.15 if created.month == 3 else 0.01)
        is_open = never_closes or closed > FIRST_DAY + datetime.timedelta(days=days + 30)
        end = "," if is_open else f"{closed},"
        outcome = "" if is_open else draw.choice(["Won", "Lost"])
        rows.append(f"D{number},{created},{end}rep_1,SaaS,Europe,Core,Inbound,{'Demo' if is_open else 'Closed'},5000,,{outcome}")
    return rows


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> Build:
    folder = tmp_path_factory.mktemp("maturity")
    deals = write_deals(folder / "deals.csv", *random_deals(seed=5))
    variables = {
        "deals_file": deals,
        "maturity_quantile": QUANTILE,
        "max_mature_open_share": MAX_OPEN_SHARE,
        "backtest_min_history_days": 20,
    }
    return run_dbt(
        folder / "maturity.duckdb", variables, select="+int_cohort_maturity +int_mature_cohorts", DBT_INDIRECT_SELECTION="empty"
    ).check()


def as_known_on(deals, date):
    """Age in days, whether it had closed, and the cohort, of every deal created by `date`."""
    known = deals[deals.created_date <= date]
    has_closed = known.closed_date <= date
    age = (known.closed_date.where(has_closed, date) - known.created_date).dt.days
    return known, age.to_numpy(), has_closed.to_numpy()


def kaplan_meier_quantile(age, has_closed) -> float:
    """First age at which at most 1 - QUANTILE are open, not a number when not reached. (statsmodels' own quantile asks for fewer.)"""
    estimate = SurvfuncRight(age, has_closed)
    return min(estimate.surv_times[estimate.surv_prob <= 1 - QUANTILE + 1e-12], default=numpy.nan)


def test_maturity_is_the_kaplan_meier_quantile_and_the_open_share(build):
    deals = build.frame("select created_date, closed_date, cohort_month from intermediate.int_deals order by deal_id")
    found = build.frame("select * from intermediate.int_cohort_maturity order by forecast_date, cohort_month")
    dates = sorted(found.forecast_date.unique())
    assert len(dates) >= 12

    reached = []
    for date in dates:
        known, age, has_closed = as_known_on(deals, date)
        horizon = kaplan_meier_quantile(age, has_closed)
        rows = found[found.forecast_date == date]
        assert rows.maturity_days.nunique(dropna=False) == 1
        numpy.testing.assert_equal(rows.maturity_days.astype(float).iloc[0], horizon)
        reached.append(not numpy.isnan(horizon))

        cohorts = (
            known.assign(is_open=~has_closed)
            .groupby("cohort_month")
            .agg(
                deal_count=("is_open", "size"),
                open_deal_count=("is_open", "sum"),
                youngest=("created_date", "max"),
            )
        )
        old = (date - cohorts.youngest).dt.days > horizon
        few_open = cohorts.open_deal_count <= MAX_OPEN_SHARE * cohorts.deal_count
        rows = rows.set_index("cohort_month")
        for column, expected in {
            "deal_count": cohorts.deal_count,
            "open_deal_count": cohorts.open_deal_count,
            "is_mature": old & few_open,
        }.items():
            assert rows[column].to_dict() == expected.to_dict(), (date, column)

    # The file has what makes this a test: dates on which the quantile isn't reached, mature cohorts, and old ones with too many open.
    assert any(reached) and not all(reached)
    assert found.is_mature.any()
    assert not found[found.forecast_date - found.cohort_month > datetime.timedelta(days=200)].is_mature.all()


def test_a_cohort_is_mature_when_its_youngest_deal_is_as_old_as_99_of_100_closed_deals_were(build):
    deals = build.frame("select created_date, closed_date, cohort_month from intermediate.int_deals")
    [(as_of_date,)] = build.query("select as_of_date from intermediate.int_as_of")
    lives = (deals.closed_date - deals.created_date).dt.days.dropna().sort_values().to_numpy()
    horizon = next(days for days in lives if (lives <= days).sum() >= 0.99 * len(lives))
    cohorts = deals.groupby("cohort_month").agg(
        deal_count=("created_date", "size"), closed=("closed_date", "count"), youngest=("created_date", "max")
    )
    found = build.frame("select * from intermediate.int_mature_cohorts").set_index("cohort_month").sort_index()
    assert found.deal_count.to_dict() == cohorts.deal_count.to_dict()
    assert found.open_deal_count.to_dict() == (cohorts.deal_count - cohorts.closed).to_dict()
    expected = cohorts.youngest <= numpy.datetime64(as_of_date) - numpy.timedelta64(int(horizon), "D")
    assert found.is_mature.to_dict() == expected.to_dict()
    # A month of which one in ten deals was never closed is mature, and young ones aren't.
    assert expected.any() and not expected.all()
    assert ((found.open_deal_count > 0.1 * found.deal_count) & found.is_mature).any()

"""rpt_pipeline_health against pandas, statsmodels and the bootstrap, on the demo."""

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT
from statsmodels.stats.proportion import proportion_confint


def metric(demo, name: str, basis: str) -> pd.DataFrame:
    """Rows of a metric by month, those with a value."""
    rows = demo.frame(f"select * from marts.rpt_pipeline_health where metric = '{name}' and basis = '{basis}' and metric_value is not null")
    assert len(rows)
    return rows.set_index("period_start_date").sort_index()


@pytest.fixture(scope="module")
def deals(demo) -> pd.DataFrame:
    deals = demo.frame("select * from marts.fct_deals")
    return deals.assign(amount=deals.deal_amount.astype(float), won=deals.is_won.fillna(False).astype(bool))


@pytest.fixture(scope="module")
def dated(deals) -> pd.DataFrame:
    """Deals of which is known until when they were open: a closed one may have no date."""
    return deals[deals.is_open | deals.closed_date.notna()]


def test_shares_and_their_intervals(demo, deals):
    closed = deals[~deals.is_open]
    amounts = closed.groupby("closed_month").agg(
        amount=("amount", "sum"), square=("amount", lambda each: (each**2).sum()), n=("won", "size")
    )
    amounts["won"] = closed[closed.won].groupby("closed_month").amount.sum()
    visits = demo.frame("select distinct deal_id from marts.fct_deal_stage_visits inner join marts.dim_stages using (stage) where is_late")
    late = closed[closed.deal_id.isin(visits.deal_id)].groupby("closed_month").won.agg(["sum", "size"])
    by_month, by_cohort = (closed.groupby(month).won.agg(["sum", "size"]) for month in ("closed_month", "cohort_month"))
    expected = {
        ("win_rate", "closed_date"): (by_month["sum"], by_month["size"]),
        ("win_rate", "created_cohort"): (by_cohort["sum"], by_cohort["size"]),
        ("late_stage_loss_rate", "closed_date"): (late["size"] - late["sum"], late["size"]),
        ("amount_win_rate", "closed_date"): (
            amounts.won / amounts.amount * amounts.amount**2 / amounts.square,
            amounts.amount**2 / amounts.square,
        ),
    }
    for (name, basis), (count, of) in expected.items():
        found = metric(demo, name, basis)
        count, of = count.loc[found.index], of.loc[found.index]
        np.testing.assert_allclose(found.metric_value, count / of, rtol=1e-12)
        lower, upper = proportion_confint(count, of, method="wilson")
        np.testing.assert_allclose(found.value_lower, lower, rtol=1e-9)
        np.testing.assert_allclose(found.value_upper, upper, rtol=1e-9)
    product, rate, amount = (metric(demo, name, "closed_date") for name in ("resource_efficiency", "win_rate", "amount_win_rate"))
    np.testing.assert_allclose(product.metric_value, rate.metric_value * amount.metric_value, rtol=1e-12)
    assert len(rate) == 24 and set(by_month.index) == set(rate.index)


def test_money_per_deal_day_of_cohorts(demo, deals, dated):
    """Values by pandas; intervals are within a tenth of a bootstrap's."""
    rem, velocity, cycle, amount = (
        metric(demo, name, "created_cohort") for name in ("revenue_efficiency", "velocity", "mean_won_cycle_days", "mean_won_amount")
    )
    random = np.random.default_rng(1)
    widths = []
    for month, row in rem.iterrows():
        cohort = deals[(deals.cohort_month == month) & ~deals.is_open]
        wins = cohort[cohort.won]
        value = len(wins) / len(cohort) * wins.amount.mean() / wins.cycle_days.mean()
        assert row.metric_value == pytest.approx(value, rel=1e-12) and row.deal_count == len(cohort)
        assert cycle.metric_value[month] == pytest.approx(wins.cycle_days.mean()) and amount.metric_value[month] == pytest.approx(
            wins.amount.mean()
        )
        error = wins.amount.std() / np.sqrt(wins.amount.count()) * 1.959963984540054
        assert amount.value_upper[month] == pytest.approx(wins.amount.mean() + error)
        end = month + pd.offsets.MonthEnd(0)
        open_count = ((dated.created_date <= end) & ~(dated.closed_date <= end)).sum()
        assert velocity.metric_value[month] == pytest.approx(open_count * value)
        drawn = random.integers(0, len(cohort), (2_000, len(cohort)))
        won, days, money = (
            each.to_numpy(dtype=float)[drawn] for each in (cohort.won, cohort.cycle_days.where(cohort.won), cohort.amount.where(cohort.won))
        )
        logs = np.log(won.mean(axis=1) * np.nanmean(money, axis=1) / np.nanmean(days, axis=1))
        widths.append(np.log(row.value_upper / row.value_lower) / (2 * 1.96 * logs.std()))
    assert len(widths) > 12 and np.mean(widths) == pytest.approx(1, abs=0.1)
    mature = demo.query("select count(*) from intermediate.int_mature_cohorts where is_mature")
    assert mature == [(len(rem),)]


def test_pushes_of_a_month(demo, deals, dated):
    """From the file: dates moved later before the close, of deals open at any time in the month."""
    history = pd.read_csv(PROJECT / "seeds/demo/demo_field_history.csv", dtype=str)
    history = history[history.field == "expected_close_date"].merge(deals[["deal_id", "closed_date"]], on="deal_id")
    history["day"] = pd.to_datetime(history.changed_at).dt.normalize()
    history = history[(history.new_value > history.old_value) & ~(history.day > history.closed_date)]
    pushed = history.groupby(history.day.dt.to_period("M").dt.to_timestamp()).deal_id.nunique()
    found = metric(demo, "pushed_rate", "month")
    for month, row in found.iterrows():
        end = month + pd.offsets.MonthEnd(0)
        active = ((dated.created_date <= end) & ~(dated.closed_date < month)).sum()
        assert row.deal_count == active and row.metric_value == pytest.approx(pushed.get(month, 0) / active)


def test_what_stands_for_the_as_of_date(demo, deals):
    rows = demo.frame("select * from marts.rpt_pipeline_health where period_start_date = '2025-12-01'").set_index(["metric", "basis"])
    open_deals = demo.frame("select * from marts.fct_open_deals")
    for name in ("stalled_in_stage", "inactive", "stale"):
        assert rows.metric_value[f"{name}_rate", "as_of_date"] == pytest.approx(open_deals[f"is_{name}"].mean())
    [(raw, rapv)] = demo.query("select raw_amount, rapv_amount from marts.rpt_pipeline_value where segment_dimension = 'all'")
    assert rows.metric_value["revenue_at_risk", "month_end"] == pytest.approx(float(raw) - rapv)
    quotas = pd.read_csv(PROJECT / "seeds/demo/demo_quotas.csv")
    quota = quotas[quotas.period_start.between("2026-01-01", "2026-03-31")].amount.sum()
    [(in_time, amount)] = demo.query("""
        select sum(deal_amount * win_by_period_end_probability), sum(deal_amount)
        from marts.fct_deal_scores inner join marts.fct_deals using (deal_id)
    """)
    assert rows.metric_value["coverage_needed", "as_of_date"] == pytest.approx(quota * float(amount) / in_time)
    assert rows.metric_value["coverage", "as_of_date"] == pytest.approx(in_time / quota)
    pairs = demo.frame("""
        select segment_value, shrunk_win_rate from marts.rpt_segment_win_rates
        where segment_dimension = 'industry x product_type' and period = 'all'
    """).set_index("segment_value")
    pair = deals.industry + " x " + deals.product_type
    rates, base = pair.map(pairs.shrunk_win_rate), deals[~deals.is_open].won.mean()
    now = deals.is_open
    share = (rates[now] > base).mean()
    assert rows.metric_value["good_segment_share", "as_of_date"] == pytest.approx(share)
    skew = deals.amount[now].mean() / deals.amount[now].median()
    assert rows.metric_value["pipeline_quality", "as_of_date"] == pytest.approx(share * skew)
    assert rows.metric_value["mix_index", "as_of_date"] == pytest.approx(rates[now].mean() / rates[~now].mean())


def test_every_metric_of_the_seed_is_there(demo):
    missing = "select metric, basis from seeds.health_metrics except select metric, basis from marts.rpt_pipeline_health"
    assert demo.query(missing) == []

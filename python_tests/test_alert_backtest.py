"""The backtest of the alert rules against pandas: past stall thresholds, and rules on deals and on months from what the rules look at."""

import datetime

import numpy as np
import pandas
import pytest

WEEK = pandas.Timedelta(days=7)


@pytest.fixture(scope="module")
def observed(demo) -> pandas.DataFrame:
    """A row per closed deal of a mature cohort and weekly date of the year, or the one before it, on which it was open, with what was known then."""
    deals = demo.frame("select deal_id, created_date, closed_date, is_won, deal_amount, cohort_month, as_of_date from marts.fct_deals")
    as_of = deals.as_of_date.max()
    mature = demo.frame(
        f"select cohort_month from intermediate.int_cohort_maturity where is_mature and forecast_date = date '{as_of.date()}'"
    ).cohort_month
    until = mature.max() + pandas.offsets.MonthEnd(1)
    dates = [as_of - WEEK * step for step in range(1, 200)]
    closed = deals[deals.closed_date.notna() & deals.cohort_month.isin(mature)]
    activities = demo.frame(
        "select deal_id, cast(occurred_at as date) as day from intermediate.int_checked__activities where reason_codes is null"
    )
    rows = []
    begin = until - pandas.Timedelta(days=364)
    for date in (date for date in dates if begin - WEEK < date <= until):
        open_then = closed[(closed.created_date <= date) & (closed.closed_date > date)]
        last = activities[activities.day <= date].groupby("deal_id").day.max()
        inactive = (date - open_then.deal_id.map(last).fillna(open_then.created_date)).dt.days
        rows.append(open_then.assign(date=date, inactive=inactive, is_replayed=date > begin))
    return pandas.concat(rows).sort_values(["deal_id", "date"])


def fire(observed: pandas.DataFrame, is_met: pandas.Series, above_amount: float = -np.inf) -> dict:
    """Episodes, deals, and what came of their first ones against all deals of more than `above_amount` open on the same day."""
    is_large = observed.deal_amount.astype(float).fillna(0) > above_amount
    met = is_met & is_large
    fired = observed[met & ~met.groupby(observed.deal_id).shift(fill_value=False) & observed.is_replayed]
    first = fired.drop_duplicates("deal_id")
    looked_at = observed[is_large & observed.is_replayed]
    base = first.date.map(1 - looked_at.groupby("date").is_won.mean())
    lost = (~first.is_won.astype(bool)).sum()
    z = (lost - base.sum()) / np.sqrt((base * (1 - base)).sum())
    return {
        "observed_subject_count": looked_at.deal_id.nunique(), "replay_date_count": observed[observed.is_replayed].date.nunique(), "fired_count": len(fired),
        "fired_subject_count": len(first), "judged_count": len(first), "happened_count": lost, "base_rate": base.mean(), "z_value": z,
    }  # fmt: skip


def thresholds(demo, dates) -> dict:
    visits = demo.frame(
        "select v.stage, v.days_in_stage, d.closed_date from marts.fct_deal_stage_visits v inner join marts.fct_deals d using (deal_id) "
        "where d.is_won and not v.is_censored and not v.is_left_truncated"
    )
    found = {}
    for date in dates:
        for stage, days in visits[visits.closed_date <= date].groupby("stage").days_in_stage:
            ordered = np.sort(days)
            found[date, stage] = ordered[int(np.ceil(0.9 * len(ordered) - 1e-9)) - 1] if len(ordered) >= 30 else None
    return found


def row(demo, rule: str) -> dict:
    return demo.frame(f"select * from marts.rpt_alert_rules_backtest where alert_rule_id = '{rule}'").iloc[0].to_dict()


def test_past_stall_thresholds_are_those_of_what_was_known(demo, observed):
    found = demo.query("select threshold_date, stage, stall_threshold_days from intermediate.int_stall_thresholds where not is_as_of_date")
    expected = thresholds(demo, observed.date.unique())
    assert len(found) == len(expected) and len({value for value in expected.values()}) > 4
    assert {(pandas.Timestamp(date), stage): days for date, stage, days in found} == expected


def test_no_activity_fires_as_in_pandas(demo, observed):
    found, expected = row(demo, "no_activity"), fire(observed, observed.inactive > 21)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert found["fired_count"] > 500 and found["outcome"] == "the deal was lost"
    assert found["replay_end_date"].date() < datetime.date(2025, 12, 31)


@pytest.mark.parametrize(("rule", "above_amount"), [("deal_stalled", 10_000), ("large_deal_stalled", 50_000)])
def test_stalled_deals_fire_as_in_pandas(rule, above_amount, demo, observed):
    stages = demo.frame(
        "select deal_id, observation_date as date, stage, days_in_stage, cast(deal_amount as double) as deal_amount from intermediate.int_deal_observations where purpose = 'training'"
    )
    known = observed.drop(columns="deal_amount").merge(stages, on=["deal_id", "date"], how="left", validate="one_to_one")
    limits = thresholds(demo, known.date.unique())
    limit = pandas.Series([limits.get(key) for key in zip(known.date, known.stage, strict=True)], known.index, dtype=float)
    stalled = np.maximum(known.days_in_stage.where(known.days_in_stage > limit, 0), known.inactive.where(known.inactive >= 14, 0))
    found, expected = row(demo, rule), fire(known, stalled > 14, above_amount)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    # Large deals are lost more often anyway: against all deals it would look as if the rule knew something
    assert (
        found["base_rate"] == pytest.approx({"deal_stalled": 0.583, "large_deal_stalled": 0.717}[rule], abs=0.001)
        and abs(found["z_value"]) < 1
    )


def test_large_deals_at_risk_fire_as_in_pandas(demo, observed):
    scores = demo.frame(
        "select p.deal_id, p.observation_date as date, 100 * (1 - p.win_probability) as risk, cast(o.deal_amount as double) as deal_amount "
        "from intermediate.int_score_predictions p inner join intermediate.int_deal_observations o using (deal_id, observation_date, purpose) "
        "where p.purpose = 'training' and p.method = 'model'"
    )
    known = observed.drop(columns="deal_amount").merge(scores, on=["deal_id", "date"], validate="one_to_one")
    found, expected = row(demo, "large_deal_at_risk"), fire(known, known.risk.round() > 70, 50_000)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_rules_on_months_fire_as_in_pandas(demo):
    """From the alarms of the chart that are of the month's side, and from the verdicts on volumes, both tested elsewhere."""
    as_of = demo.frame("select as_of_date from intermediate.int_as_of").as_of_date[0]
    newest = (as_of + pandas.Timedelta(days=1)).to_period("M") - 1
    chart = demo.frame(
        "select period_start_date, win_rate as value, expected_win_rate as expected, verdict, alarm_direction from marts.rpt_win_rate_trend "
        "where basis = 'closed_date' and period_type = 'month' and not is_risk_adjusted and not is_partial_period"
    )
    volume = demo.frame(
        "select period_start_date, value, expected_value as expected, verdict from intermediate.int_volume_changes where metric = 'created_deals' and period_type = 'month'"
    )
    is_met = {
        "win_rate_alarm": (chart.verdict == "signal") & (chart.alarm_direction == "below") & (chart.value < chart.expected),
        "volume_down": (volume.verdict == "signal") & (volume.value / volume.expected - 1 < -0.2),
    }
    # The chart judges from March on: of earlier months too few whole ones came before.
    for rule, months, looks in (("win_rate_alarm", chart, 10), ("volume_down", volume, 11)):
        months = months.assign(met=is_met[rule]).set_index(months.period_start_date.dt.to_period("M"))
        judged = [
            month for month in pandas.period_range(end=newest, periods=12, freq="M") if months.verdict[month] in ("signal", "no_signal")
        ]
        came = {month: months.value[month + 1] < months.expected[month] for month in judged if month < newest}
        fired = [month for month in judged if months.met[month] and not months.met[month - 1]]
        found = row(demo, rule)
        assert found["replay_date_count"] == found["observed_subject_count"] == len(judged) == looks
        assert found["fired_count"] == found["fired_subject_count"] == len(fired)
        assert (found["judged_count"], found["happened_count"]) == (len(fired), sum(came[month] for month in fired))
        if fired:
            assert found["base_rate"] == pytest.approx(np.mean(list(came.values())))
    assert row(demo, "win_rate_alarm")["base_rate"] == pytest.approx(7 / 9)


def test_what_cannot_be_replayed_says_why(demo):
    rows = demo.frame("select alert_rule_id, verdict, missing_reason, fired_count, finding from marts.rpt_alert_rules_backtest").set_index(
        "alert_rule_id"
    )
    for rule in ("segment_below_rest", "source_gap", "driver_sign_flip", "calibration_error"):
        assert (
            rows.verdict[rule] == "not_computable"
            and pandas.isna(rows.fired_count[rule])
            and rows.missing_reason[rule] in rows.finding[rule]
        )
    assert rows.verdict["win_rate_alarm"] == "insufficient_n" and rows.fired_count["win_rate_alarm"] >= 1
    assert rows.verdict["risk_crossed_75"] == "signal"
    # As docs/reading_marts.md says
    assert set(rows.verdict[["deal_stalled", "large_deal_stalled", "no_activity", "overdue"]]) == {"no_signal"}

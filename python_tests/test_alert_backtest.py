"""The backtest of the alert rules against pandas: past stall thresholds, and two rules from the deals' visits and activities."""

import datetime

import numpy as np
import pandas
import pytest

WEEK = pandas.Timedelta(days=7)


@pytest.fixture(scope="module")
def observed(demo) -> pandas.DataFrame:
    """A row per closed deal of a mature cohort and weekly date of the year on which it was open, with what was known then."""
    deals = demo.frame("select deal_id, created_date, closed_date, is_won, deal_amount, cohort_month, as_of_date from marts.fct_deals")
    as_of = deals.as_of_date.max()
    mature = demo.frame(f"select cohort_month from intermediate.int_cohort_maturity where is_mature and forecast_date = date '{as_of.date()}'").cohort_month
    until = mature.max() + pandas.offsets.MonthEnd(1)
    dates = [as_of - WEEK * step for step in range(1, 200)]
    closed = deals[deals.closed_date.notna() & deals.cohort_month.isin(mature)]
    activities = demo.frame("select deal_id, cast(occurred_at as date) as day from intermediate.int_checked__activities where reason_codes is null")
    rows = []
    for date in (date for date in dates if until - pandas.Timedelta(days=364) < date <= until):
        open_then = closed[(closed.created_date <= date) & (closed.closed_date > date)]
        last = activities[activities.day <= date].groupby("deal_id").day.max()
        inactive = (date - open_then.deal_id.map(last).fillna(open_then.created_date)).dt.days
        rows.append(open_then.assign(date=date, inactive=inactive))
    return pandas.concat(rows).sort_values(["deal_id", "date"])


def fire(observed: pandas.DataFrame, is_met: pandas.Series) -> dict:
    """Episodes, deals, and what came of their first ones against all deals open on the same day."""
    before = is_met.groupby(observed.deal_id).shift(fill_value=False)
    fired = observed[is_met & ~before]
    first = fired.drop_duplicates("deal_id")
    base = first.date.map(1 - observed.groupby("date").is_won.mean())
    lost = (~first.is_won.astype(bool)).sum()
    z = (lost - base.sum()) / np.sqrt((base * (1 - base)).sum())
    return {
        "observed_subject_count": observed.deal_id.nunique(), "replay_date_count": observed.date.nunique(), "fired_count": len(fired),
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
    found = demo.query("select replay_date, stage, stall_threshold_days from intermediate.int_past_stall_thresholds")
    expected = thresholds(demo, observed.date.unique())
    assert len(found) == len(expected) and len({value for value in expected.values()}) > 4
    assert {(pandas.Timestamp(date), stage): days for date, stage, days in found} == expected


def test_no_activity_fires_as_in_pandas(demo, observed):
    found, expected = row(demo, "no_activity"), fire(observed, observed.inactive > 21)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert found["fired_count"] > 500 and found["outcome"] == "the deal was lost"
    assert found["replay_end_date"].date() < datetime.date(2025, 12, 31)


def test_stalled_deals_fire_as_in_pandas(demo, observed):
    stages = demo.frame(
        "select deal_id, observation_date as date, stage, days_in_stage, cast(deal_amount as double) as amount from intermediate.int_deal_observations where purpose = 'training'"
    )
    known = observed.merge(stages, on=["deal_id", "date"], how="left", validate="one_to_one")
    limits = thresholds(demo, known.date.unique())
    limit = pandas.Series([limits.get(key) for key in zip(known.date, known.stage, strict=True)], known.index, dtype=float)
    stalled = np.maximum(known.days_in_stage.where(known.days_in_stage > limit, 0), known.inactive.where(known.inactive >= 14, 0))
    found, expected = row(demo, "deal_stalled"), fire(known, (stalled > 14) & (known.amount > 10_000))
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_what_cannot_be_replayed_says_why(demo):
    rows = demo.frame("select alert_rule_id, verdict, missing_reason, fired_count, finding from marts.rpt_alert_rules_backtest").set_index("alert_rule_id")
    for rule in ("segment_below_rest", "source_gap", "driver_sign_flip", "calibration_error"):
        assert rows.verdict[rule] == "not_computable" and pandas.isna(rows.fired_count[rule]) and rows.missing_reason[rule] in rows.finding[rule]
    assert rows.verdict["win_rate_alarm"] == "insufficient_n" and rows.fired_count["win_rate_alarm"] >= 1
    assert rows.verdict["risk_crossed_75"] == "signal"

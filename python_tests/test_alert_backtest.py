"""The backtest of the alert rules against pandas: past stall thresholds, and rules on deals and on months from what the rules look at."""

import datetime
import json

import numpy as np
import pandas
import pytest
from scipy import optimize

WEEK = pandas.Timedelta(days=7)


@pytest.fixture(scope="module")
def observed(demo) -> pandas.DataFrame:
    """A row per deal and weekly date of the year, or the one before it, on which it was open, with what was known then and what came of it in H days."""
    deals = demo.frame(
        "select deal_id, created_date, closed_date, is_open, is_won, cast(deal_amount as double) as amount_now, as_of_date from marts.fct_deals"
    )
    deals = deals[deals.is_open | deals.closed_date.notna()]
    as_of = deals.as_of_date.max()
    lives = np.sort((deals.closed_date - deals.created_date).dt.days.dropna())
    horizon = pandas.Timedelta(days=int(lives[int(np.ceil(0.99 * len(lives) - 1e-9)) - 1]))
    until, begin = as_of - horizon, as_of - horizon - pandas.Timedelta(days=364)
    dates = [as_of - WEEK * step for step in range(1, 200)]
    activities = demo.frame(
        "select deal_id, cast(occurred_at as date) as day from intermediate.int_checked__activities where reason_codes is null"
    )
    amounts = demo.frame(
        "select deal_id, known_amount, known_from_date, changed_date from intermediate.int_past_amounts where known_from_date > '1900-01-01'"
    )
    first = demo.frame("select deal_id, known_amount, changed_date from intermediate.int_past_amounts where known_from_date < '1900-01-01'")
    rows = []
    for date in (date for date in dates if begin - WEEK < date <= until):
        open_then = deals[(deals.created_date <= date) & ~(deals.closed_date <= date)]
        last = activities[activities.day <= date].groupby("deal_id").day.max()
        inactive = (date - open_then.deal_id.map(last).fillna(open_then.created_date)).dt.days
        then = pandas.concat([amounts[(amounts.known_from_date <= date) & (amounts.changed_date > date)], first[first.changed_date > date]])
        amount = open_then.deal_id.map(then.set_index("deal_id").known_amount.astype(float)).fillna(open_then.amount_now)
        is_won = open_then.is_won.eq(True) & (open_then.closed_date <= date + horizon)
        rows.append(open_then.assign(date=date, inactive=inactive, deal_amount=amount, is_won=is_won, is_replayed=date > begin))
    return pandas.concat(rows).sort_values(["deal_id", "date"])


@pytest.fixture(scope="module")
def staged(demo, observed) -> pandas.DataFrame:
    """The same with the stage of the date, and the days in it beyond its limit."""
    visits = demo.frame(
        "select deal_id, stage, visit_number, entered_at, coalesce(observed_from_at, entered_at) as seen_at, is_left_truncated from intermediate.int_deal_stage_visits"
    )
    pairs = observed[["deal_id", "date"]].merge(visits, on="deal_id")
    pairs = pairs[pairs.seen_at.dt.normalize() <= pairs.date].sort_values("visit_number").drop_duplicates(["deal_id", "date"], keep="last")
    pairs["days_in_stage"] = (pairs.date - pairs.entered_at.dt.normalize()).dt.days.where(~pairs.is_left_truncated)
    known = observed.merge(pairs[["deal_id", "date", "stage", "days_in_stage"]], on=["deal_id", "date"], how="left", validate="one_to_one")
    limits = thresholds(demo, known.date.unique())
    limit = pandas.Series([limits.get(key) for key in zip(known.date, known.stage, strict=True)], known.index, dtype=float)
    return known.assign(over=(known.days_in_stage - limit).clip(lower=0))


def fire(observed: pandas.DataFrame, is_met: pandas.Series, above_amount: float = -np.inf) -> dict:
    """Episodes, deals, and what came of their first ones against the deals of more than `above_amount` on the same day that it isn't met by. `observed`:
    rows of which the metric is known."""
    is_large = observed.deal_amount.astype(float).fillna(0) > above_amount
    met = is_met & is_large
    fired = observed[met & ~met.groupby(observed.deal_id).shift(fill_value=False) & observed.is_replayed]
    looked_at, others = observed[is_large & observed.is_replayed], observed[is_large & observed.is_replayed & ~met]
    first = fired.drop_duplicates("deal_id")
    first = first[first.date.isin(others.date)]
    lost_rate = 1 - others.groupby("date").is_won.mean()
    lost, base = int((~first.is_won).sum()), first.date.map(lost_rate).sum()
    weight = first.groupby("date").size() / others.groupby("date").size()
    others = others[others.date.isin(first.date)]
    parts = others.date.map(weight)
    rate, count = base / len(first), len(first)
    by_deal = first.deal_id.value_counts().sub(parts.groupby(others.deal_id).sum(), fill_value=0)
    worth = count**2 / max((by_deal**2).sum() - count, (parts**2).sum())
    pooled = (lost + rate * worth) / (count + worth)
    z = (lost / count - rate) / np.sqrt(pooled * (1 - pooled) * (1 / count + 1 / worth))
    return {
        "observed_subject_count": looked_at.deal_id.nunique(), "replay_date_count": observed[observed.is_replayed].date.nunique(), "fired_count": len(fired),
        "fired_subject_count": fired.deal_id.nunique(), "judged_count": count, "happened_count": lost, "other_subject_count": others.deal_id.nunique(),
        "base_rate": rate, "z_value": z, "difference": lost / count - rate,
        "sides": (lost, count, rate * worth, worth),
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
            found[date, stage] = ordered[int(np.ceil(0.95 * len(ordered) - 1e-9)) - 1] if len(ordered) >= 30 else None
    return found


def row(demo, rule: str) -> dict:
    return demo.frame(f"select * from marts.rpt_alert_rules_backtest where alert_rule_id = '{rule}'").iloc[0].to_dict()


def test_past_stall_thresholds_are_those_of_what_was_known(demo, observed):
    found = demo.query("select threshold_date, stage, stall_threshold_days from intermediate.int_stall_thresholds where not is_as_of_date")
    expected = thresholds(demo, observed.date.unique())
    assert len(found) == len(expected) and len({value for value in expected.values()}) > 4
    assert {(pandas.Timestamp(date), stage): days for date, stage, days in found} == expected


def restricted_z(hits: float, count: float, other_hits: float, other_count: float, difference: float) -> float:
    """z of a difference, at the rates that are likeliest if it is the true one, found by search."""

    def against(rate: float) -> float:
        shares = (hits, rate + difference), (count - hits, 1 - rate - difference), (other_hits, rate), (other_count - other_hits, 1 - rate)
        return -sum(number * np.log(share) for number, share in shares)

    ends = max(0, -difference) + 1e-9, min(1, 1 - difference) - 1e-9
    rate = optimize.minimize_scalar(against, bounds=ends, method="bounded", options={"xatol": 1e-12}).x
    variance = (rate + difference) * (1 - rate - difference) / count + rate * (1 - rate) / other_count
    return (hits / count - other_hits / other_count - difference) / np.sqrt(variance)


def assert_same(found: dict, expected: dict):
    sides = expected.pop("sides")
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-7)
    assert restricted_z(*sides, found["difference_lower"]) == pytest.approx(3, abs=1e-5)
    assert restricted_z(*sides, found["difference_upper"]) == pytest.approx(-3, abs=1e-5)
    assert found["outcome"] == "the deal was lost or not won within 131 days"


def test_no_activity_fires_as_in_pandas(demo, observed):
    found, expected = row(demo, "no_activity"), fire(observed, observed.inactive > 21)
    assert_same(found, expected)
    assert found["fired_count"] > 500 and found["verdict"] == "no_signal"
    assert found["replay_end_date"].date() == datetime.date(2025, 8, 20)  # 131 days before the end of 2025 is August 22


@pytest.mark.parametrize(("rule", "above", "above_amount"), [("deal_stalled", 3, 10_000), ("large_deal_stalled", 0, 50_000)])
def test_stalled_deals_fire_as_in_pandas(rule, above, above_amount, demo, staged):
    known = staged[staged.over.notna()]
    assert_same(row(demo, rule), fire(known, known.over > above, above_amount))


def test_the_two_facts_are_two_on_the_demo(staged):
    """Of deals stalled in their stage far more are lost than of others in the same stages; of inactive ones as many."""
    known = staged[staged.is_replayed & staged.over.notna()]
    lost = {
        name: (1 - rows.groupby("stage").is_won.mean()).to_dict()
        for name, rows in {
            "stalled": known[known.over > 0], "other": known[known.over == 0], "inactive": known[known.inactive >= 14], "active": known[known.inactive < 14],
        }.items()
    }  # fmt: skip
    for stage in ("Qualified", "Demo", "Proposal", "Negotiation"):
        assert lost["stalled"][stage] > lost["other"][stage] + 0.3
    for stage in ("Demo", "Proposal", "Negotiation"):
        assert abs(lost["inactive"][stage] - lost["active"][stage]) < 0.05


def test_large_deals_at_risk_fire_as_in_pandas(demo, observed):
    scores = demo.frame(
        "select deal_id, observation_date as date, 100 * (1 - win_probability) as risk "
        "from intermediate.int_score_predictions where purpose = 'training' and method = 'model'"
    )
    known = observed.merge(scores, on=["deal_id", "date"], validate="one_to_one")
    assert_same(row(demo, "large_deal_at_risk"), fire(known, known.risk.round() > 70, 50_000))


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
        others = [came[month] for month in came if not months.met[month]]
        fired = [month for month in judged if months.met[month] and not months.met[month - 1]]
        found = row(demo, rule)
        assert found["replay_date_count"] == found["observed_subject_count"] == len(judged) == looks
        assert found["fired_count"] == found["fired_subject_count"] == len(fired)
        assert (found["judged_count"], found["happened_count"]) == (len(fired), sum(came[month] for month in fired))
        if fired:
            assert (found["base_rate"], found["other_subject_count"]) == (pytest.approx(np.mean(others)), len(others))
    assert row(demo, "win_rate_alarm")["base_rate"] == pytest.approx(2 / 3)


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


def test_alerts_carry_the_track_record_of_their_rule(demo):
    """A rule that is no better than chance is marked beside each of its alerts, and only such a one."""
    rows = demo.frame(
        "select a.message, a.slack_payload, a.rule_verdict, a.rule_track_record, b.verdict, b.track_record "
        "from marts.fct_alerts a left join marts.rpt_alert_rules_backtest b using (alert_rule_id)"
    )
    assert (rows.rule_verdict == rows.verdict).all() and (rows.rule_track_record == rows.track_record).all()
    marked = rows.message.str.endswith("Past warnings of this kind came true no more often than chance can explain.")
    assert (marked == (rows.verdict == "no_signal")).all() and 0 < marked.sum() < len(rows)
    assert all(json.loads(row.slack_payload)["blocks"][2]["elements"][0]["text"].endswith(row.track_record) for row in rows.itertuples())
    said = set(rows.track_record)
    assert any(
        "more often than chance can explain: in 91.9 % of 284 cases the deal was lost or not won within 131 days, against" in each
        for each in said
    )

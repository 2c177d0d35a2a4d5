"""Recommended actions and what came of them: the playbook's rows, the hold-out, the day of the first flag, and the statistics of the effect."""

import datetime
import shutil

import duckdb
import numpy as np
import pytest
from conftest import run_dbt, write_deals
from scipy import integrate, stats
from statsmodels.api import OLS

from inference import sequences
from models.actions import int_intervention_tests as tests
from tools import crm
from tools.simulations import effects
from tools.simulations.settings import model_settings

SETTINGS = model_settings("int_intervention_tests")
HEADER = "play_id,action_id,trigger_kind,trigger_name,threshold,stage,least_risk_category,priority,action_text,evidence_text,rationale\n"
GOOD = "quiet,call,fact,days_since_last_activity,10,,,ongoing,Call,{value} days of {limit},because\n"
DEAL = "D1,2024-01-01,,rep_1,SaaS,Europe,Core,Inbound,Demo,5000,,"


# The playbook


def test_a_row_of_the_seed_that_cant_be_used_is_named_by_a_failing_test(demo, tmp_path):
    database = shutil.copy(demo.database, tmp_path / "bad.duckdb")
    with duckdb.connect(str(database)) as connection:
        connection.execute("update seeds.playbook set trigger_name = 'mood' where play_id = 'stale'")
        connection.execute("update intermediate.int_playbook set stage = 'Dmeo' where play_id = 'stuck_in_demo'")
    failed = run_dbt(database, command="test", select="every_play_can_be_used every_play_names_a_stage_and_category_that_exist")
    assert failed.exit_code != 0
    assert "play 'stale' can't be used: trigger_name is none of the facts days_since_last_activity, days_in_stage" in failed.output
    assert "play 'stuck_in_demo' can't be used: there is no open stage Dmeo" in failed.output


BAD_PLAYS = {
    "play_id stands in it twice (play 'quiet')": GOOD + GOOD,
    "trigger_name is none of the score_factors that a rep can change": GOOD + "r,call,reason,industry,1,,,ongoing,Call,,because\n",
    "threshold of a fact is no whole number (play 'quiet')": GOOD.replace(",10,", ",soon,"),
    "threshold is no number above 0": GOOD.replace(",10,", ",-3,"),
    "priority is none of immediate, this_week, ongoing": GOOD.replace("ongoing", "urgent"),
    "evidence_text is blank": GOOD.replace("{value} days of {limit}", " "),
}


def test_rows_of_a_file_that_cant_be_used_stop_the_build_by_name(tmp_path):
    variables = {"deals_file": write_deals(tmp_path / "deals.csv", DEAL), "playbook_file": tmp_path / "plays.csv"}
    for sentence, rows in BAD_PLAYS.items():
        (tmp_path / "plays.csv").write_text(HEADER + rows)
        stopped = run_dbt(tmp_path / "stopped.duckdb", variables, select="int_playbook", with_tests=False)
        assert stopped.exit_code != 0 and sentence in stopped.output, sentence


def test_a_file_stands_in_for_the_playbook(tmp_path):
    (tmp_path / "plays.csv").write_text(HEADER + GOOD)
    variables = {"deals_file": write_deals(tmp_path / "deals.csv", DEAL), "playbook_file": tmp_path / "plays.csv"}
    build = run_dbt(tmp_path / "own.duckdb", variables, select="+int_playbook", with_tests=False).check()
    assert build.query("select play_id, threshold, priority_order from intermediate.int_playbook") == [("quiet", 10.0, 3)]


# Recommended actions


def test_the_hold_out_is_the_hash_of_the_generator_and_its_actions_are_listed(demo):
    rows = demo.query("select distinct deal_id, is_holdout from marts.fct_recommended_actions order by 1")
    assert [flag for _, flag in rows] == list(crm.in_holdout([deal for deal, _ in rows]))
    assert 0.1 < np.mean([flag for _, flag in rows]) < 0.3


def test_every_fact_of_the_playbook_leads_to_its_actions_and_nothing_else(demo):
    """Against plain Python over the open deals and the rows of the playbook."""
    deals = demo.frame("select * from marts.fct_open_deals inner join marts.fct_deal_scores using (deal_id)").to_dict("records")
    reasons = demo.query("select deal_id, factor, -contribution_pp from marts.fct_deal_score_reasons where can_rep_change")
    plays = demo.frame("select * from intermediate.int_playbook").astype(object).to_dict("records")
    order = ["low", "medium", "high", "critical"]
    values = {(deal, "reason", factor): points for deal, factor, points in reasons}
    for deal in deals:
        found = {name: deal[name] for name in ("days_since_last_activity", "days_in_stage", "push_count", "days_since_last_update")}
        if deal["days_in_stage"] is not None:
            found["days_over_stall_limit"] = max(0, deal["days_in_stage"] - deal["stall_threshold_days"])
        found["days_overdue"] = (deal["as_of_date"] - deal["expected_close_date"]).days
        values |= {(deal["deal_id"], "fact", name): value for name, value in found.items() if value == value and value is not None}
    expected = set()
    for deal in deals:
        for play in plays:
            value = values.get((deal["deal_id"], play["trigger_kind"], play["trigger_name"]))
            is_stage = play["stage"] in (None, deal["stage"]) or play["stage"] != play["stage"]
            least = play["least_risk_category"]
            is_risky = not isinstance(least, str) or order.index(deal["risk_category"]) >= order.index(least)
            if value is not None and value >= play["threshold"] and is_stage and is_risky:
                expected.add((deal["deal_id"], play["action_id"]))
    assert len(expected) > 200
    assert set(demo.query("select deal_id, action_id from marts.fct_recommended_actions")) == expected


def test_action_texts_say_what_to_do_and_why(demo):
    texts = demo.query("select action_text, evidence, trigger_kind from marts.fct_recommended_actions")
    assert any(
        text.startswith("Book the next step with the buyer: no activity for ") and text.endswith("(limit 14)") for text, _, _ in texts
    )
    assert all("{" not in text and ": " in text and evidence for text, evidence, _ in texts)


# The day of the first flag


def test_first_flags_of_the_demo_are_those_of_a_walk_through_every_day(demo):
    visits = demo.query(
        """
        select deal_id, cast(coalesce(observed_from_at, entered_at) as date), cast(entered_at as date), cast(exited_at as date)
        from intermediate.int_deal_stage_visits
        where deal_id in (select deal_id from intermediate.int_score_deals where is_training)
        order by deal_id, visit_number
        """
    )
    closed = dict(demo.query("select deal_id, closed_date from intermediate.int_score_deals where is_training"))
    taken = demo.query("select deal_id, cast(taken_at as date) from intermediate.int_checked__interventions where reason_codes is null")
    first = min(day for deal, day in taken if deal in closed)
    by_deal, expected = {}, {}
    for deal, *stay in visits:
        by_deal.setdefault(deal, []).append(stay)
    for deal, stays in by_deal.items():
        day = stays[0][0]
        while day < closed[deal]:
            _, entered, exited = [stay for stay in stays if stay[0] <= day][-1]
            # Between a loss and its reopening it is in no stage.
            if day < exited and (day - entered).days >= crm.AGING_DAYS:
                expected[deal] = day
                break
            day += datetime.timedelta(1)
    expected = {deal: day for deal, day in expected.items() if day >= first}
    found = dict(
        demo.query("select deal_id, flagged_date from intermediate.int_flagged_deals where action_id = 'all' and flagged_date is not null")
    )
    assert len(found) > 1_500
    assert found == expected


# Statistics of the effect


def drawn(seed: int, strata: int = 4, deals: int = 1_500) -> dict[str, np.ndarray]:
    """Deals of a trial: strata of other win rates, a fifth held out, acting depends on the stratum and on a hidden quality."""
    rng = np.random.default_rng(seed)
    stratum, offered, quality = rng.integers(0, strata, deals), rng.random(deals) > 0.2, rng.random(deals)
    acted = np.where(offered, quality > 0.3 + 0.1 * stratum, quality > 0.95)
    won = rng.random(deals) < 0.1 + 0.12 * stratum + 0.2 * quality + 0.15 * acted
    return {"stratum": stratum, "offered": offered, "acted": acted, "won": won}


def cells(trial: dict[str, np.ndarray]) -> np.ndarray:
    counts = np.zeros((trial["stratum"].max() + 1, 2, len(tests.CELLS)))
    rows = np.column_stack([np.ones(len(trial["won"])), trial["won"], trial["acted"], trial["acted"] & trial["won"]])
    np.add.at(counts, (trial["stratum"], (~trial["offered"]).astype(int)), rows)
    return counts


def standardised(trial: dict[str, np.ndarray], hits: np.ndarray, offered: np.ndarray) -> tuple[float, float]:
    """Difference of shares, deal by deal: each stratum's, averaged over all deals; and its standard error."""
    difference, variance = 0.0, 0.0
    for stratum in np.unique(trial["stratum"]):
        rows = trial["stratum"] == stratum
        share = rows.mean()
        for arm, sign in ((True, 1), (False, -1)):
            values = hits[rows & (offered == arm)].astype(float)
            difference += sign * share * values.mean()
            rate = (values.sum() + 1) / (len(values) + 2)
            variance += share**2 * rate * (1 - rate) / len(values)
    return difference, np.sqrt(variance)


LEVEL = np.array([0.05])


def estimated(counts: np.ndarray) -> dict[str, np.ndarray]:
    return tests.estimate(counts[None], LEVEL, SETTINGS)


def test_differences_are_averaged_over_bands_by_their_deals():
    for seed in range(5):
        trial = drawn(seed)
        found = tests.compare(cells(trial)[None])
        for name in ("won", "acted"):
            difference, error = standardised(trial, trial[name], trial["offered"])
            assert found[name][0] == pytest.approx(difference, abs=1e-12)
            assert found[f"{name}_error"][0] == pytest.approx(error, rel=1e-12)
        # A regression with all bands and arms, of which the average band is asked, has it too.
        dummies = (trial["stratum"][:, None] == np.arange(4)).astype(float)
        fit = OLS(trial["won"].astype(float), np.column_stack([dummies, dummies * trial["offered"][:, None]])).fit(cov_type="HC0")
        contrast = fit.t_test(np.concatenate([np.zeros(4), dummies.mean(axis=0)]))
        assert found["won"][0] == pytest.approx(contrast.effect.item(), abs=1e-12)
        assert found["won_error"][0] == pytest.approx(contrast.sd.item(), rel=0.02)


def test_a_band_with_an_empty_arm_is_left_out_and_counted():
    trial = drawn(1)
    counts = cells(trial)
    counts[2, 1] = 0
    found = tests.compare(counts[None])
    kept = trial["stratum"] != 2
    difference, error = standardised({"stratum": trial["stratum"][kept]}, trial["won"][kept], trial["offered"][kept])
    assert (found["won"][0], found["won_error"][0]) == pytest.approx((difference, error))
    assert found["count"][0] == kept.sum() and found["left_out"][0] == counts[2, 0, 0]


def mixture(z: float, count: float, variance: float) -> float:
    """Robbins' martingale at z = sum / sqrt(count): the likelihood ratio of a drift, averaged over a normal one; integrated numerically."""
    total = z * np.sqrt(count)
    scale = np.sqrt(variance)

    def weighted(drift: float) -> float:
        return np.exp(drift * total - drift**2 * count / 2) * stats.norm.pdf(drift, scale=scale)

    # The product is a normal density about its own centre.
    centre, width = total * variance / (1 + count * variance), np.sqrt(variance / (1 + count * variance))
    return integrate.quad(weighted, centre - 12 * width, centre + 12 * width, epsabs=0, epsrel=1e-10)[0]


def test_sequences_are_where_the_mixture_reaches_one_over_the_level():
    for count in (60, 300, 1_500):
        for level in (0.05, 0.05 / 8):
            variance = sequences.mixing_variance(level, 300)
            quantile = float(sequences.sequence_quantile(count, level, 300))
            assert mixture(quantile, count, variance) == pytest.approx(1 / level, rel=1e-8)
            for z in (1.0, 2.5, 4.0):
                assert float(sequences.sequence_p_value(z, count, level, 300)) == pytest.approx(
                    min(1, 1 / mixture(z, count, variance)), rel=1e-8
                )


def test_the_sequence_is_narrowest_about_where_it_should_be():
    """In units of what an interval at a fixed count has there: near its least, and little wider at a fourth and four times as many."""
    counts = np.arange(20, 3_000)
    quantile = sequences.sequence_quantile(counts, 0.05, 300)
    assert quantile.min() > 0.995 * quantile[counts == 300]
    assert (quantile[(counts >= 75) & (counts <= 1_200)] < 1.1 * quantile.min()).all()


def test_the_deals_it_takes_are_those_at_which_the_interval_reaches_ten_points():
    for error, count in ((0.05, 400), (0.02, 900), (0.15, 60)):
        cases = sequences.cases_until(0.1, error, count, 0.05, 300)
        reach = [error * np.sqrt(count / each) * sequences.sequence_quantile(each, 0.05, 300) for each in (cases, cases - 1)]
        assert reach[0] <= 0.1 < reach[1]


def test_worked_example():
    """100 and 50 deals, 40 and 15 won, 60 and 5 acted on, of which 30 and 2 won: 0.10, and 0.10 / (0.60 - 0.10) = 0.20."""
    counts = np.array([[[100, 40, 60, 30], [50, 15, 5, 2]]], float)
    found = estimated(counts)
    assert found["difference"][0] == pytest.approx(0.10)
    assert found["effect_per_acted_deal"][0] == pytest.approx(0.20)
    error = np.sqrt(41 / 102 * 61 / 102 / 100 + 16 / 52 * 36 / 52 / 50)
    # 150 deals are half of 300: n r = 7.9362 / 2.
    quantile = np.sqrt((1 + 1 / 3.9681) * (np.log(4.9681) + 2 * np.log(20)))
    assert found["difference_upper"][0] == pytest.approx(0.10 + quantile * error, rel=1e-5)
    assert found["effect_per_acted_deal_upper"][0] == pytest.approx((0.10 + quantile * error) / 0.5, rel=1e-5)
    acting = tests.associate(counts[None], 0.95)
    assert acting["association_difference"][0] == pytest.approx(30 / 60 - 10 / 40)


# What acting is associated with


def offered_cells(acted: list, acted_won: list, passed: list, passed_won: list) -> np.ndarray:
    """Strata of offered deals, nobody held out; any leading axes."""
    acted, acted_won, passed, passed_won = (np.asarray(each, float) for each in (acted, acted_won, passed, passed_won))
    offered = np.stack([acted + passed, acted_won + passed_won, acted, acted_won], axis=-1)
    return np.stack([offered, np.zeros_like(offered)], axis=-2)


def test_worked_example_of_the_association():
    """Bands of 4 and 4 deals, 4 and 2 won, and of 6 and 6, 3 and 3 won; a third, in which nobody acted, is left out."""
    found = tests.associate(offered_cells([[4, 6, 0]], [[4, 3, 0]], [[4, 6, 9]], [[2, 3, 5]]), 0.95)
    assert found["association_deal_count"][0] == 20
    assert found["association_difference"][0] == pytest.approx(0.4 * (1 - 0.5) + 0.6 * (0.5 - 0.5))
    # Squares 0, 1.5 and 1, 1.5; pooled over 8 degrees of freedom 0.1875 and 0.3125. Each square counts 0.01 + 0.02 / 8 times.
    variances = [(0 + 0.1875) / 4, (1.5 + 0.1875) / 6, (1 + 0.3125) / 4, (1.5 + 0.3125) / 6]
    variance = 0.16 * (variances[0] + variances[2]) / 4 + 0.36 * (variances[1] + variances[3]) / 6
    assert variance == pytest.approx(0.05) == 0.0125 * (0 + 1.5 + 1 + 1.5)
    degrees = 0.05**2 / (0.0125**2 * (3 * variances[0] ** 2 + 5 * variances[1] ** 2 + 3 * variances[2] ** 2 + 5 * variances[3] ** 2))
    reach = stats.t.ppf(0.975, degrees) * np.sqrt(0.05)
    limits = [found[f"association_difference_{end}"][0] for end in ("lower", "upper")]
    assert limits == pytest.approx([0.2 - reach, 0.2 + reach])


def test_the_association_in_one_band_is_welchs_t_test():
    trial = drawn(1, strata=1, deals=400)
    acted, passed = (trial["won"][trial["offered"] & (trial["acted"] == flag)].astype(float) for flag in (True, False))
    limits = stats.ttest_ind(acted, passed, equal_var=False).confidence_interval(0.95)
    found = tests.associate(cells(trial)[None], 0.95)
    assert [found["association_difference_lower"][0], found["association_difference_upper"][0]] == pytest.approx([limits.low, limits.high])


def test_the_association_over_bands_is_that_of_a_regression_with_all_bands_and_arms():
    """HC2 is the textbook variance of each band and arm, p (1 - p) / (n - 1); ours adds one deal's worth of the pooled one."""
    for seed in range(5):
        trial = drawn(seed)
        rows = trial["offered"]
        stratum, acted, won = trial["stratum"][rows], trial["acted"][rows], trial["won"][rows].astype(float)
        dummies = (stratum[:, None] == np.arange(4)).astype(float)
        fit = OLS(won, np.column_stack([dummies, dummies * acted[:, None]])).fit(cov_type="HC2")
        counts = np.array([[np.sum((stratum == band) & (acted == flag)) for flag in (True, False)] for band in range(4)], float)
        weights = counts.prod(1) / counts.sum(1)
        contrast = fit.t_test(np.concatenate([np.zeros(4), weights / weights.sum()]))
        found = tests.associate(cells(trial)[None], 0.95)
        assert found["association_difference"][0] == pytest.approx(contrast.effect.item(), abs=1e-12)
        width = found["association_difference_upper"][0] - found["association_difference_lower"][0]
        assert width / 2 / stats.t.ppf(0.975, len(won) - 8) == pytest.approx(contrast.sd.item(), rel=0.01)


UNEVEN = {
    "as in the demo": ([222, 181, 42, 128], [0.63, 0.62, 0.43, 0.55], [0.27, 0.31, 0.50, 0.54], [0.06, 0.19, 0.50, 0.34]),
    # Variances pooled over the bands would hold 62 % and 100 % of these two.
    "reps act where wins vary least": ([300, 300], [0.9, 0.1], [0.02, 0.5], [0.5, 0.03]),
    "reps act where wins vary most": ([300, 300], [0.9, 0.1], [0.5, 0.05], [0.05, 0.5]),
    "bands that are nearly always or never won": ([20] * 5, [0.5] * 5, [0.02, 0.05, 0.5, 0.95, 0.99], [0.01, 0.03, 0.4, 0.9, 0.97]),
    "twenty bands of four deals": ([4] * 20, [0.5] * 20, np.linspace(0.1, 0.9, 20), np.linspace(0.1, 0.8, 20)),
}


@pytest.mark.parametrize("kind", UNEVEN)
def test_intervals_of_the_association_hold_it(kind):
    deals, act, acted_rate, passed_rate = (np.asarray(each) for each in UNEVEN[kind])
    rng = np.random.default_rng(1)
    acted = rng.binomial(deals, act, (4_000, len(deals)))
    passed = deals - acted
    found = tests.associate(offered_cells(acted, rng.binomial(acted, acted_rate), passed, rng.binomial(passed, passed_rate)), 0.95)
    weights = acted * passed / deals
    true = (weights * (acted_rate - passed_rate)).sum(1) / weights.sum(1)
    lower, upper = found["association_difference_lower"], found["association_difference_upper"]
    known = np.isfinite(lower)
    assert known.mean() > 0.99
    assert 0.93 <= np.mean((lower <= true)[known] & (true <= upper)[known]) <= 0.97


def test_no_limits_of_the_association_where_an_arm_does_not_vary():
    found = tests.associate(offered_cells([[9, 5], [9, 0]], [[9, 5], [4, 0]], [[9, 5], [0, 9]], [[3, 2], [0, 4]]), 0.95)
    assert found["association_difference"][0] == pytest.approx((4.5 * 2 / 3 + 2.5 * 0.6) / 7)
    assert np.isnan(found["association_difference"][1]) and list(found["association_deal_count"]) == [28, 0]
    assert np.isnan([found[f"association_difference_{end}"] for end in ("lower", "upper")]).all()


# Judged


def test_judged_only_where_it_can_be():
    good = cells(drawn(3, deals=6_000))
    few = good.copy()
    few[:, 1] = np.floor(few[:, 1] / 60)
    without_holdout = good.copy()
    without_holdout[:, 1] = 0
    actions = ["a", "all", "b", "few", "without"]
    found = tests.judge(actions, np.stack([good, good, cells(drawn(4, deals=6_000)), few, without_holdout]), 8, 0.01, SETTINGS)
    assert list(found["verdict"]) == ["signal", "signal", "signal", "insufficient_n", "insufficient_n"]
    assert all(np.isnan(found[name][3:]).all() for name in tests.SHOWN)
    assert found["q_value"][1] == found["p_value"][1] and found["q_value"][[0, 2]] == pytest.approx(8 * found["p_value"][[0, 2]])
    # The same deals as those of all, at an eighth of the level.
    assert found["difference_lower"][0] < found["difference_lower"][1]
    found = tests.judge(["all"], good[None], 8, 0.06, SETTINGS)
    assert found["verdict"][0] == "not_computable" and found["missing_reason"][0].startswith("6.0 % of the deals acted on")
    assert np.isnan(found["difference_lower"][0])


def test_verdict_direction_interval_and_p_value_of_a_row_agree():
    """Of 2,000 random tables of all and of one to nine actions."""
    rng = np.random.default_rng(5)
    signals = 0
    for _ in range(2_000):
        actions = ["all", *(f"a{number}" for number in range(rng.integers(1, 10)))]
        count = rng.poisson(rng.choice([3, 20, 120]), (len(actions), rng.integers(1, 6), 2))
        rate = np.clip(rng.uniform(0.05, 0.7) + rng.normal(0, 0.2, (len(actions), 1, 1)) * [1, 0], 0, 1)
        won, acted = rng.binomial(count, rate), rng.binomial(count, [rng.uniform(0.1, 0.9), rng.uniform(0, 0.2)])
        counts = np.stack([count, won, acted, np.minimum(won, acted)], axis=-1).astype(float)
        times = rng.integers(1, 12)
        found = tests.judge(actions, counts, times, 0.0, SETTINGS)
        is_signal = found["verdict"] == "signal"
        shown = np.isfinite(found["difference_lower"])
        lower, upper, difference = (found[f"difference{end}"][shown] for end in ("_lower", "_upper", ""))
        assert (shown == np.isin(found["verdict"], ("signal", "no_signal"))).all()
        assert (((lower > 0) | (upper < 0)) == is_signal[shown]).all() and ((lower <= difference) & (difference <= upper)).all()
        clear = np.abs(found["q_value"][shown] - 0.05) > 1e-9
        assert ((found["q_value"][shown] <= 0.05) == is_signal[shown])[clear].all()
        known = np.isfinite(found["effect_per_acted_deal"])
        for end in ("", "_lower", "_upper"):
            assert (np.sign(found[f"effect_per_acted_deal{end}"][known]) == np.sign(found[f"difference{end}"][known])).all()
        signals += is_signal.sum()
    assert signals > 1_000


def test_no_effect_per_acted_deal_where_hardly_anyone_acted():
    found = estimated(np.array([[[400, 160, 3, 1], [100, 30, 0, 0]]], float))
    assert np.isnan([found[f"effect_per_acted_deal{end}"][0] for end in ("", "_lower", "_upper")]).all()
    assert np.isfinite(found["difference_lower"][0])


def test_intervals_hold_what_is_planted_whatever_reps_know(monkeypatch):
    monkeypatch.setattr(effects, "POPULATION", 250_000)
    kinds = tuple(effects.KINDS)
    table = effects.run(100, 0, 1, kinds=(kinds[1], kinds[2]), with_weeks=False).splitlines()[2:]
    nothing, planted = ([cell.strip() for cell in row.strip("|").split("|")] for row in table)
    assert nothing[1] == nothing[4] == "0.0 points" and float(planted[4].split()[0]) > 10
    for row in (nothing, planted):
        assert all(95 <= float(row[position].split()[0]) <= 100 for position in (3, 6)), row
    # Reps who know more than the score: the association holds the truth in hardly any.
    assert float(planted[7].split()[0]) < 16
    assert all(86 <= float(row[9].split()[0]) <= 100 for row in (nothing, planted))
    assert float(nothing[10].split()[0]) < 5 < 40 < float(planted[10].split()[0])


def test_read_every_week_the_sequence_is_hardly_ever_wrong_and_a_fixed_interval_often():
    found = effects.read_weekly(60, 1, 12, 0.5, 0.10)
    assert found["sequence_wrong"] <= 0.07 < 0.12 < found["fixed_wrong"]
    assert 1.5 < found["width"] < 1.65 and 0.3 < found["found"] < found["found_at_end"]


def test_effect_of_the_demo_is_that_of_its_generator(demo):
    """A taken action turns a quarter of the deals that would have been lost: about 17 points."""
    [(lower, upper, verdict, held, unflagged)] = demo.query(
        """
        select effect_per_acted_deal_lower, effect_per_acted_deal_upper, verdict, holdout_acted_deal_count, acted_unflagged_deal_count
        from marts.rpt_intervention_effects where action_id = 'all'
        """
    )
    assert lower < 0.17 < upper and verdict == "signal" and held == 0 and unflagged < 40
    measured = demo.query("select distinct action_id from marts.fct_recommended_actions where effect_status = 'measured'")
    assert set(measured) <= set(demo.query("select action_id from marts.rpt_intervention_effects where verdict = 'signal'"))
    [(wrong,)] = demo.query(
        """
        select count(*) from marts.fct_recommended_actions as actions
        left join marts.rpt_intervention_effects as effects using (action_id)
        where actions.expected_value_amount is distinct from
            case when effects.verdict = 'signal' then cast(actions.deal_amount * effects.effect_per_acted_deal as decimal(18, 2)) end
        """
    )
    assert wrong == 0

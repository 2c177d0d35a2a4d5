"""Fits and quality of scores against independent computations: scipy, statsmodels, and plain loops."""

import pathlib

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, stats

from inference.logistic import calibration
from models.scores import ml_score_fits as fits
from models.scores import ml_score_quality as quality

STATISTICS = pathlib.Path(__file__).resolve().parent.parent / "models" / "statistics"


SETTINGS = {"confidence_level": 0.95, "gate_confidence_level": 0.995, "gate_t_value": 1.645, "automation_auc": 0.6, "precision_share": 0.1}


def random_data(seed: int, deals: int = 600, effect: float = 1.0) -> "fits.Observations":
    """Deals with 1 to 6 observations; `fixed` and `rare` are of the deal, `moving` of the observation. `fixed` and `moving` matter."""
    random = np.random.default_rng(seed)
    rows = random.integers(1, 7, deals)
    deal = np.repeat(np.arange(deals), rows)
    fixed = random.integers(0, 4, deals)
    chance = 1 / (1 + np.exp(-effect * (fixed - 1.5)))
    won = (random.random(deals) < chance).astype(int)
    codes = {
        "fixed": fixed[deal],
        "moving": np.where(random.random(len(deal)) < 0.3 * effect, won[deal], random.integers(0, 3, len(deal))),
        "rare": np.minimum(random.geometric(0.3, deals) - 1, 9)[deal],
        "constant": np.zeros(len(deal), int),
    }
    created = np.sort(random.integers(0, 700, deals))
    return fits.Observations(
        deal=deal,
        weight=1 / rows[deal],
        codes=codes,
        levels={name: [f"{name} {level}" for level in range(int(values.max()) + 1)] for name, values in codes.items()},
        won=won,
        created_day=created,
        closed_day=created + random.integers(5, 90, deals),
        group=random.integers(0, 5, deals),
    )


def dense(shape) -> np.ndarray:
    columns = []
    for codes, size in zip(shape.codes, shape.sizes, strict=True):
        columns += [(codes == level).astype(float) for level in range(size)]
    return np.column_stack(columns)


def penalised_loss(x, won, weight, penalty):
    def loss(beta):
        eta = x @ beta
        slope = x.T @ (weight * (1 / (1 + np.exp(-eta)) - won))
        pull = penalty * np.r_[0, beta[1:]]
        return float(weight @ (np.logaddexp(0, eta) - won * eta) + pull @ beta / 2), slope + pull

    return loss


# The fit


@pytest.mark.parametrize("penalty", [0.3, 3.0, 100.0])
def test_ridge_coefficients_are_those_of_a_general_optimiser(penalty):
    data = random_data(1)
    fit = fits.ridge(data, [penalty], 5, 20, 100)
    x, won = dense(fit.shape), data.won[data.deal].astype(float)
    oracle = optimize.minimize(
        penalised_loss(x, won, data.weight, penalty),
        np.zeros(x.shape[1]),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-10, "maxiter": 5_000},
    )
    np.testing.assert_allclose(fit.beta, oracle.x, atol=1e-7)


def test_ridge_coefficients_are_those_of_statsmodels_at_its_own_optimum():
    """statsmodels minimises loss / n + alpha / 2 x squares, rows weighing 1: one observation a deal."""
    data = random_data(2)
    first = np.unique(data.deal, return_index=True)[1]
    rows = np.isin(np.arange(len(data.deal)), first)
    single = fits.Observations(
        data.deal[rows], np.ones(len(first)), {name: codes[rows] for name, codes in data.codes.items()}, data.levels,
        data.won, data.created_day, data.closed_day, data.group,
    )  # fmt: skip
    fit = fits.ridge(single, [5.0], 5, 20, 100)
    x = dense(fit.shape)
    alpha = np.r_[0, np.full(x.shape[1] - 1, 5.0 / len(first))]
    model = sm.GLM(single.won, x, family=sm.families.Binomial())
    oracle = model.fit_regularized(alpha=alpha, L1_wt=0.0, start_params=fit.beta, maxiter=1_000, cnvrg_tol=1e-12)
    np.testing.assert_allclose(fit.beta, oracle.params, atol=1e-5)


def test_information_is_that_of_the_matrix_product():
    data = random_data(3)
    shape = fits.design(data, 20, 100)
    random = np.random.default_rng(0)
    residual, curvature = random.normal(size=len(data.deal)), random.random(len(data.deal))
    group = data.group[data.deal]
    gradient, information = fits.moments(shape, residual, curvature, group, 5)
    x = dense(shape)
    for each in range(5):
        rows = group == each
        np.testing.assert_allclose(gradient[each], x[rows].T @ residual[rows], atol=1e-9)
        np.testing.assert_allclose(information[each], x[rows].T @ (x[rows] * curvature[rows, None]), atol=1e-9)


def test_held_out_loss_is_that_of_fitting_without_each_group():
    data = random_data(4)
    penalties = [1.0, 10.0, 100.0]
    fit = fits.ridge(data, penalties, 5, 20, 100)
    x, won, group = dense(fit.shape), data.won[data.deal].astype(float), data.group[data.deal]
    exact = {}
    for penalty in fit.losses:
        total = 0.0
        for each in range(5):
            kept = np.where(group == each, 0.0, data.weight)
            beta = optimize.minimize(penalised_loss(x, won, kept, penalty), fit.beta, jac=True, method="BFGS").x
            eta = x @ beta
            total += (data.weight * (group == each)) @ (np.logaddexp(0, eta) - won * eta)
        exact[penalty] = total / len(data.won)
    for penalty, loss in exact.items():
        assert fit.losses[penalty] == pytest.approx(loss, abs=1e-3)
    assert min(exact, key=exact.get) == fit.penalty


def test_rare_and_lone_values_get_no_coefficient():
    data = random_data(5)
    shape = fits.design(data, 20, 3)
    assert list(shape.kept) == ["fixed", "moving", "rare"]
    deals = fits.level_deals(data, "rare")
    assert set(shape.kept["rare"]) == set(np.argsort(-deals, kind="stable")[:3]) and len(deals) > 3
    assert all(deals[level] >= 20 for level in fits.design(data, 20, 100).kept["rare"])


def predictions(terms, data) -> np.ndarray:
    """A row at a time, by names: the average deal + what each of the row's values contributes."""
    found = {(factor, level): contribution for factor, level, contribution, *_ in terms}
    factors = [factor for factor in dict.fromkeys(term[0] for term in terms) if factor]

    def value(row: int, factor: str) -> str:
        return " | ".join(data.levels[part][data.codes[part][row]] for part in factor.split(" x "))

    return np.array(
        [found[None, None] + sum(found.get((factor, value(row, factor)), 0.0) for factor in factors) for row in range(len(data.deal))]
    )


def test_terms_of_the_model_sum_to_its_log_odds_and_are_centred():
    data = random_data(6)
    fit = fits.ridge(data, [1.0, 10.0], 5, 20, 100)
    terms = fits.model_terms(data, fit)
    # A rare value has no coefficient: where it stands, the deal is the average one of that factor.
    rare = fit.shape.codes[3] == fit.shape.sizes[3]
    columns, weight = fit.shape.slices[3], data.weight / len(data.won)
    average = sum(weight[fit.shape.codes[3] == level].sum() * fit.beta[columns][level] for level in range(fit.shape.sizes[3]))
    assert 0 < rare.sum() < 100
    np.testing.assert_allclose(predictions(terms, data), dense(fit.shape) @ fit.beta + rare * average, atol=1e-9)
    for factor in ("fixed", "moving"):
        share, contribution = np.array([(term[3], term[2]) for term in terms if term[0] == factor]).T
        assert share.sum() == pytest.approx(1) and share @ contribution == pytest.approx(0, abs=1e-12)


def test_table_is_shrunk_step_by_step():
    """Two factors by hand: won and weight of a value, drawn to the base rate; of a value inside it, drawn to that."""
    data = random_data(7)
    prior = 20.0
    terms = fits.table_terms(data, ["fixed", "moving"], prior)
    won = data.won[data.deal]
    expected = np.empty(len(won))
    for row in range(len(won)):
        rate = data.won.mean()
        inside = np.ones(len(won), bool)
        for factor in ("fixed", "moving"):
            inside &= data.codes[factor] == data.codes[factor][row]
            weight = data.weight[inside]
            rate = (weight @ won[inside] + prior * rate) / (weight.sum() + prior)
        expected[row] = rate
    np.testing.assert_allclose(1 / (1 + np.exp(-predictions(terms, data))), expected, atol=1e-9)


def test_folds_never_know_what_had_not_happened():
    data = random_data(8, deals=1_500)
    maturity = [(day, 60 + day // 100) for day in range(180, 760, 30)]
    dates = fits.rolling_dates(data.created_day, data.closed_day, maturity, 4, 0.3, 50)
    assert len(dates) == 4
    tested = np.zeros(len(data.won), int)
    for day, until in dates:
        trained = fits.trains(data.created_day, data.closed_day, day, maturity)
        test = (data.created_day > day) & (data.created_day <= until)
        tested += test
        assert trained.sum() >= 450 and test.sum() >= 50
        assert data.closed_day[trained].max() <= day and not (trained & test).any()
        # No deal is left out because it is still open: all that are old enough have closed, or are a small part.
        horizon = [days for at, days in maturity if at <= day][-1]
        old = data.created_day + horizon < day
        assert (old & ~trained).sum() <= 0.2 * old.sum()
    assert tested.max() == 1 and (tested == 1).sum() == (data.created_day > dates[0][0]).sum()
    assert fits.rolling_dates(data.created_day, data.closed_day, maturity, 4, 0.3, 500) == []
    assert fits.rolling_dates(data.created_day, data.closed_day, [], 4, 0.3, 50) == []


def test_fits_are_the_same_whatever_the_numbers_of_the_levels():
    data = random_data(9)
    turned = fits.Observations(
        data.deal, data.weight, {name: len(data.levels[name]) - 1 - codes for name, codes in data.codes.items()},
        {name: levels[::-1] for name, levels in data.levels.items()}, data.won, data.created_day, data.closed_day, data.group,
    )  # fmt: skip
    maturity = [(300, 90)]
    settings = {
        "penalties": [1, 10],
        "penalty_groups": 5,
        "min_level_deals": 20,
        "max_levels": 100,
        "table_factors": ["moving"],
        "prior_deals": 50,
    }
    one, other = ({row[:4] + row[6:8]: row[8] for row in fits.fit_all(each, [(400, 700)], maturity, settings)} for each in (data, turned))
    assert one.keys() == other.keys() and {key[0] for key in one} == {"fold 1", "final"}
    np.testing.assert_allclose([one[key] for key in one], [other[key] for key in one], atol=1e-9)


def test_deals_with_one_outcome_alone_have_no_fit():
    data = random_data(10)
    lost = data.of(data.won == 0)
    settings = {
        "penalties": [1],
        "penalty_groups": 5,
        "min_level_deals": 20,
        "max_levels": 100,
        "table_factors": ["moving"],
        "prior_deals": 50,
    }
    assert fits.fit_all(lost, [], [], settings) == []
    assert fits.fit_all(lost.of(np.zeros(len(lost.won), bool)), [], [], settings) == []


# The quality


def scored(seed: int, deals: int = 120, single: bool = False):
    random = np.random.default_rng(seed)
    rows = np.ones(deals, int) if single else random.integers(1, 5, deals)
    deal = np.repeat(np.arange(deals), rows)
    won = (random.random(deals) < 0.4).astype(float)
    score = np.round(random.normal(size=len(deal)) + 0.5 * won[deal], 1)
    return deal, won[deal], score, 1 / rows[deal]


def naive_delong(score, won) -> tuple[float, float]:
    """Pair by pair, one observation a deal."""
    wins, losses = score[won == 1], score[won == 0]
    above = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in losses] for a in wins])
    return above.mean(), np.sqrt(above.mean(axis=1).var(ddof=1) / len(wins) + above.mean(axis=0).var(ddof=1) / len(losses))


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_delongs(seed):
    deal, won, score, weight = scored(seed, single=True)
    np.testing.assert_allclose(quality.auc(score, won, weight, deal), naive_delong(score, won), atol=1e-9)
    area = stats.mannwhitneyu(score[won == 1], score[won == 0]).statistic / ((won == 1).sum() * (won == 0).sum())
    assert quality.auc(score, won, weight, deal)[0] == pytest.approx(area, abs=1e-12)


def test_auc_of_deals_with_several_observations_counts_a_deal_once():
    deal, won, score, weight = scored(11)
    expected = total = 0.0
    for i in range(len(deal)):
        for j in range(len(deal)):
            if won[i] == 1 and won[j] == 0:
                total += weight[i] * weight[j]
                expected += weight[i] * weight[j] * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
    area, error = quality.auc(score, won, weight, deal)
    assert area == pytest.approx(expected / total, abs=1e-12)
    # Repeating each observation changes nothing; by rows the error would shrink by a third.
    twice = [np.repeat(column, 2) for column in (score, won, weight / 2, deal)]
    np.testing.assert_allclose(quality.auc(*twice), (area, error), atol=1e-12)
    # The jackknife over deals knows nothing of influence functions.
    values = []
    for left_out in range(deal.max() + 1):
        kept = deal != left_out
        values.append(quality.auc(score[kept], won[kept], weight[kept], np.unique(deal[kept], return_inverse=True)[1])[0])
    n = len(values)
    assert error == pytest.approx(np.sqrt((n - 1) / n * np.sum((values - np.mean(values)) ** 2)), rel=0.02)


def test_brier_scores_and_their_t_value():
    deal, won, score, weight = scored(12)
    rows = {"deal": deal, "won": won, "weight": weight, "model": score, "table": score / 2, "base": np.full(len(deal), -0.4)}
    found = quality.quality(rows | {"fold": np.full(len(deal), "fold 1")}, SETTINGS)

    def errors(name):
        return np.array(
            [
                np.sum(weight[deal == each] * (1 / (1 + np.exp(-rows[name][deal == each])) - won[deal == each]) ** 2)
                for each in range(deal.max() + 1)
            ]
        )

    assert found["brier"] == pytest.approx(errors("model").mean(), abs=1e-12)
    assert found["brier_table"] == pytest.approx(errors("table").mean(), abs=1e-12)
    oracle = stats.ttest_1samp(errors("base") - errors("model"), 0, alternative="greater")
    assert found["brier_t_value"] == pytest.approx(oracle.statistic, abs=1e-9)
    area_p = stats.norm.sf((found["auc"] - 0.5) / found["auc_standard_error"])
    assert found["gate_p_value"] == pytest.approx(max(area_p, oracle.pvalue), abs=1e-9)
    assert found["auc_gate_lower"] == pytest.approx(found["auc"] - stats.norm.ppf(0.995) * found["auc_standard_error"], abs=1e-9)


def test_calibration_is_a_logistic_regression_clustered_by_deal():
    deal, won, score, weight = scored(13, deals=300)
    x = np.column_stack([score, np.ones(len(score))])
    for columns, offset, ours in (
        (x, None, calibration(np.zeros(len(score)), x, won, weight, deal)),
        (x[:, 1:], score, calibration(score, x[:, 1:], won, weight, deal)),
    ):
        model = sm.GLM(won, columns, family=sm.families.Binomial(), offset=offset, var_weights=weight)
        oracle = model.fit(tol=1e-14, cov_type="cluster", cov_kwds={"groups": deal, "use_correction": False})
        np.testing.assert_allclose(ours, (oracle.params[0], oracle.bse[0]), atol=1e-9)


def test_calibration_of_a_base_rate_has_no_slope():
    deal, won, _, weight = scored(14)
    x = np.column_stack([np.full(len(deal), -0.3), np.ones(len(deal))])
    assert np.isnan(calibration(np.zeros(len(deal)), x, won, weight, deal)).all()


def test_precision_shares_ties_at_the_border():
    score = np.array([3.0, 2.0, 2.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    positive = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    # Of ten, two are taken: the first, which is one, and one of three tied ones, of which a third is.
    assert quality.precision_at(score, positive, np.ones(10), 0.2) == pytest.approx((1 + 1 / 3) / 2)
    assert quality.precision_at(score, positive, np.ones(10), 0.1) == 1.0


@pytest.mark.parametrize("observations", [6, 9, 11])
def test_shares_of_weights_are_never_more_than_all(observations):
    """Weights of 1 / 6 or 1 / 9, summed in two ways, differ in the last digit: what all deals are is 1, or the range test of the mart fails."""
    deal = np.repeat(np.arange(4), observations)
    won, weight = (deal < 2).astype(float), np.full(len(deal), 1 / observations)
    score = np.random.default_rng(0).normal(size=len(deal))
    for deals in (2, 3, 4):
        kept = deal < deals
        assert quality.precision_at(score[kept], np.ones(kept.sum()), weight[kept], 0.3) == pytest.approx(1, abs=1e-12)
        assert quality.precision_at(score[kept], np.ones(kept.sum()), weight[kept], 0.3) <= 1
    assert 1 - 1e-12 < quality.auc(won, won, weight, deal)[0] <= 1
    surely_wrong = (0.5 - won) * 80
    rows = {"deal": deal, "won": won, "weight": weight, "model": surely_wrong, "table": surely_wrong, "base": surely_wrong}
    found = quality.quality(rows | {"fold": np.full(len(deal), "fold 1")}, SETTINGS)
    assert all(1 - 1e-12 < found[name] <= 1 for name in ("brier", "brier_table", "brier_base"))


@pytest.mark.parametrize(
    "figures, status",
    [
        ({"auc": 0.58, "auc_gate_lower": 0.51, "brier_t_value": 1.7, "brier": 0.20, "brier_table": 0.21}, "model"),
        ({"auc": 0.58, "auc_gate_lower": 0.51, "brier_t_value": 1.7, "brier": 0.20, "brier_table": 0.19}, "table"),
        ({"auc": 0.58, "auc_gate_lower": 0.50, "brier_t_value": 1.7, "brier": 0.20, "brier_table": 0.21}, "gated"),
        ({"auc": 0.58, "auc_gate_lower": 0.51, "brier_t_value": 1.645, "brier": 0.20, "brier_table": 0.21}, "gated"),
        ({"auc": np.nan, "auc_gate_lower": np.nan, "brier_t_value": np.nan, "brier": np.nan, "brier_table": np.nan}, "cold_start"),
    ],
)
def test_gate(figures, status):
    assert quality.gate(figures, SETTINGS) == status


def test_only_a_strong_score_is_ready_for_automation():
    for effect, status, ready in ((0.0, "gated", False), (1.0, "model", True)):
        random = np.random.default_rng(15)
        won = (random.random(2_000) < 0.4).astype(float)
        score = np.log(0.4 / 0.6) + effect * (random.normal(size=2_000) * 0.7 + (won - 0.4))
        rows = {
            "fold": np.repeat(["fold 1", "fold 2"], 1_000), "deal": np.arange(2_000), "won": won, "weight": np.ones(2_000),
            "model": score, "table": np.full(2_000, -0.3), "base": np.full(2_000, np.log(0.4 / 0.6)),
        }  # fmt: skip
        found = quality.judge(rows, SETTINGS)
        assert (found["all"]["score_status"], found["all"]["is_automation_ready"]) == (status, ready)
        assert list(found) == ["fold 1", "fold 2", "all"] and found["fold 1"]["score_status"] in ("model", "table", "gated")


def test_without_test_deals_it_is_a_cold_start():
    nothing = {name: np.zeros(0) for name in ("deal", "won", "weight", "model", "table", "base")}
    found = quality.judge(nothing | {"fold": np.zeros(0, str), "deal": np.zeros(0, int)}, SETTINGS)
    assert list(found) == ["all"] and found["all"]["score_status"] == "cold_start" and found["all"]["deal_count"] == 0

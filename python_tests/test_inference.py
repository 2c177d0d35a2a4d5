"""The package of statistics against statsmodels and scipy, its examples, and the interval that SQL computes too."""

import ast
import datetime
import doctest
import importlib
import inspect
import pkgutil

import duckdb
import jinja2
import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
from conftest import PROJECT
from scipy.linalg import qr
from scipy.optimize import minimize_scalar
from scipy.stats import false_discovery_control, norm
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

import inference
from inference.intervals import Proportion, Quotient, fieller, normal_quantile, score_interval, score_z, wilson
from inference.main_effects import fit_main_effects
from inference.multiplicity import benjamini_hochberg, correct, select_families, threshold
from inference.significance import normal_score, pooled_z, smallest_difference, student_score, two_sided
from inference.survival import last_share, life_table
from inference.tables import from_columns, from_rows

pytestmark = pytest.mark.filterwarnings("error")
MODULES = [importlib.import_module(f"inference.{module.name}") for module in pkgutil.iter_modules(inference.__path__)]
QUANTILE = norm.ppf(0.975)


def close(found, expected, tolerance=1e-9):
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


# What is said of it


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_say_what_comes_out(module):
    found = doctest.testmod(module)
    assert found.attempted > 0 and found.failed == 0


def test_what_is_imported_from_it_has_an_example():
    found = set()
    for file in [*PROJECT.glob("models/**/*.py"), *PROJECT.glob("tools/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("inference."):
                found |= {getattr(importlib.import_module(node.module), alias.name) for alias in node.names}
    functions = [each for each in found if inspect.isfunction(each)]
    assert len(functions) > 20
    assert [each.__name__ for each in functions if ">>>" not in (each.__doc__ or "")] == []


def test_the_package_needs_nothing_of_the_project():
    code = "\n".join(file.read_text() for file in PROJECT.glob("inference/*.py"))
    assert not [
        name for name in ("dbt", "models", "tools", "statsmodels", "scipy.stats") if f"import {name}" in code or f"from {name}" in code
    ]


# Intervals


def test_wilson_agrees_with_statsmodels():
    rng = np.random.default_rng(1)
    count = rng.integers(1, 5000, 500)
    won = rng.binomial(count, rng.random(500))
    won[:20], won[20:40] = 0, count[20:40]
    close(wilson(Proportion(won, count), QUANTILE), proportion_confint(won, count, method="wilson"))


def test_wilson_of_no_case_and_of_effective_cases():
    assert np.isnan(wilson(Proportion([0.0], [0.0]), QUANTILE)).all()
    close(wilson(Proportion.of_rate(0.3, 12.5), QUANTILE), proportion_confint(0.3 * 12.5, 12.5, method="wilson"))
    lower, upper = wilson(Proportion.of_rate([0.0, 1.0], 7.5), QUANTILE)
    assert lower[0] == 0 and upper[1] == 1


def test_wilson_in_sql_is_the_same_interval():
    """The macro of macros/intervals.sql, of whole and of effective numbers of cases."""
    template = (PROJECT / "macros" / "intervals.sql").read_text() + "{{ wilson('share', 'cases', 'z', sign) }}"
    lower, upper = (jinja2.Environment().from_string(template).render(sign=sign) for sign in "-+")
    rng = np.random.default_rng(2)
    cases = np.concatenate([rng.integers(1, 5000, 300), rng.uniform(0.5, 80, 200)])
    share = np.concatenate([np.zeros(20), np.ones(20), rng.random(len(cases) - 40)])
    with duckdb.connect() as connection:
        connection.register("given", pa.table({"share": share, "cases": cases, "row_number": np.arange(len(cases))}))
        found = connection.execute(
            f"select {lower}, {upper} from given, (select {float(QUANTILE)}::double as z) order by row_number"
        ).fetchnumpy()
    np.testing.assert_allclose(list(found.values()), wilson(Proportion.of_rate(share, cases), QUANTILE), rtol=1e-12, atol=1e-15)


def numeric_score_z(won, count, other_won, other_count, difference):
    """z of a difference of rates, with the likelihood maximised numerically: statsmodels' own score interval is off by up to .04."""

    def minus_log_likelihood(rate):
        one, other = np.clip([rate + difference, rate], 1e-12, 1 - 1e-12)
        hits = won * np.log(one) + (count - won) * np.log1p(-one)
        return -(hits + other_won * np.log(other) + (other_count - other_won) * np.log1p(-other))

    ends = max(0, -difference), min(1, 1 - difference)
    rate = minimize_scalar(minus_log_likelihood, bounds=ends, method="bounded", options={"xatol": 1e-12}).x
    one = rate + difference
    variance = one * (1 - one) / count + rate * (1 - rate) / other_count
    return (won / count - other_won / other_count - difference) / np.sqrt(variance)


def test_score_intervals_end_where_the_numeric_likelihood_is_just_within_chance():
    rng = np.random.default_rng(21)
    for _ in range(300):
        count, other_count = rng.integers(5, 400, 2)
        won, other_won = rng.integers(0, count + 1), rng.integers(0, other_count + 1)
        quantile = norm.ppf(rng.choice([0.975, 0.999]))
        difference, lower, upper = (
            float(each) for each in score_interval(Proportion(won, count), Proportion(other_won, other_count), quantile)
        )
        assert lower <= difference <= upper
        for end in (lower, upper):
            if -1 + 1e-6 < end < 1 - 1e-6:
                assert abs(numeric_score_z(won, count, other_won, other_count, end)) == pytest.approx(quantile, abs=2e-3)
    assert score_z(Proportion(30, 100), Proportion(45, 100), 0.0) == pytest.approx(proportions_ztest([30, 45], [100, 100])[0])


def test_the_smallest_difference_is_found_as_often_as_is_said():
    rng = np.random.default_rng(22)
    found = smallest_difference(300.0, 900.0, 0.4, 0.01)
    one, other = rng.binomial(300, 0.4 + found * 0.75, 20_000), rng.binomial(900, 0.4 - found * 0.25, 20_000)
    share = np.mean(two_sided(pooled_z(Proportion(one, np.full(20_000, 300)), Proportion(other, np.full(20_000, 900)))) <= 0.01)
    assert share == pytest.approx(0.8, abs=0.02)


def test_corrections_and_their_levels_agree():
    rng = np.random.default_rng(23)
    for size in (1, 2, 3, 11, 12, 30):
        for _ in range(50):
            p_values = rng.random(size) ** rng.choice([1, 4])
            found = correct(p_values, 0.05)
            method = "fdr_bh" if size >= 12 else "bonferroni"
            expected = p_values if size == 2 else multipletests(p_values, 0.05, method=method)[1]
            close(found.adjusted, expected)
            assert ((found.adjusted <= 0.05) == (p_values <= found.each_level)).all()
    q_values, level = threshold([0.001, 0.3, 0.01, 0.9], 0.05)
    close(q_values, false_discovery_control([0.001, 0.3, 0.01, 0.9]))
    assert level == 0.025 and threshold([], 0.05)[1] == 0.05


def test_fieller_limits_are_where_the_difference_is_just_within_chance():
    rng, open_ended = np.random.default_rng(3), 0
    for _ in range(200):
        x, y = rng.normal(0, 2), rng.normal(1, 1)
        factor = rng.normal(0, 0.4, (2, 2))
        (xx, xy), (_, yy) = factor @ factor.T
        for limit in fieller(Quotient(x, y, xx, yy, xy), 1.96):
            if np.isnan(limit):
                open_ended += 1
                assert y <= 0 or y / np.sqrt(yy) <= 1.96
            else:
                close(abs(x - limit * y) / np.sqrt(xx - 2 * limit * xy + limit**2 * yy), 1.96, 1e-6)
    assert 20 < open_ended < 350


def test_a_confidence_level_is_between_0_and_1():
    close([normal_quantile(level) for level in (0.5, 0.8, 0.95, 0.998)], norm.ppf((1 + np.array([0.5, 0.8, 0.95, 0.998])) / 2), 1e-14)
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match="between 0 and 1"):
            normal_quantile(level)


# Single tests


def test_pooled_z_agrees_with_statsmodels():
    rng = np.random.default_rng(7)
    for _ in range(300):
        count, rest_count = rng.integers(1, 500, 2)
        won, rest_won = rng.integers(0, count + 1), rng.integers(0, rest_count + 1)
        z = pooled_z(Proportion([won], [count]), Proportion([rest_won], [rest_count]))
        if 0 < won + rest_won < count + rest_count:
            expected, p_value = proportions_ztest([won, rest_won], [count, rest_count])
            close([z[0], two_sided(z)[0]], [expected, p_value])
        else:
            assert np.isnan(z[0])


def test_scores_of_normal_and_t_have_the_same_tails():
    for freedom in (1, 5, 11, 200):
        for value in (-6.0, -1.5, 0.0, 2.0, 3.0):
            close(normal_score(value, freedom), norm.ppf(student.cdf(value, freedom)), 1e-7)
            close(normal_score(student_score(value, freedom), freedom), value, 1e-7)
    assert np.isfinite(normal_score(1e6, 200))


# Many tests


def test_q_values_and_adjusted_p_values_agree_with_scipy_and_statsmodels():
    rng = np.random.default_rng(9)
    for size in (1, 2, 7, 40):
        p_values = np.round(rng.random(size) ** 4, 3)  # with ties
        close(benjamini_hochberg(p_values), false_discovery_control(p_values))
        close(benjamini_hochberg(p_values), multipletests(p_values, method="fdr_bh")[1])
    assert len(benjamini_hochberg([])) == 0
    with pytest.raises(ValueError, match="NaN"):
        benjamini_hochberg([0.1, np.nan])


def test_families_are_selected_as_benjamini_and_bogomolov_say():
    p_values = [0.003, 0.4, 0.9, 0.011]
    selection = select_families(p_values, 0.05)
    close(selection.q_values, false_discovery_control(p_values))
    assert selection.is_selected.tolist() == [True, False, False, True]
    assert (selection.share, selection.threshold) == (0.5, 0.025)
    nothing = select_families([], 0.05)
    assert (nothing.share, nothing.threshold, len(nothing.is_selected)) == (0.0, 0.0, 0)


# Logistic regressions: those of deals by levels are in test_drivers.py, of two crossed factors here


def test_main_effects_agree_with_statsmodels():
    rng = np.random.default_rng(9)
    for round_number in range(60):
        rows, columns = rng.integers(2, 9, 2)
        cells = np.array([(i, j) for i in range(rows) for j in range(columns) if rng.random() < 0.85])
        if round_number % 3 == 0:  # two parts that share no level
            cells = np.vstack([cells, cells + [rows, columns]])
        if len(cells) < 3:
            continue
        first, second = np.unique(cells[:, 0], return_inverse=True)[1], np.unique(cells[:, 1], return_inverse=True)[1]
        count = rng.integers(30, 300, len(cells)).astype(float)
        won = rng.binomial(count.astype(int), 1 / (1 + np.exp(-rng.normal(-0.3, 0.5, len(cells))))).astype(float)
        won = np.clip(won, 1, count - 1)
        found = fit_main_effects(np.array([f"v{i}" for i in first]), second, won, count)
        design = np.column_stack([first[:, None] == range(first.max() + 1), second[:, None] == range(second.max() + 1)]).astype(float)
        design = design[:, qr(design, mode="r", pivoting=True)[1][: np.linalg.matrix_rank(design)]]
        if design.shape[1] == len(cells):
            assert found.degrees_of_freedom == 0 and np.isnan(found.worth).all()
            continue
        model = sm.GLM(np.column_stack([won, count - won]), design, family=sm.families.Binomial())
        fit = model.fit(tol=1e-12, maxiter=200)
        close(found.expected_rate, fit.fittedvalues)
        assert found.degrees_of_freedom == len(cells) - design.shape[1]
        leverage = fit.get_hat_matrix_diag(observed=False)
        free = leverage < 1 - 1e-6
        z = pooled_z(Proportion(won, count), found.without_each(won, count))
        expected = fit.resid_pearson / np.sqrt(1 - np.minimum(leverage, 1 - 1e-9))
        unclipped = free & (np.abs(expected) < 1e6) & (found.without_each(won, count).rate > 0) & (found.without_each(won, count).rate < 1)
        assert unclipped.sum() > free.sum() / 2
        np.testing.assert_allclose(z[unclipped], expected[unclipped], rtol=1e-6, atol=1e-8)
        assert np.isnan(z[~free]).all()


def test_main_effects_of_levels_that_only_win_are_fitted_exactly():
    first, second = np.repeat([0, 1, 2], 2), np.tile([0, 1], 3)
    count = np.full(6, 40.0)
    found = fit_main_effects(first, second, np.array([40.0, 40, 10, 30, 25, 15]), count)
    close(found.expected_rate[:2], [1, 1])
    assert np.isnan(found.worth[:2]).all() and np.isfinite(found.worth[2:]).all()
    rest = fit_main_effects(first[2:], second[2:], np.array([10.0, 30, 25, 15]), count[2:])
    np.testing.assert_allclose(found.expected_rate[2:], rest.expected_rate, atol=1e-6)


# Life tables: more of them in test_stage_survival.py


def test_shares_of_a_life_table_are_never_more_than_all():
    """Cohorts of which all closed deals were won: the sum of the steps misses 1 by the last digits, on either side."""
    rng = np.random.default_rng(11)
    for _ in range(500):
        size = rng.integers(2, 30)
        days, count = rng.integers(1, 40, size), rng.integers(1, 200, size).astype(float)
        share, lower, upper = last_share(life_table(days, np.zeros(size), np.ones(size, int), count, 2), 1, QUANTILE)
        assert 1 - 1e-12 < share <= 1 and upper <= 1
        close(lower, proportion_confint(count.sum(), count.sum(), method="wilson")[0])


def test_a_cause_that_there_is_not_is_an_error():
    with pytest.raises(ValueError, match="none of 0 to 1"):
        life_table(np.array([3]), np.zeros(1), np.array([2]), np.ones(1), 1)


# Tables


def test_tables_are_typed_with_and_without_rows():
    types = {str: ("name",), int: ("count",), float: ("rate",), bool: ("is_open",), datetime.date: ("day", "other_day")}
    rows = [
        {
            "name": "a",
            "count": np.int64(2),
            "rate": np.float64(0.5),
            "is_open": np.bool_(True),
            "day": datetime.date(2024, 1, 2),
            "other_day": 1,
        },
        {"rate": np.nan, "count": None, "is_open": False},
    ]
    found, empty = from_rows(rows, types), from_rows([], types)
    assert found.schema == empty.schema and len(empty) == 0
    assert found.schema.types == [pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.date32(), pa.date32()]
    assert [list(row.values()) for row in found.to_pylist()] == [
        ["a", 2, 0.5, True, datetime.date(2024, 1, 2), datetime.date(1970, 1, 2)], [None, None, None, False, None, None],
    ]  # fmt: skip
    assert from_columns({"count": np.array([3.0, 4.0]), "more": [1, 2]}, {int: ["count"]}).to_pylist() == [{"count": 3}, {"count": 4}]
    with pytest.raises(pa.ArrowInvalid):
        from_columns({"count": np.array([3.5])}, {int: ["count"]})
    with pytest.raises(KeyError, match="rate"):
        from_columns({"count": [1]}, {float: ["rate"]})

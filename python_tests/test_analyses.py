"""The worked analyses run on the demo, and what they compute themselves agrees with scipy and statsmodels."""

import numpy
import pandas
import pytest
from conftest import PROJECT, run_dbt
from scipy import stats
from statsmodels.duration.survfunc import SurvfuncRight


@pytest.fixture(scope="module")
def analyses(demo) -> dict[str, pandas.DataFrame]:
    """What every analysis gives on the demo, by its name."""
    run_dbt(demo.database, command="compile", select="path:analyses").check()
    compiled = demo.database.parent.glob("demo_sales_dbt/target/compiled/*/analyses/*.sql")
    return {file.stem: demo.frame(file.read_text(encoding="utf-8")) for file in compiled}


@pytest.fixture(scope="module")
def deals(demo) -> pandas.DataFrame:
    return demo.frame("select * from marts.fct_deals order by deal_id")


def test_every_analysis_says_why_it_is_there_and_has_an_answer_on_the_demo(analyses):
    files = sorted(PROJECT.glob("analyses/*.sql"))
    assert [file.stem for file in files] == sorted(analyses)
    for file in files:
        assert file.read_text(encoding="utf-8").startswith("-- "), file.stem
        assert len(analyses[file.stem]) > 0, file.stem


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning:statsmodels")
def test_the_median_cycle_by_cohort_is_that_of_kaplan_meier(analyses, deals):
    frame = analyses["is_the_cycle_getting_longer"].set_index("cohort_month")
    found = frame[["median_days", "median_lower_days", "median_upper_days"]].astype(float)
    expected = {}
    for cohort, members in deals.groupby("cohort_month"):
        estimate = SurvfuncRight(members.age_days, ~members.is_open)
        median = min(estimate.surv_times[estimate.surv_prob <= 0.5 + 1e-12], default=numpy.nan)
        expected[cohort] = [median, *estimate.quantile_ci(0.5)]
    reached = found.median_days.notna()
    assert 10 < reached.sum() < len(found)
    assert set(found.index) == set(expected)
    for cohort in found.index[reached]:
        numpy.testing.assert_equal(found.loc[cohort].to_numpy(), expected[cohort], err_msg=str(cohort))
    assert all(numpy.isnan(expected[cohort][0]) for cohort in found.index[~reached])
    assert (frame.missing_reason.notna() == found.median_upper_days.isna()).all()


def test_correlations_are_those_of_scipy(analyses, deals):
    closed = deals[~deals.is_open].assign(
        deal_amount=lambda frame: frame.deal_amount.astype(float), is_won=lambda frame: frame.is_won.astype(float),
    )
    mature = closed[closed.is_mature_cohort]
    assert 0 < len(mature) < len(closed)
    frame = analyses["do_deal_size_and_cycle_matter"]
    assert len(frame) == 3
    for row in frame.itertuples():
        counted = mature if "cycle_days" in (row.first_column, row.second_column) else closed
        one, other = counted[row.first_column].astype(float), counted[row.second_column].astype(float)
        pearson = stats.pearsonr(one, other)
        interval = pearson.confidence_interval(0.95)
        assert row.deal_count == len(counted)
        assert row.pearson_correlation == pytest.approx(pearson.statistic, rel=1e-9)
        assert (row.pearson_lower, row.pearson_upper) == pytest.approx((interval.low, interval.high), rel=1e-9)
        assert row.spearman_correlation == pytest.approx(stats.spearmanr(one, other).statistic, rel=1e-9)
        assert row.explained_rate == pytest.approx(pearson.statistic**2, rel=1e-9)


def test_the_planted_effects_lead_the_segments_that_differ(analyses):
    frame = analyses["which_segments_lose_more_than_chance"]
    whole = frame[frame.period == "all"].set_index(["segment_dimension", "segment_value"])
    assert whole.loc[("lead_source", "Referral")].excess_lost_amount < 0

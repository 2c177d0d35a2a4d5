"""Won deals like an open one: every row against pandas on the demo, and nothing beyond the as-of date."""

import numpy
import pandas
import pytest
import yaml
from conftest import PROJECT, Build

VARIABLES = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
DIMENSIONS = VARIABLES["similar_deal_dimensions"]
CANDIDATES, COUNT = VARIABLES["similar_deal_candidates"], VARIABLES["similar_deal_count"]


@pytest.fixture(scope="module")
def deals(demo: Build) -> pandas.DataFrame:
    return demo.frame("select * from marts.fct_deals").assign(deal_amount=lambda frame: frame.deal_amount.astype(float))


@pytest.fixture(scope="module")
def similar(demo: Build) -> pandas.DataFrame:
    return demo.frame("select * from marts.fct_similar_won_deals order by deal_id, similarity_rank")


def expected_of(deal: pandas.Series, won: pandas.DataFrame, dimensions: list[str], most: int, count: int) -> pandas.DataFrame:
    """The `count` deals of `won` (newest first) most like `deal`, by the words of the mart's description."""
    same = won[dimensions].eq(deal[dimensions])
    is_candidate = pandas.Series(False, index=won.index)
    for depth in range(len(dimensions), -1, -1):
        cell = same.iloc[:, :depth].all(axis=1)
        is_candidate |= cell & (cell.cumsum() <= most)
        if cell.sum() >= most:
            break
    found = won[is_candidate].copy()
    found["matching"] = (same & won[dimensions].ne("Unknown")).sum(axis=1)
    larger, smaller = numpy.maximum(found.deal_amount, deal.deal_amount), numpy.minimum(found.deal_amount, deal.deal_amount)
    found["similarity"] = ((found.matching + (smaller / larger).fillna(0)) / (len(dimensions) + 1)).round(9)
    return found.sort_values(["similarity", "closed_date", "deal_id"], ascending=[False, False, True]).head(count)


def test_every_row_is_the_one_pandas_finds(deals, similar):
    won = deals[deals.is_won.eq(True) & deals.closed_date.notna()].sort_values(["closed_date", "deal_id"], ascending=[False, True])
    found = dict(list(similar.groupby("deal_id")))
    open_deals = deals[deals.is_open]
    assert len(open_deals) > 200 and set(found) == set(open_deals.deal_id)
    for _, deal in open_deals.iterrows():
        expected, rows = expected_of(deal, won, DIMENSIONS, CANDIDATES, COUNT), found[deal.deal_id]
        assert list(rows.similar_deal_id) == list(expected.deal_id), deal.deal_id
        assert list(rows.matching_dimension_count) == list(expected.matching)
        assert rows.similarity.to_numpy() == pytest.approx(expected.similarity.to_numpy(), abs=1.1e-9)
        assert rows.amount_ratio.to_numpy() == pytest.approx((expected.deal_amount / deal.deal_amount).to_numpy(), nan_ok=True)


def test_days_in_the_stage_are_those_of_the_visits(demo, similar):
    visits = demo.frame("select * from marts.fct_deal_stage_visits")
    days = visits.groupby(["deal_id", "stage"]).days_in_stage.sum()
    late = visits[visits.is_left_truncated].set_index(["deal_id", "stage"]).index
    known = similar[similar.similar_days_in_stage.notna()]
    assert 0.9 * len(similar) < len(known) < len(similar)
    for row in similar.itertuples():
        key = (row.similar_deal_id, row.stage)
        if key in days.index and key not in late:
            assert row.similar_days_in_stage == days[key]
        else:
            assert pandas.isna(row.similar_days_in_stage)


def test_similar_deals_were_won_by_the_as_of_date(deals, similar):
    won = deals.set_index("deal_id")
    assert won.is_won[similar.similar_deal_id].eq(True).all() and (similar.similar_won_date <= similar.as_of_date).all()

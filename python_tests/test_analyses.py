"""Each question of docs/marts.md has one analysis; all run on the published file; and what they say agrees with independent computations."""

import os
import pathlib
import re

import duckdb
import numpy
import pandas
import pytest
from conftest import PROJECT, run_dbt
from scipy import stats
from statsmodels.duration.survfunc import SurvfuncRight

FILES = {file.stem: file for file in sorted(PROJECT.glob("analyses/**/*.sql"))}
AS_OF = pandas.Timestamp("2025-12-31")


@pytest.fixture(scope="module")
def compiled(demo) -> dict[str, str]:
    """The compiled SQL of every analysis, by its name."""
    run_dbt(demo.database, command="compile", select="path:analyses").check()
    return {
        file.stem: file.read_text(encoding="utf-8")
        for file in demo.database.parent.glob("demo_sales_dbt/target/compiled/*/analyses/**/*.sql")
    }


@pytest.fixture(scope="module")
def marts(demo, tmp_path_factory) -> pathlib.Path:
    """The demo's published file by its default name, which so stands before the marts as their schema does in the build."""
    published = tmp_path_factory.mktemp("published") / "marts.duckdb"
    os.link(demo.published, published)
    return published


@pytest.fixture(scope="module")
def analyses(compiled, marts) -> dict[str, pandas.DataFrame]:
    """What every analysis gives on the demo's marts, by its name."""
    with duckdb.connect(str(marts), read_only=True) as connection:
        return {name: connection.execute(sql).df() for name, sql in compiled.items()}


@pytest.fixture(scope="module")
def deals(demo) -> pandas.DataFrame:
    return demo.frame("select * from marts.fct_deals order by deal_id")


def seed(name: str, *dates: str) -> pandas.DataFrame:
    """A file of the demo CRM without its rows that are made to be turned away: those of deals beyond the 3,000th, and unreadable ones."""
    frame = pandas.read_csv(PROJECT / "seeds" / "demo" / f"demo_{name}.csv", dtype=str).drop_duplicates()
    frame = frame[frame.deal_id.between("D0000001", "D0003000")]
    for column in dates:
        frame[column] = pandas.to_datetime(frame[column], errors="coerce")
        if column not in ("closed_date", "expected_close_date"):
            frame = frame[frame[column].notna()]
    return frame


# The demo's deals that have a fault but can be placed, and what of them counts otherwise than it is written.
FAULTY = {
    "D0003002": {},  # its stage is unknown, its outcome isn't
    "D0003003": {"amount": None},  # below 0
    "D0003004": {"amount": None},  # 5,000,000,000
    "D0003007": {"closed_date": None},  # without outcome in an open stage: the close is expected then
    "D0003008": {"closed_date": None, "outcome": None},  # closed in 2099, so not yet
    "D0003010": {"closed_date": None},  # won on 31/12/2024, which is no ISO 8601
}


@pytest.fixture(scope="module")
def crm() -> pandas.DataFrame:
    """The demo's 3,000 good deals and the faulty ones that are accepted, by id, as exported; without an outcome they are open."""
    dates = ["created_date", "closed_date", "expected_close_date"]
    frame = seed("deals", *dates).assign(amount=lambda deals: deals.deal_amount.astype(float)).set_index("deal_id")
    assert len(frame) == 3000 and frame.index.is_unique and (frame.outcome.isna() == frame.closed_date.isna()).all()
    faulty = pandas.read_csv(PROJECT / "seeds" / "demo" / "demo_deals.csv", dtype=str).set_index("deal_id").loc[list(FAULTY)]
    faulty = faulty.assign(amount=lambda deals: deals.deal_amount.astype(float))
    for deal, values in FAULTY.items():
        faulty.loc[deal, list(values)] = [numpy.nan if column == "amount" else None for column in values]
    faulty[dates] = faulty[dates].apply(pandas.to_datetime)
    return pandas.concat([frame, faulty])


def end_of_day_values(field: str) -> pandas.DataFrame:
    """One row per deal and day on which `field` changed: its value at the end of the day, and at the end of the day of the change before."""
    changes = seed("field_history", "changed_at")
    changes = (
        changes[changes.field == field].sort_values("changed_at", kind="stable").assign(day=lambda rows: rows.changed_at.dt.normalize())
    )
    last = changes.groupby(["deal_id", "day"], as_index=False).new_value.last()
    last["value_before"] = last.groupby("deal_id").new_value.shift()
    return last


def quarter(dates: pandas.Series) -> pandas.Series:
    return pandas.to_datetime(dates).dt.to_period("Q")


def questions_of_the_marts() -> dict[str, str]:
    """The questions of docs/marts.md, and the file each links to."""
    page = (PROJECT / "docs" / "marts.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[2] for line in page.splitlines() if line.startswith("| [`")]
    assert len(rows) > 30
    for row in rows:
        assert re.sub(r"\[[^]]+\]\([^)]+\)", "", row).strip(" |") == "", f"not every question is a link: {row}"
    links = [link for row in rows for link in re.findall(r"\[([^]]+)\]\(\.\./([^)]+)\)", row)]
    assert len(links) == len(dict(links)), "a question stands twice"
    return dict(links)


def test_every_question_of_the_marts_has_exactly_one_analysis_which_it_links_to():
    questions = questions_of_the_marts()
    found = {}
    for file in FILES.values():
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("-- ") and line[3:] in questions:
                found.setdefault(line[3:], []).append(str(file.relative_to(PROJECT)))
    assert found == {question: [link] for question, link in questions.items()}
    readme = dict(re.findall(r"\[([^]]+\?)\]\((analyses/[^)]+)\)", (PROJECT / "README.md").read_text(encoding="utf-8")))
    assert len(readme) >= 10 and readme.items() <= questions.items()


def test_every_analysis_says_how_to_read_it_and_has_an_answer_on_the_demo(analyses):
    assert sorted(FILES) == sorted(analyses)
    for name, file in FILES.items():
        comment = re.match(r"(-- .*\n)+", file.read_text(encoding="utf-8"))
        assert comment and any(not line.endswith("?") for line in comment[0].splitlines()), name
        assert (len(analyses[name]) > 0) == (name != "how_good_are_forecast_calls"), name  # the demo has no calls


def test_no_analysis_reads_the_clock():
    clock = re.compile(r"\b(current_date|current_timestamp|getdate|now\(\)|today\(\))", re.IGNORECASE)
    assert [name for name, file in FILES.items() if clock.search(file.read_text(encoding="utf-8"))] == []


def test_deals_closed_by_quarter_are_those_of_the_export(analyses, crm):
    found = analyses["how_many_deals_closed"].set_index("quarter_start_date")
    closed = crm[crm.closed_date.notna()]
    won = closed[closed.outcome == "Won"]
    expected = pandas.DataFrame(
        {
            "closed_deal_count": closed.groupby(quarter(closed.closed_date)).size(),
            "won_deal_count": won.groupby(quarter(won.closed_date)).size(),
            "closed_amount": closed.groupby(quarter(closed.closed_date)).amount.sum(),
            "won_amount": won.groupby(quarter(won.closed_date)).amount.sum(),
        }
    )
    expected.index = expected.index.to_timestamp()
    assert found[list(expected)].astype(float).sort_index().to_dict() == expected.astype(float).to_dict()
    assert found.quarter_status.to_dict() == {
        start: "data begin in it" if start == pandas.Timestamp("2024-01-01") else "complete" for start in expected.index
    }


def test_lost_reasons_are_those_of_the_export(analyses, crm):
    lost = crm[crm.outcome == "Lost"]
    this_year, year_before = (lost[lost.closed_date.dt.year == year] for year in (2025, 2024))
    found = analyses["what_do_we_lose_to"].set_index("lost_reason")
    expected = this_year.groupby(this_year.lost_reason.str.capitalize()).amount.agg(["size", "sum"])
    assert found.lost_deal_count.to_dict() == expected["size"].to_dict()
    assert found.lost_amount.to_dict() == expected["sum"].to_dict()
    assert found.previous_lost_deal_count.to_dict() == year_before.lost_reason.str.capitalize().value_counts().to_dict()
    assert (found.all_lost_deal_count == len(this_year)).all()
    assert found.index[0] == expected["size"].idxmax()
    assert found.verdict.to_dict() == {reason: "signal" if reason == "Price" else "no_signal" for reason in found.index}


def test_stages_lose_the_deals_that_got_no_further(analyses, crm):
    history = seed("stage_history", "entered_at")
    order = {"Qualified": 1, "Demo": 2, "Proposal": 3, "Negotiation": 4}
    reached = history[history.stage.isin(order)].drop_duplicates(["deal_id", "stage"])
    furthest = reached.assign(stage_order=reached.stage.map(order)).groupby("deal_id").stage_order.max()
    lost = furthest[furthest.index.map(crm.outcome) == "Lost"]
    found = analyses["where_do_deals_leak"].set_index("stage")
    assert list(found.index) == ["Qualified", "Demo", "Proposal", "Negotiation", "Closed", "Closed Won", "Closed Lost"]
    assert set(found.index[found.is_late]) == {"Negotiation", "Closed", "Closed Won"}
    assert found.reached_deal_count.dropna().to_dict() == reached.stage.value_counts().to_dict()
    for stage, position in order.items():
        assert found.lost_here_deal_count[stage] == (lost == position).sum()
        through = (furthest > position)[reached[reached.stage == stage].deal_id].sum()
        through += ((furthest == position) & (furthest.index.map(crm.outcome) == "Won")).sum()
        rate = (lost == position).sum() / (through + (lost == position).sum())
        assert found.loss_rate[stage] == pytest.approx(rate, rel=1e-12)
    assert found.loss_rate.idxmax() == "Proposal"


def test_deals_that_need_a_look_are_pushed_overdue_or_untouched_in_the_export(analyses, crm):
    found = analyses["which_open_deals_need_a_look"].set_index("deal_id")
    open_deals = crm[crm.outcome.isna()]
    dates = seed("field_history", "changed_at").query("field == 'expected_close_date'").sort_values("changed_at", kind="stable")
    dates = dates[dates.deal_id.isin(open_deals.index)]
    pushes = dates[pandas.to_datetime(dates.new_value) > pandas.to_datetime(dates.old_value)].groupby("deal_id").size()
    expected_close = (
        pandas.to_datetime(dates.groupby("deal_id").new_value.last()).reindex(open_deals.index).fillna(open_deals.expected_close_date)
    )
    overdue = set(expected_close.index[expected_close < AS_OF])
    touched = seed("activities", "occurred_at").groupby("deal_id").occurred_at.max().dt.normalize()
    untouched_days = (AS_OF - touched.reindex(open_deals.index).fillna(open_deals.created_date)).dt.days
    assert set(pushes.index) | overdue | set(untouched_days.index[untouched_days >= 14]) <= set(found.index)
    assert found.push_count.to_dict() == pushes.reindex(found.index).fillna(0).astype(int).to_dict()
    assert set(found.index[found.is_overdue]) == overdue
    assert found.days_since_last_activity.to_dict() == untouched_days[found.index].to_dict()
    assert found.deal_amount.is_monotonic_decreasing
    for deal, reasons in found.reasons.items():
        assert ("past its expected close" in reasons) == (deal in overdue)
        assert ("no activity for" in reasons) == (untouched_days[deal] >= 14)
        assert ("pushed to a later day" in reasons) == (deal in pushes.index)


def test_movements_since_monday_bridge_the_open_amounts_of_the_export(analyses, crm):
    found = analyses["what_changed_since_last_monday"]
    amounts = end_of_day_values("amount").assign(new_value=lambda rows: rows.new_value.astype(float))

    def open_amount(day: pandas.Timestamp) -> float:
        known = amounts[amounts.day <= day].groupby("deal_id").new_value.last()
        is_open = (crm.created_date <= day) & (crm.outcome.isna() | (crm.closed_date > day))
        return known.reindex(crm.index).fillna(crm.amount)[is_open].sum()

    assert open_amount(AS_OF) == crm[crm.outcome.isna()].amount.sum()
    assert found.movement_amount.sum() == pytest.approx(open_amount(AS_OF) - open_amount(pandas.Timestamp("2025-12-28")), abs=0.005)
    assert found.movement_date.min() >= pandas.Timestamp("2025-12-29")
    week = crm[crm.closed_date >= "2025-12-29"]
    for movement in ("won", "lost"):
        assert set(found[found.movement == movement].deal_id) == set(week.index[week.outcome.str.lower() == movement])
    assert set(found[found.movement == "new"].deal_id) == set(crm.index[crm.created_date >= "2025-12-29"])


def test_deals_left_the_quarters_they_were_expected_in_by_the_export(analyses, crm):
    history = seed("stage_history", "entered_at").sort_values("entered_at", kind="stable")
    # A deal that was closed and came back may have left a quarter by its first close.
    reopened = set(history[history.stage.str.startswith("Closed") & history.duplicated("deal_id", keep="last")].deal_id)
    assert 0 < len(reopened) < 50
    found = analyses["which_deals_left_a_quarter"].query("deal_id not in @reopened")
    days = end_of_day_values("expected_close_date").assign(expected=lambda rows: quarter(rows.new_value)).set_index("deal_id")
    days["closed_date"] = crm.closed_date.reindex(days.index)
    days = days[~(days.day >= days.closed_date) & ~days.index.isin(reopened)]
    last = days.groupby("deal_id").expected.last().reindex(days.index)
    left = days[(days.expected != last) & ~(days.closed_date < days.expected.dt.end_time)]
    expected = {(deal, str(name)) for deal, name in zip(left.index, left.expected, strict=True)}
    assert len(expected) > 300
    assert set(zip(found.deal_id, quarter(found.quarter_start_date).astype(str), strict=True)) == expected
    assert len(found) == len(expected)


def test_a_deal_that_came_back_or_closed_in_its_quarter_has_not_left_it(compiled):
    move = "cast({!r} as date) as movement_date, 100 as amount_before, cast({!r} as date) as expected_close_date, cast({!r} as date) as other_expected_close_date"
    there, later = "2025-08-20", "2025-10-05"
    moves = {
        "back": [("2025-08-01", there, later), ("2025-09-01", later, there)],
        "back and out": [("2025-08-01", there, later), ("2025-09-01", later, there), ("2025-09-10", there, later)],
        "closed": [("2025-08-01", there, later)],
        "closed later": [("2025-08-01", there, later)],
        "late": [("2025-10-02", there, later)],
        "within": [("2025-08-01", there, "2025-09-29")],
    }
    rows = [
        f"select '{deal}' as deal_id, '{movement}' as movement, {move.format(day, *dates)}"
        for deal, steps in moves.items() for day, old, new in steps for movement, dates in (("moved_out", (old, new)), ("moved_in", (new, old)))
    ]  # fmt: skip
    closed = {"closed": "2025-09-15", "closed later": "2025-10-01"}
    deals = [
        f"select '{deal}' as deal_id, '' as deal_name, 'R1' as sales_rep_id, '' as outcome, try_cast('{closed.get(deal, '')}' as date) as closed_date, {deal not in closed} as is_open"
        for deal in moves
    ]
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        connection.execute(f"create table marts.fct_pipeline_movements as {' union all '.join(rows)}")
        connection.execute(f"create table marts.fct_deals as {' union all '.join(deals)}")
        found = connection.execute(compiled["which_deals_left_a_quarter"]).df()
    third = found[found.quarter_start_date == "2025-07-01"].set_index("deal_id")
    assert third.left_late.to_dict() == {"back and out": False, "closed later": False, "late": True}
    assert third.left_date["back and out"] == pandas.Timestamp("2025-09-10")
    assert list(found[found.quarter_start_date == "2025-10-01"].deal_id) == ["back"]


def test_quarters_of_the_pipeline_go_from_open_to_open(analyses, crm):
    found = analyses["why_did_the_pipeline_shrink"].set_index("period_start_date")
    flows = ["new_amount", "reopened_amount", "increased_amount", "decreased_amount", "won_amount", "lost_amount", "removed_amount"]
    assert (found[flows].sum(axis=1) - found.change_amount).abs().max() < 0.005
    first = (
        seed("field_history", "changed_at")
        .query("field == 'amount'")
        .sort_values("changed_at", kind="stable")
        .groupby("deal_id")
        .new_value.first()
    )
    created = first.astype(float).groupby(quarter(crm.created_date.reindex(first.index))).sum()
    won = crm[crm.outcome == "Won"].groupby(quarter(crm.closed_date)).amount.sum()
    for start, row in found.iterrows():
        assert row.won_amount == pytest.approx(-won[pandas.Period(start, "Q")], rel=1e-12)
        assert row.new_amount == pytest.approx(created[pandas.Period(start, "Q")], rel=0.02), "an amount may change on its first day"


def test_what_slipped_was_moved_out_of_its_quarter_while_open(analyses):
    moves = end_of_day_values("expected_close_date").dropna().sort_values("day")
    stages = seed("stage_history", "entered_at").sort_values("entered_at", kind="stable")
    moves = pandas.merge_asof(moves, stages, left_on="day", right_on="entered_at", by="deal_id")
    amounts = end_of_day_values("amount").rename(columns={"new_value": "amount"}).sort_values("day")
    moves = pandas.merge_asof(moves, amounts[["deal_id", "day", "amount"]], on="day", by="deal_id", allow_exact_matches=False)
    before = quarter(moves.value_before)
    slips = moves[~moves.stage.str.startswith("Closed") & (before == quarter(moves.day)) & (before < quarter(moves.new_value))]
    by_quarter = slips.assign(amount=slips.amount.astype(float)).groupby(quarter(slips.day))
    found = analyses["why_did_the_pipeline_shrink"].set_index("period_start_date").sort_index()
    found.index = found.index.to_period("Q")
    assert found.slipped_deal_count.to_dict() == by_quarter.deal_id.nunique().to_dict()
    assert found.slipped_amount.to_dict() == by_quarter.amount.sum().to_dict()


def test_a_score_is_compared_with_that_of_a_month_ago(compiled, marts):
    with duckdb.connect() as connection:
        connection.execute(f"attach '{marts}' as demo (read_only)")
        connection.execute("create schema marts")
        connection.execute("create table marts.fct_deal_score_history as from demo.fct_deal_score_history")
        [[deal, probability]] = connection.execute(
            "select deal_id, win_probability from marts.fct_deal_score_history order by deal_id limit 1"
        ).fetchall()
        # Builds of three older dates, one of them made twice, and a later one of the newest date.
        for as_of, build_number, shown in [
            ("2025-11-20", 2, 0.20),
            ("2025-11-30", 3, 0.31),
            ("2025-11-30", 4, 0.32),
            ("2025-12-01", 5, 0.40),
            ("2025-12-31", 6, probability / 2),
        ]:
            connection.execute(
                """
                insert into marts.fct_deal_score_history
                select * replace (? as build_number, cast(? as date) as as_of_date, ? as win_probability)
                from demo.fct_deal_score_history where deal_id = ?
                """,
                [build_number, as_of, shown, deal],
            )
        frame = connection.execute(compiled["why_did_a_deals_risk_rise"]).df()
        [[open_deals]] = connection.execute("select count(*) from demo.fct_deal_scores").fetchall()
    assert len(frame) == open_deals
    row = frame.set_index("deal_id").loc[deal]
    assert row.win_probability == probability / 2
    assert (row.month_ago_as_of_date, row.month_ago_win_probability) == (pandas.Timestamp("2025-11-30"), 0.32)
    assert frame.month_ago_win_probability.notna().sum() == 1


def test_planted_effects_are_the_answers(analyses):
    reps = analyses["which_reps_differ"]
    # R14, with a hundred deals, takes a lower bar than that of a first build.
    assert set(reps[reps.verdict == "signal"].sales_rep_id) == {"R07"}
    sources = analyses["what_drives_the_win_rate"].query("verdict == 'signal'")
    assert set(zip(sources.factor, sources.level, strict=True)) == {("lead_source", "Referral")}
    products = analyses["do_won_deals_close_faster"].query("segment_dimension == 'product_type' and verdict == 'signal'")
    assert list(products.segment_value) == ["Enterprise"]
    quarantined = analyses["did_all_rows_arrive"]
    assert (quarantined.groupby("input").row_count.sum() == quarantined.groupby("input").rows_in.first()).all()


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning:statsmodels")
def test_the_median_cycle_by_cohort_is_that_of_kaplan_meier(analyses, deals):
    frame = analyses["is_the_cycle_getting_longer"].set_index("cohort_month")
    found = frame[["median_days", "median_lower_days", "median_upper_days"]].astype(float)
    expected = {}
    dated = deals[deals.is_open | deals.closed_date.notna()]
    assert len(deals) - len(dated) == 1, "D0003010, whose close date can't be read, has no known age"
    for cohort, members in dated.groupby("cohort_month"):
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
        deal_amount=lambda frame: frame.deal_amount.astype(float),
        is_won=lambda frame: frame.is_won.astype(float),
    )
    mature = closed[closed.is_mature_cohort]
    assert 0 < len(mature) < len(closed)
    frame = analyses["do_deal_size_and_cycle_matter"]
    assert len(frame) == 3
    for row in frame.itertuples():
        counted = mature if "cycle_days" in (row.first_column, row.second_column) else closed
        counted = counted.dropna(subset=[row.first_column, row.second_column])
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

"""What a later build says of a past day is what a build of that day said: on random CRMs with nasty histories, export against export.

Values are emptied and filled in again, contradict what was recorded before, or were never recorded; owners go back and forth; deals are lost
and reopened, and change several times a day; spellings drift; the recording of fields and activities may begin late. An export of a day
holds what the CRM showed then: rows of that day or before, and in the deals' own columns the amount, owner and expected close date of then.

What stays different, and is left out here: a value from before the first change that is recorded, where that change doesn't say what it
replaced (nobody knows it later); the amount band of a closed deal whose amount was edited after the close; a segment's spelling, though
not which deals it holds; a loss that was reopened later counts as open in between, as data cut at that day has it.
"""

import dataclasses
import datetime
import functools
import pathlib
import random

import pytest
from conftest import Build, run_dbt, write_size_bands
from test_pipeline_bridge import DAY, DEAL_COLUMNS, random_deal, stage_rows, write
from test_same_tables import as_text

DEALS = 900
AS_OF = datetime.date(2024, 11, 20)
LATE_RECORDING = datetime.date(2024, 7, 10)
NEW_SPELLING = datetime.date(2024, 4, 20)  # most rows have it by AS_OF, but not by the first of the days
BLANKS = {"amount": ["", "0"], "sales_rep_id": [""], "expected_close_date": [""]}
VARIABLES = {"backtest_min_history_days": 100, "maturity_quantile": 0.6, "max_mature_open_share": 0.3}
PASTS = [
    ("always recorded", "2024-06-30"),
    ("recorded late", "2024-08-31"),
    pytest.param(("always recorded", "2024-08-31"), marks=pytest.mark.campaign),
    pytest.param(("recorded late", "2024-06-30"), marks=pytest.mark.campaign),
]


def is_value(field: str, text: str) -> bool:
    if field == "amount":
        return text not in ("", "?") and float(text) > 0
    return text not in ("", "soon")


@dataclasses.dataclass
class Known:
    """A field at the end of a day: its value, None where no row of the whole history tells it, and whether it was empty then."""

    value: str | None
    is_emptied: bool


def known_on(deal: dict, field: str, day: datetime.date) -> Known:
    rows = sorted((at, new, old) for name, old, new, at in deal["rows"] if name.lower() == field)
    rows = [row for row in rows if is_value(field, row[1]) or row[1] in BLANKS[field]]
    found = Known(None, False)
    for at, new, old in rows:
        if at.date() > day:
            return found if found.value else Known(old if is_value(field, old) else None, found.is_emptied)
        value = new if is_value(field, new) else old if is_value(field, old) else found.value
        found = Known(value, not is_value(field, new))
    return found if found.value else Known(deal[field], found.is_emptied)


class Crm:
    def __init__(self, kind: str) -> None:
        chance = random.Random(kind)
        self.recorded_from = LATE_RECORDING if kind == "recorded late" else datetime.date.min
        self.deals = [random_deal(number, chance) for number in range(DEALS)]
        for deal in self.deals:
            end = deal["spells"][-1]["leave"].date() if deal["is_closed"] else datetime.date.max
            deal["rows"] = [
                row for row in deal["rows"] if self.recorded_from <= row[3].date() and (row[0].lower() != "amount" or row[3].date() <= end)
            ]
            industry = chance.choice(["Retail", "Software" if deal["created"] < NEW_SPELLING else "SOFTWARE"])
            deal["segments"] = (
                industry,
                chance.choice(["EMEA", "APAC"]),
                chance.choice(["Starter", "Team", ""]),
                chance.choice(["Inbound", "Referral"]),
            )
            for field in BLANKS:
                deal[field] = deal[field] or {"amount": "100", "sales_rep_id": "R9", "expected_close_date": ""}[field]
        self.deals.sort(key=lambda deal: deal["created"])
        self.stage_rows = [row for deal in self.deals for row in stage_rows(deal, chance)]
        self.activities = [
            (deal["deal_id"], "call", at, "R1")
            for deal in self.deals
            for at in (deal["spells"][0]["enter"] + chance.uniform(0, 60) * DAY for _ in range(chance.randrange(5)))
            if at.date() >= self.recorded_from
        ]

    def deal_row(self, deal: dict, day: datetime.date) -> tuple:
        last = deal["spells"][-1]
        is_closed = deal["is_closed"] and last["leave"].date() <= day
        end = (last["leave"].date(), last["stage"].removeprefix("Closed ")) if is_closed else ("", "")
        amount, owner, expected = (known_on(deal, field, day).value or "" for field in ("amount", "sales_rep_id", "expected_close_date"))
        return (deal["deal_id"], deal["created"], *end, owner, *deal["segments"], "", amount or "55.5", expected)

    def export(self, folder, day: datetime.date) -> dict:
        folder.mkdir()
        created = [deal for deal in self.deals if deal["created"] <= day]
        fields = [(deal["deal_id"], *row) for deal in created for row in deal["rows"] if row[3].date() <= day]
        tables = {
            "deals": (DEAL_COLUMNS.split(","), [self.deal_row(deal, day) for deal in created]),
            "stage_history": (["deal_id", "stage", "entered_at"], [row for row in self.stage_rows if row[2].date() <= day]),
            "field_history": (["deal_id", "field", "old_value", "new_value", "changed_at"], fields),
            "activities": (
                ["deal_id", "activity_type", "occurred_at", "sales_rep_id"],
                [row for row in self.activities if row[2].date() <= day],
            ),
        }
        return {f"{name}_file": write(folder / f"{name}.csv", columns, rows) for name, (columns, rows) in tables.items()}

    def build(self, folder, day: datetime.date) -> Build:
        select = "+int_deal_forecasts +int_deal_observations +int_rep_forecasts +int_past_field_values"
        variables = VARIABLES | self.export(folder / str(day), day) | {"as_of_date": str(day), "bands_file": write_size_bands(folder)}
        return run_dbt(folder / f"{day:b%j}.duckdb", variables, select=select, with_tests=False).check()

    def unrecorded(self, day: datetime.date, *fields: str) -> set[str]:
        return {deal["deal_id"] for deal in self.deals if any(known_on(deal, field, day).value is None for field in fields)}


@pytest.fixture(scope="module")
def crms(tmp_path_factory):
    """The CRM of a kind, its build of the last day, and a folder for builds of past days; each made once."""

    @functools.cache
    def made(kind: str) -> tuple[Crm, Build, pathlib.Path]:
        folder = tmp_path_factory.mktemp("crm")
        crm = Crm(kind)
        return crm, crm.build(folder, AS_OF), folder

    return made


@pytest.fixture(scope="module", params=PASTS, ids=" ".join)
def past(request, crms):
    """A CRM, a day, the build of that day and a later one."""
    crm, later, folder = crms(request.param[0])
    day = datetime.date.fromisoformat(request.param[1])
    return crm, day, crm.build(folder, day), later


def same(then, later, key: list[str], least: int) -> None:
    """The same rows, decimals and text exactly (spellings apart), doubles to 1e-9."""
    then, later = (frame.sort_values(key).set_index(key) for frame in (then, later))
    assert len(then) >= least
    assert list(then.index) == list(later.index)
    for column in then:
        left, right = then[column], later[column]
        if left.dtype.kind == "f" or right.dtype.kind == "f":
            differs = ~((left.astype(float) - right.astype(float)).abs().le(1e-9 * left.astype(float).abs()) | (left.isna() & right.isna()))
        else:
            differs = as_text(left).str.lower() != as_text(right).str.lower()
        assert not differs.any(), f"{column}: {differs.sum()} rows\n{left[differs].head(8)}\n{right[differs].head(8)}"


FORECAST_COLUMNS = """
    deal_id, stage, age_days, band_type, cell_stage, cell_age_days, industry, region, product_type, lead_source, deal_size_band, deal_amount,
    stage_probability, band, effective_deal_count, cell_win_rate, log_odds_offset, log_odds_variance, base_rate, segment_win_rate,
    unseen_dimensions, rapv_probability, aging_factor_published, stage_weighted_amount, flat_amount, segment_amount, rapv_amount
"""


def test_a_past_forecast_is_that_of_the_day(past):
    made, day, then, later = past
    sql = f"select {FORECAST_COLUMNS} from intermediate.int_deal_forecasts where forecast_date = '{day}'"
    unrecorded = made.unrecorded(day, "amount")
    frames = [frame[~frame.deal_id.isin(unrecorded)] for frame in (then.frame(sql), later.frame(sql))]
    same(*frames, ["deal_id"], least=200)
    assert frames[0].rapv_amount.notna().all()
    emptied = {deal["deal_id"] for deal in made.deals if known_on(deal, "amount", day).is_emptied} & set(frames[0].deal_id)
    assert len(emptied) >= (10 if made.recorded_from < day - 30 * DAY else 0)
    reopened_later = f"select count(*) from intermediate.int_deal_gaps where '{day}' >= from_date and '{day}' < until_date"
    assert later.query(reopened_later)[0][0] >= 20


def test_a_past_observation_is_that_of_the_day(past):
    made, day, then, later = past
    columns = """
        deal_id, sales_rep_id, industry, region, product_type, lead_source, deal_amount, age_days, stage, days_in_stage, regression_count,
        push_count, amount_increase_count, amount_decrease_count, inactive_days, is_stale
    """
    sql = f"select {columns} from intermediate.int_deal_observations where purpose = '{{}}' and observation_date = '{day}'"
    unrecorded = made.unrecorded(day, "amount", "sales_rep_id")
    frames = [build.frame(sql.format(purpose)) for build, purpose in ((then, "score"), (later, "backtest"))]
    same(*(frame[~frame.deal_id.isin(unrecorded)] for frame in frames), ["deal_id"], least=200)


def test_an_expected_close_date_is_that_of_the_day(past):
    made, day, then, later = past
    sql = f"""
        select deals.deal_id, coalesce(changes.expected_close_date, deals.expected_close_date) as expected_close_date
        from intermediate.int_deals as deals
        left join intermediate.int_past_field_values as changes
            on changes.field = 'expected_close_date' and deals.deal_id = changes.deal_id and '{day}' >= changes.known_from_date and '{day}' < changes.changed_date
        where deals.created_date <= '{day}'
    """
    unrecorded = made.unrecorded(day, "expected_close_date")
    same(*(frame[~frame.deal_id.isin(unrecorded)] for frame in (then.frame(sql), later.frame(sql))), ["deal_id"], least=200)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("int_cohort_maturity", ["cohort_month"]),
        ("int_replayed_segments", ["segment_dimension", "segment_value"]),
        ("int_age_band_win_rates", ["band_type", "stage", "band"]),
        ("int_segment_offsets", ["band_type", "segment_dimension", "segment_value"]),
    ],
)
def test_past_statistics_are_those_of_the_day(table, key, past):
    _, day, then, later = past
    frames = [build.frame(f"select * from intermediate.{table} where forecast_date = '{day}'") for build in (then, later)]
    for frame in frames:
        if "segment_value" in frame:
            frame["segment_value"] = frame.segment_value.str.lower()
    same(*frames, key, least=0 if day < datetime.date(2024, 7, 1) else 4)

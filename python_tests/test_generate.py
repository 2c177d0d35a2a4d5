"""The generated CRM: the same bytes for a seed, histories that agree with the deals, planted effects of the size they are said to have,
none in the null CRM, and dirty rows that are exactly those listed. Rates are read from the written files, by SQL."""

from collections import Counter
from math import sqrt
from pathlib import Path

import duckdb
import pytest

from tools import __main__ as command_line
from tools import crm, generate

DEMO = Path(__file__).parents[1] / "seeds" / "demo"
MANY = 200_000
# Realised against planted, in standard errors. 4 is passed by chance once in 16,000.
WITHIN = 4
# Deals of these creation dates have closed before the bad quarter begins.
UNTROUBLED = "created_date < date '2024-10-01'"


def opened(folder: Path) -> duckdb.DuckDBPyConnection:
    """The files as views, and the visits as a table: one row a stay in a stage, repeated rows collapsed."""
    connection = duckdb.connect()
    for name in generate.SCHEMAS:
        connection.execute(f"create view {name} as select * from '{folder}/demo_{name}.parquet'")
    connection.execute("""
        create table visits as
        with changes as (
            select *, lag(stage) over (partition by deal_id order by entered_at) is distinct from stage as is_change from stage_history
        )
        select deal_id, stage, entered_at, lead(entered_at) over by_time as exited_at, lead(stage) over by_time as next_stage,
            row_number() over by_time as visit_number
        from changes where is_change
        window by_time as (partition by deal_id order by entered_at)
    """)
    return connection


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> duckdb.DuckDBPyConnection:
    folder = tmp_path_factory.mktemp("planted")
    generate.generate(folder, MANY, 2, "parquet", clean=True)
    return opened(folder)


@pytest.fixture(scope="module")
def null(tmp_path_factory) -> duckdb.DuckDBPyConnection:
    folder = tmp_path_factory.mktemp("null")
    generate.generate(folder, MANY, 3, "parquet", crm.NO_EFFECTS, clean=True)
    return opened(folder)


@pytest.fixture(params=["planted", "null"])
def either(request) -> duckdb.DuckDBPyConnection:
    return request.getfixturevalue(request.param)


def value(connection: duckdb.DuckDBPyConnection, query: str):
    return connection.execute(query).fetchall()[0][0]


def difference(connection: duckdb.DuckDBPyConnection, condition: str, rows: str = "deals", among: str = UNTROUBLED) -> tuple[float, float]:
    """Win rate of the closed deals where the condition holds, less that of the other ones, and the standard error of the difference."""
    query = f"""
        select {condition} as holds, count(*) as closed, avg((outcome = 'Won')::int) as rate
        from {rows} where outcome is not null and {among} group by holds order by holds
    """
    (_, n, rate), (_, m, other_rate) = reversed(connection.execute(query).fetchall())
    return rate - other_rate, sqrt(rate * (1 - rate) / n + other_rate * (1 - other_rate) / m)


def as_planted(found: tuple[float, float], planted_points: float) -> bool:
    return abs(found[0] - planted_points) < WITHIN * found[1]


# The same seed


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_same_seed_same_bytes_and_another_seed_other_bytes(tmp_path, file_format):
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        generate.generate(tmp_path / name, 2_000, seed, file_format)
    one, again, other = (contents(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    fixed = {f"demo_reps.{file_format}", f"demo_quotas.{file_format}"}
    assert {name for name in one if one[name] == other[name]} == fixed


def test_committed_demo_is_seed_1_of_the_command(tmp_path):
    assert command_line.main(["generate", "--deals", "3000", "--seed", "1", "--out", str(tmp_path), "--format", "csv"]) == 0
    generated = contents(tmp_path)
    assert generated == {name: data for name, data in contents(DEMO).items() if name.endswith(".csv")}
    assert sum(len(data) for data in generated.values()) < 3_000_000
    assert sum(data.count(b"\n") for data in generated.values()) < 40_000


def test_chunks_join_to_one_crm(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "CHUNK", 400)
    generate.generate(tmp_path, 1_000, 1, "parquet", clean=True)
    deals = opened(tmp_path).execute("select deal_id, created_date from deals").fetchall()
    assert [deal_id for deal_id, _ in deals] == [f"D{number:07d}" for number in range(1, 1_001)]
    assert [created for _, created in deals] == sorted(created for _, created in deals)


@pytest.mark.parametrize("deals", [1, 2, 299])
def test_small_sizes_are_clean(tmp_path, deals):
    assert generate.generate(tmp_path, deals, 1, "csv")["deals"] == deals


# Lives


def test_every_deal_closes_within_180_days_and_few_are_open(either):
    longest, mean = either.execute("select max(sales_cycle_days), avg(sales_cycle_days) from deals").fetchall()[0]
    assert longest <= 180
    assert 54 < mean < 62
    assert value(either, "select count(*) from deals where closed_date - created_date <> sales_cycle_days") == 0
    assert 0.07 < value(either, "select avg((outcome is null)::int) from deals") < 0.09
    assert value(either, "select count(*) from deals where outcome is null and created_date < date '2025-12-31' - 180") == 0


def test_nothing_but_expected_dates_lies_after_the_as_of_date(either):
    newest = either.execute("""
        select max(greatest(created_date, closed_date, updated_at::date)), (select max(entered_at)::date from stage_history),
            (select max(changed_at)::date from field_history), (select max(occurred_at)::date from activities),
            (select max(taken_at)::date from interventions)
        from deals
    """).fetchall()[0]
    assert newest == (crm.AS_OF,) * 5


def test_stage_history_agrees_with_the_deals(either):
    disagreeing = """
        with ends as (
            select deal_id, min(entered_at) as first_at, max(entered_at) as last_at, arg_max(stage, entered_at) as last_stage,
                count(*) as row_count, count(distinct entered_at) as moment_count
            from stage_history group by deal_id
        )
        select count(*) filter (last_stage <> deal_stage) as other_stage,
            count(*) filter ((outcome is null) <> (closed_date is null)) as half_closed,
            count(*) filter (outcome is not null and last_stage <> 'Closed ' || outcome) as other_outcome,
            count(*) filter (outcome is null and last_stage like 'Closed%') as closed_but_open,
            count(*) filter (closed_date <> last_at::date) as other_close,
            count(*) filter (first_at::date < created_date) as before_creation,
            count(*) filter (row_count <> moment_count) as ties,
            count(*) filter (last_at > updated_at) as not_updated
        from deals inner join ends using (deal_id)
    """
    assert set(either.execute(disagreeing).fetchall()[0]) == {0}
    without = value(either, "select count(*) from deals anti join stage_history using (deal_id)")
    assert abs(without / MANY - 0.01) < 0.001
    late = """
        select count(*) from (select deal_id, min(entered_at)::date as first_date from stage_history group by deal_id)
        inner join deals using (deal_id) where first_date > created_date
    """
    assert 0.015 < value(either, late) / MANY < 0.021
    assert 3.8 < value(either, "select count(*) from stage_history") / MANY < 4.3


def test_histories_hold_skips_moves_back_repeats_and_reopenings(either):
    order = "list_position(['Qualified', 'Demo', 'Proposal', 'Negotiation'], {})"
    share = {
        "skips": f"select count(*) from visits where {order.format('next_stage')} > {order.format('stage')} + 1",
        "moves back": f"select count(*) from visits where {order.format('next_stage')} < {order.format('stage')}",
        "repeats": "select (select count(*) from stage_history) - (select count(*) from visits)",
        "reopenings": "select count(*) from visits where stage = 'Closed Lost' and next_stage is not null",
    }
    for name, query in share.items():
        assert 0.01 < value(either, query) / MANY < 0.08, name


def test_field_history_ends_at_the_deals_values_and_chains(either):
    ends = """
        select field, count(*) as deal_count, count(*) filter (first_old is not null) as not_from_creation,
            count(*) filter (last_value <> case field when 'amount' then deal_amount::bigint::text
                when 'sales_rep_id' then deals.sales_rep_id else expected_close_date::text end) as other_end,
            count(*) filter (first_at::date <> created_date or last_at::date > coalesce(closed_date, date '2025-12-31')) as out_of_life
        from (
            select deal_id, field, arg_max(new_value, changed_at) as last_value,
                nullif(arg_min(coalesce(old_value, ''), changed_at), '') as first_old,
                min(changed_at) as first_at, max(changed_at) as last_at
            from field_history group by deal_id, field
        )
        inner join deals using (deal_id)
        group by field order by field
    """
    assert either.execute(ends).fetchall() == [(field, MANY, 0, 0, 0) for field in ("amount", "expected_close_date", "sales_rep_id")]
    broken = """
        select count(*) from (
            select *, lag(new_value) over (partition by deal_id, field order by changed_at) as before from field_history
        )
        where before is distinct from old_value or new_value is not distinct from old_value
    """
    assert value(either, broken) == 0


def test_activities_and_actions_lie_within_the_deals_life(either):
    for table, moment in (("activities", "occurred_at"), ("interventions", "taken_at")):
        outside = f"""
            select count(*) from {table} inner join deals using (deal_id)
            where {moment}::date < created_date or {moment}::date > coalesce(closed_date, date '2025-12-31')
        """
        assert value(either, outside) == 0
    assert 2.7 < value(either, "select count(*) from activities") / MANY < 3.1


def test_reps_and_quotas(planted):
    assert planted.execute("select count(*), count(distinct team), count(distinct name) from reps").fetchall() == [(20, 4, 20)]
    odd = ", ".join(f"'{rep}'" for rep in crm.PLANTED.reps)
    assert value(planted, f"select count(distinct team) from reps where sales_rep_id in ({odd})") == 1
    assert value(planted, "select count(*) from quotas") == 20 * 9
    assert value(planted, "select count(*) from quotas anti join reps using (sales_rep_id)") == 0


def test_holdout_is_the_documented_hash_and_gets_no_action(either):
    held_out = "('0x' || substr(md5(deal_id), 1, 8))::bigint % 100 < 20"
    flags = dict(either.execute(f"select deal_id, {held_out} from deals limit 2000").fetchall())
    assert list(crm.in_holdout(list(flags))) == list(flags.values())
    assert value(either, f"select count(*) from interventions where {held_out}") == 0
    assert value(either, "select count(*) from interventions") > MANY / 4


# Planted effects


def band(low: int, high: int) -> str:
    return f"(deal_amount > {low} and deal_amount <= {high})"


def test_overall_win_rate_and_all_amount_bands(planted):
    assert abs(value(planted, "select avg((outcome = 'Won')::int) from deals") - 0.42) < 0.01
    for low, high in ((0, 5_000), (5_000, 15_000), (15_000, 30_000), (30_000, 200_000)):
        assert value(planted, f"select avg({band(low, high)}::int) from deals") > 0.1


def test_lead_source_size_band_and_reps_differ_by_the_planted_points(planted):
    effects = crm.PLANTED
    source, points = effects.lead_source
    assert points >= 0.12 and as_planted(difference(planted, f"lead_source = '{source}'"), points)
    low, high, points = effects.size_band
    assert points >= 0.12 and as_planted(difference(planted, band(low, high)), points)
    assert len(effects.reps) == 2
    for rep, points in effects.reps.items():
        assert abs(points) >= 0.12 and as_planted(difference(planted, f"sales_rep_id = '{rep}'"), points)


def test_segments_without_an_effect_do_not_differ(planted):
    source, _ = crm.PLANTED.lead_source
    low, high, _ = crm.PLANTED.size_band
    for name, values in (("industry", crm.INDUSTRIES), ("region", crm.REGIONS), ("product_type", crm.PRODUCTS)):
        for each in values:
            assert as_planted(difference(planted, f"{name} = '{each}'"), 0), each
    for each in crm.LEAD_SOURCES:
        others = f"lead_source <> '{source}' and {UNTROUBLED}"
        assert each == source or as_planted(difference(planted, f"lead_source = '{each}'", among=others), 0)
    for edge in (5_000, 30_000):
        assert as_planted(difference(planted, f"deal_amount > {edge}", among=f"not {band(low, high)} and {UNTROUBLED}"), 0)


def test_the_competitor_costs_the_planted_points_and_the_others_none(planted):
    competitor, points = crm.PLANTED.competitor
    assert points <= -0.12 and as_planted(difference(planted, f"coalesce(competitor, '') = '{competitor}'", among="true"), points)
    for other in set(crm.COMPETITORS) - {competitor}:
        found = difference(
            planted,
            f"competitor is not distinct from {'null' if other is None else repr(other)}",
            among=f"competitor is distinct from '{competitor}'",
        )
        assert as_planted(found, 0), other
    assert value(planted, "select count(*) from deals where competitor is not null and outcome is null") == 0


def test_one_lost_reason_grows_and_takes_from_the_others_alike(planted):
    growing, since, points = crm.PLANTED.growing_reason
    lost = f"(select *, closed_date >= date '{since}' as is_after from deals where outcome = 'Lost')"
    shares = f"""
        select lost_reason, count(*) filter (is_after) / (select count(*) from {lost} where is_after) as after_share,
            count(*) filter (not is_after) / (select count(*) from {lost} where not is_after) as before_share
        from {lost} group by lost_reason
    """
    found = {reason: (after, before) for reason, after, before in planted.execute(shares).fetchall()}
    usual = dict(zip(crm.LOST_REASONS, crm.SHARES["lost_reason"], strict=True))
    assert points >= 0.12 and set(found) == set(usual)
    for reason, (after, before) in found.items():
        grown = usual[reason] + points if reason == growing else usual[reason] * (1 - usual[growing] - points) / (1 - usual[growing])
        assert abs(before - usual[reason]) < 0.01 and abs(after - grown) < 0.01, reason


def test_bad_quarter_costs_the_planted_points_by_late_losses(planted):
    first, last, points = crm.PLANTED.bad_quarter
    inside = f"closed_date between date '{first}' and date '{last}'"
    settled = "closed_date >= date '2024-07-01'"
    assert points <= -0.12 and as_planted(difference(planted, inside, among=settled), points)
    lost_in = f"""
        select stage = 'Negotiation' as is_late, count(*) filter ({inside}) / (select count(*) from deals where {inside}) as bad_share,
            count(*) filter (not {inside}) / (select count(*) from deals where {settled} and not {inside}) as usual_share
        from visits inner join deals using (deal_id)
        where next_stage = 'Closed Lost' and outcome = 'Lost' and {settled} group by is_late order by is_late
    """
    (_, early_bad, early_usual), (_, late_bad, late_usual) = planted.execute(lost_in).fetchall()
    assert abs(early_bad - early_usual) < 0.015
    assert late_bad - late_usual > 0.12


STAGE_LOSSES = f"""
    select stage, count(distinct deal_id) filter (next_stage = 'Closed Lost' and outcome = 'Lost') / count(distinct deal_id) as loss_rate
    from visits inner join deals using (deal_id)
    where stage not like 'Closed%' and {UNTROUBLED} group by stage
"""


def test_proposal_leaks(planted):
    loss_rate = dict(planted.execute(STAGE_LOSSES).fetchall())
    others = [rate for stage, rate in loss_rate.items() if stage != "Proposal"]
    assert crm.PLANTED.leak_points >= 0.12 and loss_rate["Proposal"] - max(others) >= crm.PLANTED.leak_points


LONG_VISITS = f"(select *, exited_at - entered_at > interval {crm.AGING_DAYS} days as is_long from visits inner join deals using (deal_id))"


@pytest.mark.parametrize("stage", crm.STAGES[:4])
def test_aging_hurts_in_every_stage(planted, stage):
    found, _ = difference(planted, "is_long", rows=LONG_VISITS, among=f"stage = '{stage}' and {UNTROUBLED}")
    assert crm.PLANTED.aging_points >= 0.12 and found <= -crm.PLANTED.aging_points


@pytest.mark.parametrize(("product", "gap"), list(zip(crm.PRODUCTS, crm.PLANTED.cycle_gap_days, strict=True)))
def test_only_lost_enterprise_deals_take_longer(planted, product, gap):
    medians = planted.execute(f"""
        select median(sales_cycle_days) from deals
        where product_type = '{product}' and {UNTROUBLED} group by outcome order by outcome
    """).fetchall()
    assert abs(medians[0][0] - medians[1][0] - gap) <= 2


# Deals that sat in a stage for 21 days before anything else could happen to them; by the dates of the history, so a few hours unsure.
FLAGGED = f"""
    (
        select deals.*, ('0x' || substr(md5(deal_id), 1, 8))::bigint % 100 < 20 as is_held_out, flagged_at,
            closed_date - flagged_at::date >= 4 as had_time
        from deals
        inner join (
            select deal_id, min(entered_at) + interval {crm.AGING_DAYS} days as flagged_at
            from visits
            where stage not like 'Closed%' and exited_at - entered_at > interval {crm.AGING_DAYS} days
            group by deal_id
        ) using (deal_id)
        where deal_id not in (
            select deal_id from visits where next_stage is not null
            and list_position({list(crm.STAGES)}, next_stage) < list_position({list(crm.STAGES)}, stage)
        )
    )
"""


def test_actions_rescue_the_planted_share(planted):
    """Offered less held out = rescued share x share taken up x share of the held out that were lost and had time for an action."""
    lost_in_time = value(planted, f"select avg((outcome = 'Lost' and had_time)::int) from {FLAGGED} where is_held_out and {UNTROUBLED}")
    expected = crm.PLANTED.rescue * 0.7 * lost_in_time
    found = difference(planted, "not is_held_out", rows=FLAGGED)
    assert as_planted(found, expected)
    assert found[0] > WITHIN * found[1]


# The null CRM


def test_null_crm_wins_the_same_everywhere(null):
    settled = "created_date < date '2025-07-01'"
    segments = {
        "industry": crm.INDUSTRIES,
        "region": crm.REGIONS,
        "product_type": crm.PRODUCTS,
        "lead_source": crm.LEAD_SOURCES,
        "sales_rep_id": crm.REPS,
    }
    conditions = [f"{name} = '{each}'" for name, values in segments.items() for each in values]
    conditions += [band(*crm.PLANTED.size_band[:2]), "deal_amount > 15000", "sales_cycle_days > 60", "competitor is not null"]
    conditions += ["closed_date between date '2025-04-01' and date '2025-06-30'", "deal_id in (select deal_id from interventions)"]
    conditions += ["deal_id in (select deal_id from field_history where field = 'expected_close_date' and old_value is not null)"]
    conditions += [f"deal_id in (select deal_id from visits where {each})" for each in ("stage = 'Proposal'", "visit_number > 5")]
    differing = {each: found for each in conditions if not as_planted(found := difference(null, each, among=settled), 0)}
    assert differing == {}
    assert abs(value(null, f"select avg((outcome = 'Won')::int) from deals where {settled}") - crm.NO_EFFECTS.base_rate) < 0.005


@pytest.mark.parametrize("stage", crm.STAGES[:4])
def test_null_crm_does_not_age(null, stage):
    assert as_planted(difference(null, "is_long", rows=LONG_VISITS, among=f"stage = '{stage}' and {UNTROUBLED}"), 0)


def test_null_crm_has_no_cycle_gap(null):
    medians = "select median(sales_cycle_days) from deals where outcome is not null group by outcome order by outcome"
    lost, won = null.execute(medians).fetchall()
    assert abs(lost[0] - won[0]) <= 1


# Dirty rows


def lines(path: Path) -> Counter:
    return Counter(path.read_text().splitlines())


def test_dirty_rows_are_the_listed_ones_and_the_rest_is_the_clean_file(tmp_path):
    generate.generate(tmp_path / "clean", 3_000, 1, "csv", clean=True)
    clean = {path.name: lines(path) for path in (tmp_path / "clean").iterdir()}
    demo = {path.name: lines(path) for path in DEMO.glob("*.csv")}
    same = {name for name in clean if clean[name] == demo[name]}
    assert same == {f"demo_{name}.csv" for name in ("field_history", "activities", "interventions", "reps", "quotas")}
    deals, clean_deals = demo["demo_deals.csv"], clean["demo_deals.csv"]
    assert (deals - clean_deals).total() == 12 + 15
    assert (clean_deals - deals).total() == 12
    stages, clean_stages = demo["demo_stage_history.csv"], clean["demo_stage_history.csv"]
    assert (stages - clean_stages).total() == 4 and not clean_stages - stages


REASONS = {
    "deal_id is null": 2,
    "deal_stage = 'Legal Review'": 1,
    "try_cast(deal_amount as double) < 0": 1,
    "try_cast(deal_amount as double) > 1e9": 1,
    "try_cast(closed_date as date) < try_cast(created_date as date)": 1,
    "outcome not in ('Won', 'Lost')": 1,
    "closed_date is not null and outcome is null": 1,
    "try_cast(closed_date as date) > date '2099-01-01'": 1,
    "product_type is null": 3,
    "industry = upper(industry)": 3,
    "region = lower(region)": 3,
    "lead_source <> trim(lead_source)": 3,
}


def test_each_kind_of_dirty_row_is_there():
    deals = f"read_csv('{DEMO}/demo_deals.csv', all_varchar = true, header = true)"
    found = {reason: value(duckdb, f"select count(*) from {deals} where {reason}") for reason in REASONS}
    assert found == REASONS
    assert value(duckdb, f"select count(*) from {deals} where created_date = '2024-13-45' or closed_date = '31/12/2024'") == 2
    repeats = f"select count(distinct deal_amount) from {deals} where deal_id is not null group by deal_id having count(*) > 1"
    assert sorted(duckdb.execute(repeats).fetchall()) == [(1,), (1,), (2,)]
    stages = f"read_csv('{DEMO}/demo_stage_history.csv', all_varchar = true, header = true)"
    assert value(duckdb, f"select count(*) from {stages} where deal_id not in (select deal_id from {deals} where deal_id is not null)") == 2
    assert value(duckdb, f"select count(*) from {stages} where stage = 'Legal Review' or entered_at = 'yesterday'") == 2


def test_parquet_holds_the_dirty_rows_its_types_can_hold(tmp_path):
    rows = generate.generate(tmp_path / "dirty", 3_000, 1, "parquet")
    clean_rows = generate.generate(tmp_path / "clean", 3_000, 1, "parquet", clean=True)
    assert {name: rows[name] - clean_rows[name] for name in rows if rows[name] != clean_rows[name]} == {"deals": 13, "stage_history": 3}
    described = f"select column_name, column_type from (describe select * from '{tmp_path}/dirty/demo_deals.parquet')"
    types = dict(duckdb.execute(described).fetchall())
    expected = {"created_date": "DATE", "deal_amount": "DECIMAL(18,2)", "updated_at": "TIMESTAMP", "deal_id": "VARCHAR"}
    assert {name: types[name] for name in expected} == expected


def test_dirty_rows_are_capped(tmp_path):
    rows = generate.generate(tmp_path, 60_000, 1, "csv", tables=("deals", "stage_history"))
    assert rows["deals"] == 60_000 + 6 * 15

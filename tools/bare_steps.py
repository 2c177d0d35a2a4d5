"""The scans, windows, groupings and writes that the marts can't do without, as plain DuckDB statements over a file of deals and one of stage
history. It is the least work that gives the numbers, not the right numbers: nothing is checked or quarantined, repeated rows of a stage
stay, and where the project fits a model the win rates of its values stand for it, because a fit reads no more than a sample."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

DIMENSIONS = ("industry", "region", "product_type", "lead_source", "deal_size_band", "sales_rep_id")
PAIRS = tuple(combinations(DIMENSIONS, 2))
AS_OF = "date '2025-12-31'"
SAMPLE_DEALS = 20_000
SIMILAR = ("product_type", "industry", "deal_size_band", "lead_source", "region")
CANDIDATES = 50
# Value and threshold of the alert rules about open deals.
CHECKS = (*(("risk_score", bound) for bound in (60, 70, 75)), *(("days_in_stage", bound) for bound in (14, 30)), ("age_days", 90))
FACTORS = (*DIMENSIONS, "deal_age_band", "stage", "stage_age_band")


def band(value: str, *edges: int) -> str:
    return "case " + " ".join(f"when {value} <= {edge} then {edge}" for edge in edges) + f" else {edges[-1]} + 1 end"


def stage_age_band(value: str) -> str:
    return band(value, 0, 1, 3, 7, 14, 21, 28)


def grouping_sets(*groups: tuple[str, ...]) -> str:
    return "grouping sets (" + ", ".join(f"({', '.join(group)})" for group in groups) + ")"


def by_segment(*columns: str) -> str:
    """Grouping sets of the columns alone, and with each dimension."""
    return grouping_sets(columns, *((*columns, dimension) for dimension in DIMENSIONS))


def bare_steps(folder: Path, published: Path) -> Iterator[tuple[str, str]]:
    """Name and statement of each step over the files of `folder`. A table that is made is written to the database, and the facts to the file
    `published` too."""
    dimensions = ", ".join(DIMENSIONS)
    yield (
        "scan deals, write them",
        f"""
        create table deals as
        select
            * replace (cast(deal_amount as decimal(18, 2)) as deal_amount),
            outcome = 'Won' as is_won,
            closed_date - created_date as cycle_days,
            date_trunc('month', created_date)::date as created_month,
            date_trunc('month', closed_date)::date as closed_month,
            coalesce(closed_date, {AS_OF}) - created_date as age_days,
            {band("deal_amount", 5000, 15000, 30000)} as deal_size_band
        from read_parquet('{folder / "demo_deals.parquet"}')
    """,
    )
    yield (
        "visits by window, write them",
        f"""
        create table visits as
        with stages as (
            select unnest(['Qualified', 'Demo', 'Proposal', 'Negotiation']) as stage, unnest([0, 1, 2, 3]) as stage_rank
        ),
        changes as (
            select
                history.deal_id,
                history.stage,
                stages.stage_rank,
                history.entered_at,
                lead(history.entered_at) over by_time as exited_at,
                lead(coalesce(stages.stage_rank, 9)) over by_time as next_stage_rank,
                row_number() over by_time as visit_number,
                bit_or(1 << stages.stage_rank) over (by_time rows between unbounded preceding and 1 preceding) as stages_before,
                bit_or(1 << stages.stage_rank) over (by_time rows between 1 following and unbounded following) as stages_after
            from read_parquet('{folder / "demo_stage_history.parquet"}') as history
            left join stages using (stage)
            window by_time as (partition by history.deal_id order by history.entered_at)
        )
        select
            deal_id, visit_number, stage, stage_rank, entered_at, exited_at, exited_at is null as is_open,
            date_diff('second', entered_at, coalesce(exited_at, {AS_OF} + 1)) as visit_seconds,
            date_diff('day', entered_at, coalesce(exited_at, {AS_OF})) as days_in_stage,
            coalesce(stages_before & (1 << stage_rank), 0) > 0 as is_reentry,
            coalesce(stages_before, 0) >= 2 << stage_rank as is_regression,
            greatest(coalesce(stages_before, 0), coalesce(stages_after, 0)) < 2 << stage_rank as is_furthest,
            case when next_stage_rank is null then 'open' when next_stage_rank = 9 then 'closed' when next_stage_rank < stage_rank then 'regressed'
                else 'advanced' end as exit_kind
        from changes
        where stage_rank is not null
    """,
    )
    yield "no deal id twice", "select deal_id from deals group by deal_id having count(*) > 1"
    yield "no visit twice", "select deal_id, visit_number from visits group by deal_id, visit_number having count(*) > 1"
    yield (
        "many deals moved by one rep in a minute",
        """
        create table bulk_updates as
        select deals.sales_rep_id, date_trunc('minute', visits.entered_at) as moved_minute, count(*) as deal_count
        from visits
        inner join deals using (deal_id)
        group by all
        having count(*) >= 10
    """,
    )
    yield (
        "stage durations by segment",
        f"""
        create table stage_durations as
        select visits.stage, visits.days_in_stage, visits.is_open, deals.is_won, {dimensions}, count(*) as visit_count
        from visits
        inner join deals using (deal_id)
        group by {by_segment("visits.stage", "visits.days_in_stage", "visits.is_open", "deals.is_won")}
    """,
    )
    yield (
        "stage conversion by segment",
        f"""
        create table stage_conversion as
        with reached as (
            select
                visits.stage, visits.is_furthest, deals.outcome, date_diff('day', visits.entered_at, coalesce(deals.closed_date, {AS_OF})) as days_to_close,
                {dimensions}
            from visits
            inner join deals using (deal_id)
            where not visits.is_reentry
        )
        select stage, days_to_close, is_furthest, outcome, {dimensions}, count(*) as deal_count
        from reached
        group by {by_segment("stage", "days_to_close", "is_furthest", "outcome")}
    """,
    )
    yield (
        "time to close by cohort",
        """
        create table close_times as
        select created_month, age_days, outcome, count(*) as deal_count from deals group by all
    """,
    )
    yield (
        "days in stage to cells",
        f"""
        create table cells as
        with mondays as (select unnest(generate_series(date '2024-01-01', date '2025-12-29', interval 7 day))::date as observed_date),
        weekly as (
            select visits.stage, date_diff('day', visits.entered_at, mondays.observed_date) as age, deals.is_won, {dimensions}
            from visits
            inner join deals using (deal_id)
            inner join mondays
                on visits.entered_at < mondays.observed_date + 1
                and coalesce(visits.exited_at, {AS_OF} + 1) >= mondays.observed_date + 1
            where deals.outcome is not null
        )
        select stage, {stage_age_band("age")} as age_band, industry, region, product_type, lead_source,
            count(*) as observation_count, count(*) filter (is_won) as won_count
        from weekly
        group by all
    """,
    )
    yield (
        "fifteen month-end replays",
        f"""
        create table replays as
        with dates as (select unnest(generate_series(date '2024-07-31', date '2025-09-30', interval 1 month))::date as as_of_date)
        select dates.as_of_date, visits.stage, {stage_age_band("date_diff('day', visits.entered_at, dates.as_of_date)")} as age_band,
            deals.industry, deals.region, deals.product_type, deals.lead_source,
            count(*) as deal_count, sum(deals.deal_amount) as amount, sum(deals.deal_amount) filter (deals.is_won) as won_amount
        from visits
        inner join deals using (deal_id)
        inner join dates
            on visits.entered_at < dates.as_of_date + 1 and coalesce(visits.exited_at, {AS_OF} + 1) >= dates.as_of_date + 1
        group by all
    """,
    )
    yield (
        "win rates by segment, by pairs, and by month",
        f"""
        create table win_rates as
        select closed_month, {dimensions}, count(*) as closed_count, count(*) filter (is_won) as won_count,
            sum(deal_amount) as amount, sum(deal_amount) filter (is_won) as won_amount
        from deals
        where outcome is not null
        group by {grouping_sets(*((each,) for each in DIMENSIONS), *PAIRS, ("closed_month",), *(("closed_month", each) for each in DIMENSIONS))}
    """,
    )
    yield (
        "cells of the driver model",
        f"""
        create table driver_cells as
        select {dimensions}, date_trunc('quarter', closed_date) as quarter, count(*) as closed_count, count(*) filter (is_won) as won_count
        from deals
        where outcome is not null
        group by all
    """,
    )
    yield (
        "median cycles by segment",
        f"""
        create table median_cycles as
        select {dimensions}, is_won, median(cycle_days) as median_cycle_days
        from deals
        where outcome is not null
        group by {grouping_sets(*((each, "is_won") for each in DIMENSIONS))}
    """,
    )
    yield (
        "weekly observations of a sample, write them",
        f"""
        create table observations as
        with mondays as (select unnest(generate_series(date '2024-01-01', date '2025-12-29', interval 7 day))::date as observed_date),
        sampled as materialized (
            select * from deals where outcome is not null and hash(deal_id) % (select count(*) from deals) < {SAMPLE_DEALS}
        ),
        drawn as materialized (
            select sampled.*, visits.stage, visits.entered_at, visits.exited_at from visits inner join sampled using (deal_id)
        )
        select drawn.deal_id, mondays.observed_date, drawn.is_won, {dimensions}, drawn.stage,
            {band("mondays.observed_date - drawn.created_date", 7, 14, 30, 60, 90, 180)} as deal_age_band,
            drawn.stage || ', ' || {stage_age_band("date_diff('day', drawn.entered_at, mondays.observed_date)")} as stage_age_band
        from drawn
        inner join mondays
            on drawn.entered_at < mondays.observed_date + 1 and coalesce(drawn.exited_at, {AS_OF} + 1) >= mondays.observed_date + 1
    """,
    )
    values = " union all ".join(f"select '{each}' as factor, {each}::varchar as level, is_won from observations" for each in FACTORS)
    yield (
        "win rates of the values of factors",
        f"""
        create table terms as
        select factor, level, count(*) as observation_count, ln((sum(is_won::int) + 1) / (sum(1 - is_won::int) + 1)) as contribution
        from ({values})
        group by all
    """,
    )
    yield (
        "open deals, write them",
        f"""
        create table open_deals as
        select deals.*, visits.entered_at, visits.days_in_stage, cells.observation_count, cells.won_rate,
            deals.deal_amount * cells.won_rate as risk_adjusted_amount,
            {band("deals.age_days", 7, 14, 30, 60, 90, 180)} as deal_age_band,
            visits.stage, visits.stage || ', ' || {stage_age_band("visits.days_in_stage")} as stage_age_band
        from deals
        inner join visits on deals.deal_id = visits.deal_id and visits.is_open
        left join (
            select stage, age_band, sum(observation_count) as observation_count, sum(won_count) / sum(observation_count) as won_rate
            from cells
            group by all
        ) as cells
            on visits.stage = cells.stage and {stage_age_band("visits.days_in_stage")} = cells.age_band
        where deals.outcome is null
    """,
    )
    levels = " union all ".join(f"select deal_id, '{each}' as factor, {each}::varchar as level from open_deals" for each in FACTORS)
    yield (
        "reasons of open deals, write them",
        f"""
        create table reasons as
        select levels.deal_id, levels.factor, levels.level, terms.contribution, terms.observation_count,
            row_number() over (partition by levels.deal_id order by abs(terms.contribution) desc, levels.factor) as reason_rank,
            levels.factor || ' ' || levels.level || ': ' || round(100 * terms.contribution, 1) || ' (' || terms.observation_count || ')' as reason
        from ({levels}) as levels
        left join terms using (factor, level)
    """,
    )
    yield (
        "scores of open deals, write them",
        """
        create table scores as
        select deal_id, 1 / (1 + exp(-sum(contribution))) as win_probability, count(*) as factor_count
        from reasons
        group by deal_id
    """,
    )
    segments = (("stage",), *((each,) for each in DIMENSIONS))
    yield (
        "pipeline by segment",
        f"""
        create table pipeline as
        select stage, {dimensions}, count(*) as deal_count, sum(deal_amount) as amount, sum(deal_amount * win_probability) as expected_amount
        from open_deals
        inner join scores using (deal_id)
        group by {grouping_sets(*segments)}
    """,
    )
    cell = ", ".join(SIMILAR)
    in_common = " || ', ' || ".join(f"'{each} ' || won.{each}" for each in SIMILAR)
    yield (
        "won deals like each open one, write them",
        f"""
        create table similar_deals as
        with newest as materialized (
            select deal_id, deal_amount, sales_rep_id, closed_date, cycle_days, {cell}
            from deals
            where is_won
            qualify row_number() over (partition by {cell} order by closed_date desc, deal_id) <= {CANDIDATES}
        ),
        ranked as (
            select open_deals.deal_id, won.deal_id as similar_deal_id,
                least(open_deals.deal_amount, won.deal_amount)::double / greatest(open_deals.deal_amount, won.deal_amount) as similarity
            from open_deals
            inner join newest as won using ({cell})
            qualify row_number() over (partition by open_deals.deal_id order by similarity desc) <= 5
        ),
        in_stage as (
            select visits.deal_id, visits.stage, sum(visits.days_in_stage) as days_in_stage
            from visits
            where visits.deal_id in (select deal_id from newest)
            group by all
        )
        select ranked.*, open_deals.stage, open_deals.days_in_stage, won.deal_amount, won.closed_date, won.cycle_days, won.sales_rep_id,
            in_stage.days_in_stage as similar_days_in_stage,
            ranked.similar_deal_id || ' was won on ' || won.closed_date || ' after ' || won.cycle_days || ' days by ' || won.sales_rep_id
            || ': ' || {in_common} || '. It spent ' || coalesce(in_stage.days_in_stage, 0) || ' days in ' || open_deals.stage as finding
        from ranked
        inner join open_deals using (deal_id)
        inner join newest as won on ranked.similar_deal_id = won.deal_id
        left join in_stage on ranked.similar_deal_id = in_stage.deal_id and open_deals.stage = in_stage.stage
    """,
    )
    yield (
        "kept scores of open deals, write them",
        f"""
        create table score_history as
        select open_deals.deal_id, scores.win_probability, {", ".join(f"open_deals.{each}" for each in FACTORS)}
        from open_deals
        inner join scores using (deal_id)
    """,
    )
    checks = " union all ".join(
        f"select deal_id, {number} as rule_number, {value} as value, {bound} as threshold, deal_amount, sales_rep_id, "
        f"deal_id || ', ' || deal_amount || ', ' || stage || ': ' || {value} as message from found"
        for number, (value, bound) in enumerate(CHECKS)
    )
    yield (
        "what alert rules look at in open deals",
        f"""
        create view checks as
        with found as (
            select open_deals.deal_id, open_deals.deal_amount, open_deals.sales_rep_id, open_deals.stage, open_deals.days_in_stage, open_deals.age_days,
                (100 * (1 - scores.win_probability))::integer as risk_score
            from open_deals
            inner join scores using (deal_id)
        )
        {checks}
    """,
    )
    yield "alerts, write them", "create table alerts as select * from checks where value > threshold"
    yield (
        "actions from reasons, write them",
        """
        create table actions as
        select deal_id, factor, string_agg(reason, '; ' order by reason_rank) as rationale, min(reason_rank) as action_rank
        from reasons
        where contribution < 0 and reason_rank <= 3
        group by deal_id, factor
    """,
    )
    facts = ("deals", "visits", "open_deals", "reasons", "scores", "similar_deals", "score_history", "checks", "alerts", "actions")
    yield (
        "publish the facts: write them to a file of their own",
        f"attach '{published}' as published; "
        + "; ".join(f"create table published.{fact} as from {fact}" for fact in facts)
        + "; detach published",
    )

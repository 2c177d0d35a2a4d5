-- Rows of one deal at the same second: open stages in the order of the pipeline, closed ones last.

with

int_input__stage_history as (
    select * from {{ ref('int_input__stage_history') }}
),

own_stages as (
    select * from {{ ref('int_stage_keys') }}
    where pipeline_text <> ''
),

other_stages as (
    select * from {{ ref('int_stage_keys') }}
    where pipeline_text = ''
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

typed as (
    select
        {{ to_text('deal_id') }} as deal_id,
        {{ to_text('stage') }} as stage,
        {{ to_timestamp('entered_at', 'stage_history') }} as entered_at,
        deal_id as raw_deal_id,
        stage as raw_stage,
        entered_at as raw_entered_at
    from int_input__stage_history
),

known as (
    select
        typed.*,
        {{ is_unreadable('typed.raw_entered_at', 'typed.entered_at') }} as is_unreadable,
        int_as_of.as_of_date
    from typed
    cross join int_as_of
    where
        typed.entered_at is null
        or cast(typed.entered_at as date) <= int_as_of.as_of_date
),

-- The stage of the deal's own pipeline comes before one that the name means elsewhere.
checked as (
    select
        known.*,
        coalesce(own_stages.stage_rank, other_stages.stage_rank) as stage_rank,
        coalesce(own_stages.is_closed, other_stages.is_closed) as is_closed,
        {{ reason_codes([
            ("known.deal_id is null", "deal_id_missing"),
            ("known.stage is null", "stage_missing"),
            ("known.stage is not null and own_stages.stage is null and other_stages.stage is null", "stage_unknown"),
            ("known.entered_at is null and not known.is_unreadable", "entered_at_missing"),
            ("known.is_unreadable", "entered_at_unreadable"),
            (
                "not " ~ is_plausible_date("cast(known.entered_at as date)", "known.as_of_date"),
                "entered_at_implausible",
            ),
            ("known.deal_id is not null and int_deals.deal_id is null", "deal_not_accepted"),
            ("cast(known.entered_at as date) < int_deals.created_date", "entered_before_created"),
            ("cast(known.entered_at as date) > int_deals.closed_date", "entered_after_closed"),
        ]) }} as reason_codes
    from known
    left join int_deals
        on known.deal_id = int_deals.deal_id
    left join own_stages
        on
            lower(int_deals.pipeline) = own_stages.pipeline_text
            and lower(known.stage) = own_stages.stage_text
    left join other_stages
        on lower(known.stage) = other_stages.stage_text
),

-- Of tens of millions of accepted rows only what orders them goes through the window.
slim as (
    select
        deal_id,
        case when reason_codes is not null then stage end as stage,
        case when reason_codes is null then entered_at end as entered_at,
        stage_rank,
        is_closed,
        reason_codes,
        case when reason_codes is not null then {{ raw_values(input_columns('stage_history'), 'raw_') }} end as raw_values
    from checked
),

-- Quarantined rows have no entered_at any more: they come last, and no accepted row is compared with them.
compared as (
    select
        *,
        row_number() over deal_rows as row_number_in_deal,
        lag(stage_rank) over deal_rows as previous_stage_rank,
        lag(entered_at) over deal_rows as previous_entered_at,
        lag(is_closed) over deal_rows as is_previous_closed,
        lead(entered_at) over deal_rows as next_entered_at
    from slim
    window deal_rows as (partition by deal_id order by entered_at nulls last, stage_rank)
),

final as (
    select
        deal_id,
        stage,
        entered_at,
        stage_rank,
        is_closed,
        reason_codes,
        raw_values,
        case when reason_codes is null then cast(row_number_in_deal as integer) end as history_number,
        reason_codes is null
        and coalesce(stage_rank = previous_stage_rank and entered_at = previous_entered_at, false) as is_duplicate,
        -- A closing ends an open stage; closings before the first open stage, or of a closed deal, change nothing.
        reason_codes is null
        and (previous_stage_rank is null or stage_rank <> previous_stage_rank)
        and (not is_closed or not coalesce(is_previous_closed, true)) as is_stage_change,
        reason_codes is null
        and (
            next_entered_at is null
            or {{ dbt.date_trunc('minute', 'entered_at') }} <> {{ dbt.date_trunc('minute', 'next_entered_at') }}
        ) as is_last_in_minute
    from compared
)

select * from final

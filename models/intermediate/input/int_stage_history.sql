-- Rows of one deal at the same second: open stages in the order of the pipeline, closed ones last.
{% set columns = input_columns('stage_history') %}

with

int_input__stage_history as (
    select * from {{ ref('int_input__stage_history') }}
),

int_stages as (
    select * from {{ ref('int_stages') }}
),

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

stages as (
    select
        *,
        row_number() over (order by is_closed, stage_order, stage) as stage_rank,
        case when not is_closed then dense_rank() over (partition by is_closed order by stage_order) end as open_position
    from int_stages
),

typed as (
    select
        {{ to_text('deal_id') }} as deal_id,
        {{ to_text('stage') }} as stage,
        {{ to_timestamp('entered_at') }} as entered_at,
        {% for column in columns -%}
            {{ column }} as raw_{{ column }}{{ "," if not loop.last }}
        {% endfor %}
    from int_input__stage_history
),

known as (
    select
        typed.*,
        int_as_of.as_of_date
    from typed
    cross join int_as_of
    where
        not int_as_of.is_given
        or typed.entered_at is null
        or cast(typed.entered_at as date) <= int_as_of.as_of_date
),

checked as (
    select
        known.*,
        stages.stage_order,
        stages.stage_rank,
        stages.open_position,
        stages.is_closed,
        stages.is_won,
        {{ reason_codes([
            ("known.deal_id is null", "deal_id_missing"),
            ("known.stage is null", "stage_missing"),
            ("known.stage is not null and stages.stage is null", "stage_unknown"),
            ("known.entered_at is null and " ~ to_text('known.raw_entered_at') ~ " is null", "entered_at_missing"),
            ("known.entered_at is null and " ~ to_text('known.raw_entered_at') ~ " is not null", "entered_at_unreadable"),
            ("cast(known.entered_at as date) > known.as_of_date", "entered_at_implausible"),
            ("known.deal_id is not null and int_deals.deal_id is null", "deal_not_accepted"),
            ("cast(known.entered_at as date) < int_deals.created_date", "entered_before_created"),
            ("cast(known.entered_at as date) > int_deals.closed_date", "entered_after_closed"),
        ]) }} as reason_codes
    from known
    left join stages
        on known.stage = stages.stage
    left join int_deals
        on known.deal_id = int_deals.deal_id
),

-- Accepted rows are compared among themselves only.
compared as (
    select
        deal_id,
        stage,
        entered_at,
        stage_order,
        cast(open_position as integer) as open_position,
        is_closed,
        is_won,
        reason_codes,
        case when reason_codes is not null then {{ raw_values(columns, 'raw_') }} end as raw_values,
        row_number() over deal_rows as row_number_in_deal,
        lag(stage) over deal_rows as previous_stage,
        lag(entered_at) over deal_rows as previous_entered_at,
        lag(is_closed) over deal_rows as is_previous_closed
    from checked
    window deal_rows as (partition by deal_id, reason_codes is null order by entered_at, stage_rank)
),

final as (
    select
        deal_id,
        stage,
        entered_at,
        stage_order,
        open_position,
        is_closed,
        is_won,
        reason_codes,
        raw_values,
        case when reason_codes is null then cast(row_number_in_deal as integer) end as history_number,
        reason_codes is null and coalesce(stage = previous_stage and entered_at = previous_entered_at, false) as is_duplicate,
        -- A closing ends an open stage; closings before the first open stage, or of a closed deal, change nothing.
        reason_codes is null
        and stage is distinct from previous_stage
        and (not is_closed or not coalesce(is_previous_closed, true)) as is_stage_change
    from compared
)

select * from final

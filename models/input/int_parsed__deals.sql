{{ config(materialized = "view") }}
{% set own = own_dimensions() %}

with

int_input__deals as (
    select * from {{ ref('int_input__deals') }}
),

own_stages as (
    select * from {{ ref('int_stage_keys') }}
    where pipeline_text <> ''
),

other_stages as (
    select * from {{ ref('int_stage_keys') }}
    where pipeline_text = ''
),

typed as (
    select
        {{ to_text('deal_id') }} as deal_id,
        {{ to_timestamp('created_date') }} as created_at,
        {{ to_timestamp('closed_date') }} as stated_closed_at,
        {{ to_text('sales_rep_id') }} as sales_rep_id,
        {{ to_text('industry') }} as industry,
        {{ to_text('region') }} as region,
        {{ to_text('product_type') }} as product_type,
        {{ to_text('lead_source') }} as lead_source,
        {{ mapped(to_text('pipeline'), 'pipeline') }} as pipeline,
        {{ mapped(to_text('deal_type'), 'deal_type') }} as deal_type,
        {{ to_text('deal_stage') }} as stated_stage,
        {{ mapped(to_text('outcome'), 'outcome') }} as stated_outcome,
        {{ to_amount('deal_amount') }} as stated_amount,
        {{ try_cast(to_amount('sales_cycle_days'), dbt.type_int()) }} as stated_cycle_days,
        cast({{ to_timestamp('expected_close_date') }} as date) as stated_expected_close_date,
        {{ to_probability('stage_probability') }} as stage_probability,
        {{ mapped(to_text('forecast_category'), 'forecast_category') }} as forecast_category,
        {{ to_text('account_id') }} as account_id,
        {{ to_text('deal_name') }} as deal_name,
        upper({{ to_text('currency_code') }}) as currency_code,
        {{ to_amount('home_amount') }} as home_amount,
        {{ to_text('lost_reason') }} as lost_reason,
        {{ to_text('competitor') }} as competitor,
        {{ to_text('next_step') }} as next_step,
        {{ to_timestamp('updated_at') }} as updated_at,
        {% for each in own -%}
            {% if each.get('kind') == 'number' -%}
                cast({{ to_amount(each.dimension) }} as double)
            {%- else -%}
                {{ to_text(each.dimension) }}
            {%- endif %} as {{ each.dimension }},
        {% endfor -%}
        created_date as raw_created_date,
        closed_date as raw_closed_date,
        deal_amount as raw_deal_amount,
        coalesce({{ to_boolean('is_deleted') }}, false) or not ({{ passes_row_filters() }}) as is_filtered,
        struct_pack(
            {%- for column in input_columns('deals') + own_columns() %}
            {{ column }} := nullif(trim(cast({{ column }} as {{ dbt.type_string() }})), ''){{ "," if not loop.last }}
            {%- endfor %}
        ) as raw
    from int_input__deals
),

dated as (
    select
        *,
        cast(created_at as date) as created_date,
        cast(stated_closed_at as date) as stated_closed_date,
        {{ is_unreadable('raw_created_date', 'created_at') }} as is_created_date_unreadable,
        {{ is_unreadable('raw_closed_date', 'stated_closed_at') }} as is_closed_date_unreadable,
        {{ is_unreadable('raw_deal_amount', 'stated_amount') }} as is_amount_unreadable
    from typed
),

staged as (
    select
        dated.*,
        coalesce(own_stages.stage, other_stages.stage) as deal_stage,
        coalesce(own_stages.is_closed, other_stages.is_closed) as is_stage_closed,
        coalesce(own_stages.is_won, other_stages.is_won) as is_stage_won
    from dated
    left join own_stages
        on
            lower(dated.pipeline) = own_stages.pipeline_text
            and lower(dated.stated_stage) = own_stages.stage_text
    left join other_stages
        on lower(dated.stated_stage) = other_stages.stage_text
),

-- From the model itself: what a query names twice is read whole, and who counts rows of this view would parse every column.
outcomes as (
    select count({{ to_text('outcome') }}) > 0 as have_outcomes
    from {{ ref('int_input__deals') }}
),

-- The state of a deal is what its outcome says, else its stage. A blank outcome means open where the file has outcomes at all.
judged as (
    select
        *,
        case
            when lower(stated_outcome) in ('won', 'closed won', 'closedwon') then 'Won'
            when lower(stated_outcome) in ('lost', 'closed lost', 'closedlost') then 'Lost'
            when lower(stated_outcome) = 'open' then 'Open'
            when stated_outcome is not null then null
            when is_stage_closed and is_stage_won then 'Won'
            when is_stage_closed and not is_stage_won then 'Lost'
            when not is_stage_closed then 'Open'
            when
                stated_closed_date is null
                and not is_closed_date_unreadable
                and deal_stage is null
                and (stated_stage is null or (select outcomes.have_outcomes from outcomes))
                then 'Open'
        end as outcome
    from staged
),

-- The one close date of many CRMs: of an open deal it is the day on which its close is expected.
stated as (
    select
        *,
        case when coalesce(outcome <> 'Open', true) then stated_closed_at end as closed_at,
        case when coalesce(outcome <> 'Open', true) then stated_closed_date end as closed_date,
        coalesce(stated_expected_close_date, case when outcome = 'Open' then stated_closed_date end) as expected_close_date,
        coalesce(outcome = 'Open', false) and stated_closed_date is not null as has_close_date_while_open
    from judged
),

final as (
    select
        *,
        {{ deal_reason_codes('stated') }} as reason_codes
    from stated
)

select * from final

{% set kept = kept_inputs() %}

with

int_deals as (
    select * from {{ ref('int_deals') }}
),

int_input_row_counts as (
    select * from {{ ref('int_input_row_counts') }}
),

deal_counts as (
    select
        sum(case when is_open then 1 else 0 end) as open_count,
        sum(case when is_open then 0 else 1 end) as closed_count,
        sum(case when not is_won and lost_reason is not null then 1 else 0 end) as lost_reason_count,
        sum(case when is_won and competitor is not null then 1 else 0 end) as competitor_count
    from int_deals
),

-- Value intervals are another way to give field history.
companions as (
    select
        input,
        case
            when input = 'field_history' then sum(case when input in ('field_history', 'value_intervals') then accepted_count else 0 end) over ()
            else accepted_count
        end as accepted_count
    from int_input_row_counts
),

levels as (
    select
        'closed_deals' as capability,
        'L0' as data_level,
        coalesce(closed_count, 0) as row_count,
        'no deal has closed by the as-of date' as reason_when_missing
    from deal_counts

    union all

    select
        'open_deals' as capability,
        'L1' as data_level,
        coalesce(open_count, 0) as row_count,
        'no deal is open on the as-of date' as reason_when_missing
    from deal_counts

    union all

    select
        'lost_reasons' as capability,
        'L0' as data_level,
        coalesce(lost_reason_count, 0) as row_count,
        'no lost deal has a lost_reason' as reason_when_missing
    from deal_counts

    union all

    select
        'competitors' as capability,
        'L0' as data_level,
        coalesce(competitor_count, 0) as row_count,
        'no won deal has a competitor' as reason_when_missing
    from deal_counts

    union all

    select
        'own_dimensions' as capability,
        'L0' as data_level,
        {{ 'coalesce(open_count + closed_count, 0)' if own_dimensions() else '0' }} as row_count,
        'the var own_dimensions declares no column of the deals file' as reason_when_missing
    from deal_counts

    union all

    select
        input as capability,
        case input when 'stage_history' then 'L2' when 'field_history' then 'L3' else 'L4' end as data_level,
        accepted_count as row_count,
        case
            when input in ('{{ inputs_without_file() | join("', '") }}')
                then concat(
                    'the input has no ', replace(input, '_', ' '), ': set ', input, '_file'
                    {%- if not kept %}, case when input in ('stage_history', 'field_history') then ' or keep_history' else '' end{% endif -%}
                )
            else concat('no row of the ', replace(input, '_', ' '), ' was accepted: see fct_quarantined_rows')
        end as reason_when_missing
    from companions
    where input not in ('deals', 'reps', 'exchange_rates', 'value_intervals')
),

final as (
    select
        capability,
        data_level,
        cast(row_count as bigint) as row_count,
        row_count > 0 as is_available,
        case when row_count = 0 then reason_when_missing end as reason,
        {% if kept -%}
        case
            when row_count > 0 and capability in ('{{ kept | join("', '") }}') then (select min(observed_date) from {{ ref('int_kept_changes') }} where input_name = {{ input_name_text() }})
        end as observed_since_date
        {%- else -%}
        cast(null as date) as observed_since_date
        {%- endif %}
    from levels
)

select * from final

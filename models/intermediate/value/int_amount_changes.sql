-- What an amount was before a later change of it: a replay must not know the change.
with

int_input__field_history as (
    select * from {{ ref('int_input__field_history') }}
    where
        lower({{ to_text('field') }}) = 'amount'
        and {{ to_amount('old_value') }} is not null
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

bands as (
    select * from {{ ref('bands') }}
    where band_type = 'deal_size_band'
),

changes as (
    select
        {{ to_text('int_input__field_history.deal_id') }} as deal_id,
        {{ to_amount('int_input__field_history.old_value') }} as deal_amount,
        {{ to_timestamp('int_input__field_history.changed_at') }} as changed_at,
        {{ to_text('int_input__field_history.new_value') }} as new_value,
        int_as_of.as_of_date
    from int_input__field_history
    cross join int_as_of
),

dated as (
    select
        *,
        cast(changed_at as date) as changed_date,
        cast(lag(changed_at) over (partition by deal_id order by changed_at, new_value) as date) as previous_changed_date
    from changes
    where cast(changed_at as date) <= as_of_date
),

final as (
    select
        dated.deal_id,
        dated.deal_amount,
        bands.band as deal_size_band,
        coalesce(dated.previous_changed_date, cast('0001-01-01' as date)) as known_from_date,
        dated.changed_date
    from dated
    left join bands
        on {{ in_band('dated.deal_amount', 'bands') }}
    where
        dated.previous_changed_date is null
        or dated.previous_changed_date < dated.changed_date
)

select * from final

-- Made as int_past_field_values is, but an emptied amount is a value: deal_amount is 0 on days on which the deal is known, later, to have
-- had none. Nobody knew that then: known_amount, what a build of the day valued the deal at, is the last amount above 0.
with

int_checked__field_history as (
    select * from {{ ref('int_checked__field_history') }}
    where
        reason_codes is null
        and field = 'amount'
),

bands as (
    select * from {{ ref('int_bands') }}
    where band_type = 'deal_size_band'
),

-- A newer amount of the deals file is a change of the day from which the file is known to be right.
amounts as (
    select
        changes.deal_id,
        changes.changed_at,
        {{ in_home_currency(to_amount('changes.old_value', values_input()), 'int_deals.home_rate') }} as stated_old_amount,
        case
            when changes.new_value is null then 0
            else {{ in_home_currency(to_amount('changes.new_value', values_input()), 'int_deals.home_rate') }}
        end as new_amount
    from int_checked__field_history as changes
    {%- if var('home_currency', none) %}
    left join {{ ref('int_deals') }} as int_deals
        on changes.deal_id = int_deals.deal_id
    {%- endif %}

    union all

    select
        deal_id,
        recorded_at as changed_at,
        null as stated_old_amount,
        deal_amount as new_amount
    from {{ ref('int_deals') }}
    where amount_newer_in = 'file'
),

valid_amounts as (
    select
        deal_id,
        changed_at,
        new_amount,
        case when stated_old_amount >= 0 and stated_old_amount < {{ var('max_deal_amount') }} then stated_old_amount end as old_amount
    from amounts
    where
        new_amount >= 0
        and new_amount < {{ var('max_deal_amount') }}
),

changes as (
    select
        deal_id,
        cast(changed_at as date) as changed_date,
        cast(lag(changed_at) over deal_amounts as date) as previous_changed_date,
        coalesce(lag(new_amount) over deal_amounts, old_amount) as deal_amount,
        coalesce(
            lag(coalesce(nullif(new_amount, 0), nullif(old_amount, 0)) ignore nulls) over deal_amounts,
            nullif(old_amount, 0)
        ) as known_amount
    from valid_amounts
    window deal_amounts as (partition by deal_id order by changed_at, new_amount, old_amount)
),

final as (
    select
        changes.deal_id,
        changes.deal_amount,
        changes.known_amount,
        bands.band as known_size_band,
        coalesce(changes.previous_changed_date, cast('0001-01-01' as date)) as known_from_date,
        changes.changed_date
    from changes
    left join bands
        on {{ in_band('changes.known_amount', 'bands') }}
    where
        changes.deal_amount is not null
        and (
            changes.previous_changed_date is null
            or changes.previous_changed_date < changes.changed_date
        )
)

select * from final

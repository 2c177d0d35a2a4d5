with

int_deals as (
    select * from {{ ref('int_deals') }}
    where not is_open and closed_date is not null
),

int_capabilities as (
    select * from {{ ref('int_capabilities') }}
    where has_field_history
),

changes as (
    select
        deal_id,
        changed_at,
        cast({{ to_timestamp('coalesce(old_value, new_value)', values_input()) }} as date) as expected_close_date
    from {{ ref('int_checked__field_history') }}
    where
        reason_codes is null
        and lower(field) = 'expected_close_date'
),

first_changes as (
    select
        deal_id,
        min(changed_at) as changed_at
    from {{ ref('int_checked__field_history') }}
    where
        reason_codes is null
        and lower(field) = 'expected_close_date'
    group by deal_id
),

first_dates as (
    select
        changes.deal_id,
        min(changes.expected_close_date) as expected_close_date
    from changes
    inner join first_changes
        on
            changes.deal_id = first_changes.deal_id
            and changes.changed_at = first_changes.changed_at
    group by changes.deal_id
),

-- A date that was never changed is the one first said.
dated as (
    select
        int_deals.sales_rep_id,
        int_deals.closed_date,
        coalesce(first_dates.expected_close_date, int_deals.expected_close_date) as first_expected_date
    from int_deals
    cross join int_capabilities
    left join first_dates
        on int_deals.deal_id = first_dates.deal_id
),

slips as (
    select
        sales_rep_id,
        {{ dbt.datediff('first_expected_date', 'closed_date', 'day') }} as slip_days
    from dated
    where first_expected_date is not null
),

final as (
    select
        sales_rep_id,
        cast(count(*) as bigint) as dated_deal_count,
        cast(sum(case when slip_days <= 0 then 1 else 0 end) as bigint) as on_time_deal_count,
        percentile_cont(0.5) within group (order by slip_days) as median_slip_days
    from slips
    group by sales_rep_id
)

select * from final

{{ config(materialized = "view") }}
{% set end_of_as_of = dbt.dateadd('microsecond', -1, dbt.dateadd('day', 1, 'cast(deals.as_of_date as timestamp)')) %}
with

-- Rejected deals pass through: their values count for nothing.
int_checked__deals as (
    select * from {{ ref('int_checked__deals') }}
),

int_file_dates as (
    select * from {{ ref('int_file_dates') }}
),

-- Until when the file's values of a deal are known to be right. A deal without updated_at in a file that has it is undated.
dated as (
    select
        deals.*,
        coalesce(rep_names.sales_rep_id, deals.sales_rep_id) as file_rep_id,
        case when abs(deals.stated_amount) < {{ var('max_deal_amount') }} then nullif(deals.stated_amount, 0) end as file_amount,
        case
            when deals.updated_at is not null then {{ end_of_moment('deals.updated_at') }}
            when not int_file_dates.has_updated_at and int_file_dates.newest_date <= deals.as_of_date
                then {{ end_of_moment('cast(int_file_dates.export_date as timestamp)') }}
        end as recorded_at,
        least({{ end_of_moment('deals.closed_at') }}, {{ end_of_as_of }}) as owned_at
    from int_checked__deals as deals
    cross join int_file_dates
    left join {{ ref('int_rep_names') }} as rep_names
        on {{ folded('deals.sales_rep_id') }} = rep_names.spelling
),

compared as (
    select
        dated.*,
        {{ in_home_currency('history.deal_amount', 'dated.home_rate') }} as history_amount,
        history.deal_amount as history_amount_in_currency,
        history.expected_close_date as history_close_date,
        history.sales_rep_id as history_rep_id,
        owners.sales_rep_id as history_owner_at_close,
        coalesce(dated.recorded_at >= history.amount_changed_at, false) as is_amount_newer,
        coalesce(dated.recorded_at >= history.close_date_changed_at, false) as is_close_date_newer,
        coalesce(dated.recorded_at >= history.owner_changed_at, false) as is_owner_newer,
        coalesce(dated.recorded_at <= dated.owned_at or dated.closed_date is null, false) as is_owner_of_then
    from dated
    left join {{ ref('int_current_field_values') }} as history
        on dated.deal_id = history.deal_id
    left join {{ ref('int_owner_periods') }} as owners
        on
            dated.deal_id = owners.deal_id
            and dated.owned_at >= owners.from_at
            and dated.owned_at < owners.until_at
),

-- The newer of two sources wins, ties go to the file. A deal belongs to its owner at the close, which a file of later days doesn't say.
final as (
    select
        *,
        case when is_amount_newer and file_amount is not null then file_amount else coalesce(history_amount, stated_amount) end as known_amount,
        case
            when is_amount_newer and file_amount is not null then amount_in_currency
            else coalesce(history_amount_in_currency, amount_in_currency)
        end as known_amount_in_currency,
        case
            when is_close_date_newer and expected_close_date is not null then expected_close_date
            else coalesce(history_close_date, expected_close_date)
        end as known_expected_close_date,
        case
            when is_owner_newer and is_owner_of_then and file_rep_id is not null then file_rep_id
            else coalesce(history_owner_at_close, file_rep_id, 'Unknown')
        end as known_sales_rep_id,
        history_amount is null as is_amount_undated,
        case
            when recorded_at is not null and file_amount is not null and amount_in_currency <> history_amount_in_currency
                then case when is_amount_newer then 'file' else 'history' end
        end as amount_newer_in,
        case
            when recorded_at is not null and expected_close_date <> history_close_date
                then case when is_close_date_newer then 'file' else 'history' end
        end as close_date_newer_in,
        case
            when recorded_at is not null and file_rep_id <> history_rep_id
                then case when is_owner_newer and is_owner_of_then then 'file' else 'history' end
        end as owner_newer_in
    from compared
)

select * from final

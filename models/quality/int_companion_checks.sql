-- What is odd in accepted rows of companions: counted, and never dropped.
with

dim_reps as (
    select sales_rep_id
    from {{ ref('dim_reps') }}
),

int_exchange_rates as (
    select distinct currency_code
    from {{ ref('int_exchange_rates') }}
    where reason_codes is null
),

amounts as (
    select
        int_deals.currency_code,
        int_exchange_rates.currency_code is not null as is_currency_rated,
        count(*) as row_count
    from {{ ref('int_deals') }} as int_deals
    left join int_exchange_rates
        on int_deals.currency_code = int_exchange_rates.currency_code
    where int_deals.amount_problem = 'no_exchange_rate'
    group by 1, 2
),

deal_counts as (
    select count(*) as deal_count
    from {{ ref('int_deals') }}
),

final as (
    select
        'quotas' as input,
        'quotas_of_unknown_reps' as check_name,
        count(case when dim_reps.sales_rep_id is null then 1 end) as row_count,
        count(*) as all_row_count,
        'quotas of a sales_rep_id that neither owns a deal nor stands in the reps file: they count, but is the id spelt as in the deals?' as message
    from {{ ref('int_checked__quotas') }} as quotas
    left join dim_reps
        on quotas.sales_rep_id = dim_reps.sales_rep_id
    where
        quotas.reason_codes is null
        and quotas.sales_rep_id is not null

    union all

    select
        'forecast_calls' as input,
        'forecast_calls_of_unknown_reps' as check_name,
        count(case when dim_reps.sales_rep_id is null then 1 end) as row_count,
        count(*) as all_row_count,
        'calls of a sales_rep_id that neither owns a deal nor stands in the reps file: is the id spelt as in the deals?' as message
    from {{ ref('int_checked__forecast_calls') }} as calls
    left join dim_reps
        on calls.sales_rep_id = dim_reps.sales_rep_id
    where
        calls.reason_codes is null
        and not calls.is_duplicate

    union all

    select
        'deals' as input,
        case when amounts.is_currency_rated then 'amounts_before_the_first_exchange_rate' else 'amounts_without_exchange_rate' end as check_name,
        sum(amounts.row_count) as row_count,
        max(deal_counts.deal_count) as all_row_count,
        concat(
            'deals in no money figure, because exchange_rates_file has no rate ',
            case when amounts.is_currency_rated then 'for their day of ' else 'of ' end,
            string_agg(coalesce(amounts.currency_code, 'a deal without currency_code'), ', ' order by amounts.currency_code),
            ': add it'
        ) as message
    from amounts
    cross join deal_counts
    group by amounts.is_currency_rated
)

select * from final

-- Values that are read one way and not another, and what figures leave out, as checks of rpt_data_quality.
with

final as (
    select
        'deals' as input,
        concat('outcome_dependent_loss: ', missing.problem) as check_name,
        cast(missing.won_missing_count + missing.lost_missing_count as double) as check_value,
        missing.won_deal_count + missing.lost_deal_count as all_row_count,
        'rows' as unit,
        missing.is_outcome_dependent as is_finding_above_zero,
        {{ missing_by_outcome_finding('missing') }} as message
    from {{ ref('int_missing_by_outcome') }} as missing

    union all

    select
        'deals' as input,
        concat('may_be_rewritten_at_close: ', rewritten.dimension) as check_name,
        abs(rewritten.now_share - rewritten.then_share) as check_value,
        cast(null as bigint) as all_row_count,
        'rate' as unit,
        rewritten.is_left_out as is_finding_above_zero,
        {{ rewritten_finding('rewritten', 'dim_dimensions.label') }} as message
    from {{ ref('int_rewritten_dimensions') }} as rewritten
    inner join {{ ref('dim_dimensions') }} as dim_dimensions
        on rewritten.dimension = dim_dimensions.dimension
    where rewritten.may_be_rewritten_at_close

    union all

    -- Without open deals, or deals of earlier days to compare them with, nothing tells.
    select
        'deals' as input,
        'may_be_rewritten_at_close' as check_name,
        0 as check_value,
        cast(null as bigint) as all_row_count,
        'columns' as unit,
        false as is_finding_above_zero,
        case
            when max(all_now_deal_count) = 0 then 'no open deals: what is filled in or changed when deals close can''t be seen in this input'
            else 'too few deals to see what is filled in or changed when they close'
        end as message
    from {{ ref('int_rewritten_dimensions') }}
    having count(may_be_rewritten_at_close) = 0

    union all

    select
        input,
        concat(column_name, '_read_as_percent') as check_name,
        cast(value_count as double) as check_value,
        cast(null as bigint) as all_row_count,
        'rows' as unit,
        not is_declared as is_finding_above_zero,
        case
            when is_declared then 'probabilities read as percent, as the var percent says'
            else 'probabilities read as percent: set the var percent if they are fractions, or to confirm it'
        end as message
    from {{ ref('int_probability_scales') }}
    where is_percent and value_count > 0

    union all

    select
        input,
        concat(column_name, '_outside_0_to_1') as check_name,
        cast(outside_count as double) as check_value,
        value_count as all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        'probabilities below 0 or above 1 (100 %): they count as missing' as message
    from {{ ref('int_probability_scales') }}
    where outside_count > 0
)

select * from final

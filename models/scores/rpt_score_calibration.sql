with

int_score_predictions as (
    select * from {{ ref('int_score_predictions') }}
    where purpose = 'training'
),

int_confidence_quantile as (
    select * from {{ ref('int_confidence_quantile') }}
),

-- Bins of equal width; a probability on an edge belongs to the bin below it, as in the bands.
binned as (
    select
        *,
        cast(greatest(1, ceil(round(win_probability * {{ var('score_calibration_bins') }}, 9))) as integer) as bin_number
    from int_score_predictions
),

deals as (
    select
        method,
        bin_number,
        deal_id,
        is_won,
        count(*) as observation_count,
        sum(cast(deal_weight as decimal(18, 12))) as deal_weight,
        sum(cast(deal_weight * win_probability as decimal(18, 12))) as expected
    from binned
    group by method, bin_number, deal_id, is_won
),

-- Parts of deals weigh what they are; (sum)^2 / sum of squares is the number of deals they are worth.
bins as (
    select
        method,
        bin_number,
        cast(count(*) as bigint) as deal_count,
        cast(sum(observation_count) as bigint) as observation_count,
        cast(sum(deal_weight) as double) as weighted_deal_count,
        cast(sum(expected) as double) / cast(sum(deal_weight) as double) as predicted_win_rate,
        cast(sum(case when is_won then deal_weight else 0 end) as double) / cast(sum(deal_weight) as double) as win_rate,
        power(cast(sum(deal_weight) as double), 2) / cast(sum(cast(deal_weight * deal_weight as decimal(18, 12))) as double) as effective_deal_count
    from deals
    group by method, bin_number
),

with_quantile as (
    select
        bins.*,
        int_confidence_quantile.normal_quantile as quantile
    from bins
    cross join int_confidence_quantile
),

final as (
    select
        method,
        bin_number,
        cast((bin_number - 1) as double) / {{ var('score_calibration_bins') }} as lower_bound,
        cast(bin_number as double) / {{ var('score_calibration_bins') }} as upper_bound,
        deal_count,
        observation_count,
        weighted_deal_count,
        effective_deal_count,
        predicted_win_rate,
        win_rate,
        case when win_rate > 0 then {{ wilson('win_rate', 'effective_deal_count', 'quantile', '-') }} else 0 end as win_rate_lower,
        case when win_rate < 1 then {{ wilson('win_rate', 'effective_deal_count', 'quantile', '+') }} else 1 end as win_rate_upper
    from with_quantile
)

select * from final

-- noqa: disable=layout.indent
with

int_deals as (
    select * from {{ ref('int_deals') }}
    where is_open
),

-- Where won and lost deals lack a close date or an amount unequally often, past pipelines hold one outcome more than the other.
bent as (
    select problem from {{ ref('int_missing_by_outcome') }}
    where
        problem <> 'rejected'
        and is_bending
),

-- Past pipelines are not split by segment.
segmented as (
    select
        forecasts.*,
        'all' as segment_dimension,
        'all' as segment_value
    from {{ ref('int_deal_forecasts') }} as forecasts
    where not forecasts.is_as_of_date

    union all

    select
        forecasts.*,
        unnest({{ pipeline_segment_dimensions() }}) as segment_dimension,
        unnest({{ pipeline_segment_values('int_deals', 'coalesce(forecasts.stage, int_deals.deal_stage)') }}) as segment_value
    from {{ ref('int_deal_forecasts') }} as forecasts
    inner join int_deals
        on forecasts.deal_id = int_deals.deal_id
    where forecasts.is_as_of_date
),

-- Deals of a class are nearly alike: amounts within 13 % and of one sign, probabilities within a point.
deals as (
    select
        *,
        cast(case when raw_amount < 0 then -1000 else 0 end + floor(8 * ln(abs(raw_amount))) as integer) as amount_class,
        cast(floor(100 * {{ var('default_value_method') }}_amount / raw_amount) as integer) as probability_class
    from segmented
),

-- A method values all deals of a group or none.
groups as (
    select
        forecast_date,
        is_as_of_date,
        segment_dimension,
        segment_value,
        amount_class,
        probability_class,
        count(*) as deal_count,
        sum(case when is_still_open then 1 else 0 end) as still_open_deal_count,
        sum(raw_amount) as raw_amount,
        sum(won_amount) as realised_amount,
        sum(stage_weighted_amount) as stage_weighted_amount,
        sum(flat_amount) as flat_amount,
        sum(segment_amount) as segment_amount,
        sum(rapv_amount) as rapv_amount,
        sum(model_amount) as model_amount,
        sum(published_aging_amount) as published_aging_amount
    from deals
    group by
        forecast_date,
        is_as_of_date,
        segment_dimension,
        segment_value,
        amount_class,
        probability_class,
        stage_weighted_amount is null,
        flat_amount is null,
        segment_amount is null,
        rapv_amount is null,
        model_amount is null,
        published_aging_amount is null
),

final as (
    select
        forecast_date,
        is_as_of_date,
        segment_dimension,
        segment_value,
        amount_class,
        probability_class,
        unnest(['raw', 'stage_weighted', 'flat', 'segment', 'rapv', 'model', 'published_aging']) as method,
        deal_count,
        still_open_deal_count,
        raw_amount,
        realised_amount,
        unnest([
            cast(raw_amount as double), stage_weighted_amount, flat_amount, segment_amount, rapv_amount, model_amount, published_aging_amount
        ]) as forecast_amount,
        not is_as_of_date
        and not exists (select 1 from bent)
        and sum(still_open_deal_count) over (partition by forecast_date)
        <= sum(deal_count) over (partition by forecast_date) * {{ var('max_mature_open_share') }} as is_evaluable
    from groups
)

select * from final

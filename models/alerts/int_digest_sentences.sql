with

rpt_pipeline_value as (
    select
        *,
        coalesce(' (80 % band ' || {{ money('yield_p10_amount') }} || ' to ' || {{ money('yield_p90_amount') }} || ')', '') as band_text
    from {{ ref('rpt_pipeline_value') }}
    where segment_dimension = 'all'
),

sentences as (
    -- Of the newest month the chart below says more about the win rate.
    select
        case changes.period_type when 'week' then 'weekly' else 'monthly' end as cadence,
        changes.metric as topic,
        1 as topic_order,
        changes.verdict,
        {{ volume_finding('changes') }} as row_text
    from {{ ref('int_volume_changes') }} as changes
    where changes.is_newest_period and (changes.metric <> 'win_rate' or changes.period_type = 'week')

    union all

    select
        'both' as cadence,
        'win_rate_chart' as topic,
        2 as topic_order,
        verdict,
        finding as row_text
    from {{ ref('rpt_win_rate_trend') }}
    where basis = 'closed_date' and period_type = 'month' and not is_risk_adjusted and not is_partial_period
    qualify row_number() over (order by period_start_date desc) = 1

    union all

    select
        'monthly' as cadence,
        'win_rate_change' as topic,
        3 as topic_order,
        verdict,
        finding as row_text
    from {{ ref('rpt_win_rate_change') }}
    where is_headline and (segment_dimension = 'all' or verdict = 'signal')

    union all

    -- A forecast claims no change, so it has no verdict.
    select
        'both' as cadence,
        'pipeline' as topic,
        4 as topic_order,
        cast(null as {{ dbt.type_string() }}) as verdict,
        open_deal_count || case open_deal_count when 1 then ' open deal holds ' else ' open deals hold ' end || {{ money('raw_amount') }}
        || case when no_amount_deal_count > 0 then ' (' || no_amount_deal_count || ' without an amount)' else '' end
        || coalesce(
            case open_deal_count when 1 then ' and is worth ' else ' and are worth ' end || {{ money('rapv_amount') }} || ' after '
            || case open_deal_count when 1 then 'its' else 'their' end || ' risk' || band_text,
            '; too little has closed to say what that is worth'
        ) || '.' as row_text
    from rpt_pipeline_value

    union all

    select
        'monthly' as cadence,
        'scores' as topic,
        5 as topic_order,
        verdict,
        finding as row_text
    from {{ ref('rpt_score_quality') }}
    where fold = 'all'
),

final as (
    select
        cadence,
        topic,
        topic_order,
        verdict,
        {{ one_line('row_text') }} as row_text
    from sentences
)

select * from final

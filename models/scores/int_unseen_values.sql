with

int_deal_scores as (
    select * from {{ ref('int_deal_scores') }}
    where score_status in ('model', 'table')
),

int_score_contributions as (
    select * from {{ ref('int_score_contributions') }}
    where purpose = 'score'
),

unseen as (
    select
        int_deal_scores.deal_id,
        int_score_contributions.factor || ' ' || int_score_contributions.level as unseen_value
    from int_deal_scores
    inner join int_score_contributions
        on
            int_deal_scores.deal_id = int_score_contributions.deal_id
            and int_deal_scores.method = int_score_contributions.method
    where int_score_contributions.is_unseen
),

final as (
    select
        deal_id,
        'too few deals closed with ' || {{ dbt.listagg('unseen_value', "', '", 'order by unseen_value') }}
        || ': scored as the average deal there' as fallback_reason
    from unseen
    group by deal_id
)

select * from final

with

int_deal_scores as (
    select * from {{ ref('int_deal_scores') }}
    where score_status in ('model', 'table')
),

int_score_contributions as (
    select * from {{ ref('int_score_contributions') }}
    where
        purpose = 'score'
        and factor is not null
),

int_score_factors as (
    select * from {{ ref('int_score_factors') }}
),

-- A factor's share of the points is its share of the log odds, so that points too sum to the difference from the average deal.
contributions as (
    select
        int_deal_scores.deal_id,
        int_deal_scores.as_of_date,
        int_deal_scores.training_deal_count as all_deal_count,
        int_score_contributions.factor,
        coalesce(int_score_factors.label, int_score_contributions.factor) as factor_label,
        coalesce(int_score_factors.can_rep_change, false) as can_rep_change,
        int_score_contributions.level as factor_value,
        int_score_contributions.contribution,
        int_score_contributions.contribution * case
            when abs(int_deal_scores.log_odds - int_deal_scores.average_log_odds) < 1e-9
                then int_deal_scores.win_probability * (1 - int_deal_scores.win_probability)
            else
                (int_deal_scores.win_probability - 1 / (1 + exp(-int_deal_scores.average_log_odds)))
                / (int_deal_scores.log_odds - int_deal_scores.average_log_odds)
        end * 100 as contribution_pp,
        int_score_contributions.is_unseen,
        int_score_contributions.level_share,
        int_score_contributions.level_deal_count
    from int_deal_scores
    inner join int_score_contributions
        on
            int_deal_scores.deal_id = int_score_contributions.deal_id
            and int_deal_scores.method = int_score_contributions.method
    left join int_score_factors
        on int_score_contributions.factor = int_score_factors.factor
),

directed as (
    select
        *,
        case when contribution < 0 then 'down' when contribution > 0 then 'up' else 'none' end as direction,
        -round(abs(contribution), 9) as weakness
    from contributions
),

ranked as (
    select
        *,
        cast(row_number() over (partition by deal_id order by weakness, factor) as integer) as reason_rank,
        cast(row_number() over (partition by deal_id, direction order by weakness, factor) as integer) as direction_rank
    from directed
),

final as (
    select
        deal_id,
        factor,
        factor_label,
        factor_value,
        contribution,
        contribution_pp,
        direction,
        reason_rank,
        direction_rank,
        direction <> 'none' and direction_rank <= {{ var('score_top_reasons') }} and abs(contribution_pp) >= {{ var('score_min_reason_points') }} as is_shown,
        can_rep_change,
        level_share as training_share,
        cast(coalesce(level_deal_count, 0) as bigint) as training_deal_count,
        is_unseen,
        factor_label || ' ' || factor_value
        || case
            when is_unseen then ': too few closed deals had this value, so it counts as the average one.'
            else
                case when contribution < 0 then ': associated with ' else ': associated with +' end || {{ one_decimal('contribution_pp') }}
                || ' points against the average deal (' || level_deal_count || ' of ' || all_deal_count || ' closed deals were seen with it).'
        end as reason,
        as_of_date
    from ranked
)

select * from final

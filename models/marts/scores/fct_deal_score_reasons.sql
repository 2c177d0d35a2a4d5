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
        int_score_contributions.level,
        int_score_contributions.contribution,
        int_score_contributions.contribution * case
            when abs(int_deal_scores.log_odds - int_deal_scores.average_log_odds) < 1e-9
                then int_deal_scores.win_probability * (1 - int_deal_scores.win_probability)
            else
                (int_deal_scores.win_probability - 1 / (1 + exp(-int_deal_scores.average_log_odds)))
                / (int_deal_scores.log_odds - int_deal_scores.average_log_odds)
        end * 100 as contribution_pp,
        case
            when int_score_contributions.contribution < 0 then 'down'
            when int_score_contributions.contribution > 0 then 'up'
            else 'none'
        end as direction,
        int_score_contributions.is_unseen,
        int_score_contributions.level_share,
        int_score_contributions.level_deal_count
    from int_deal_scores
    inner join int_score_contributions
        on
            int_deal_scores.deal_id = int_score_contributions.deal_id
            and int_deal_scores.method = int_score_contributions.method
),

-- Rounded, so that what is equal but for the last digit is ordered by name. One window, because the rows are many.
ranked as (
    select
        *,
        row_number() over strongest_first as reason_rank,
        case direction
            {% for direction in ['down', 'up', 'none'] -%}
            when '{{ direction }}' then sum(case when direction = '{{ direction }}' then 1 else 0 end) over strongest_first
            {% endfor -%}
        end as direction_rank
    from contributions
    window strongest_first as (partition by deal_id order by -round(abs(contribution), 9), factor rows unbounded preceding)
),

labelled as (
    select
        ranked.*,
        coalesce(int_score_factors.label, ranked.factor) as factor_label,
        coalesce(int_score_factors.can_rep_change, false) as can_rep_change
    from ranked
    left join int_score_factors
        on ranked.factor = int_score_factors.factor
),

final as (
    select
        deal_id,
        factor,
        factor_label,
        level as factor_value,
        contribution,
        contribution_pp,
        direction,
        cast(reason_rank as integer) as reason_rank,
        cast(direction_rank as integer) as direction_rank,
        direction <> 'none' and direction_rank <= {{ var('score_top_reasons') }} and abs(contribution_pp) >= {{ var('score_min_reason_points') }} as is_shown,
        can_rep_change,
        level_share as training_share,
        cast(coalesce(level_deal_count, 0) as bigint) as training_deal_count,
        is_unseen,
        factor_label || ' ' || level
        || case
            when is_unseen then ': too few closed deals had this value, so it counts as the average one.'
            else
                case when contribution < 0 then ': associated with ' else ': associated with +' end || {{ one_decimal('contribution_pp') }}
                || ' points against the average deal (' || level_deal_count || ' of ' || all_deal_count || ' closed deals were seen with it).'
        end as reason,
        as_of_date
    from labelled
)

select * from final

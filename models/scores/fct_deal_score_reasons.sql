with

-- One row, all null while no score is shown: a score's log odds are the sum of its contributions, so no deal has to be looked up.
shown as (
    select
        max(method) as method,
        max(training_deal_count) as training_deal_count,
        max(as_of_date) as as_of_date
    from {{ ref('int_deal_scores') }}
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

scored as (
    select
        int_score_contributions.*,
        shown.training_deal_count as all_deal_count,
        shown.as_of_date,
        sum(int_score_contributions.contribution) over (partition by int_score_contributions.deal_id) as log_odds_difference,
        1 / (1 + exp(-int_score_contributions.average_log_odds)) as average_probability
    from int_score_contributions
    inner join shown
        on int_score_contributions.method = shown.method
),

-- A factor's share of the points is its share of the log odds, so that points too sum to the difference from the average deal.
contributions as (
    select
        *,
        contribution * case
            when abs(log_odds_difference) < 1e-9 then average_probability * (1 - average_probability)
            else (1 / (1 + exp(-average_log_odds - log_odds_difference)) - average_probability) / log_odds_difference
        end * 100 as contribution_pp,
        case when contribution < 0 then 'down' when contribution > 0 then 'up' else 'none' end as direction
    from scored
),

-- Rounded, so that what is equal but for the last digit is ordered by name. One window, because the rows are many.
ranked as (
    select
        *,
        row_number() over strongest_first as reason_rank,
        case direction
            when 'down' then sum(case when direction = 'down' then 1 else 0 end) over strongest_first
            when 'up' then sum(case when direction = 'up' then 1 else 0 end) over strongest_first
            when 'none' then sum(case when direction = 'none' then 1 else 0 end) over strongest_first
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

with

int_playbook as (
    select * from {{ ref('int_playbook') }}
),

effects as (
    select * from {{ ref('rpt_intervention_effects') }}
    where verdict = 'signal' and effect_per_acted_deal is not null
),

-- With the gate closed every deal has the same score: no risk category tells one from another then, and there are no reasons.
deals as (
    select
        open_deals.*,
        risk_categories.risk_category,
        risk_categories.category_order
    from {{ ref('fct_open_deals') }} as open_deals
    inner join {{ ref('fct_deal_scores') }} as scores
        on open_deals.deal_id = scores.deal_id
    left join {{ ref('risk_categories') }} as risk_categories
        on
            scores.risk_category = risk_categories.risk_category
            and scores.score_status in ('model', 'table')
),

-- Of several plays with the same trigger the most urgent one counts.
played as (
    select
        deals.deal_id,
        deals.sales_rep_id,
        deals.deal_amount,
        deals.risk_category,
        deals.as_of_date,
        plays.action_id,
        plays.play_id,
        plays.action_text,
        plays.priority,
        plays.priority_order,
        plays.rationale,
        plays.trigger_kind,
        plays.trigger_name,
        plays.threshold as trigger_limit,
        triggers.trigger_value,
        triggers.trigger_deal_count,
        case
            when plays.trigger_kind = 'reason' then substr(triggers.reason, 1, length(triggers.reason) - 1)
            else
                replace(
                    replace(plays.evidence_text, '{value}', cast(cast(triggers.trigger_value as bigint) as {{ dbt.type_string() }})),
                    '{limit}', cast(cast(plays.threshold as bigint) as {{ dbt.type_string() }})
                )
        end as evidence
    from deals
    inner join {{ ref('int_deal_triggers') }} as triggers
        on deals.deal_id = triggers.deal_id
    inner join int_playbook as plays
        on
            triggers.trigger_kind = plays.trigger_kind
            and triggers.trigger_name = plays.trigger_name
            and triggers.trigger_value >= plays.threshold
            and (plays.stage is null or deals.stage = plays.stage)
            and (plays.least_risk_category is null or deals.category_order >= plays.least_category_order)
    qualify row_number() over (
        partition by deals.deal_id, plays.action_id, triggers.trigger_kind, triggers.trigger_name
        order by plays.priority_order, plays.play_id
    ) = 1
),

ranked as (
    select
        *,
        row_number() over (partition by deal_id, action_id order by priority_order, trigger_kind, play_id) as play_rank
    from played
),

evidences as (
    select
        deal_id,
        action_id,
        {{ dbt.listagg('evidence', "'; '", 'order by play_rank') }} as evidence
    from ranked
    group by deal_id, action_id
),

final as (
    select
        ranked.deal_id,
        ranked.action_id,
        cast(row_number() over (partition by ranked.deal_id order by ranked.priority_order, ranked.play_id) as integer) as action_rank,
        ranked.action_text || ': ' || ranked.evidence as action_text,
        ranked.priority,
        ranked.rationale,
        evidences.evidence,
        ranked.play_id,
        ranked.trigger_kind,
        ranked.trigger_name,
        ranked.trigger_value,
        ranked.trigger_limit,
        ranked.trigger_deal_count,
        ranked.risk_category,
        ranked.sales_rep_id,
        ranked.deal_amount,
        case when effects.action_id is null then 'unmeasured' else 'measured' end as effect_status,
        effects.effect_per_acted_deal,
        cast(ranked.deal_amount * effects.effect_per_acted_deal as decimal(18, 2)) as expected_value_amount,
        cast(ranked.deal_amount * effects.effect_per_acted_deal_lower as decimal(18, 2)) as expected_value_lower_amount,
        cast(ranked.deal_amount * effects.effect_per_acted_deal_upper as decimal(18, 2)) as expected_value_upper_amount,
        {{ is_holdout('ranked.deal_id') }} as is_holdout,
        ranked.as_of_date
    from ranked
    inner join evidences
        on ranked.deal_id = evidences.deal_id and ranked.action_id = evidences.action_id
    left join effects
        on ranked.action_id = effects.action_id
    where ranked.play_rank = 1 and coalesce(effects.effect_per_acted_deal > 0, true)
)

select * from final

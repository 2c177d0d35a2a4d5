-- noqa: disable=layout.indent
with

fct_open_deals as (
    select * from {{ ref('fct_open_deals') }}
),

fct_deal_scores as (
    select * from {{ ref('fct_deal_scores') }}
),

fct_deal_score_reasons as (
    select * from {{ ref('fct_deal_score_reasons') }}
    where can_rep_change
),

effects as (
    select * from {{ ref('rpt_intervention_effects') }}
    where verdict = 'signal' and effect_per_acted_deal is not null
),

int_playbook as (
    select * from {{ ref('int_playbook') }}
),

-- With the gate closed every deal has the same score: no risk category tells one from another then, and there are no reasons.
deals as (
    select
        fct_open_deals.*,
        risk_categories.risk_category,
        risk_categories.category_order
    from fct_open_deals
    inner join fct_deal_scores
        on fct_open_deals.deal_id = fct_deal_scores.deal_id
    left join {{ ref('risk_categories') }} as risk_categories
        on
            fct_deal_scores.risk_category = risk_categories.risk_category
            and fct_deal_scores.score_status in ('model', 'table')
),

triggers as (
    {{ deal_triggers('fct_open_deals', 'fct_deal_score_reasons') }}
),

-- Of several plays with the same trigger the most urgent one counts.
played as (
    select
        {% for column in ['deal_id', 'sales_rep_id', 'deal_amount', 'risk_category', 'as_of_date'] -%}
        deals.{{ column }},
        {% endfor -%}
        {% for column in ['action_id', 'play_id', 'action_text', 'priority', 'priority_order', 'rationale', 'trigger_kind', 'trigger_name'] -%}
        int_playbook.{{ column }},
        {% endfor -%}
        triggers.trigger_value,
        triggers.trigger_deal_count,
        int_playbook.threshold as trigger_limit,
        {{ play_evidence() }} as evidence
    from deals
    inner join triggers
        on deals.deal_id = triggers.deal_id
    inner join int_playbook
        on
            triggers.trigger_kind = int_playbook.trigger_kind
            and triggers.trigger_name = int_playbook.trigger_name
            and triggers.trigger_value >= int_playbook.threshold
            and (int_playbook.stage is null or deals.stage = int_playbook.stage)
            and (int_playbook.least_risk_category is null or deals.category_order >= int_playbook.least_category_order)
    qualify row_number() over (
        partition by deals.deal_id, int_playbook.action_id, triggers.trigger_kind, triggers.trigger_name
        order by int_playbook.priority_order, int_playbook.play_id
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
        {% for column in [
            'play_id', 'trigger_kind', 'trigger_name', 'trigger_value', 'trigger_limit', 'trigger_deal_count', 'risk_category', 'sales_rep_id', 'deal_amount',
        ] -%}
        ranked.{{ column }},
        {% endfor -%}
        case when effects.action_id is null then 'unmeasured' else 'measured' end as effect_status,
        effects.effect_per_acted_deal,
        {% for end in ['', '_lower', '_upper'] -%}
        cast(ranked.deal_amount * effects.effect_per_acted_deal{{ end }} as decimal(18, 2)) as expected_value{{ end }}_amount,
        {% endfor -%}
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

-- One begins when the one before it ended, or later where a closing lies between them.
with

reopened as (
    select distinct deal_id
    from {{ ref('int_deal_stage_visits') }}
    where spell_number > 1
),

followed as (
    select
        visits.deal_id,
        visits.visit_number,
        visits.spell_number,
        visits.exited_at,
        lead(visits.entered_at) over (partition by visits.deal_id order by visits.visit_number) as next_entered_at,
        lead(visits.spell_number) over (partition by visits.deal_id order by visits.visit_number) as next_spell_number
    from {{ ref('int_deal_stage_visits') }} as visits
    inner join reopened
        on visits.deal_id = reopened.deal_id
)

select *
from followed
where
    next_entered_at is not null
    and (
        exited_at is null
        or exited_at > next_entered_at
        or spell_number = next_spell_number and exited_at <> next_entered_at
        or next_spell_number not in (spell_number, spell_number + 1)
    )

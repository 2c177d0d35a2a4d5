with

int_stated_periods as (
    select * from {{ ref('int_stated_periods') }}
    where input = 'quotas'
),

teams as (
    select distinct lower(team) as team
    from {{ ref('int_checked__reps') }}
    where
        reason_codes is null
        and team is not null
),

distinct_rows as (
    select
        {{ to_text('sales_rep_id') }} as sales_rep_id,
        {{ to_text('team') }} as team,
        {{ to_text('period_start') }} as period_start,
        {{ to_text('period_end') }} as period_end,
        {{ to_text('amount') }} as amount,
        count(*) as row_count
    from {{ ref('int_input__quotas') }}
    group by 1, 2, 3, 4, 5
),

typed as (
    select
        *,
        cast({{ to_timestamp('period_start', 'quotas') }} as date) as period_start_date,
        cast({{ to_timestamp('period_end', 'quotas') }} as date) as stated_end_date,
        case when sales_rep_id is null then team end as owning_team,
        {{ to_amount('amount', 'quotas') }} as quota_amount,
        count(sales_rep_id) over () > 0 or (select count(*) from teams) > 0 as must_teams_be_known
    from distinct_rows
),

dated as (
    select
        typed.*,
        case when typed.period_end is null then int_stated_periods.period_end_date else typed.stated_end_date end as period_end_date,
        teams.team is not null as is_team_known
    from typed
    left join int_stated_periods
        on
            typed.sales_rep_id is not distinct from int_stated_periods.sales_rep_id
            and typed.owning_team is not distinct from int_stated_periods.team
            and typed.period_start_date = int_stated_periods.period_start_date
    left join teams
        on lower(typed.owning_team) = teams.team
),

judged as (
    select
        *,
        {{ raw_values(input_columns('quotas')) }} as raw_values,
        {{ reason_codes([
            ("sales_rep_id is null and team is null", "owner_missing"),
            ("owning_team is not null and must_teams_be_known and not is_team_known", "team_unknown"),
            ("period_start is null", "period_start_missing"),
            ("period_start is not null and period_start_date is null", "period_start_unreadable"),
            ("period_end is not null and stated_end_date is null", "period_end_unreadable"),
            ("period_end is null and period_start_date is not null and period_end_date is null", "period_end_missing"),
            ("period_end_date < period_start_date", "period_end_before_start"),
            ("amount is null", "amount_missing"),
            ("amount is not null and quota_amount is null", "amount_unreadable"),
            ("quota_amount < 0", "amount_negative"),
        ]) }} as own_reason_codes
    from dated
),

-- Of an owner's periods that share a day nobody can say which one counts.
neighbours as (
    select
        *,
        max(case when own_reason_codes is null then period_end_date end) over (owner_periods rows between unbounded preceding and 1 preceding)
            as earlier_end_date,
        min(case when own_reason_codes is null then period_start_date end) over (owner_periods rows between 1 following and unbounded following)
            as later_start_date
    from judged
    window owner_periods as (partition by sales_rep_id, lower(owning_team) order by period_start_date, period_end_date, amount, period_end, period_start)
),

final as (
    select
        sales_rep_id,
        owning_team as team,
        period_start_date,
        period_end_date,
        quota_amount,
        row_count,
        raw_values,
        {{ reason_codes([
            ("own_reason_codes is null and (earlier_end_date >= period_start_date or later_start_date <= period_end_date)", "period_overlapping"),
        ], found_before="own_reason_codes") }} as reason_codes
    from neighbours
)

select * from final

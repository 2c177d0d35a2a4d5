with

named as (
    select
        {{ to_text('sales_rep_id') }} as sales_rep_id,
        {{ folded(to_text('name')) }} as spelling
    from {{ ref('int_input__reps') }}
),

final as (
    select
        spelling,
        min(sales_rep_id) as sales_rep_id
    from named
    where
        spelling is not null
        and sales_rep_id is not null
        and spelling not in (
            select {{ folded(to_text('sales_rep_id')) }}
            from {{ ref('int_input__reps') }}
            where {{ to_text('sales_rep_id') }} is not null
        )
    group by spelling
    having count(distinct sales_rep_id) = 1
)

select * from final

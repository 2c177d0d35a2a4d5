-- noqa: disable=layout.indent
with

playbook as (
    select * from {{ ref('stg_files__playbook') if var('playbook_file', none) else ref('playbook') }}
),

risk_categories as (
    select * from {{ ref('risk_categories') }}
),

typed as (
    select
        {% for column in input_columns('playbook') -%}
        {% if column == 'threshold' %}cast(threshold as double) as threshold{% else %}{{ to_text(column) }} as {{ column }}{% endif %}{{ "," if not loop.last }}
        {% endfor %}
    from playbook
),

final as (
    select
        typed.*,
        case typed.priority
            {% for priority in priorities() -%}
            when '{{ priority }}' then {{ loop.index }}
            {% endfor -%}
        end as priority_order,
        risk_categories.category_order as least_category_order
    from typed
    left join risk_categories
        on typed.least_risk_category = risk_categories.risk_category
)

select * from final

{% set row_counts = {
    'rows_in': 'row_count', 'rows_accepted': 'accepted_count', 'rows_quarantined': 'quarantined_count',
    'rows_duplicate': 'duplicate_count', 'rows_not_yet_known': 'not_yet_known_count',
    'row_identity_difference': 'row_count - accepted_count - quarantined_count - duplicate_count - not_yet_known_count',
} %}
{% set findings = ['rows_quarantined', 'rows_duplicate', 'row_identity_difference'] %}

with

int_input_row_counts as (
    select * from {{ ref('int_input_row_counts') }}
),

int_rejected_rows as (
    select * from {{ ref('int_rejected_rows') }}
),

int_deal_checks as (
    select * from {{ ref('int_deal_checks') }}
),

int_input_freshness as (
    select * from {{ ref('int_input_freshness') }}
),

int_ignored_columns as (
    select * from {{ ref('int_ignored_columns') }}
),

checks as (
    {% for check, expression in row_counts.items() -%}
    select
        input,
        '{{ check }}' as check_name,
        cast({{ expression }} as double) as check_value,
        {{ "cast(null as bigint)" if check in ["rows_in", "rows_not_yet_known"] else "row_count - not_yet_known_count" }} as all_row_count,
        'rows' as unit,
        {{ check in findings }} as is_finding_above_zero,
        'rows in = accepted + quarantined + duplicates + not yet known' as message
    from int_input_row_counts

    union all

    {% endfor -%}
    select
        input,
        concat('quarantined: ', reason_codes) as check_name,
        cast(sum(row_count) as double) as check_value,
        cast(null as bigint) as all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        'rows turned away for this reason: see fct_quarantined_rows' as message
    from int_rejected_rows
    group by input, reason_codes

    union all

    select
        'deals' as input,
        check_name,
        cast(row_count as double) as check_value,
        all_row_count,
        'rows' as unit,
        true as is_finding_above_zero,
        message
    from int_deal_checks

    union all

    select
        input,
        concat('ignored_column: ', column_name) as check_name,
        1 as check_value,
        cast(null as bigint) as all_row_count,
        'columns' as unit,
        true as is_finding_above_zero,
        'a column of the file that nothing reads: map it with column_mapping if it is one of the canonical columns' as message
    from int_ignored_columns

    union all

    select
        input,
        check_name,
        check_value,
        cast(null as bigint) as all_row_count,
        unit,
        false as is_finding_above_zero,
        message
    from int_input_freshness

    union all

    select
        'deals' as input,
        'default_value_method_behind_the_best' as check_name,
        max(case when is_default then mean_absolute_error_rate end) - min(mean_absolute_error_rate) as check_value,
        cast(null as bigint) as all_row_count,
        'rate' as unit,
        true as is_finding_above_zero,
        'mean error of the default forecast method above that of the best one: see rpt_pipeline_value_methods' as message
    from {{ ref('rpt_pipeline_value_methods') }}
    where verdict in ('best', 'beaten')
    having count(*) > 0
),

final as (
    select
        input,
        check_name,
        check_value,
        case when unit = 'rows' and all_row_count > 0 then check_value / all_row_count end as share_rate,
        unit,
        is_finding_above_zero and check_value <> 0 as is_finding,
        message
    from checks
)

select * from final

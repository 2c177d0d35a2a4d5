{# Rows of an input that the models see, those dated after the as-of date (given the CTE `as_of` of that date; none for rows without a date), those that
   `checked` accepted and their copies. `own` tells its rows from those of another input in the same relation. #}
{% macro counted_rows(input, relation, checked, as_of, timestamp_column=none, own="true") %}
    select
        '{{ input }}' as input,
        (select count(*) from {{ relation }}) as row_count,
        0 as filtered_count,
        {% if timestamp_column -%}
        (
            select count(*) from {{ relation }} as dated_rows
            inner join {{ as_of }}
                on cast({{ to_timestamp('dated_rows.' ~ timestamp_column, input) }} as date) > {{ as_of }}.as_of_date
        )
        {%- else -%}
        0
        {%- endif %} as not_yet_known_count,
        (select count(case when reason_codes is null then 1 end) from {{ checked }} where {{ own }}) as accepted_count,
        (select sum(case when reason_codes is null then row_count - 1 end) from {{ checked }} where {{ own }}) as duplicate_count
{% endmacro %}


{# Rows of an input that `checked` turned away, with their reasons; `deal_id` is the column of the deal that they are of, null where they are of none. #}
{% macro rejected_rows(input, checked, deal_id="null") %}
    select
        '{{ input }}' as input,
        {{ deal_id }} as deal_id,
        reason_codes as reason,
        reason_codes,
        raw_values,
        row_count
    from {{ checked }}
    where reason_codes is not null
{% endmacro %}

{# Fails with a message that names every bad row and what is wrong with it. `problems`: what is wrong, by the condition of a row that has it, which
   may use key_count, the number of rows with the row's key. #}
{% test rows_are_valid(model, key, problems) %}
with

rows_of_keys as (
    select
        *,
        count(*) over (partition by {{ key }}) as key_count
    from {{ model }}
),

problems as (
    {% for problem, condition in problems.items() -%}
    select
        coalesce({{ key }}, '(blank)') as row_key,
        '{{ problem | replace("'", "''") }}' as problem
    from rows_of_keys
    where {{ condition }}
    {{ "union all" if not loop.last }}
    {% endfor %}
),

listed as (
    select
        count(*) as problem_count,
        {{ dbt.listagg("row_key || ': ' || problem", "'; '", "order by row_key, problem") }} as problem_text
    from (select distinct row_key, problem from problems) as found
)

-- In the condition, where the count of failures can't do without it.
select problem_count
from listed
where case when problem_count > 0 then {{ raise_message("'Bad rows of " ~ (model | string).split('.')[-1] | replace('"', '') ~ ": ' || problem_text") }} is null else false end
{% endtest %}

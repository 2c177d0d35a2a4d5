{{ config(severity = 'warn') }}

-- Warns, and the build stays green: the data may be right, but whoever reads a figure must know.
select
    input,
    check_name,
    check_value,
    message
from {{ ref('rpt_data_quality') }}
where is_warning

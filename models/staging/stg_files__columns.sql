{{ config(enabled = reads_files()) }}
select
    input,
    column_name,
    is_read
from {{ source('landing', 'columns') }}

select
    input,
    file_name,
    line_number,
    error,
    line
from {{ source('input_check', 'rejected_lines') }}

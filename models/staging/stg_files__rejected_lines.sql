select
    input,
    file_name,
    line_number,
    error,
    line
from {{ source('landing', 'rejected_lines') }}

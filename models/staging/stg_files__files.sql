select
    input,
    file_name,
    row_count,
    rejected_count
from {{ source('landing', 'files') }}

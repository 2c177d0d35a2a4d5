select count(*) as default_count
from {{ ref('rpt_pipeline_value_methods') }}
where is_default
having count(*) <> 1

{% for mart in ['fct_alerts', 'rpt_digests'] -%}
select slack_payload
from {{ ref(mart) }}
where not {{ is_json('slack_payload') }}
{{ "union all" if not loop.last }}
{% endfor %}

{% set given = var('column_mapping', {}) %}
{% set columns = dict(given, **(given.get('deals') if given.get('deals') is mapping else {})) %}

with

built_in (dimension, label, kind, known, column_name) as (
    values
    ('industry', 'industry', 'text', 'creation', '{{ columns.get("industry", "industry") | replace("'", "''") }}'),
    ('region', 'region', 'text', 'creation', '{{ columns.get("region", "region") | replace("'", "''") }}'),
    ('product_type', 'product', 'text', 'creation', '{{ columns.get("product_type", "product_type") | replace("'", "''") }}'),
    ('lead_source', 'lead source', 'text', 'creation', '{{ columns.get("lead_source", "lead_source") | replace("'", "''") }}'),
    ('deal_type', 'deal type', 'text', 'creation', '{{ columns.get("deal_type", "deal_type") | replace("'", "''") }}'),
    ('pipeline', 'pipeline', 'text', 'changes', '{{ columns.get("pipeline", "pipeline") | replace("'", "''") }}'),
    ('deal_size_band', 'deal size', 'number', 'changes', '{{ columns.get("deal_amount", "deal_amount") | replace("'", "''") }}'),
    ('sales_rep_id', 'sales rep', 'text', 'changes', '{{ columns.get("sales_rep_id", "sales_rep_id") | replace("'", "''") }}'),
    ('forecast_category', 'forecast category', 'text', 'changes', '{{ columns.get("forecast_category", "forecast_category") | replace("'", "''") }}'),
    ('account_id', 'account', 'text', 'creation', '{{ columns.get("account_id", "account_id") | replace("'", "''") }}'),
    ('currency_code', 'currency', 'text', 'creation', '{{ columns.get("currency_code", "currency_code") | replace("'", "''") }}'),
    ('cycle_band', 'sales cycle', 'number', 'close', '{{ columns.get("closed_date", "closed_date") | replace("'", "''") }}'),
    ('competitor', 'competitor', 'text', 'close', '{{ columns.get("competitor", "competitor") | replace("'", "''") }}'),
    ('lost_reason', 'lost reason', 'text', 'close', '{{ columns.get("lost_reason", "lost_reason") | replace("'", "''") }}')
),

own_dimensions as (
    {% for each in own_dimensions() -%}
    select
        '{{ each.dimension }}' as dimension,
        '{{ dimension_label(each.dimension) | replace("'", "''") }}' as label,
        '{{ each.get("kind", "text") }}' as kind,
        '{{ each.get("known", "creation") }}' as known,
        '{{ each.column | replace("'", "''") }}' as column_name

    union all

    {% endfor -%}
    select * from built_in
    where false
),

dimensions as (
    select
        *,
        true as is_built_in
    from built_in

    union all

    select
        *,
        false as is_built_in
    from own_dimensions
),

final as (
    select
        dimensions.*,
        rewritten.may_be_rewritten_at_close,
        dimensions.dimension in ('{{ var("accepted_at_close") | join("', '") }}') as is_accepted_as_known
    from dimensions
    left join {{ ref('int_rewritten_dimensions') }} as rewritten
        on dimensions.dimension = rewritten.dimension
)

select * from final

with

rpt_digest_rows as (
    select
        *,
        row_number() over (partition by digest_key, section order by row_number) as section_row
    from {{ ref('rpt_digest_rows') }}
),

fct_alerts as (
    select * from {{ ref('fct_alerts') }}
),

dim_reps as (
    select * from {{ ref('dim_reps') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

digests as (
    select
        digest_key,
        cadence,
        audience,
        recipient,
        period_start_date,
        period_end_date,
        cast(count(*) as integer) as row_count,
        cast(max(all_row_count) - count(*) as integer) as hidden_row_count,
        {{ dbt.listagg(
            "case when section_row = 1 then chr(10) || '## ' || section || chr(10) || chr(10) else '' end || row_markdown", "chr(10)", "order by row_number"
        ) }} as rows_markdown,
        {{ dbt.listagg(
            slack_block("section", "(case section_row when 1 then section || ':' || chr(10) else '' end || '• ' || row_text)"), "', '", "order by row_number"
        ) }} as row_blocks
    from rpt_digest_rows
    group by digest_key, cadence, audience, recipient, period_start_date, period_end_date
),

-- Alerts that were raised or resolved since the period began, or are open now.
alert_counts as (
    select
        digests.digest_key,
        cast(sum(case when fct_alerts.state <> 'resolved' then 1 else 0 end) as bigint) as open_alert_count,
        cast(sum(case when fct_alerts.first_seen_date >= digests.period_start_date then 1 else 0 end) as bigint) as raised_alert_count,
        cast(sum(case when fct_alerts.resolved_date >= digests.period_start_date then 1 else 0 end) as bigint) as resolved_alert_count
    from digests
    left join fct_alerts
        on {{ is_for_reader('fct_alerts', 'digests') }}
    group by digests.digest_key
),

titled as (
    select
        digests.*,
        coalesce(dim_reps.rep_name, digests.recipient) as recipient_name,
        alert_counts.open_alert_count,
        alert_counts.raised_alert_count,
        alert_counts.resolved_alert_count,
        int_as_of.as_of_date,
        {{ digest_title() }} as title,
        {{ digest_summary() }} as summary
    from digests
    inner join alert_counts
        on digests.digest_key = alert_counts.digest_key
    left join dim_reps
        on
            digests.audience = 'rep'
            and digests.recipient = dim_reps.sales_rep_id
    cross join int_as_of
),

final as (
    select
        digest_key,
        cadence,
        audience,
        recipient,
        recipient_name,
        period_start_date,
        period_end_date,
        title,
        row_count,
        hidden_row_count,
        open_alert_count,
        raised_alert_count,
        resolved_alert_count,
        '# ' || {{ escape_markdown('title') }} || chr(10) || chr(10) || {{ escape_markdown('summary') }} || chr(10) || rows_markdown as digest_text,
        '{"text": ' || {{ json_text(slack_text("title", 3000)) }} || ', "blocks": [' || {{ slack_block("header", "title") }} || ', '
        || {{ slack_block("section", "summary") }} || ', ' || row_blocks || ']}' as slack_payload,
        as_of_date
    from titled
)

select * from final

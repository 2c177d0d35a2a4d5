with

int_digests as (
    select * from {{ ref('int_digests') }}
),

rpt_digest_rows as (
    select
        *,
        row_number() over (partition by digest_key, section order by row_number) as section_row
    from {{ ref('rpt_digest_rows') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
),

row_texts as (
    select
        digest_key,
        cast(count(*) as integer) as row_count,
        cast(max(all_row_count) - count(*) as integer) as hidden_row_count,
        {{ dbt.listagg(
            "case when section_row = 1 then chr(10) || '## ' || section || chr(10) || chr(10) else '' end || row_markdown", "chr(10)", "order by row_number"
        ) }} as rows_markdown,
        {{ dbt.listagg(
            slack_block("section", "(case section_row when 1 then section || ':' || chr(10) else '' end || '• ' || row_text)"), "', '", "order by row_number"
        ) }} as row_blocks
    from rpt_digest_rows
    group by digest_key
),

-- Alerts that were raised or resolved since the period began, or are open now.
alert_counts as (
    select
        digests.digest_key,
        cast(sum(case when alerts.state <> 'resolved' then 1 else 0 end) as bigint) as open_alert_count,
        cast(sum(case when alerts.first_seen_date >= digests.period_start_date then 1 else 0 end) as bigint) as raised_alert_count,
        cast(sum(case when alerts.resolved_date >= digests.period_start_date then 1 else 0 end) as bigint) as resolved_alert_count
    from int_digests as digests
    left join {{ ref('fct_alerts') }} as alerts
        on {{ is_for_reader('alerts', 'digests') }}
    group by digests.digest_key
),

summarised as (
    select
        digests.*,
        row_texts.row_count,
        row_texts.hidden_row_count,
        row_texts.rows_markdown,
        row_texts.row_blocks,
        alert_counts.open_alert_count,
        alert_counts.raised_alert_count,
        alert_counts.resolved_alert_count,
        int_as_of.as_of_date,
        'As of ' || cast(int_as_of.as_of_date as {{ dbt.type_string() }}) || ': ' || alert_counts.open_alert_count
        || case alert_counts.open_alert_count when 1 then ' alert is open, ' else ' alerts are open, ' end
        || alert_counts.raised_alert_count || ' raised and ' || alert_counts.resolved_alert_count || ' resolved '
        || case digests.cadence when 'daily' then 'that day.' else 'since ' || cast(digests.period_start_date as {{ dbt.type_string() }}) || '.' end
        || case
            when row_texts.hidden_row_count > 0 then ' Not shown: ' || row_texts.hidden_row_count || ' more; fct_alerts lists all alerts.'
            else ''
        end as summary
    from int_digests as digests
    inner join row_texts
        on digests.digest_key = row_texts.digest_key
    inner join alert_counts
        on digests.digest_key = alert_counts.digest_key
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
    from summarised
)

select * from final

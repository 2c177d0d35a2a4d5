-- What must each rep and manager look at today?
-- What should executives know of the past month?
-- The digests as their readers get them, in Markdown; hidden_row_count says how many rows the cap left out.
-- May be empty: where there is nothing to tell.
with

rpt_digests as (
    select * from {{ ref('rpt_digests') }}
),

final as (
    select
        cadence,
        recipient,
        recipient_name,
        period_start_date,
        period_end_date,
        title,
        open_alert_count,
        raised_alert_count,
        resolved_alert_count,
        row_count,
        hidden_row_count,
        digest_text
    from rpt_digests
)

select * from final
order by cadence, recipient

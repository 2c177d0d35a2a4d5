-- What in the digests changed by more than chance?
-- Which alerts stand in which digest?
-- One row a digest and row of it, as rpt_digests words them; verdict is the verdict of the mart the row comes from, null where a row makes no claim.
-- May be empty: where there is nothing to tell.
with

rpt_digest_rows as (
    select * from {{ ref('rpt_digest_rows') }}
),

final as (
    select
        cadence,
        recipient,
        row_number,
        section,
        topic,
        verdict,
        alert_key,
        row_text
    from rpt_digest_rows
)

select * from final
order by cadence, recipient, row_number

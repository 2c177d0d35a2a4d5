"""What came in, what was turned away and why, what is odd, and what these data can and can't say."""

import streamlit as st

from dashboard import parts, words
from dashboard.published import Build

PAGE = 200


def show(build: Build) -> None:
    st.subheader("What these data can say")
    capabilities(build)
    st.subheader("Every row arrived somewhere")
    row_identity(build)
    st.subheader("Checks")
    checks(build)
    st.subheader("Rows turned away")
    quarantined(build)


def capabilities(build: Build) -> None:
    frame = build.rows("select * from rpt_data_capabilities order by is_available, data_level, mart")
    missing = frame[~frame.is_available]
    st.markdown(
        "**Everything has its data.**"
        if missing.empty
        else f"**{len(missing)} of {len(frame)} capabilities have no data in this input**; they stand first, with the reason."
    )
    frame["answers"] = frame.answers.map(words.label)
    parts.table(
        frame,
        {
            "is_available": "Available",
            "answers": st.column_config.TextColumn("Answers", width="large"),
            "data_level": st.column_config.TextColumn(
                "Level", help="L0 closed deals, L1 open deals, L2 stage history, L3 field history, L4 more"
            ),
            "reason": st.column_config.TextColumn("Why not", width="large"),
            "observed_since_date": st.column_config.DateColumn("Observed since"),
            "mart": "Mart",
        },
    )


def row_identity(build: Build) -> None:
    frame = build.rows(
        """
        select
            input,
            max(check_value) filter (check_name = 'rows_in') as rows_in,
            max(check_value) filter (check_name = 'rows_accepted') as accepted,
            max(check_value) filter (check_name = 'rows_quarantined') as quarantined,
            max(check_value) filter (check_name = 'rows_duplicate') as duplicate,
            max(check_value) filter (check_name = 'rows_not_yet_known') as not_yet_known,
            max(check_value) filter (check_name = 'row_identity_difference') as difference
        from rpt_data_quality
        group by input
        having rows_in is not null
        order by rows_in desc
        """
    )
    parts.table(
        frame,
        {
            "input": "Input",
            "rows_in": st.column_config.NumberColumn("Rows in", format="localized"),
            "accepted": st.column_config.NumberColumn("Accepted", format="localized"),
            "quarantined": st.column_config.NumberColumn("Turned away", format="localized"),
            "duplicate": st.column_config.NumberColumn("Duplicates", format="localized"),
            "not_yet_known": st.column_config.NumberColumn("After the as-of date", format="localized"),
            "difference": st.column_config.NumberColumn("Unaccounted for", format="localized"),
        },
    )


def checks(build: Build) -> None:
    only = st.toggle("Findings only", value=True, key="checks-findings")
    frame = build.rows(
        """
        select * from rpt_data_quality
        where (is_finding or not ?) and check_name not like 'rows\\_%' escape '\\' and check_name <> 'row_identity_difference'
        order by is_finding desc, input, check_name
        """,
        only,
    )
    if frame.empty:
        st.success("No check found anything.", icon=":material/check:")
        return
    frame["check"] = frame.check_name.map(words.label)
    frame["share"] = frame.share_rate.map(lambda rate: words.percent(rate, 2))
    parts.table(
        frame,
        {
            "input": "Input",
            "check": st.column_config.TextColumn("Check", width="medium"),
            "check_value": st.column_config.NumberColumn("Value", format="%.4g"),
            "unit": "Unit",
            "share": "Share",
            "is_finding": "Finding",
            "message": st.column_config.TextColumn("Meaning", width="large"),
        },
    )


def quarantined(build: Build) -> None:
    reasons = build.rows(
        "select input, reason, sum(row_count)::bigint as n from fct_quarantined_rows group by all order by n desc, input, reason"
    )
    if reasons.empty:
        st.success("No row was turned away.", icon=":material/check:")
        return
    everything = "Every reason"
    options = [everything, *(f"{row.input}: {row.reason}" for row in reasons.itertuples())]
    choice = parts.choose("Reason", options, "quarantine-reason", write=str)
    frame = build.rows(
        f"""
        select input, deal_id, reason, row_count, raw_values from fct_quarantined_rows
        where ? or input || ': ' || reason = ?
        order by input, deal_id nulls first, quarantined_row_id limit {PAGE}
        """,
        choice == everything,
        choice,
    )
    total = reasons.n.sum() if choice == everything else reasons.n[options.index(choice) - 1]
    st.caption(f"{words.count(total)} rows turned away{', the first ' + str(PAGE) + ' kinds shown' if len(frame) == PAGE else ''}.")
    parts.table(
        frame,
        {
            "input": "Input",
            "deal_id": "Deal",
            "reason": "Reason",
            "row_count": "Rows",
            "raw_values": st.column_config.TextColumn("As it came", width="large"),
        },
    )

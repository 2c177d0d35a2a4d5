"""What a build says at its end, in ten lines at most: what went in and where it went, what it makes of the deals, and what to look at first."""

import duckdb

MOST_WARNINGS = 3
MOST_REASONS = 3
MOST_MARTS = 4


def lines(connection: duckdb.DuckDBPyConnection, request: dict) -> list[str]:
    """Lines of a finished build; `request` is that of `tools.publish.publish`, which holds the marts `rpt_data_quality` and so on."""
    marts = {name: mart["relation"] for name, mart in request["marts"].items()}
    return [
        *rows_in(connection, request["row_counts"], request["rejected_rows"]),
        deals(connection, marts["fct_deals"], request),
        *findings(connection, marts["rpt_data_quality"]),
        *missing(connection, marts["rpt_data_capabilities"]),
    ]


def rows_in(connection: duckdb.DuckDBPyConnection, counts: str, rejected: str) -> list[str]:
    """A line for the deals, one for inputs of which something was left out, one for those that were accepted whole."""
    found = connection.execute(f"select * from {counts} order by input <> 'deals', input")
    names = [name for name, *_ in found.description]
    parts, whole = [], []
    for row in (dict(zip(names, values, strict=True)) for values in found.fetchall()):
        left_out = [
            f"{count:,} {name.removesuffix('_count').replace('_', ' ')}"
            for name, count in row.items()
            if name not in ("input", "row_count", "accepted_count") and count
        ]
        text = f"{row['input']}: {row['row_count']:,} rows in, {row['accepted_count']:,} accepted"
        if row["input"] == "deals" or left_out:
            parts.append(", ".join([text, *left_out]) + reasons(connection, rejected, row["input"]))
        elif row["row_count"]:
            whole.append(f"{row['input']} {row['row_count']:,}")
    others = "; ".join(parts[1:])
    return [*parts[:1], *([others] if others else []), *([f"accepted whole: {', '.join(whole)}"] if whole else [])]


def reasons(connection: duckdb.DuckDBPyConnection, rejected: str, name: str) -> str:
    found = connection.execute(
        f"select code, sum(row_count)::bigint from (select row_count, unnest(string_split(reason_codes, ', ')) as code from {rejected} where input = ?) "
        "group by code order by 2 desc, 1",
        [name],
    ).fetchall()
    if not found:
        return ""
    shown = ", ".join(f"{count:,} {code}" for code, count in found[:MOST_REASONS])
    return f" (quarantined for {shown}{', ...' if len(found) > MOST_REASONS else ''})"


def deals(connection: duckdb.DuckDBPyConnection, relation: str, request: dict) -> str:
    [(won, lost, still_open)] = connection.execute(
        f"select count(case when outcome = 'Won' then 1 end), count(case when outcome = 'Lost' then 1 end), count(case when outcome = 'Open' then 1 end) from {relation}"
    ).fetchall()
    [(as_of, is_given)] = connection.execute(f"select as_of_date, is_given from {request['as_of']}").fetchall()
    return f"{request['input_name']} as of {as_of} ({'as_of_date' if is_given else 'its newest date'}): {won:,} won, {lost:,} lost, {still_open:,} open"


def findings(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    found = connection.execute(
        f"select input, check_name, check_value, unit, share_rate, message, is_warning from {relation} where is_finding "
        "order by not is_warning, gravity_rank, share_rate desc nulls last, check_value desc, input, check_name"
    ).fetchall()
    warnings = [row for row in found if row[-1]]
    lines = [
        f"Warning: {name} of {source}: {value:,.6g} {unit}{'' if share is None else f' ({share:.1%})'}; {message}"
        for source, name, value, unit, share, message, _ in warnings[:MOST_WARNINGS]
    ]
    more = len(found) - len(lines)
    return [*lines, f"{more} {'more findings' if lines else 'findings'} in rpt_data_quality"] if more else lines


def missing(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    marts = [
        name
        for (name,) in connection.execute(
            f"select distinct mart from {relation} where not is_available and mart <> 'fct_quarantined_rows' order by 1"
        ).fetchall()
    ]
    if not marts:
        return []
    shown = ", ".join(marts[:MOST_MARTS]) + (f" and {len(marts) - MOST_MARTS} more" if len(marts) > MOST_MARTS else "")
    return [f"can't say all: {shown}; rpt_data_capabilities says why"]

"""Write the score file for the CRM: one row per open deal with its score, risk, reasons and recommended actions, as CSV or Parquet.

It is read from the published marts (SALES_MARTS_DB, marts.duckdb), so it is always of one whole build, whose build_id stands in each row. Deals
of the hold-out have no actions: they must not be offered any. In a CSV, text that a spreadsheet would take for a formula (it begins
with = + - @, a tab or a line break) gets a single quote in front; a Parquet file holds it as it is. The file is written beside
its place and renamed into it, so whoever reads it has the old one or the new one.
"""

import argparse
import glob
import os
import sys
from pathlib import Path

import duckdb

from intake.places import shown

MARTS = ("build_info", "fct_open_deals", "fct_deal_scores", "fct_deal_score_reasons", "fct_recommended_actions")
# A spreadsheet takes these for the beginning of a formula. The hyphen is last: the regular expression below holds them in brackets.
FORMULA_STARTS = "=+@\t\r\n-"
TEXT_COLUMNS = (
    "deal_id",
    "deal_name",
    "sales_rep_id",
    "score_status",
    "score_reason",
    "risk_category",
    "reasons",
    "actions",
    "first_action_id",
    "input_name",
)

QUERY = """
with

reasons as (
    select
        deal_id,
        string_agg(reason, ' ' order by reason_rank) as reasons
    from fct_deal_score_reasons
    where is_shown
    group by deal_id
),

actions as (
    select
        deal_id,
        string_agg(replace(priority, '_', ' ') || ': ' || action_text || '.', ' ' order by action_rank) as actions,
        arg_min(action_id, action_rank) as first_action_id
    from fct_recommended_actions
    where not is_holdout
    group by deal_id
)

select
    scores.deal_id,
    deals.deal_name,
    deals.sales_rep_id,
    scores.as_of_date,
    build_info.build_id,
    scores.score_status,
    round(scores.win_probability, 4) as win_probability,
    scores.risk_score,
    scores.risk_category,
    scores.score_reason,
    coalesce(reasons.reasons, '') as reasons,
    coalesce(actions.actions, '') as actions,
    coalesce(actions.first_action_id, '') as first_action_id,
    build_info.input_name
from fct_deal_scores as scores
inner join fct_open_deals as deals on scores.deal_id = deals.deal_id
cross join build_info
left join reasons on scores.deal_id = reasons.deal_id
left join actions on scores.deal_id = actions.deal_id
order by scores.deal_id
"""


def harmless(column: str) -> str:
    """The text, quoted so that a spreadsheet shows it instead of running it."""
    return f"case when regexp_matches({column}, '^[{FORMULA_STARTS}]') then '''' || {column} else {column} end as {column}"


def open_marts(database: str) -> duckdb.DuckDBPyConnection:
    """A read-only connection whose search path is the schema of the published marts. Raises ValueError with the remedy."""
    if not Path(database).is_file():
        raise ValueError(f"there is no published file '{database}': run `dbt build`, or name the file in SALES_MARTS_DB")
    try:
        connection = duckdb.connect(database, read_only=True)
    except duckdb.Error as error:
        raise ValueError(f"'{database}' can't be read: {error}") from error
    schemas = connection.execute("select table_name, table_schema from information_schema.tables").fetchall()
    found = dict(schemas)
    missing = [name for name in MARTS if name not in found]
    if missing:
        raise ValueError(
            f"'{database}' has no {', '.join(missing)}: it is no file of published marts, or of an older version; run `dbt build`"
        )
    connection.execute(f"""use "{found["build_info"]}" """)
    if "input_name" not in [column for column, *_ in connection.execute("describe build_info").fetchall()]:
        raise ValueError(f"'{database}' is of a version before 0.2, which doesn't say of which input it is: run `dbt build`")
    return connection


def input_of(out: Path) -> str | None:
    """The input whose scores a file holds; none if there is no such file, or it doesn't say."""
    if not out.is_file():
        return None
    try:
        with duckdb.connect() as connection:
            scan = "read_parquet(?)" if out.suffix.lower() == ".parquet" else "read_csv(?, all_varchar = true, header = true)"
            found = connection.execute(f"select input_name from {scan} limit 1", [glob.escape(str(out))]).fetchall()
    except duckdb.Error:
        return None
    return found[0][0] if found else None


def export(database: str, out: Path, may_replace: bool = False) -> int:
    """Write the scores of the published marts to `out` and return the number of deals. Raises ValueError in one sentence.

    `may_replace`: may they replace those of another input?
    """
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"'{out}' ends neither with .csv nor with .parquet")
    if not out.parent.is_dir():
        raise ValueError(f"the folder of '{out}' does not exist")
    is_csv = out.suffix.lower() == ".csv"
    unfinished = out.with_name(f"{out.name}.{os.getpid()}.unfinished")
    file = str(unfinished).replace("'", "''")
    columns = f"* replace ({', '.join(harmless(column) for column in TEXT_COLUMNS)})" if is_csv else "*"
    with open_marts(database) as connection:
        [(name,)] = connection.execute("select input_name from build_info").fetchall()
        if not may_replace and (old := input_of(out)) not in (None, name):
            raise ValueError(
                f"'{out}' holds scores of {shown(old)}, and '{database}' is of {shown(name)}: name another file, or give --replace-input"
            )
        try:
            [(count,)] = connection.execute(
                f"copy (select {columns} from ({QUERY}) as scored order by scored.deal_id) to '{file}' ({'format csv, header' if is_csv else 'format parquet'})"
            ).fetchall()
            os.replace(unfinished, out)
        except (duckdb.Error, OSError) as error:
            raise ValueError(f"'{out}' can't be written: {error}") from error
        finally:
            unfinished.unlink(missing_ok=True)
    return count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="file to write; its ending, .csv or .parquet, says how")
    parser.add_argument("--replace-input", action="store_true", help="write over the scores of another input")
    parser.add_argument(
        "--marts", default=os.environ.get("SALES_MARTS_DB", "marts.duckdb"), help="published file (SALES_MARTS_DB, marts.duckdb)"
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        count = export(arguments.marts, arguments.out, arguments.replace_input)
    except ValueError as error:
        print(f"Export: {error}.", file=sys.stderr)
        return 1
    print(f"{arguments.out}: {count:,} deals")
    return 0

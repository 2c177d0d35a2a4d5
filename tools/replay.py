"""Build week by week into one database, as if each week's build had been run in that week, and check the alerts that come of it.

Checked, build by build: no alert twice; cool-downs and caps held; an alert is open in every build until the one that resolves it, for a stated reason
that the data bear out. Of the demo CRM also what was planted: large deals without activity, told from its files, and the bad quarter. Run from the project's root.
With --vars it replays files: '{"deals_file": "deals.csv"}'.
"""

import argparse
import bisect
import csv
import datetime
import json
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from tools import crm

SEEDS = Path("seeds/demo")
SELECT = ["+fct_alerts", "+rpt_digests"]
LARGE_AMOUNT, STALL_DAYS = 50_000, 14
REASONS = {
    "deal_won", "deal_lost", "condition_ended", "signal_ended", "score_withheld", "no_longer_known", "no_longer_in_data", "rule_removed",
}  # fmt: skip
Date = datetime.date


class Builder:
    """Builds the alerts and digests as of one date after the other, in this process: the project is parsed once. Tests are left out, the
    checks of this module are more."""

    def __init__(self, database: Path, variables: dict):
        from dbt.cli.main import dbtRunner

        self.variables, self.scratch = variables, database.parent / f"{database.stem}_dbt"
        os.environ["SALES_DB"] = str(database)
        self.runner = dbtRunner(manifest=self.invoke(dbtRunner(), ["parse"], variables))

    def invoke(self, runner, command: list[str], variables: dict):
        paths = ["--target-path", str(self.scratch / "target"), "--log-path", str(self.scratch / "logs")]
        done = runner.invoke(["--quiet", "--no-use-colors", *command, "--vars", json.dumps(variables), *paths])
        if not done.success:
            raise SystemExit(f"dbt {command[0]} failed with {variables}, see {self.scratch / 'logs'}: {done.exception or ''}")
        return done.result

    def build(self, select: list[str], as_of_date: Date | None = None) -> None:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        tests = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
        variables = self.variables | ({"as_of_date": str(as_of_date)} if as_of_date else {})
        self.invoke(self.runner, ["build", "--select", *select, *tests], variables)
        DuckDBConnectionManager.close_all_connections()  # else the file can't be read here


def read(database: Path, sql: str) -> list[dict]:
    import duckdb

    with duckdb.connect(str(database), read_only=True) as connection:
        found = connection.execute(sql)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


# The checks: each returns sentences about what is wrong


def find_duplicates(events: list[dict]) -> list[str]:
    rows = Counter((event["alert_rule_id"], event["subject_type"], event["subject_id"], event["as_of_date"], event["status"] == "resolved") for event in events)
    raised = Counter(event["alert_key"] for event in events if event["status"] == "raised")
    return [f"twice in a build: {key}" for key, count in rows.items() if count > 1] + [f"raised twice: {key}" for key, count in raised.items() if count > 1]


def find_broken_cool_downs(events: list[dict]) -> list[str]:
    found, raised = [], defaultdict(list)
    for event in sorted((event for event in events if event["status"] == "raised"), key=lambda event: event["as_of_date"]):
        subject = event["subject_type"], event["subject_id"]
        if any(earlier["cool_until_date"] > event["as_of_date"] for earlier in raised[subject]):
            found.append(f"{subject} alerted on {event['as_of_date']} within a cool-down")
        raised[subject].append(event)
    return found


def find_broken_caps(events: list[dict], cap: int) -> list[str]:
    immediate = Counter(event["as_of_date"] for event in events if event["status"] == "raised" and event["delivery"] == "immediate")
    return [f"{count} immediate alerts on {date}" for date, count in immediate.items() if count > cap]


def find_broken_lives(events: list[dict], dates: list[Date]) -> list[str]:
    """An alert begins raised, is ongoing in every build that follows, and ends resolved or with the last build."""
    found, lives = [], defaultdict(list)
    for event in events:
        if event["alert_key"]:
            lives[event["alert_key"]].append(event)
    for key, life in lives.items():
        life.sort(key=lambda event: event["as_of_date"])
        statuses = [event["status"] for event in life]
        begin = bisect.bisect_left(dates, life[0]["as_of_date"])
        if [event["as_of_date"] for event in life] != dates[begin : begin + len(life)]:
            found.append(f"{key} is missing in a build")
        if statuses[0] != "raised" or set(statuses[1:-1]) - {"ongoing"} or (len(statuses) > 1 and statuses[-1] not in ("ongoing", "resolved")):
            found.append(f"{key} has the life {statuses}")
        if statuses[-1] != "resolved" and life[-1]["as_of_date"] != dates[-1]:
            found.append(f"{key} ends without being resolved")
    return found


def find_wrong_reasons(events: list[dict], closes: dict[str, tuple[str, Date]]) -> list[str]:
    """`closes`: outcome and closed date of each closed deal."""
    found = []
    for event in (event for event in events if event["status"] == "resolved"):
        reason, deal = event["status_reason"], closes.get(event["subject_id"]) if event["subject_type"] == "deal" else None
        is_closed = deal is not None and deal[1] <= event["as_of_date"]
        expected = {"Won": "deal_won", "Lost": "deal_lost"}[deal[0]] if is_closed else None
        if reason not in REASONS or (is_closed and reason != expected) or (not is_closed and reason in ("deal_won", "deal_lost")):
            found.append(f"{event['alert_key']} resolved on {event['as_of_date']} as {reason}, expected {expected}")
    return found


def read_seed(name: str) -> list[dict]:
    with (SEEDS / f"demo_{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def planted_stalls(dates: list[Date]) -> set[tuple[str, Date]]:
    """Large deals, open and without activity for long, told from the demo's files; those whose amount was ever edited are left out."""
    edited = {row["deal_id"] for row in read_seed("field_history") if row["field"] == "amount" and row["old_value"]}
    active = defaultdict(list)
    for row in read_seed("activities"):
        active[row["deal_id"]].append(Date.fromisoformat(row["occurred_at"][:10]))
    rows, found = read_seed("deals"), set()
    counts = Counter(row["deal_id"] for row in rows)
    for row in rows:
        try:
            created, amount = Date.fromisoformat(row["created_date"]), float(row["deal_amount"])
            closed = Date.fromisoformat(row["closed_date"]) if row["closed_date"] else Date.max
        except ValueError:
            continue  # a planted dirty row
        if counts[row["deal_id"]] > 1 or row["deal_id"] in edited or not LARGE_AMOUNT < amount < 1e6 or closed < created:
            continue
        for date in dates:
            last = max((day for day in active[row["deal_id"]] if day <= date), default=created)
            if created <= date < closed and (date - last).days > STALL_DAYS:
                found.add((row["deal_id"], date))
    return found


def find_missed_stalls(events: list[dict], dates: list[Date]) -> list[str]:
    """Each planted stall is met by the rule, and its deal has an open alert or was alerted within a cool-down."""
    stalled = {(event["subject_id"], event["as_of_date"]) for event in events if event["alert_rule_id"] == "large_deal_stalled" and event["status"] != "resolved"}
    alerted = {(event["subject_id"], event["as_of_date"]) for event in events if event["status"] in ("raised", "ongoing")}
    cooling = {(event["subject_id"], event["as_of_date"]) for event in events if event["status_reason"] == "cool_down"}
    return [f"stall of {deal} on {date} was missed" for deal, date in sorted(planted_stalls(dates) - (stalled & (alerted | cooling)))]


def find_missed_bad_quarter(events: list[dict], dates: list[Date]) -> list[str]:
    """The quarter's second month is complete by its last, and the chart still sees it in the month after."""
    begin, end, _ = crm.PLANTED.bad_quarter
    if dates[0] > begin or dates[-1] < end:
        return []
    raised = [event["as_of_date"] for event in events if event["alert_rule_id"] == "win_rate_alarm" and event["status"] == "raised"]
    last = end + datetime.timedelta(days=38)
    return [] if any(begin < date <= last for date in raised) else [f"no win-rate alarm from {begin} to {last}, but on {raised}"]


# Command


def replay(database: Path, variables: dict, weeks: int, end: Date | None) -> tuple[list[Date], list[str]]:
    """Builds, and what is wrong with what came of them."""
    builder = Builder(database, variables)
    if end is None:
        builder.build(["+int_as_of"])
        end = read(database, "select as_of_date from intermediate.int_as_of")[0]["as_of_date"]
    dates = [end - datetime.timedelta(weeks=week) for week in range(weeks, -1, -1)]
    wrong, is_demo = [], "deals_file" not in variables
    for number, date in enumerate(dates, start=1):
        start = time.perf_counter()
        builder.build(SELECT, date)
        longest = read(database, "select coalesce(max(row_count), 0) as row_count from marts.rpt_digests")[0]["row_count"]
        if longest > 10:
            wrong.append(f"a digest of {longest} rows on {date}")
        print(f"{number} of {len(dates)}: as of {date}, {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    events = read(database, "select * from marts.fct_alert_events")
    closes = {row["deal_id"]: (row["outcome"], row["closed_date"]) for row in read(database, "select * from marts.fct_deals where not is_open")}
    wrong += find_duplicates(events) + find_broken_cool_downs(events) + find_broken_caps(events, 10) + find_broken_lives(events, dates)
    wrong += find_wrong_reasons(events, closes)
    if is_demo:
        wrong += find_missed_stalls(events, dates) + find_missed_bad_quarter(events, dates)
    return dates, wrong


def summary(database: Path) -> str:
    """A Markdown table of what each rule did."""
    rows = read(
        database,
        "select alert_rule_id, sum((status = 'raised')::int) as raised, count(distinct case when status = 'raised' then subject_id end) as subjects, "
        "sum((status = 'resolved')::int) as resolved, sum((status = 'suppressed')::int) as suppressed from marts.fct_alert_events group by all order by all",
    )
    lines = ["| rule | raised | on subjects | resolved | builds in which it was met and silenced |", "| --- | ---: | ---: | ---: | ---: |"]
    return "\n".join(lines + ["| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weeks", type=int, default=52, help="weeks to go back before the first build (52)")
    parser.add_argument("--end", type=Date.fromisoformat, help="as-of date of the last build (the newest date of the input)")
    parser.add_argument("--vars", type=json.loads, default={}, help="dbt vars as JSON; the demo CRM without deals_file")
    parser.add_argument("--database", type=Path, help="a new file to keep the builds in; else they are thrown away")


def run(arguments: argparse.Namespace) -> int:
    if arguments.database and arguments.database.exists():
        print(f"'{arguments.database}' exists: a replay needs a database of its own", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        database = (arguments.database or Path(folder) / "replay.duckdb").absolute()
        dates, wrong = replay(database, arguments.vars, arguments.weeks, arguments.end)
        print(f"{len(dates)} builds from {dates[0]} to {dates[-1]}\n\n{summary(database)}\n")
    print("\n".join(wrong) or "Nothing wrong: no duplicates, cool-downs and caps held, every resolved alert for a stated reason.")
    return int(bool(wrong))

"""Build week by week into one database, as if each week's build had been run in that week, and check the alerts that come of it.

Checked, build by build: no alert twice; cool-downs and caps held; an alert is open in every build until the one that resolves it; what is open meets its
rule that week, and what is resolved doesn't, for the reason that that week's deals, rules and scores give. Of the demo CRM also what was planted: deals
without activity, told from its files, and the bad quarter. Said, not checked: how often each statistical rule fired, and how often it would by chance alone.
Run from the project's root. With --vars it replays files: '{"deals_file": "deals.csv"}'.
"""

import argparse
import bisect
import csv
import datetime
import json
import operator
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from tools import crm

SEEDS, RULES = Path("seeds/demo"), Path("seeds/reference/alert_rules.csv")
SELECT = ["+fct_alerts", "+rpt_digests"]
SILENT_DAYS = 21
COMPARE = {"above": operator.gt, "crosses_above": operator.gt, "at_least": operator.ge, "below": operator.lt, "at_most": operator.le}
SCORE_METRICS = {"risk_score", "calibration_error_pp"}
Date = datetime.date


@dataclass(frozen=True)
class Statistical:
    """Of a metric that needs a signal: how often chance alone makes one at a look, as docs/alerts.md says, what a look is, and its verdicts."""

    false_alarm_rate: float
    is_monthly: bool
    verdicts: str


SEGMENT_VERDICTS = (
    "select verdict from marts.rpt_segment_win_rates where period = 'all' and second_segment_value is null and segment_dimension"
)
STATISTICAL = {
    "win_rate_gap_pp": Statistical(
        1 / 137, True, "select verdict from marts.rpt_win_rate_trend where basis = 'closed_date' and period_type = 'month' and not is_risk_adjusted "
        "and not is_partial_period order by period_start_date desc limit 1",
    ),
    "created_volume_change_rate": Statistical(
        0.003, True, "select verdict from intermediate.int_volume_changes where metric = 'created_deals' and period_type = 'month' and is_newest_period"
    ),
    "segment_gap_pp": Statistical(0.03, False, f"{SEGMENT_VERDICTS} not in ('all', 'lead_source')"),
    "source_gap_pp": Statistical(0.01, False, f"{SEGMENT_VERDICTS} = 'lead_source'"),
    "driver_swing_pp": Statistical(0.05, False, "select stability_verdict as verdict from marts.rpt_win_rate_drivers where not is_known_only_after_close"),
    "calibration_error_pp": Statistical(0.007, False, "select 'signal' as verdict from marts.rpt_score_quality where fold = 'all' and score_status = 'model'"),
}  # fmt: skip


@dataclass(frozen=True)
class Week:
    """What one build knew: rules by id, outcome and amount by deal, value and is_signal by rule and subject, and the metrics that were judged."""

    date: Date
    rules: dict[str, dict]
    deals: dict[str, tuple[str, float | None]]
    checks: dict[tuple[str, str], tuple[float | None, bool | None]]
    score_status: str
    judged: frozenset[str]


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
    rows = Counter(
        (event["alert_rule_id"], event["subject_type"], event["subject_id"], event["as_of_date"], event["status"] == "resolved")
        for event in events
    )
    raised = Counter(event["alert_key"] for event in events if event["status"] == "raised")
    return [f"twice in a build: {key}" for key, count in rows.items() if count > 1] + [
        f"raised twice: {key}" for key, count in raised.items() if count > 1
    ]


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
        if (
            statuses[0] != "raised"
            or set(statuses[1:-1]) - {"ongoing"}
            or (len(statuses) > 1 and statuses[-1] not in ("ongoing", "resolved"))
        ):
            found.append(f"{key} has the life {statuses}")
        if statuses[-1] != "resolved" and life[-1]["as_of_date"] != dates[-1]:
            found.append(f"{key} ends without being resolved")
    return found


def is_met(rule: dict, subject: str, week: Week) -> bool:
    """Is the value on the rule's side of its threshold, and the deal above its amount?"""
    value, _ = week.checks[rule["alert_rule_id"], subject]
    _, amount = week.deals.get(subject, (None, None))
    is_large = rule["above_amount"] is None or (amount is not None and amount > float(rule["above_amount"]))
    return COMPARE[rule["comparator"]](value, float(rule["threshold"])) and is_large


def ended_by(event: dict, week: Week) -> str | None:
    """Why the alert of `event` can't go on in `week`; None if it can."""
    rule, subject = week.rules.get(event["alert_rule_id"]), event["subject_id"]
    if rule is None:
        return "rule_removed"
    if event["subject_type"] == "deal":
        if subject not in week.deals:
            return "no_longer_in_data"
        if (outcome := week.deals[subject][0]) != "Open":
            return f"deal_{outcome.lower()}"
    value, is_signal = week.checks.get((rule["alert_rule_id"], subject), (None, None))
    if value is None:
        return "score_withheld" if rule["metric"] in SCORE_METRICS and week.score_status not in ("model", "table") else "no_longer_known"
    if rule["metric"] in STATISTICAL and not is_signal:
        return "signal_ended"
    return None if is_met(rule, subject, week) else "condition_ended"


def find_wrong_reasons(events: list[dict], week: Week) -> list[str]:
    """What is met has no reason to end, and what is resolved has the one it states. `events`: those of the week."""
    found = []
    for event in events:
        expected, reason = ended_by(event, week), event["status_reason"] if event["status"] == "resolved" else None
        if reason != expected or (event["status"] == "resolved" and reason is None):
            found.append(
                f"{event['alert_rule_id']} of {event['subject_id']} is {event['status']} on {week.date} as {reason}, expected {expected}"
            )
    return found


def read_seed(name: str) -> list[dict]:
    with (SEEDS / f"demo_{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def planted_silences(dates: list[Date]) -> set[tuple[str, Date]]:
    """Deals, open and without activity for long, told from the demo's files."""
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
        if counts[row["deal_id"]] > 1 or not 0 < amount < 1e6 or closed < created:
            continue
        for date in dates:
            last = max((day for day in active[row["deal_id"]] if day <= date), default=created)
            if created <= date < closed and (date - last).days > SILENT_DAYS:
                found.add((row["deal_id"], date))
    return found


def find_missed_silences(events: list[dict], dates: list[Date]) -> list[str]:
    """Each planted silence is met by the rule, and its deal has an open alert or was alerted within a cool-down."""
    silent = {
        (event["subject_id"], event["as_of_date"])
        for event in events
        if event["alert_rule_id"] == "no_activity" and event["status"] != "resolved"
    }
    alerted = {(event["subject_id"], event["as_of_date"]) for event in events if event["status"] in ("raised", "ongoing")}
    cooling = {(event["subject_id"], event["as_of_date"]) for event in events if event["status_reason"] == "cool_down"}
    return [f"silence of {deal} on {date} was missed" for deal, date in sorted(planted_silences(dates) - (silent & (alerted | cooling)))]


def find_missed_bad_quarter(events: list[dict], dates: list[Date]) -> list[str]:
    """The quarter's second month is complete by its last, and the chart still sees it in the month after."""
    begin, end, _ = crm.PLANTED.bad_quarter
    if dates[0] > begin or dates[-1] < end:
        return []
    raised = [event["as_of_date"] for event in events if event["alert_rule_id"] == "win_rate_alarm" and event["status"] == "raised"]
    last = end + datetime.timedelta(days=38)
    return [] if any(begin < date <= last for date in raised) else [f"no win-rate alarm from {begin} to {last}, but on {raised}"]


# Statistical rules


def look(week: Week) -> dict[str, tuple[Date, frozenset[str]]]:
    """Of each rule whose metric was judged: the month or day it looked at, and the subjects that met it."""
    month = (week.date + datetime.timedelta(days=1)).replace(day=1) - datetime.timedelta(days=1)
    found = {}
    for rule_id, rule in week.rules.items():
        if rule["metric"] in week.judged:
            subjects = {
                subject
                for (other, subject), (value, is_signal) in week.checks.items()
                if other == rule_id and value is not None and is_signal
            }
            met = {subject for subject in subjects if is_met(rule, subject, week)}
            found[rule_id] = month if STATISTICAL[rule["metric"]].is_monthly else week.date, frozenset(met)
    return found


def false_alarms(looks: list[dict], rules: dict[str, dict]) -> str:
    """A Markdown table: looks of each statistical rule, those at which a subject met it anew, and how many chance alone would make at most."""
    lines = ["| statistical rule | judged | fired | by chance alone, on average at most |", "| --- | ---: | ---: | ---: |"]
    for rule_id, rule in sorted(rules.items()):
        if rule["metric"] not in STATISTICAL:
            continue
        about = STATISTICAL[rule["metric"]]
        met = {key: subjects for key, subjects in (week[rule_id] for week in looks if rule_id in week)}
        fired = sum(bool(now - before) for before, now in zip([frozenset(), *met.values()], met.values(), strict=False))
        period = "months" if about.is_monthly else "builds"
        lines.append(f"| {rule_id} | {len(met)} {period} | {fired} | {len(met) * about.false_alarm_rate:.2f} |")
    return "\n".join(lines)


# Command


def read_rules(database: Path, variables: dict) -> dict[str, dict]:
    path = str(variables.get("alert_rules_file", RULES))
    rows = f"'{path}'" if path.endswith(".parquet") else f"read_csv('{path}', all_varchar = true)"
    return {row["alert_rule_id"].strip(): row for row in read(database, f"select columns(*)::varchar from {rows}")}


def read_week(database: Path, variables: dict, date: Date) -> Week:
    """Of the newest build, which is as of `date`."""
    deals = read(database, "select deal_id, outcome, cast(deal_amount as double) as amount from marts.fct_deals")
    checks = read(database, "select alert_rule_id, subject_id, value, is_signal from marts.fct_alert_checks")
    return Week(
        date=date,
        rules=read_rules(database, variables),
        deals={row["deal_id"]: (row["outcome"], row["amount"]) for row in deals},
        checks={(row["alert_rule_id"], row["subject_id"]): (row["value"], row["is_signal"]) for row in checks},
        score_status=read(database, "select score_status from marts.rpt_score_quality where fold = 'all'")[0]["score_status"],
        judged=frozenset(
            name
            for name, metric in STATISTICAL.items()
            if {row["verdict"] for row in read(database, metric.verdicts)} & {"signal", "no_signal"}
        ),
    )


def replay(database: Path, variables: dict, weeks: int, end: Date | None) -> tuple[list[Date], list[str], str]:
    """Builds, what is wrong with what came of them, and what the statistical rules did."""
    builder = Builder(database, variables)
    if end is None:
        builder.build(["+int_as_of"])
        end = read(database, "select as_of_date from intermediate.int_as_of")[0]["as_of_date"]
    dates = [end - datetime.timedelta(weeks=week) for week in range(weeks, -1, -1)]
    wrong, looks, is_demo = [], [], "deals_file" not in variables
    for number, date in enumerate(dates, start=1):
        start = time.perf_counter()
        builder.build(SELECT, date)
        week = read_week(database, variables, date)
        wrong += find_wrong_reasons(read(database, f"select * from marts.fct_alert_events where as_of_date = date '{date}'"), week)
        looks.append(look(week))
        longest = read(database, "select coalesce(max(row_count), 0) as row_count from marts.rpt_digests")[0]["row_count"]
        if longest > 10:
            wrong.append(f"a digest of {longest} rows on {date}")
        print(f"{number} of {len(dates)}: as of {date}, {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    events = read(database, "select * from marts.fct_alert_events")
    wrong += find_duplicates(events) + find_broken_cool_downs(events) + find_broken_caps(events, 10) + find_broken_lives(events, dates)
    if is_demo:
        wrong += find_missed_silences(events, dates) + find_missed_bad_quarter(events, dates)
    return dates, wrong, false_alarms(looks, week.rules)


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
        dates, wrong, fires = replay(database, arguments.vars, arguments.weeks, arguments.end)
        print(f"{len(dates)} builds from {dates[0]} to {dates[-1]}\n\n{summary(database)}\n\n{fires}\n")
    print(
        "\n".join(wrong)
        or "Nothing wrong: no duplicates, cool-downs and caps held, and every alert resolved when it ended, for the right reason."
    )
    return int(bool(wrong))

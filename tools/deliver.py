"""Send what is due of the published alerts and digests to Slack and e-mail, each at most once.

Destinations come from the environment alone: any number of variables SALES_NOTIFY_<NAME>, each with an audience (rep, manager, cro, executive), a
member of it after a colon if it is for one alone, and one Apprise URL:

    SALES_NOTIFY_SALES_CHANNEL="manager slack://token_a/token_b/token_c"
    SALES_NOTIFY_INES="manager:Ines Alder mailtos://user:password@mail.example.com?to=ines@example.com"

Due are alerts of cadence `immediate` that are not resolved, and the digests of the newest build. SALES_MARTS_DB (marts.duckdb) is read only.
SALES_DELIVERY_STATE (delivery.sqlite) holds what became of each message; lose it and all that is due is sent again.

A message is recorded as `sending` before it leaves. If nothing can have been sent (no connection, HTTP 429, 500 or 503, a refusal of the mail server), it is tried
again, and then waits for the next run. If a run is killed while sending, or the answer stays out, nobody knows: the message is `unknown`, is listed by every run,
and is sent again only by --resend KEY, or settled by --settle KEY.

Exit code: 0, or 1 when messages wait or are unknown, or 2 when nothing could be done.
"""

import argparse
import datetime
import os
import sys
import time
import zoneinfo
from pathlib import Path

from tools.delivery.channel import open_channel, send
from tools.delivery.messages import DeliveryError, Destination, Message, destinations_of, read_destinations, read_published, with_note
from tools.delivery.state import OBSOLETE, State, locked

FRESH_HOURS = 24
LONGEST_PAUSE = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent, and send and record nothing")
    parser.add_argument("--resend", action="append", default=[], metavar="KEY", help="send this message again, whose fate is unknown")
    parser.add_argument("--settle", action="append", default=[], metavar="KEY", help="this message of unknown fate did arrive")
    parser.add_argument("--quiet-hours", default=os.environ.get("SALES_QUIET_HOURS"), metavar="20:00-07:00", help="send nothing then ($SALES_QUIET_HOURS)")
    parser.add_argument("--time-zone", default=os.environ.get("SALES_TIME_ZONE", "UTC"), help="of the quiet hours ($SALES_TIME_ZONE, UTC)")
    parser.add_argument("--attempts", type=int, default=4, help="tries of a message in a run, if nothing was sent (4)")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds before the second try, doubled before each other (1)")


def is_quiet(hours: str | None, now: datetime.datetime) -> bool:
    """Is `now` within hours such as 20:00-07:00, the end not included?"""
    if not hours:
        return False
    try:
        begin, end = (datetime.time.fromisoformat(part.strip()) for part in hours.split("-"))
    except ValueError:
        raise DeliveryError(f"quiet hours '{hours}' can't be read: write them as 20:00-07:00") from None
    moment = now.time()
    return begin <= moment < end if begin <= end else moment >= begin or moment < end


def staleness(as_of_date: datetime.date, now: datetime.datetime) -> str | None:
    """A warning when the end of the as-of day (UTC) is longer ago than data may be old."""
    end = datetime.datetime.combine(as_of_date, datetime.time(), datetime.UTC) + datetime.timedelta(days=1)
    hours = (now - end).total_seconds() / 3600
    return f"The data are of {as_of_date}, which ended {hours:.0f} hours ago: they may be out of date." if hours > FRESH_HOURS else None


def send_patiently(state: State, message: Message, destination: Destination, attempts: int, pause: float) -> bool:
    """Tries again while it is sure that nothing was sent, and there is hope. Between two tries the message is `waiting`."""
    for attempt in range(attempts):
        state.write(message.key, destination.name, "sending", message.title)
        outcome = send(message, destination)
        state.write(message.key, destination.name, outcome.status, message.title, outcome.note or None)
        if not outcome.is_retried or attempt == attempts - 1 or outcome.retry_after > LONGEST_PAUSE:
            break
        time.sleep(max(min(pause * 2**attempt, LONGEST_PAUSE), outcome.retry_after))
    return outcome.status == "sent"


def settle(state: State, keys: list[str]) -> None:
    known = {key for key, *_ in state.rows("unknown")}
    for key in keys:
        if key not in known:
            raise DeliveryError(f"no message {key} of unknown fate")
    for key, destination, _, title, _ in state.rows("unknown"):
        if key in keys:
            state.write(key, destination, "sent", title, "settled by hand")


def list_due(state: State, messages: list[Message], destinations: list[Destination], resend: list[str]) -> list[tuple[Message, Destination]]:
    statuses = state.statuses()
    unknown = {key for (key, _), status in statuses.items() if status == "unknown"}
    for key in resend:
        if key not in unknown:
            raise DeliveryError(f"no message {key} of unknown fate")
        if key not in {message.key for message in messages}:
            raise DeliveryError(f"message {key} is no longer among the published ones: use --settle to be done with it")
    due = []
    for message in messages:
        for destination in destinations_of(message, destinations):
            status = statuses.get((message.key, destination.name), "waiting")
            if status == "waiting" or (status == "unknown" and message.key in resend):
                due.append((message, destination))
    return due


def drop_obsolete(state: State, messages: list[Message], over: list[Message], destinations: list[Destination]) -> int:
    """Records what will never be sent, so that nothing gets lost without a trace; returns how many messages that are."""
    current, statuses = {message.key for message in messages}, state.statuses()
    gone = [(key, destination, title) for key, destination, _, title, _ in state.rows("waiting") if key not in current]
    for message in over:
        gone += [(message.key, each.name, message.title) for each in destinations_of(message, destinations) if (message.key, each.name) not in statuses]
    for key, destination, title in gone:
        state.write(key, destination, "obsolete", title, OBSOLETE)
    return len(gone)


def deliver(arguments: argparse.Namespace, environment: dict[str, str], now: datetime.datetime) -> int:
    destinations = read_destinations(environment)
    if not destinations:
        raise DeliveryError("no destination: set SALES_NOTIFY_<NAME> to an audience and an Apprise URL")
    for destination in destinations:
        open_channel(destination)
    published = read_published(Path(environment.get("SALES_MARTS_DB", "marts.duckdb")))
    messages = published.due
    warning = staleness(published.as_of_date, now)
    if warning:
        print(f"Warning: {warning}", file=sys.stderr)
        messages = [with_note(message, warning) for message in messages]
    unheard = sum(not destinations_of(message, destinations) for message in messages)
    if unheard:
        print(f"{unheard} messages have no destination: their audience has no SALES_NOTIFY_<NAME>")
    path = Path(environment.get("SALES_DELIVERY_STATE", "delivery.sqlite"))
    if arguments.dry_run:
        state = State.copy(path)
        for message, destination in list_due(state, messages, destinations, arguments.resend):
            print(f"would send {message.key} to {destination.name}: {message.title}")
        return 0
    with locked(path):
        state = State(path)
        state.find_killed()
        settle(state, arguments.settle)
        due = list_due(state, messages, destinations, arguments.resend)
        dropped = drop_obsolete(state, messages, published.over, destinations)
        if dropped:
            print(f"{dropped} messages were {OBSOLETE}")
        if is_quiet(arguments.quiet_hours, now.astimezone(zoneinfo.ZoneInfo(arguments.time_zone))):
            print(f"quiet hours {arguments.quiet_hours}: {len(due)} messages wait")
            return report(state, 0)
        sent = sum(send_patiently(state, message, destination, arguments.attempts, arguments.pause) for message, destination in due)
        return report(state, sent)


def report(state: State, sent: int) -> int:
    print(f"{sent} messages sent")
    left = state.rows("waiting", "unknown")
    for key, destination, status, title, note in left:
        print(f"{status}: {key} to {destination} ({title}): {note}")
    if any(row[2] == "unknown" for row in left):
        print("Of unknown messages nobody knows whether they arrived: look, then --resend KEY or --settle KEY.")
    return int(bool(left))


def run(arguments: argparse.Namespace) -> int:
    try:
        return deliver(arguments, dict(os.environ), datetime.datetime.now(datetime.UTC))
    except DeliveryError as error:
        print(f"Delivery: {error}.", file=sys.stderr)
        return 2

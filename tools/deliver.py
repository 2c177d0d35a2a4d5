"""Send what is due of the published alerts and digests to Slack and e-mail, each at most once.

Destinations come from the environment alone: any number of variables SALES_NOTIFY_<NAME>, each with an audience (rep, manager, cro, executive), a
member of it after a colon if it is for one alone (a manager's name, a rep's id or name), and one Apprise URL:

    SALES_NOTIFY_SALES_CHANNEL="manager slack://token_a/token_b/token_c"
    SALES_NOTIFY_INES="manager:Ines Alder mailtos://user:password@mail.example.com?to=ines@example.com"

<NAME> is what a destination is known by: give it another URL and what was sent stays sent, give it another name and all that is due is sent again.
A URL that several names hold gets each message once.

Due are alerts that are sent at once (`delivery` immediate in fct_alerts) and not resolved, and the digests of the newest build: daily for managers, and
for reps with an open alert, weekly for the CRO, monthly for executives. SALES_MARTS_DB (marts.duckdb) is read only. SALES_DELIVERY_STATE
(delivery.sqlite) holds what became of each message, and of which input they are: marts of another one are refused. Lose it and all that is due is sent again.

A message is recorded as `waiting` when it is due, and as `sending` before it leaves. If nothing can have been sent, it stays `waiting`: it is tried again at
once where that may help (no connection, HTTP 408, 429, 500 or 503, SMTP 4xx), and by the next run in any case (a wrong token or password, another HTTP 4xx,
SMTP 5xx). If a run is killed while sending, or the answer stays out, nobody knows: the message is `unknown`, is listed by every run, and is sent
again only by --resend KEY, or settled by --settle KEY. What waits until its alert is resolved or a newer digest replaces it, is recorded as
`resolved` or `replaced` and never sent.

Exit code: 0 when all that is due is sent, or is held back by quiet hours alone, or was resolved before; 1 when a message wasn't sent, is unknown, or was
replaced before it could be sent, each of which is listed; 2, with a sentence, when the run couldn't begin or go on.
"""

import argparse
import collections
import datetime
import os
import sys
import time
import zoneinfo
from pathlib import Path

from tools.delivery.channel import open_channel, send
from tools.delivery.messages import DeliveryError, Destination, Message, destinations_of, read_destinations, read_published, with_note
from tools.delivery.state import State, locked

FRESH_HOURS = 24
LONGEST_PAUSE = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent, and send and record nothing")
    parser.add_argument("--resend", action="append", default=[], metavar="KEY", help="send this message again, whose fate is unknown")
    parser.add_argument("--settle", action="append", default=[], metavar="KEY", help="this message of unknown fate did arrive")
    parser.add_argument(
        "--replace-input", action="store_true", help="deliver although the marts are of another input than those delivered last"
    )
    parser.add_argument(
        "--quiet-hours", default=os.environ.get("SALES_QUIET_HOURS"), metavar="20:00-07:00", help="send nothing then ($SALES_QUIET_HOURS)"
    )
    parser.add_argument(
        "--time-zone", default=os.environ.get("SALES_TIME_ZONE") or "UTC", help="of the quiet hours ($SALES_TIME_ZONE, UTC)"
    )
    parser.add_argument("--attempts", type=int, default=4, help="tries of a message in a run, if nothing was sent (4)")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds before the second try, doubled before each other (1)")


def read_zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise DeliveryError(f"time zone '{name}' is unknown: write it as Europe/Berlin") from None


def is_quiet(hours: str | None, now: datetime.datetime) -> bool:
    """Is `now` within hours such as 20:00-07:00, the end not included?"""
    if not hours:
        return False
    try:
        begin, end = (datetime.time.fromisoformat(part.strip()) for part in hours.split("-"))
        if begin.tzinfo or end.tzinfo:
            raise ValueError
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


def pair_up(state: State, messages: list[Message], destinations: list[Destination]) -> list[tuple[Message, Destination, str | None]]:
    """Each message with its destinations and what became of it there. Of several names of one URL it is the one it was sent to, or waits for, or the first."""
    statuses, pairs = state.statuses(), []
    for message in messages:
        known = [(each, statuses.get((message.key, each.name))) for each in destinations_of(message, destinations)]
        own: dict[str, tuple[Destination, str | None]] = {}
        for each, status in sorted(known, key=lambda pair: {None: 2, "waiting": 1}.get(pair[1], 0)):
            own.setdefault(each.url, (each, status))
        pairs += [(message, each, status) for each, status in own.values()]
    return pairs


def list_due(
    state: State, messages: list[Message], destinations: list[Destination], resend: list[str]
) -> list[tuple[Message, Destination]]:
    pairs, unknown = pair_up(state, messages, destinations), collections.defaultdict(list)
    for key, name, *_ in state.rows("unknown"):
        unknown[key].append(name)
    for key in resend:
        if key not in unknown:
            raise DeliveryError(f"no message {key} of unknown fate")
        if key not in {message.key for message in messages}:
            raise DeliveryError(f"message {key} is no longer among the published ones: use --settle to be done with it")
        if not any(message.key == key and status == "unknown" for message, _, status in pairs):
            raise DeliveryError(
                f"message {key} no longer goes to {', '.join(unknown[key])}: set that again, or use --settle to be done with it"
            )
    return [
        (message, each) for message, each, status in pairs if status in (None, "waiting") or (status == "unknown" and message.key in resend)
    ]


def drop_late(state: State, messages: list[Message], over: list[Message], destinations: list[Destination]) -> int:
    """Records what will never be sent, so that nothing gets lost without a trace; returns how many messages were replaced."""
    current, resolved = {message.key for message in messages}, {message.key for message in over}
    late = [
        (key, name, title, "resolved" if key in resolved else "replaced")
        for key, name, _, title, _ in state.rows("waiting")
        if key not in current
    ]
    late += [
        (message.key, each.name, message.title, "resolved")
        for message, each, status in pair_up(state, over, destinations)
        if status is None
    ]
    for key, name, title, status in late:
        state.write(key, name, status, title, "before it could be sent")
    replaced = [row for row in late if row[3] == "replaced"]
    for key, name, title, _ in replaced:
        print(f"replaced before it could be sent: {key} to {name} ({title})")
    if len(late) > len(replaced):
        print(f"{len(late) - len(replaced)} messages were resolved before they could be sent")
    return len(replaced)


def deliver(arguments: argparse.Namespace, environment: dict[str, str], now: datetime.datetime) -> int:
    if arguments.attempts < 1 or not arguments.pause >= 0:
        raise DeliveryError("--attempts must be 1 or more, and --pause 0 or more")
    is_held = is_quiet(arguments.quiet_hours, now.astimezone(read_zone(arguments.time_zone)))
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
    unheard = [message for message in messages if not destinations_of(message, destinations)]
    if unheard:
        audiences = sorted({audience for message in unheard for audience, _ in message.recipients})
        print(f"{len(unheard)} messages have no destination: no SALES_NOTIFY_<NAME> is for their {', '.join(audiences)}")
    path = Path(environment.get("SALES_DELIVERY_STATE") or "delivery.sqlite")
    if not path.parent.is_dir():
        raise DeliveryError(f"SALES_DELIVERY_STATE '{path}' can't be used: there is no folder '{path.parent}'")
    if arguments.dry_run:
        state = State.copy(path)
        state.claim(published.input_name, arguments.replace_input)
        for message, destination in list_due(state, messages, destinations, arguments.resend):
            print(f"would send {message.key} to {destination.name}: {message.title}")
        return 0
    with locked(path):
        state = State(path)
        state.claim(published.input_name, arguments.replace_input)
        state.find_killed()
        settle(state, arguments.settle)
        due = list_due(state, messages, destinations, arguments.resend)
        statuses = state.statuses()
        for message, destination in due:
            if (message.key, destination.name) not in statuses:
                state.write(message.key, destination.name, "waiting", message.title, "not tried yet")
        replaced = drop_late(state, messages, published.over, destinations)
        if is_held:
            print(f"quiet hours {arguments.quiet_hours}: {len(due)} messages wait")
        else:
            sent = sum(send_patiently(state, message, destination, arguments.attempts, arguments.pause) for message, destination in due)
            print(f"{sent} messages sent")
        return report(state, {(message.key, destination.name) for message, destination in due}, is_held) or int(replaced > 0)


def report(state: State, due: set[tuple[str, str]], is_held: bool) -> int:
    """Lists what wants somebody to look."""
    left = [row for row in state.rows("waiting", "unknown") if not (is_held and row[:2] in due and row[2] == "waiting")]
    for key, destination, status, title, note in left:
        way = "" if status == "unknown" or (key, destination) in due else ", and it no longer goes there"
        print(f"{status}: {key} to {destination} ({title}): {note}{way}")
    if any(row[2] == "unknown" for row in left):
        print("Of unknown messages nobody knows whether they arrived: look, then --resend KEY or --settle KEY.")
    return int(bool(left))


def run(arguments: argparse.Namespace) -> int:
    try:
        return deliver(arguments, dict(os.environ), datetime.datetime.now(datetime.UTC))
    except DeliveryError as error:
        print(f"Delivery: {error}.", file=sys.stderr)
        return 2

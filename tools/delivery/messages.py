"""What the published marts have to say, and to whom."""

import datetime
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

AUDIENCES = ("rep", "manager", "cro", "executive")
PREFIX = "SALES_NOTIFY_"


class DeliveryError(Exception):
    """A sentence for the user, which names no secret."""


@dataclass(frozen=True)
class Message:
    """One alert or digest. `recipients`: audience and the names that may stand for its member (none: the whole audience)."""

    key: str
    title: str
    text: str
    is_markdown: bool
    slack_payload: str
    recipients: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Destination:
    """An environment variable that holds an audience, perhaps one member of it, and an Apprise URL, which is never shown. Its name is what it is known by."""

    name: str
    audience: str
    recipient: str | None
    url: str = field(repr=False)


@dataclass(frozen=True)
class Published:
    as_of_date: datetime.date
    due: list[Message]
    over: list[Message]  # immediate alerts that are resolved: too late to send them
    input_name: str | None  # null in files of a version before 0.2


def read_destinations(environment: dict[str, str]) -> list[Destination]:
    """From `SALES_NOTIFY_<NAME>="<audience>[:<member>] <Apprise URL>"`, in the order of their names."""
    found = []
    for name in sorted(name for name in environment if name.startswith(PREFIX)):
        parts = re.fullmatch(r"\s*(\w+)(?::(.*\S))?\s+(\S+://\S+)\s*", environment[name])
        if not parts or parts[1].lower() not in AUDIENCES:
            raise DeliveryError(
                f"{name} can't be read: write an audience ({', '.join(AUDIENCES)}), a member of it after a colon if it is for one alone, a blank, and an Apprise URL"
            )
        found.append(Destination(name, parts[1].lower(), parts[2].strip().lower() if parts[2] else None, parts[3]))
    return found


def destinations_of(message: Message, destinations: list[Destination]) -> list[Destination]:
    """Of each audience the destinations of the member, or, if it has none, those of the audience. Each once."""
    found: dict[str, Destination] = {}
    for audience, names in message.recipients:
        known = {name.lower() for name in names}
        own = [each for each in destinations if each.audience == audience and each.recipient in known]
        for each in own or [each for each in destinations if each.audience == audience and each.recipient is None]:
            found[each.name] = each
    return list(found.values())


def read_published(path: Path) -> Published:
    """The alerts and digests of the published file, which is opened for reading only."""
    import duckdb

    if not path.exists():
        raise DeliveryError(f"'{path}' is no file: let SALES_MARTS_DB name the published marts")
    try:
        with duckdb.connect() as connection:
            connection.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as published (read_only)")
            [(as_of_date,)] = connection.execute("select max(as_of_date) from published.rpt_digests").fetchall()
            alerts = connection.execute(
                "select alert_key, title, message, slack_payload, audience, sales_rep_id, rep_name, manager, state = 'resolved' "
                "from published.fct_alerts where delivery = 'immediate' order by severity_rank desc, first_seen_date, alert_key"
            ).fetchall()
            digests = connection.execute(
                "select digest_key, title, digest_text, slack_payload, audience, recipient, recipient_name from published.rpt_digests "
                "order by cadence, recipient, digest_key"
            ).fetchall()
            found_names = connection.execute(
                "select count(*) from duckdb_columns() where database_name = 'published' and table_name = 'build_info' and column_name = 'input_name'"
            ).fetchall()
            input_name = connection.execute("select input_name from published.build_info").fetchall()[0][0] if found_names[0][0] else None
    except duckdb.Error as error:
        raise DeliveryError(f"'{path}' can't be read: {str(error).splitlines()[0]}") from None
    if as_of_date is None:
        raise DeliveryError(f"'{path}' has no digests: build and publish the marts first")
    found: dict[bool, list[Message]] = {False: [], True: []}
    for key, title, text, payload, audience, rep, rep_name, manager, is_over in alerts:
        members = {"rep": (rep, rep_name), "manager": (manager,)}
        recipients = tuple((each, tuple(filter(None, members.get(each, ())))) for each in audience.split())
        found[is_over].append(Message(key, title, text, False, payload, recipients))
    due = [Message(key, title, text, True, payload, ((audience, names),)) for key, title, text, payload, audience, *names in digests]
    return Published(as_of_date, found[False] + due, found[True], input_name)


def with_note(message: Message, note: str) -> Message:
    """The message with a line before its text, and below it in Slack."""
    payload = json.loads(message.slack_payload)
    payload["blocks"].append({"type": "context", "elements": [{"type": "plain_text", "emoji": False, "text": note}]})
    text = f"{note}\n\n{message.text}"
    return Message(message.key, message.title, text, message.is_markdown, json.dumps(payload), message.recipients)

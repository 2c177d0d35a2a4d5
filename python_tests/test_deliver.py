"""Delivery against a local Slack and mail server: killed at any moment, run twice, server down or refusing: never twice, none silently lost."""

import collections
import contextlib
import datetime
import email
import io
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from unittest import mock

import duckdb
import pytest
from apprise.plugins.slack import NotifySlack
from conftest import PROJECT
from fake_servers import FakeMail, FakeSlack, serving

from tools import deliver
from tools.__main__ import main
from tools.delivery import messages as read
from tools.delivery.messages import DeliveryError

TOKEN = "TIiajkdnlazkcOXrIdevi7FQ"
SLACK_URL = f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}"
PASSWORD = "hunter2secret"
# Apprise knows one Slack: here it is told another address.
SCRIPT = "from apprise.plugins.slack import NotifySlack; NotifySlack.webhook_url = {url!r}; import sys; from tools.__main__ import main; sys.exit(main({arguments!r}))"
NASTY = "<!channel> & *bold* {{app_id}} `code`"


def payload(text: str) -> str:
    return json.dumps({"text": text, "blocks": [{"type": "section", "text": {"type": "plain_text", "text": text}}]})


def publish(path: pathlib.Path, alerts: list[tuple], digests: list[tuple] = (), as_of_date: datetime.date | None = None) -> pathlib.Path:
    """A published file of alerts (key, text, audience, state) and digests (key, audience, recipient)."""
    as_of_date = as_of_date or datetime.datetime.now(datetime.UTC).date()
    path.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as published")
        connection.execute(
            "create table published.fct_alerts (alert_key text, title text, message text, slack_payload text, audience text, sales_rep_id text, "
            "rep_name text, manager text, state text, delivery text, severity_rank int, first_seen_date date)"
        )
        connection.execute(
            "create table published.rpt_digests (digest_key text, title text, digest_text text, slack_payload text, audience text, recipient text, recipient_name text, cadence text, as_of_date date)"
        )
        for key, text, audience, state in alerts:
            row = [
                key,
                f"Title {key}",
                text,
                payload(f"{key}: {text}"),
                audience,
                "R1",
                "Ada Ash",
                "Ines Alder",
                state,
                "immediate",
                4,
                as_of_date,
            ]
            connection.execute("insert into published.fct_alerts values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        for key, audience, recipient in [*digests, ("none", "executive", "executive")]:
            name = {"R1": "Ada Ash"}.get(recipient, recipient)
            row = [key, f"Title {key}", f"# {key}\n\n- a\\_b", payload(key), audience, recipient, name, "daily", as_of_date]
            connection.execute("insert into published.rpt_digests values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    return path


class World:
    """A published file, a state file, both servers and the command."""

    def __init__(self, folder: pathlib.Path, slack: FakeSlack, mail: FakeMail):
        self.folder, self.slack, self.mail, self.state = folder, slack, mail, folder / "state.sqlite"
        self.slack_port = slack.server_port
        self.mail_url = f"mailto://user:{PASSWORD}@127.0.0.1:{mail.server_address[1]}?from=a@example.com&to=b@example.com&mode=insecure"
        self.destinations = {"SALES_NOTIFY_CRO": f"cro {SLACK_URL}"}
        self.output = ""

    def environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("SALES_")}
        return own | self.destinations | {"SALES_MARTS_DB": str(self.folder / "marts.duckdb"), "SALES_DELIVERY_STATE": str(self.state)}

    def start(self, *arguments: str) -> subprocess.Popen:
        script = SCRIPT.format(url=f"http://127.0.0.1:{self.slack_port}/services", arguments=["deliver", "--pause", "0.01", *arguments])
        return subprocess.Popen(
            [sys.executable, "-c", script], cwd=PROJECT, env=self.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *arguments: str) -> int:
        """In this process, which saves the start of another."""
        output = io.StringIO()
        with (
            mock.patch.object(NotifySlack, "webhook_url", f"http://127.0.0.1:{self.slack_port}/services"),
            mock.patch.dict(os.environ, self.environment(), clear=True),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            code = main(["deliver", "--pause", "0.01", *arguments])
        self.output = output.getvalue()
        return code

    def run_apart(self, *arguments: str) -> int:
        process = self.start(*arguments)
        self.output, _ = process.communicate(timeout=120)
        return process.returncode

    def statuses(self) -> dict[str, str]:
        with sqlite3.connect(self.state) as connection:
            return dict(connection.execute("select message_key || ' ' || destination, status from deliveries").fetchall())

    def received(self) -> collections.Counter:
        """How often each message arrived, by its key."""
        texts = [each["attachments"][0]["fallback"].split(":")[0] for each in self.slack.payloads]
        return collections.Counter(texts + [email.message_from_string(text)["Subject"].removeprefix("Title ") for text in self.mail.mails])


@pytest.fixture
def world(tmp_path):
    with serving(FakeSlack()) as slack, serving(FakeMail()) as mail:
        yield World(tmp_path, slack, mail)


def publish_alerts(world: World, count: int) -> None:
    publish(world.folder / "marts.duckdb", [(f"k{number}", "Deal stalled", "cro", "new") for number in range(count)])


def test_each_message_is_sent_once_by_two_runs(world):
    world.destinations["SALES_NOTIFY_INES"] = f"manager:ines alder {world.mail_url}"
    world.destinations["SALES_NOTIFY_ADA"] = f"rep:ada ash {world.mail_url}"
    publish(
        world.folder / "marts.duckdb",
        [("a", "one", "cro manager", "new"), ("b", "two", "cro", "ongoing"), ("c", "three", "executive", "new")],
        [("d", "manager", "Ines Alder"), ("e", "manager", "Omar Dorn"), ("f", "cro", "cro"), ("g", "rep", "R1"), ("h", "rep", "R2")],
    )
    assert world.run() == 0, world.output
    # a to both; c, e, h and the executives' digest have no destination, and the run says so
    assert world.received() == {"a": 2, "b": 1, "d": 1, "f": 1, "g": 1}
    assert "4 messages have no destination: no SALES_NOTIFY_<NAME> is for their executive, manager, rep" in world.output
    assert world.run() == 0 and "0 messages sent" in world.output
    assert world.received().total() == 6


def test_a_url_of_two_names_gets_a_message_once(world):
    """Also when one of the names comes later, or the one it was sent to goes."""
    world.destinations["SALES_NOTIFY_MANAGERS"] = f"manager {SLACK_URL}"
    publish(world.folder / "marts.duckdb", [("a", "one", "manager cro", "new")])
    assert world.run() == 0 and world.received() == {"a": 1}
    world.destinations["SALES_NOTIFY_ALL"] = f"manager {SLACK_URL}"
    assert world.run() == 0 and world.received() == {"a": 1}
    world.slack.answers = [403]
    publish(world.folder / "marts.duckdb", [("b", "two", "manager cro", "new")])
    assert world.run() == 1 and world.run() == 0 and world.received() == {"a": 1, "b": 1}
    assert set(world.statuses().values()) == {"sent"}


def test_payload_arrives_as_it_is_published(world):
    publish(world.folder / "marts.duckdb", [("a", NASTY, "cro", "new")])
    assert world.run() == 0, world.output
    [attachment] = world.slack.payloads[0]["attachments"]
    assert attachment["blocks"] == json.loads(payload(f"a: {NASTY}"))["blocks"]


def test_two_runs_at_once_do_not_meet(world):
    publish_alerts(world, 4)
    world.slack.on_request = lambda _: time.sleep(0.5)
    first, second = world.start(), world.start()
    codes = [process.communicate(timeout=60) and process.returncode for process in (first, second)]
    assert sorted(codes) in ([0, 0], [0, 2])
    assert world.received() == {f"k{number}": 1 for number in range(4)}


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_refusal_is_tried_again(world, status):
    publish_alerts(world, 1)
    world.slack.answers = [status, status]
    assert world.run() == 0, world.output
    assert world.slack.refused == 2 and world.received() == {"k0": 1}


def test_a_lasting_refusal_waits_for_the_next_run(world):
    publish_alerts(world, 2)
    world.slack.answers = [500] * 8
    assert world.run() == 1
    assert set(world.statuses().values()) == {"waiting"} and "HTTP 500" in world.output
    assert world.run() == 0 and world.received() == {"k0": 1, "k1": 1}


def test_a_wish_to_be_left_alone_is_respected(world):
    publish_alerts(world, 1)
    world.slack.answers, world.slack.retry_after = [429], "1"
    start = time.monotonic()
    assert world.run() == 0 and time.monotonic() - start >= 1
    assert world.received() == {"k0": 1}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418])
def test_a_wrong_token_is_no_reason_to_insist(world, status):
    publish_alerts(world, 1)
    world.slack.answers = [status]
    assert world.run() == 1 and world.slack.refused == 1 and f"HTTP {status}" in world.output
    assert world.run() == 0 and world.received() == {"k0": 1}


def test_a_server_that_is_down_loses_nothing(world):
    publish_alerts(world, 2)
    port = world.slack_port
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        world.slack_port = free.getsockname()[1]
    assert world.run("--attempts", "2") == 1
    assert set(world.statuses().values()) == {"waiting"} and "no connection" in world.output
    world.slack_port = port
    assert world.run() == 0 and world.received() == {"k0": 1, "k1": 1}


@pytest.mark.parametrize("status", [0, 502, 504])
def test_a_missing_answer_is_unknown_and_sent_again_only_by_name(world, status):
    publish_alerts(world, 2)
    world.slack.answers = [status]
    assert world.run() == 1
    assert world.statuses() == {"k0 SALES_NOTIFY_CRO": "unknown", "k1 SALES_NOTIFY_CRO": "sent"}
    before = world.received()
    assert world.run() == 1 and "unknown: k0" in world.output and world.received() == before
    assert world.run("--resend", "k1") == 2 and "no message k1 of unknown fate" in world.output
    assert world.run("--resend", "k0") == 0
    assert world.received()["k0"] == before["k0"] + 1 and set(world.statuses().values()) == {"sent"}


def test_an_unknown_message_can_be_settled(world):
    publish_alerts(world, 1)
    world.slack.answers = [0]
    assert world.run() == 1
    assert world.run("--settle", "k0") == 0 and world.received() == {"k0": 1}


@pytest.mark.parametrize(("code", "exit_code", "status"), [(451, 0, "sent"), (554, 1, "waiting"), (0, 1, "unknown")])
def test_mail_that_is_refused_or_not_answered(world, code, exit_code, status):
    world.destinations = {"SALES_NOTIFY_CRO": f"cro {world.mail_url}"}
    publish_alerts(world, 1)
    world.mail.answers = [code]
    assert world.run() == exit_code, world.output
    assert world.statuses() == {"k0 SALES_NOTIFY_CRO": status}
    world.run()
    assert world.received() == {"k0": 1}


@pytest.mark.parametrize(
    ("command", "code", "is_retried"),
    [
        ("CONNECT", 554, False), ("CONNECT", 421, True), ("AUTH", 535, False), ("AUTH", 454, True), ("MAIL", 550, False), ("MAIL", 451, True),
        ("RCPT", 550, False), ("RCPT", 450, True), ("DATA", 554, False), ("DATA", 451, True),
    ],
)  # fmt: skip
def test_mail_is_tried_again_unless_it_is_refused_for_good(world, command, code, is_retried):
    world.destinations = {"SALES_NOTIFY_CRO": f"cro {world.mail_url}"}
    publish_alerts(world, 1)
    # A password is tried by both ways of logging in.
    world.mail.refusals = {command: [code] * (2 if command == "AUTH" else 1)}
    assert world.run() == (0 if is_retried else 1), world.output
    assert world.mail.connections == (2 if is_retried else 1)
    assert is_retried or f"SMTP {code}" in world.output
    assert world.run() == 0 and world.received() == {"k0": 1}


def test_killed_before_the_answer_a_message_is_unknown(world):
    publish_alerts(world, 3)
    process = world.start()

    def kill(_):
        if len(world.slack.payloads) == 2:
            process.send_signal(signal.SIGKILL)
            process.wait()

    world.slack.on_request = kill
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert world.statuses() == {"k0 SALES_NOTIFY_CRO": "sent", "k1 SALES_NOTIFY_CRO": "sending", "k2 SALES_NOTIFY_CRO": "waiting"}
    assert world.run() == 1 and "unknown: k1" in world.output and "killed" in world.output
    assert world.received() == {f"k{number}": 1 for number in range(3)}


def test_killed_at_any_moment_nothing_is_sent_twice_or_lost(world):
    """Runs that are killed at random moments, until one gets through: each message is sent once, or it is listed as unknown."""
    publish_alerts(world, 12)
    world.slack.on_request = lambda _: time.sleep(0.02)
    moments, kills = random.Random(1), 0
    for _ in range(8):
        process = world.start()
        while not world.slack.payloads and process.poll() is None and kills == 0:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3) if kills == 0 else moments.uniform(0.5, 2.5))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    code = world.run()
    statuses, received = world.statuses(), world.received()
    unknown = {key.split()[0] for key, status in statuses.items() if status == "unknown"}
    assert kills >= 1 and set(statuses.values()) <= {"sent", "unknown"} and len(statuses) == 12
    assert max(received.values()) == 1
    assert {f"k{number}" for number in range(12)} <= set(received) | unknown
    assert code == int(bool(unknown)) and all(f"unknown: {key}" in world.output for key in unknown)


def test_what_was_over_before_it_was_sent_is_recorded(world):
    publish(world.folder / "marts.duckdb", [("a", "over", "cro", "resolved"), ("b", "open", "cro", "new")])
    world.slack.answers = [403]
    assert world.run() == 1 and "1 messages were resolved" in world.output
    publish(world.folder / "marts.duckdb", [("b", "open no more", "cro", "resolved")])
    assert world.run() == 0 and "1 messages were resolved" in world.output
    assert set(world.statuses().values()) == {"resolved"} and not world.received()


@pytest.mark.parametrize("cause", ["quiet hours", "killed"])
def test_a_digest_replaced_before_it_was_sent_is_listed(world, cause):
    marts = publish(world.folder / "marts.duckdb", [], [("monday", "cro", "cro"), ("news", "cro", "cro")])
    if cause == "quiet hours":
        assert world.run("--quiet-hours", "00:00-23:59:59.999999") == 0
    else:
        world.slack.on_request = lambda _: process.kill()
        process = world.start()
        process.communicate(timeout=60)
        world.slack.on_request = lambda _: None
        assert world.run("--settle", "monday", "--quiet-hours", "00:00-23:59:59.999999") == 0, world.output
    publish(marts, [], [("tuesday", "cro", "cro")])
    assert world.run() == 1 and "replaced before it could be sent: news to SALES_NOTIFY_CRO (Title news)" in world.output
    expected = {"monday": "replaced" if cause == "quiet hours" else "sent", "news": "replaced", "tuesday": "sent"}
    assert world.statuses() == {f"{key} SALES_NOTIFY_CRO": status for key, status in expected.items()}
    assert world.run() == 0 and world.received()["tuesday"] == 1 and world.received()["news"] == 0


def test_a_destination_that_went_leaves_its_messages_listed(world):
    publish_alerts(world, 1)
    world.slack.answers = [403]
    assert world.run() == 1
    world.destinations = {"SALES_NOTIFY_OTHER": f"rep {SLACK_URL}"}
    assert world.run() == 1 and "waiting: k0 to SALES_NOTIFY_CRO (Title k0): HTTP 403, and it no longer goes there" in world.output
    world.destinations = {"SALES_NOTIFY_CRO": f"cro {SLACK_URL}"}
    assert world.run() == 0 and world.received() == {"k0": 1}


def test_bad_input_is_said_in_a_sentence(world):
    publish_alerts(world, 1)
    world.slack.answers = [0]
    assert world.run() == 1
    (world.folder / "file").write_text("no database")
    cases = {
        ("--time-zone", "Mars/Base"): "time zone 'Mars/Base' is unknown",
        ("--time-zone", "../etc"): "time zone '../etc' is unknown",
        ("--attempts", "0"): "--attempts must be 1 or more",
        ("--pause", "-1"): "--pause 0 or more",
        ("--pause", "nan"): "--pause 0 or more",
        ("--quiet-hours", "20:00+01:00-07:00"): "write them as 20:00-07:00",
        ("--settle", "k9"): "no message k9 of unknown fate",
        ("--resend", "k9"): "no message k9 of unknown fate",
    }
    for arguments, sentence in cases.items():
        assert world.run(*arguments) == 2, arguments
        assert world.output.splitlines()[-1].startswith("Delivery: ") and sentence in world.output
    state, paths = (
        world.state,
        {
            "none/state.sqlite": "there is no folder",
            "file/state.sqlite": "there is no folder",
            "file": "not a database",
            ".": "unable to open",
        },
    )
    for path, sentence in paths.items():
        world.state = world.folder / path
        for arguments in ((), ("--dry-run",)):
            assert world.run(*arguments) == 2, path
            assert (
                world.output.splitlines()[-1].startswith(f"Delivery: SALES_DELIVERY_STATE '{world.state}' can't be used: ")
                and sentence in world.output
            )
    world.state = state
    world.destinations = {"SALES_NOTIFY_OTHER": f"cro {SLACK_URL}"}
    assert world.run("--resend", "k0") == 2 and "message k0 no longer goes to SALES_NOTIFY_CRO" in world.output
    before = world.received()
    assert world.run("--resend", "k0") == 2 and world.received() == before


def test_dry_run_sends_and_records_nothing(world):
    publish_alerts(world, 1)
    assert world.run("--dry-run") == 0
    assert "would send k0 to SALES_NOTIFY_CRO" in world.output
    assert not world.received() and not world.state.exists()
    assert world.run() == 0 and world.run("--dry-run") == 0 and "would send" not in world.output


def test_old_data_come_with_a_warning(world):
    publish(world.folder / "marts.duckdb", [("a", "old", "cro", "new")], as_of_date=datetime.date(2025, 1, 1))
    assert world.run() == 0
    assert "Warning: The data are of 2025-01-01" in world.output
    assert "out of date" in json.dumps(world.slack.payloads)


def test_secrets_stay_secret(world):
    """Not in the output, nor in any file, whatever fails: a refusal, a missing answer, a dead server, a URL that makes no sense."""
    world.destinations |= {"SALES_NOTIFY_MAIL": f"cro {world.mail_url}"}
    publish_alerts(world, 3)
    world.slack.answers, world.mail.answers = [403, 0, 500], [554, 0]
    outputs = []
    world.run_apart("--attempts", "1")
    outputs.append(world.output)
    world.mail.shutdown()
    world.mail.server_close()
    world.run_apart("--attempts", "1")
    outputs.append(world.output)
    assert "SMTP 554" in outputs[0] and "HTTP 403" in outputs[0] and "no connection to the mail server" in outputs[1]
    for value in (f"cro nonsense://{TOKEN}", f"everyone {SLACK_URL}", f"cro {SLACK_URL}/#a/#b", f"cro json://{PASSWORD}@localhost"):
        world.destinations = {"SALES_NOTIFY_BAD": value}
        assert world.run_apart() == 2, value
        assert "SALES_NOTIFY_BAD" in world.output
        outputs.append(world.output)
    files = b"".join(path.read_bytes() for path in world.folder.iterdir())
    for secret in (TOKEN, PASSWORD):
        assert not any(secret in output for output in outputs), outputs
        assert secret.encode() not in files


@pytest.mark.parametrize(
    ("clock", "is_quiet"), [("19:59", False), ("20:00", True), ("23:30", True), ("06:59", True), ("07:00", False), ("12:00", False)]
)
def test_quiet_hours_run_over_midnight(clock, is_quiet):
    now = datetime.datetime.combine(datetime.date(2026, 1, 5), datetime.time.fromisoformat(clock))
    assert deliver.is_quiet("20:00-07:00", now) == is_quiet
    assert deliver.is_quiet("12:00-13:00", now) == (clock == "12:00") and not deliver.is_quiet(None, now)


def test_in_quiet_hours_all_waits(world):
    publish_alerts(world, 2)
    assert world.run("--quiet-hours", "00:00-23:59:59.999999") == 0
    assert "2 messages wait" in world.output and not world.received() and set(world.statuses().values()) == {"waiting"}
    assert world.run() == 0 and len(world.received()) == 2
    assert world.run("--quiet-hours", "at night") == 2 and "write them as 20:00-07:00" in world.output


def test_data_are_fresh_for_a_day_after_their_day():
    day, midnight = datetime.date(2026, 1, 5), datetime.datetime(2026, 1, 6, tzinfo=datetime.UTC)
    assert deliver.staleness(day, midnight + datetime.timedelta(hours=24)) is None
    assert "ended 25 hours ago" in deliver.staleness(day, midnight + datetime.timedelta(hours=25))


def test_a_member_is_told_in_person_and_else_the_audience():
    message = read.Message("k", "t", "x", False, "{}", (("rep", ("R1", "Ada Ash")), ("cro", ())))
    environment = {
        "SALES_NOTIFY_A": "rep slack://1", "SALES_NOTIFY_B": "rep:ada ash slack://2", "SALES_NOTIFY_C": "rep:R2 slack://3", "SALES_NOTIFY_D": "CRO slack://4",
        "PATH": "x",
    }  # fmt: skip
    names = [each.name for each in read.destinations_of(message, read.read_destinations(environment))]
    assert names == ["SALES_NOTIFY_B", "SALES_NOTIFY_D"]
    del environment["SALES_NOTIFY_B"]
    assert [each.name for each in read.destinations_of(message, read.read_destinations(environment))] == [
        "SALES_NOTIFY_A",
        "SALES_NOTIFY_D",
    ]
    assert "slack://" not in repr(read.read_destinations(environment))


def test_missing_marts_are_said(world, tmp_path):
    assert world.run() == 2 and "SALES_MARTS_DB" in world.output
    (tmp_path / "marts.duckdb").write_text("nothing")
    with pytest.raises(DeliveryError, match="can't be read"):
        read.read_published(tmp_path / "marts.duckdb")

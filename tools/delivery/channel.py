"""Sends one message to one destination through Apprise, and says for sure, if that can be known, what became of it.

Apprise answers yes or no. Whether a no means that nothing was sent is seen on the way: at the HTTP answer and at the SMTP dialogue.
"""

import contextlib
import json
import logging
import smtplib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.delivery.messages import DeliveryError, Destination, Message

# 502 and 504 come from a gateway that lost sight of the request.
RETRIED, UNCLEAR = {429, 500, 503}, {408, 502, 504}


@dataclass
class Outcome:
    """`status`: sent, waiting (nothing was sent) or unknown. `is_retried`: worth another try; `retry_after`: not before these seconds."""

    status: str = "waiting"
    note: str = "nothing left for the network"
    is_retried: bool = False
    retry_after: float = 0.0

    def set(self, status: str, note: str, is_retried: bool = False, retry_after: float = 0.0) -> None:
        self.status, self.note, self.is_retried, self.retry_after = status, note, is_retried, retry_after


def judge_answer(outcome: Outcome, response) -> None:
    code = response.status_code
    if code == 200:
        # Slack's own refusals of a bot's message are well-formed.
        is_refused = response.text.lstrip().startswith("{") and response.json().get("ok") is False
        outcome.set("waiting" if is_refused else "unknown", "refused" if is_refused else "an answer that can't be read")
    elif code in UNCLEAR:
        outcome.set("unknown", f"HTTP {code}")
    else:
        seconds = response.headers.get("Retry-After", "")
        outcome.set("waiting", f"HTTP {code}", code in RETRIED, float(seconds) if seconds.isdigit() else 0.0)


def is_never_connected(error: Exception) -> bool:
    """No connection, no resolved name, or no trusted certificate: before the first byte of the message."""
    import ssl

    import requests
    from urllib3.exceptions import NewConnectionError

    reason = getattr(error.args[0], "reason", None) if error.args else None
    certificate = getattr(reason, "args", ())[:1]
    return (
        isinstance(error, requests.ConnectTimeout)
        or isinstance(reason, NewConnectionError)
        or any(isinstance(each, ssl.SSLCertVerificationError) for each in certificate)
    )


@contextlib.contextmanager
def watched(outcome: Outcome) -> Iterator[None]:
    """Notes in `outcome` how every request and mail of the block ended."""
    import requests

    send, data, connect = requests.Session.send, smtplib.SMTP.data, smtplib.SMTP.connect

    def watch_send(session, request, **options):
        outcome.set("unknown", "no answer")
        try:
            response = send(session, request, **options)
        except requests.RequestException as error:
            if is_never_connected(error):
                outcome.set("waiting", "no connection", True)
            raise
        judge_answer(outcome, response)
        return response

    def watch_data(server, message):
        outcome.set("unknown", "no answer of the mail server")
        try:
            code, answer = data(server, message)
        except smtplib.SMTPDataError as error:  # the server didn't want to hear it
            outcome.set("waiting", f"SMTP {error.smtp_code}", 400 <= error.smtp_code < 500)
            raise
        if code != 250:
            outcome.set("waiting", f"SMTP {code}", 400 <= code < 500)
        return code, answer

    def watch_connect(server, *options, **named):
        outcome.set("waiting", "no connection to the mail server, or refused by it", True)
        return connect(server, *options, **named)

    requests.Session.send, smtplib.SMTP.data, smtplib.SMTP.connect = watch_send, watch_data, watch_connect
    try:
        yield
    finally:
        requests.Session.send, smtplib.SMTP.data, smtplib.SMTP.connect = send, data, connect


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Apprise and what it uses may write addresses into their logs."""
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3", "requests")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def open_channel(destination: Destination, template: Path | None = None):
    """The Apprise service of a destination; a Slack one sends the Block Kit payload in `template`."""
    from urllib.parse import quote

    from apprise import Apprise
    from apprise.plugins.email.base import NotifyEmail
    from apprise.plugins.slack import NotifySlack

    with silenced():
        service = Apprise.instantiate(destination.url, suppress_exceptions=True)
        if isinstance(service, NotifySlack) and template:
            mark = "&" if "?" in destination.url else "?"
            service = Apprise.instantiate(f"{destination.url}{mark}template={quote(str(template))}", suppress_exceptions=True)
    if not isinstance(service, NotifySlack | NotifyEmail):
        raise DeliveryError(f"{destination.name} holds no Apprise URL of Slack or e-mail")
    service.retry = 0  # retries are decided here, where it is known whether anything was sent
    if len(service) != 1:
        raise DeliveryError(f"{destination.name} names {len(service)} targets: one variable is one target, so that each is sent to once")
    return service


def as_attachment(payload: str) -> str:
    """Apprise puts a template into an attachment, whose text for lock screens is called `fallback`; it fills in {{words}}, of which a deal's
    name has none."""
    content = json.loads(payload)
    content["fallback"] = content.pop("text")
    return json.dumps(content).replace("{{", "{\\u007b")


def send(message: Message, destination: Destination) -> Outcome:
    """Tries once. Whatever goes wrong is in the outcome, and no text of an error is, because it may hold the address."""
    from apprise import Apprise, NotifyFormat

    outcome = Outcome()
    with tempfile.TemporaryDirectory() as folder, silenced():
        template = Path(folder) / "payload.json"
        template.write_text(as_attachment(message.slack_payload), encoding="utf-8")
        channel = Apprise()
        channel.add(open_channel(destination, template))
        body_format = NotifyFormat.MARKDOWN if message.is_markdown else NotifyFormat.TEXT
        try:
            with watched(outcome):
                is_sent = channel.notify(body=message.text, title=message.title, body_format=body_format)
        except Exception as error:
            outcome.set("unknown" if outcome.status == "unknown" else "waiting", type(error).__name__, outcome.is_retried)
            return outcome
    if is_sent:
        outcome.set("sent", "")
    return outcome

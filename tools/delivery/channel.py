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

# Refusals that may pass. Other codes of 4xx last until somebody does something, and other ones of 5xx (502, 504) come from a gateway that lost sight of the request.
RETRIED = {408, 429, 500, 503}


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
    elif code in RETRIED or 300 <= code < 500:
        seconds = response.headers.get("Retry-After", "")
        outcome.set("waiting", f"HTTP {code}", code in RETRIED, float(seconds) if seconds.isdigit() else 0.0)
    else:
        outcome.set("unknown", f"HTTP {code}")


def judge_refusal(outcome: Outcome, error: smtplib.SMTPException) -> None:
    """A refusal of the mail server with a code of 4xx may pass; with 5xx, or because it can't do what is asked, it lasts."""
    codes = (
        [code for code, _ in error.recipients.values()]
        if isinstance(error, smtplib.SMTPRecipientsRefused)
        else [getattr(error, "smtp_code", None)]
    )
    note = "the mail server has no such way to log in or to encrypt" if codes[0] is None else f"SMTP {codes[0]}"
    outcome.set("waiting", note, codes[0] is not None and 400 <= codes[0] < 500)


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
    steps = {name: getattr(smtplib.SMTP, name) for name in ("starttls", "login", "sendmail")}

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
        return data(server, message)

    def watch_connect(server, *options, **named):
        outcome.set("waiting", "no connection to the mail server", True)
        code, answer = connect(server, *options, **named)
        outcome.set("waiting", "the mail server hung up" if code == 220 else f"SMTP {code}", code < 500)
        return code, answer

    def watch_step(step):
        def watched_step(server, *options, **named):
            try:
                return step(server, *options, **named)
            except smtplib.SMTPException as error:
                if not isinstance(error, smtplib.SMTPServerDisconnected):
                    judge_refusal(outcome, error)
                raise

        return watched_step

    requests.Session.send, smtplib.SMTP.data, smtplib.SMTP.connect = watch_send, watch_data, watch_connect
    for name, step in steps.items():
        setattr(smtplib.SMTP, name, watch_step(step))
    try:
        yield
    finally:
        requests.Session.send, smtplib.SMTP.data, smtplib.SMTP.connect = send, data, connect
        for name, step in steps.items():
            setattr(smtplib.SMTP, name, step)


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

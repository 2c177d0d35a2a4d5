"""A Slack and a mail server that are none: they count what they are sent, and answer as they are told."""

import contextlib
import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator


class FakeSlack(http.server.ThreadingHTTPServer):
    """`answers`: the statuses of the next requests, then 200. `on_request` is called with the payload before it is answered, or refused."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), SlackHandler)
        self.payloads: list[dict] = []
        self.refused = 0
        self.answers: list[int] = []
        self.retry_after: str | None = None
        self.on_request: Callable[[dict], None] = lambda payload: None


class SlackHandler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.payloads.append(payload)
        else:
            self.server.refused += 1
        self.server.on_request(payload)
        if status == 0:  # taken, and never answered
            self.server.payloads.append(payload)
            return self.connection.close()
        self.send_response(status)
        if self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.end_headers()
        self.wfile.write(b"ok" if status == 200 else b"no")

    def log_message(self, *arguments):
        pass


class FakeMail(socketserver.ThreadingTCPServer):
    """`answers`: the codes with which the next mails are taken or refused once their text is there, then 250. `refusals`: those of
    the next commands of a name, or of CONNECT, which are then taken again."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), MailHandler)
        self.mails: list[str] = []
        self.answers: list[int] = []
        self.refusals: dict[str, list[int]] = {}
        self.connections = 0


class MailHandler(socketserver.StreamRequestHandler):
    def say(self, code: int) -> None:
        self.wfile.write(f"{code} said\r\n".encode())

    def is_refused(self, command: str) -> bool:
        codes = self.server.refusals.get(command, [])
        is_refused = bool(codes)
        if is_refused:
            self.say(codes.pop(0))
        return is_refused

    def handle(self):
        self.server.connections += 1
        if self.is_refused("CONNECT"):
            return
        self.say(220)
        while line := self.rfile.readline().decode().strip():
            command = line.split()[0].upper()
            if self.is_refused(command):
                continue
            if command == "DATA":
                self.say(354)
                text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
                code = self.server.answers.pop(0) if self.server.answers else 250
                if code in (250, 0):
                    self.server.mails.append(text)
                if code == 0:  # taken, and never answered
                    return
                self.say(code)
            elif command == "EHLO":
                self.wfile.write(b"250-said\r\n250 AUTH PLAIN LOGIN\r\n")
            elif command == "AUTH":
                self.say(235)
            elif command == "QUIT":
                return self.say(221)
            else:
                self.say(250)


@contextlib.contextmanager
def serving(server) -> Iterator:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()

"""What became of each message at each destination: a SQLite file that outlives every run.

A row is `waiting` as soon as its message is due, `sending` before anything leaves, and afterwards `sent`, or `waiting` when it is sure that nothing was sent, or
`unknown`. A run that was killed leaves `sending` behind: the next run calls it `unknown`, because nobody knows whether the message left. What still waits when its
alert is `resolved`, or when a newer message has `replaced` it, is never sent.
"""

import contextlib
import datetime
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from intake.places import shown
from tools.delivery.messages import DeliveryError

TABLE = """
    create table if not exists deliveries (
        message_key text not null, destination text not null, status text not null, title text not null, attempts integer not null,
        note text, first_at text not null, changed_at text not null, primary key (message_key, destination)
    )
"""

# The input whose messages were delivered last: one row.
INPUT_TABLE = "create table if not exists delivered_input (input_name text not null)"


@contextlib.contextmanager
def told(path: Path | str) -> Iterator[None]:
    """Tells in a sentence what SQLite can't do with the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise DeliveryError(f"SALES_DELIVERY_STATE '{path}' can't be used: {error}") from None


class State:
    """The open file. Each change is committed and on the disk before the call returns."""

    def __init__(self, path: Path | str):
        self.path = path
        with told(path):
            self.connection = sqlite3.connect(path, isolation_level=None)
        self.execute("pragma synchronous = full")
        self.execute(TABLE)
        self.execute(INPUT_TABLE)

    def execute(self, query: str, values: tuple = ()) -> list[tuple]:
        with told(self.path):
            return self.connection.execute(query, values).fetchall()

    @classmethod
    def copy(cls, path: Path) -> "State":
        """What the file holds, in memory: for a run that must not change it."""
        state = cls(":memory:")
        if path.exists():
            with told(path), contextlib.closing(sqlite3.connect(path)) as source:
                source.backup(state.connection)
            state.execute(TABLE)
            state.execute(INPUT_TABLE)
        return state

    def rows(self, *statuses: str) -> list[tuple[str, str, str, str, str | None]]:
        """Key, destination, status, title and note of all rows, or of those with one of the statuses."""
        found = self.execute(
            "select message_key, destination, status, title, note from deliveries order by first_at, message_key, destination"
        )
        return [row for row in found if not statuses or row[2] in statuses]

    def claim(self, input_name: str | None, may_replace: bool) -> None:
        """Note whose messages these are; another input's than before are refused, unless they may replace them."""
        last = [name for (name,) in self.execute("select input_name from delivered_input")]
        if input_name is None or last == [input_name]:
            return
        if last and not may_replace:
            raise DeliveryError(
                f"the published marts are of {shown(input_name)}, and what was delivered last was of {shown(last[0])}: "
                "name another file in SALES_MARTS_DB or SALES_DELIVERY_STATE, or give --replace-input"
            )
        self.execute("delete from delivered_input")
        self.execute("insert into delivered_input values (?)", (input_name,))

    def statuses(self) -> dict[tuple[str, str], str]:
        return {(key, destination): status for key, destination, status, _, _ in self.rows()}

    def write(self, key: str, destination: str, status: str, title: str, note: str | None = None) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.execute(
            "insert into deliveries values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (message_key, destination) do update set "
            "status = excluded.status, note = excluded.note, changed_at = excluded.changed_at, attempts = attempts + excluded.attempts",
            (key, destination, status, title, int(status == "sending"), note, now, now),
        )

    def find_killed(self) -> None:
        """Rows that a killed run left behind. Only under the lock: else another run may be sending them now."""
        for key, destination, _, title, _ in self.rows("sending"):
            self.write(key, destination, "unknown", title, "the run was killed while it was sending")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One run at a time: an open transaction on a file beside the state, which ends with the process, however that ends."""
    with told(path):
        lock = sqlite3.connect(f"{path}.lock", isolation_level=None, timeout=0)
        try:
            lock.execute("begin exclusive")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise DeliveryError("another delivery is running: nothing was done") from None
    try:
        yield
    finally:
        lock.close()

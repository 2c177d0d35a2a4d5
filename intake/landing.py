"""One file of text into one table of text, whole or not at all.

DuckDB reads a file in parallel and says which lines it could not read. What it says is not taken on trust: the file's lines are counted apart
from it, and where rows and lines don't agree (quoted line breaks, a stray quote, mixed line ends, another encoding) Python's `csv` reads the
file a second time, and its rows are what lands.
"""

import codecs
import csv
import dataclasses
import difflib
import gzip
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import duckdb

# A quote that is never closed makes one field of the rest of the file: a row with the wrong number of fields, not an error of Python's.
csv.field_size_limit(1 << 30)
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
HEAD_BYTES = 4096
# Files that are no CSV, by a pattern of their first bytes, and what to do about them.
KINDS = {
    rb"PK\x03\x04": ("an Excel file or another archive", "save it as CSV"),
    rb"\xd0\xcf\x11\xe0": ("an old Excel file", "save it as CSV"),
    rb"%PDF": ("a PDF", "export it as CSV"),
    rb"PAR1": ("a Parquet file", "give it a name that ends in .parquet"),
    rb"\x1f\x8b": ("a gzip file", "give it a name that ends in .gz"),
    rb"\{\\rtf": ("a document", "save it as text, or export it as CSV"),
    rb"(?i)\s*<(!doctype html|html|head|meta|style|body|table)\b": (
        "a web page (HTML)",
        "open it in a spreadsheet program and save it as CSV",
    ),
    rb"(?i)\s*<(\?xml|workbook)\b": ("XML", "open it in a spreadsheet program and save it as CSV"),
    rb"""\s*(\[\s*)?\{\s*"[^"\n]*"\s*:|\s*\[\s*\[""": ("JSON", "export it as CSV"),
}
# That of UTF-32 begins as that of UTF-16 does.
WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Bytes that hardly stand in text of one byte a character. The escapes of Japanese text are none of them.
CONTROLS = bytes({*range(32)} - {*b"\t\n\f\r\x0e\x0f\x1a\x1b"})
READING = (UnicodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile)


class Unusable(Exception):
    """A file that can't be read. Its text is what follows the file's name in a sentence: what is wrong, and what to do."""


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a file is written: one character between fields, any encoding that Python knows, lines above the header."""

    delimiter: str = ","
    encoding: str = "utf-8"
    skip_lines: int = 0

    @property
    def is_utf_8(self) -> bool:
        return codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig", "ascii")

    @property
    def is_wide(self) -> bool:
        return codecs.lookup(self.encoding).name.startswith(("utf-16", "utf-32"))


@dataclasses.dataclass(frozen=True)
class RejectedLine:
    """A line that has another number of fields than the header, or that can't be read."""

    line_number: int
    error: str
    line: str


@dataclasses.dataclass(frozen=True)
class Landed:
    """What became of a file: names of its columns, rows that landed, and lines that did not."""

    header: list[str]
    row_count: int
    rejected: list[RejectedLine]


def land(connection: duckdb.DuckDBPyConnection, table: str, path: Path, dialect: Dialect, wanted: Sequence[str]) -> Landed:
    """Append the columns `wanted` of a file to `table`, all as text, absent ones as null.

    Parameters
    ----------
    table : name of an existing table with a text column for each of `wanted`, in their order.
    wanted : names of the file's columns; where the file has none of exactly that name, the first that differs in case alone is taken.

    Raises
    ------
    Unusable : the file can't be read to its end; nothing of it has landed.
    """
    header, line_number = read_header(path, dialect)
    chosen = [position(header, name) for name in wanted]
    if dialect.is_utf_8 and line_number == 1:
        connection.begin()
        try:
            row_count, rejected = land_by_duckdb(connection, table, path, dialect, len(header), chosen)
            row_lines = row_count + len(rejected)
            if row_lines + 1 == count_lines(path) or row_lines == sum(1 for _ in rows(path, dialect, line_number)):
                connection.commit()
                return Landed(header, row_count, rejected)
        except duckdb.Error:
            pass
        except READING as error:
            connection.rollback()
            raise unusable(path, dialect, error) from error
        connection.rollback()
    try:
        return Landed(header, *land_by_python(connection, table, path, dialect, line_number, len(header), chosen))
    except READING as error:
        raise unusable(path, dialect, error) from error


def read_header(path: Path, dialect: Dialect) -> tuple[list[str], int]:
    """Names of the columns, and the number of the line they stand in: below `skip_lines` lines, and below one that Excel reads (`sep=;`)."""
    try:
        with raw(path) as file:
            start = file.read(HEAD_BYTES)
        refuse_other_kinds(start, dialect.is_wide)
        if dialect.is_utf_8 and (encoding := wide_encoding(start)):
            raise in_other_encoding(dialect, encoding)
        with opened(path, dialect) as file:
            skip(file, dialect.skip_lines)
            line, number = file.readline(), dialect.skip_lines + 1
            if (separator := declared_separator(line)) is not None:
                if separator != dialect.delimiter:
                    raise Unusable(
                        f"says in its first line that its columns are separated by {separator!r}: set delimiter to {separator!r}"
                    )
                line, number = file.readline(), number + 1
            head = [line, *file_head(file, line)]
            header = [name.strip() for name in next(csv.reader(head, delimiter=dialect.delimiter), [])]
            if not any(header):
                raise without_header(dialect, number, has_text=any(map(str.strip, head)) or any(map(str.strip, file)))
    except READING as error:
        raise unusable(path, dialect, error) from error
    if "\n" in header[-1] and "".join(head).count('"') % 2:
        raise Unusable("opens a quote in its header that nothing closes: take it out, or export it again")
    return header, number


def refuse_other_kinds(start: bytes, is_wide: bool = False) -> None:
    """Raises Unusable if a file that begins so is no CSV. `is_wide`: it is said to be of two or four bytes a character."""
    text = start.removeprefix(codecs.BOM_UTF8)
    is_wide = is_wide or wide_encoding(start) is not None
    if is_wide:
        text = text.removeprefix(codecs.BOM_UTF16_LE).removeprefix(codecs.BOM_UTF16_BE).replace(b"\0", b"")
    for pattern, (kind, remedy) in KINDS.items():
        if re.match(pattern, text):
            raise Unusable(f"is {kind}, not CSV: {remedy}")
    if not is_wide and len(text) - len(text.translate(None, CONTROLS)) > 0.05 * len(text):
        raise Unusable("is a binary file, not CSV: export it as CSV")


def wide_encoding(start: bytes) -> str | None:
    """The encoding of text of two or four bytes a character, by its mark, or because every second byte is 0 and the others are not; else none."""
    for mark, encoding in WIDE_MARKS.items():
        if start.startswith(mark):
            return encoding
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) > 0.3 * len(start) and min(even, odd) < 0.02 * len(start):
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def without_header(dialect: Dialect, number: int, has_text: bool) -> Unusable:
    """What to say of a file without a name in the line of its header."""
    if has_text:
        return Unusable(
            f"has no name of a column in line {number}: name them there, or set skip_lines to the number of lines above the header"
        )
    if dialect.skip_lines:
        return Unusable(f"has no line with text below the {dialect.skip_lines:,} that skip_lines leaves out: set skip_lines lower")
    return Unusable("has no line with text: export it again with a header line and its data")


def skip(file: IO[str], line_count: int) -> None:
    for _ in range(line_count):
        if not file.readline():
            return


def declared_separator(line: str) -> str | None:
    """What a line that Excel reads (`sep=;`) says of the columns; null of any other line."""
    found = re.fullmatch(r'"?sep=(.)"?', line.rstrip("\r\n"), re.IGNORECASE)
    return found[1] if found else None


def file_head(file: IO[str], line: str) -> Iterator[str]:
    """The lines after a first one that ends inside quotes."""
    while line.count('"') % 2 and (more := file.readline()):
        line += more
        yield more


def position(header: Sequence[str], name: str) -> int | None:
    """Where a column stands in the file, null if it doesn't."""
    folded = [other.casefold() for other in header]
    if name in header:
        return header.index(name)
    return folded.index(name.casefold()) if name.casefold() in folded else None


def land_by_duckdb(
    connection: duckdb.DuckDBPyConnection, table: str, path: Path, dialect: Dialect, width: int, chosen: Sequence[int | None]
) -> tuple[int, list[RejectedLine]]:
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(width))
    connection.execute("drop table if exists landing_rejects; drop table if exists landing_scans")
    [(row_count,)] = connection.execute(
        f"""
        insert into {table}
        select {", ".join("null" if number is None else f"c{number}" for number in chosen)}
        from read_csv(
            $path, auto_detect = false, columns = {{{columns}}}, header = true, delim = $delimiter, quote = '"', escape = '"', nullstr = '',
            strict_mode = true, hive_partitioning = false, store_rejects = true, rejects_table = 'landing_rejects', rejects_scan = 'landing_scans',
            rejects_limit = 0
        )
        """,
        {"path": str(path), "delimiter": dialect.delimiter},
    ).fetchall()
    rejected = connection.execute(
        "select line, lower(min(error_type)), min(csv_line) from landing_rejects group by line, byte_position order by line, byte_position"
    ).fetchall()
    return row_count, [RejectedLine(*row) for row in rejected]


def land_by_python(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    path: Path,
    dialect: Dialect,
    line_number: int,
    width: int,
    chosen: Sequence[int | None],
) -> tuple[int, list[RejectedLine]]:
    """As `land_by_duckdb`, from what Python's csv reads; rows go through a file in the plainest dialect, so that memory is bounded."""
    rejected = []
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.csv"
        with plain.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow([f"c{number}" for number in range(width)])
            row_count = 0
            for number, row in rows(path, dialect, line_number):
                # A delimiter at the end of a line closes its last field, as DuckDB reads it.
                if len(row) == width + 1 and not row[-1]:
                    row = row[:-1]
                if len(row) == width:
                    writer.writerow(row)
                    row_count += 1
                else:
                    error = "too few columns" if len(row) < width else "too many columns"
                    rejected.append(RejectedLine(number, error, dialect.delimiter.join(row)[:10_000]))
        found, unread = land_by_duckdb(connection, table, plain, Dialect(), width, chosen)
    if found != row_count or unread:
        raise Unusable(
            f"has {row_count:,} rows of which only {found:,} could be stored, a fault of the project: please report it where you got the project, "
            f"with this sentence (delimiter {dialect.delimiter!r}, encoding {dialect.encoding}), the version in dbt_project.yml and the file's first line"
        )
    return row_count, rejected


def rows(path: Path, dialect: Dialect, line_number: int) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line of each row below the header, and its fields; lines without anything are no rows."""
    with opened(path, dialect) as file:
        skip(file, line_number - 1)
        reader = csv.reader(file, delimiter=dialect.delimiter)
        next(reader)
        for row in reader:
            if row:
                yield reader.line_num + line_number - 1, row


def count_lines(path: Path) -> int:
    """Lines that hold anything, the header among them."""
    with raw(path) as file:
        return sum(1 for line in file if not line.isspace())


def raw(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def opened(path: Path, dialect: Dialect) -> IO[str]:
    encoding = "utf-8-sig" if dialect.is_utf_8 else dialect.encoding
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open(encoding=encoding, newline="")


def is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def in_other_encoding(dialect: Dialect, encoding: str) -> Unusable:
    return Unusable(
        f"is not text in the encoding {dialect.encoding}: save it as UTF-8, or name its own in the var encoding, such as {encoding}"
    )


def unusable(path: Path, dialect: Dialect, error: Exception) -> Unusable:
    if isinstance(error, UnicodeError):
        return in_other_encoding(dialect, " or ".join(name for name in ("cp1252", "utf-16") if name != dialect.encoding))
    if isinstance(error, gzip.BadGzipFile) and not is_gzip(path):
        return Unusable("is no gzip file, though its name ends in .gz: give it another name, such as deals.csv")
    if isinstance(error, csv.Error):
        return Unusable(f"can't be read as CSV ({error}): export it again")
    return Unusable(f"is cut off or damaged ({error}): copy or export it again")


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The name that is most like another one, whatever its case, spaces and underscores; none if none is."""

    def plain(text: str) -> str:
        return "".join(filter(str.isalnum, text.casefold()))

    near = difflib.get_close_matches(plain(name), [plain(other) for other in names], n=1)
    return next(other for other in names if plain(other) == near[0]) if near else None

"""How a file is written: encoding, delimiter, the line of its header."""

import codecs
import collections
import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import charset_normalizer

from intake.landing import (
    DELIMITERS,
    READING,
    Dialect,
    Unusable,
    declared_separator,
    raw,
    read_header,
    refuse_other_kinds,
    unusable,
    wide_encoding,
)

HEAD_BYTES = 1 << 20
HEAD_LINES = 400


@dataclasses.dataclass(frozen=True)
class Shape:
    """How a file is written, and why that is thought."""

    dialect: Dialect
    header: list[str]
    evidence: list[str]


def shape_of(path: Path) -> Shape:
    """Raises Unusable where the file is no text with columns."""
    try:
        with raw(path) as file:
            start = file.read(HEAD_BYTES)
        refuse_other_kinds(start)
        encoding, why = encoding_of(path, start)
    except READING as error:
        raise unusable(path, Dialect(), error) from error
    text = codecs.getincrementaldecoder(encoding)("replace").decode(start)
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(start) == HEAD_BYTES:
        lines = lines[:-1]
    lines = lines[:HEAD_LINES]
    declared = declared_separator(lines[0]) if lines else None
    delimiter = declared or delimiter_of(lines)
    skip_lines = 0 if declared else header_line(lines, delimiter)
    dialect = Dialect(delimiter, encoding, skip_lines)
    header, _ = read_header(path, dialect)
    if len(header) < 2:
        raise Unusable("has no two columns that a comma, semicolon, tab or vertical bar parts: export it as CSV")
    evidence = [why, f"columns are parted by {DELIMITERS.get(delimiter, delimiter)}"]
    if skip_lines:
        evidence.append(f"the header stands in line {skip_lines + 1}, below {skip_lines} lines of title")
    return Shape(dialect, header, evidence)


def encoding_of(path: Path, start: bytes) -> tuple[str, str]:
    """The encoding, and why. Encodings of one byte a character read any bytes, so that they are asked only when UTF-8 can't be."""
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8", "encoding utf-8, by the file's first bytes"
    if encoding := wide_encoding(start):
        return encoding, f"encoding {encoding}" + (
            ": every second byte is 0" if encoding[-2:] in ("le", "be") else ", by the file's first bytes"
        )
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with raw(path) as file:
            while block := file.read(HEAD_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        odd = block[max(error.start - 2000, 0) : error.start + 2000]
        found = charset_normalizer.from_bytes(odd, cp_isolation=["cp1252", "cp1250", "cp1251", "shift_jis", "gb18030", "cp949"]).best()
        encoding = found.encoding if found and str(found) != odd.decode("cp1252", "replace") else "cp1252"
        return encoding, f"encoding {encoding}: byte {error.object[error.start]:#04x} is no UTF-8 (a guess: look at names with accents)"
    return "utf-8", "encoding utf-8"


def delimiter_of(lines: Sequence[str]) -> str:
    """The delimiter under which the most lines have the same number of fields, of at least two."""

    def score(delimiter: str) -> tuple[int, int]:
        widths = collections.Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if len(row) > 1)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        return count * (width > 1), width

    return max(DELIMITERS, key=score)


def header_line(lines: Sequence[str], delimiter: str) -> int:
    """How many lines stand above the header: the first line that has as many fields as most lines have, of which hardly any is blank."""
    reader = csv.reader(lines, delimiter=delimiter)
    rows = []
    above = 0
    for row in reader:
        rows.append((above, row))
        above = reader.line_num
    widths = collections.Counter(len(row) for _, row in rows if len(row) > 1)
    width = widths.most_common(1)[0][0] if widths else 0
    for number, row in rows:
        filled = sum(1 for name in row if name.strip())
        if len(row) == width and filled >= max(2, 0.6 * width) and not any(is_number(name) for name in row):
            return number
    return 0


def is_number(text: str) -> bool:
    return text.strip().replace(".", "").replace(",", "").isdigit()

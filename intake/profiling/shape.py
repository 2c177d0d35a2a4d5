"""How a file is written: encoding, delimiter, the line of its header; a workbook becomes a CSV first."""

import codecs
import collections
import csv
import dataclasses
import datetime
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import charset_normalizer

from intake.landing import KINDS, Dialect, Unusable, raw

HEAD_BYTES = 1 << 20
HEAD_LINES = 400
DELIMITERS = (",", ";", "\t", "|")
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods")
# Single-byte encodings read any bytes, so that one of them is asked only when UTF-8 can't be.
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclasses.dataclass(frozen=True)
class Shape:
    """How a file is written, and why that is thought."""

    dialect: Dialect
    header: list[str]
    evidence: list[str]


def shape_of(path: Path) -> Shape:
    """Raises Unusable where the file is no text with columns."""
    with raw(path) as file:
        start = file.read(HEAD_BYTES)
    for first_bytes, kind in KINDS.items():
        if start.startswith(first_bytes):
            raise Unusable(f"is {kind}, not text: save it as CSV")
    encoding, why = encoding_of(path, start)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(start)
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(start) == HEAD_BYTES:
        lines = lines[:-1]
    lines = lines[:HEAD_LINES]
    declared = lines[0].strip()[4:5] if lines and lines[0].lower().startswith("sep=") else None
    delimiter = declared or delimiter_of(lines)
    skip_lines = header_line(lines, delimiter)
    header = next(csv.reader(io.StringIO("\n".join(lines[skip_lines:])), delimiter=delimiter), [])
    if len(header) < 2:
        raise Unusable("has no two columns that a comma, semicolon, tab or vertical bar parts: export it as CSV")
    evidence = [why, f"columns are parted by {name_of(delimiter)}"]
    if declared:
        skip_lines = 0
        header = next(csv.reader(io.StringIO("\n".join(lines[1:])), delimiter=delimiter), [])
    elif skip_lines:
        evidence.append(f"the header stands in line {skip_lines + 1}, below {skip_lines} lines of title")
    return Shape(Dialect(delimiter, encoding, skip_lines), [name.strip() for name in header], evidence)


def encoding_of(path: Path, start: bytes) -> tuple[str, str]:
    for mark, encoding in MARKS.items():
        if start.startswith(mark):
            return encoding, f"encoding {encoding}, by the file's first bytes"
    if start[1::2].count(0) > len(start) * 0.3:
        return "utf-16-le", "encoding utf-16-le: every second byte is 0"
    if start[::2].count(0) > len(start) * 0.3:
        return "utf-16-be", "encoding utf-16-be: every second byte is 0"
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


def name_of(delimiter: str) -> str:
    return {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}[delimiter]


def workbook_to_csv(path: Path, target: Path) -> tuple[str, int]:
    """Write the sheet of a workbook that has the most rows as CSV, dates as ISO text; its name and number of rows.

    Raises Unusable where the library for workbooks is missing, or where no sheet has two rows.
    """
    try:
        import python_calamine
    except ImportError as error:
        raise Unusable("is a workbook: `pip install python-calamine` to read it, or save it as CSV") from error
    book = python_calamine.CalamineWorkbook.from_path(str(path))
    sheets = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=True) for name in book.sheet_names}
    name, rows = max(sheets.items(), key=lambda item: len(item[1]), default=("", []))
    if len(rows) < 2:
        raise Unusable("has no sheet with a header and rows: export it again")
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for row in table_of(rows):
            writer.writerow([cell(value) for value in row])
    return name, len(rows)


def table_of(rows: Sequence[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    """From the header on: lines of title above it have few cells filled."""
    filled = [sum(1 for value in row if value not in ("", None)) for row in rows]
    usual = sorted(filled)[len(filled) // 2]
    start = next((number for number, count in enumerate(filled) if count >= max(2, 0.6 * usual)), 0)
    return rows[start:]


def cell(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)

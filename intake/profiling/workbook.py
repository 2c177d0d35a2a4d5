"""A workbook's largest sheet as CSV.

The reading is a process of its own: at a damaged file the library that reads workbooks may end the process that it runs in.
"""

import csv
import datetime
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from intake.landing import Unusable

ENDINGS = (".xlsx", ".xlsm", ".xls", ".ods")
PROJECT = Path(__file__).parents[2]


def is_workbook(path: Path) -> bool:
    """By its ending and its first bytes: CRMs give text and web pages such endings too."""
    with path.open("rb") as file:
        return path.suffix.lower() in ENDINGS and file.read(4) in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def workbook_to_csv(path: Path, target: Path) -> tuple[str, int]:
    """Write the sheet of a workbook that has the most rows as CSV, dates as ISO text; its name and number of rows.

    Raises Unusable where the library for workbooks is missing, the workbook can't be read, or no sheet has two rows.
    """
    if not importlib.util.find_spec("python_calamine"):
        raise Unusable("is a workbook: `pip install python-calamine` to read it, or save it as CSV")
    command = [sys.executable, "-m", __name__, str(path.resolve()), str(target.resolve())]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, encoding="utf-8", errors="replace")
    found = json.loads(done.stdout) if done.returncode == 0 else {"error": "its parts don't fit together"}
    if "unwritable" in found:
        raise Unusable(f"is a workbook, whose CSV '{target}' can't be written ({found['unwritable']}): name another place in --out")
    if "error" in found:
        raise Unusable(
            f"can't be read as a workbook ({found['error']}): open it in a spreadsheet program and save it as CSV, or export it again"
        )
    if found["row_count"] < 2:
        raise Unusable("has no sheet with a header and rows: export it again")
    return found["sheet"], found["row_count"]


def convert(path: Path, target: Path) -> dict[str, Any]:
    import python_calamine

    try:
        with path.open("rb") as file:
            book = python_calamine.CalamineWorkbook.from_filelike(file)
            sheets = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=True) for name in book.sheet_names}
    except python_calamine.CalamineError as error:
        return {"error": " ".join(str(error).split())}
    name, rows = max(sheets.items(), key=lambda item: len(item[1]), default=("", []))
    try:
        if len(rows) > 1:
            with target.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([cell(value) for value in row] for row in table_of(rows))
    except OSError as error:
        return {"unwritable": error.strerror}
    return {"sheet": name, "row_count": len(rows)}


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


if __name__ == "__main__":
    print(json.dumps(convert(Path(sys.argv[1]), Path(sys.argv[2]))))

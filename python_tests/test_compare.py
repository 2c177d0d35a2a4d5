"""`python -m tools compare` says of two published files what differs, and of a file that it can't read why."""

import math
import pathlib

import duckdb
import pytest

from tools.__main__ import main

ROWS = [("A-1", "Ann's deal", 0.1, 10), ("A-2", None, 1e9, None), ("A-3", "c", None, 3), ("A-3", "c", math.nan, 3)]


def published(path: pathlib.Path, rows: list[tuple] = ROWS, text_column: str = "name", build: str = "1") -> str:
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create or replace table deals (deal_id text, {text_column} text, rate double, deal_count bigint)")
        connection.executemany("insert into deals values (?, ?, ?, ?)", rows)
        connection.execute("create or replace table build_info as select ? as build_id", [build])
    return str(path)


@pytest.fixture
def compared(tmp_path, capsys):
    """Exit code of the command on ROWS and what `new` writes, and what it printed."""

    def compare(*options: str, **new) -> tuple[int, str]:
        files = [published(tmp_path / "old.duckdb"), published(tmp_path / "new.duckdb", **new)]
        code = main(["compare", *files, *options])
        return code, capsys.readouterr().out

    return compare


def changed(row: int, column: int, value: object) -> list[tuple]:
    return [(*old[:column], value, *old[column + 1 :]) if number == row else old for number, old in enumerate(ROWS)]


def test_the_order_of_rows_and_the_build_make_no_difference(compared):
    assert compared(rows=ROWS[::-1], build="2") == (0, "1 tables compared: all equal\n")


@pytest.mark.parametrize("value", [0.1 + 1e-14, 0.1 - 1e-14])
def test_doubles_within_the_tolerance_are_equal(value, compared):
    assert value != ROWS[0][2]
    assert compared(rows=changed(0, 2, value))[0] == 0


@pytest.mark.parametrize(
    ("row", "column", "value", "shown"),
    [
        (0, 1, "Ann's Deal", """row 1: name "Ann's deal" before, "Ann's Deal" after"""),
        (1, 1, "", "row 2: name None before, '' after"),
        (0, 2, 0.1 + 1e-12, "row 1: rate 0.1 before, 0.10000000000100001 after"),
        (1, 2, 1e9 + 1, "row 2: rate 1000000000.0 before, 1000000001.0 after"),
        (0, 2, None, "row 1: rate 0.1 before, None after"),
        (0, 2, math.nan, "row 1: rate 0.1 before, nan after"),
        (0, 2, math.inf, "row 1: rate 0.1 before, inf after"),
        (0, 3, 11, "row 1: deal_count 10 before, 11 after"),
    ],
)
def test_a_changed_value_is_shown(row, column, value, shown, compared):
    code, text = compared(rows=changed(row, column, value))
    assert code == 1 and shown in text and text.endswith("1 tables compared: 1 differences\n")


def test_a_missing_row_and_a_row_that_stands_twice_are_told(compared):
    assert compared(rows=ROWS[1:]) == (1, "deals: 4 rows before, 3 after\n1 tables compared: 1 differences\n")
    assert compared(rows=[ROWS[0], ROWS[0], *ROWS[2:]])[0] == 1


def test_a_renamed_column_differs_unless_it_is_said_to_be_renamed(compared):
    code, text = compared(text_column="deal_name")
    assert code == 1 and "gone [('name', 'VARCHAR')], added [('deal_name', 'VARCHAR')]" in text
    assert compared("--renamed", "deals.name=deal_name", text_column="deal_name")[0] == 0
    code, text = compared("--renamed", "deals.name=deal_name", text_column="deal_name", rows=changed(0, 1, "x"))
    assert code == 1 and "deal_name differs in 1 of 4 rows" in text


def test_a_column_that_may_differ_is_left_out_and_said_to_be(compared):
    assert compared("--without", "deals.name", rows=changed(0, 1, "x")) == (0, "1 tables compared, without deals.name: all equal\n")
    assert compared("--without", "deals.name", rows=changed(0, 2, 0.2))[0] == 1


def test_a_table_that_is_gone_or_new_is_told(tmp_path, capsys):
    files = [published(tmp_path / "old.duckdb"), published(tmp_path / "new.duckdb")]
    with duckdb.connect(files[1]) as connection:
        connection.execute("alter table deals rename to opportunities")
    assert main(["compare", *files]) == 1
    assert capsys.readouterr().out.splitlines()[:2] == ["deals: table is gone", "opportunities: table is new"]


def test_what_cannot_be_read_ends_with_one_sentence(tmp_path, capsys):
    good = published(tmp_path / "good.duckdb")
    (tmp_path / "text.duckdb").write_text("no database\n" * 1000)
    (tmp_path / "cut.duckdb").write_bytes(pathlib.Path(good).read_bytes()[:5000])
    cases = {
        "nowhere.duckdb": "is no file",
        ".": "is no file",
        "text.duckdb": "is no DuckDB database that can be read",
        "cut.duckdb": "is no DuckDB database that can be read",
    }
    for name, sentence in cases.items():
        for files in ([str(tmp_path / name), good], [good, str(tmp_path / name)]):
            assert main(["compare", *files]) == 2
            out, error = capsys.readouterr()
            assert (out, error) == ("", f"{tmp_path / name} {sentence}\n")
    for option in (["--renamed", "deals.name"], ["--renamed", "name=deal_name"], ["--without", "deals"]):
        assert main(["compare", good, good, *option]) == 2
        assert option[1] in capsys.readouterr().err

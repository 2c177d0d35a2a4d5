"""Files become rows whole or not at all: what lands against Python's csv, dialects, and vars against their schema."""

import argparse
import csv
import datetime
import gzip
import io
import json
import os
import random

import duckdb
import pytest
import yaml
from conftest import PROJECT

from intake.inputs import check
from intake.landing import Dialect, Unusable, land
from intake.request import Input, Request
from intake.vars import problems, schema
from tools import check as tools_check

COLUMNS = ["deal_id", "a", "b", "c"]
VARIABLES = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]


def landed(path, dialect=None, columns=COLUMNS):
    """What became of a file, and its rows as they stand in the table."""
    with duckdb.connect() as connection:
        connection.execute(f"create table landed ({', '.join(f'{column} varchar' for column in columns)})")
        found = land(connection, "landed", path, dialect or Dialect(), columns)
        return found, connection.execute("select * from landed").fetchall()


def fuzzed(random: random.Random, sizes: list[int]) -> tuple[bytes, str]:
    """A file with quotes, line breaks, NULs, blank and ragged lines, mixed line ends, cut off somewhere; and its delimiter."""
    ending, delimiter = random.choice(["\n", "\r\n", "\r"]), random.choice([",", ";", "\t"])
    oddities = [
        lambda row: row.__setitem__(1, f'"with {delimiter} and ""quotes"" in it"'),
        lambda row: row.__setitem__(1, f'"line{ending}break"'),
        lambda row: row.__setitem__(1, '24" monitor'),
        lambda row: row.__setitem__(1, '"24" monitor"'),
        lambda row: row.append("extra"),
        lambda row: row.__delitem__(slice(2, None)),
        lambda row: row.__setitem__(1, "nul\0nul"),
        lambda row: row.__setitem__(slice(None), [""]),
    ]
    chosen = [each for each in oddities if random.random() < 0.3]
    lines = [delimiter.join(COLUMNS)]
    for number in range(random.choice(sizes)):
        row = [f"D{number}", "x" * random.randint(0, 8), str(random.randint(0, 10**6)), "Zoë"]
        if chosen and random.random() < 0.02:
            random.choice(chosen)(row)
        lines.append(delimiter.join(row))
    text = ending.join(lines) + random.choice([ending, ""])
    if random.random() < 0.1:
        text = text.replace(ending, "\n", 20)
    if random.random() < 0.1:
        text += f'D,"never closed{delimiter}{ending}x'
    written = text.encode("utf-8-sig" if random.random() < 0.1 else "utf-8")
    cut = written[: len(written) * 2 // 3].decode("utf-8", "ignore").encode() if random.random() < 0.1 else written
    return cut, delimiter


SIZES = [0, 1, 50, 500, 500, 3000]


@pytest.mark.parametrize("seed", [*range(60), *(pytest.param(seed, marks=pytest.mark.campaign) for seed in range(60, 560))])
def test_no_row_is_lost_unsaid(seed, tmp_path):
    """Sixty files; the campaign's five hundred reach beyond the 30,000 rows that DuckDB reads in one piece."""
    written, delimiter = fuzzed(random.Random(seed), SIZES if seed < 60 else [*SIZES, 35_000])
    path = tmp_path / "file.csv"
    path.write_bytes(written)
    found, rows = landed(path, Dialect(delimiter))
    # Python's csv is lenient: what it reads is a row, or a line with another number of fields than the header.
    text = io.StringIO(written.decode("utf-8-sig"), newline="")
    expected = [row for row in csv.reader(text, delimiter=delimiter) if row][1:]
    assert found.row_count + len(found.rejected) == len(expected)
    assert len(rows) == found.row_count
    # A delimiter may stand at the end of a line.
    cut = [row[:-1] if len(row) == len(COLUMNS) + 1 and not row[-1] else row for row in expected]
    whole = {tuple(value or None for value in row) for row in cut if len(row) == len(COLUMNS)}
    assert set(rows) <= whole


def test_a_stray_quote_far_down_a_large_file_loses_nothing(tmp_path):
    lines = [f"D{number},x,{number},y" for number in range(40_000)]
    lines.insert(25_000, 'D,"24" monitor",1,y')
    path = tmp_path / "large.csv"
    path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    found, rows = landed(path)
    assert found.row_count + len(found.rejected) == 40_001 and len(rows) >= 40_000


@pytest.mark.parametrize(
    "written, dialect",
    [
        ("deal_id;a;b;c\nD1;Zoë;2;3\n".encode("cp1252"), Dialect(";", "cp1252")),
        ("deal_id\ta\tb\tc\nD1\tZoë\t2\t3\n".encode("utf-16"), Dialect("\t", "utf-16")),
        ("sep=,\r\ndeal_id,a,b,c\r\nD1,Zoë,2,3\r\n".encode("utf-8-sig"), Dialect()),
        ("Report\n\ndeal_id,a,b,c\nD1,Zoë,2,3\n".encode(), Dialect(skip_lines=2)),
        ("deal_id,a,A,b,c,\nD1,Zoë,other,2,3,\n".encode(), Dialect()),
        (gzip.compress("DEAL_ID,c,b,a\nD1,3,2,Zoë\n".encode()), Dialect()),
    ],
    ids=["semicolons, cp1252", "tabs, utf-16", "sep line", "title lines", "repeated and blank names", "gz, other case"],
)
def test_a_file_is_read_as_it_is_declared(written, dialect, tmp_path):
    path = tmp_path / ("file.csv.gz" if written[:2] == b"\x1f\x8b" else "file.csv")
    path.write_bytes(written)
    assert landed(path, dialect)[1] == [("D1", "Zoë", "2", "3")]


@pytest.mark.parametrize(
    "written, name, sentence",
    [
        (gzip.compress(b"deal_id,a,b,c\n" + b"D1,1,2,3\n" * 100)[:-8], "cut.csv.gz", "is cut off or damaged"),
        ("deal_id,a,b,c\nD1,Zoë,2,3\n".encode("cp1252"), "other.csv", "is not text in the encoding utf-8"),
        (b"PK\x03\x04 and so on", "deals.csv", "is an Excel file or another archive, not text: save it as CSV"),
    ],
    ids=["cut off", "another encoding", "Excel"],
)
def test_a_file_that_cant_be_read_is_said_in_a_sentence(written, name, sentence, tmp_path):
    (tmp_path / name).write_bytes(written)
    with pytest.raises(Unusable, match=sentence):
        landed(tmp_path / name)


def test_amounts_in_several_currencies_are_said(tmp_path):
    path = tmp_path / "deals.csv"
    contract = [Input("deals", ["deal_id", "deal_amount"], ["currency_code"])]
    for amounts, signs in [(["$1", "€2", "3"], "$, €"), (["1 USD", "EUR 2"], "EUR, USD"), (["$1", "2 USD", "TBD", "3"], None)]:
        path.write_text("deal_id,deal_amount\n" + "".join(f"D,{amount}\n" for amount in amounts))
        with duckdb.connect() as connection:
            found = check(connection, Request(contract, [], {**VARIABLES, "deals_file": str(path)}, []))
        assert [f"({signs})" in problem for problem in found] == ([True] if signs else [])


def test_a_first_line_that_names_another_separator_is_said(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("sep=;\ndeal_id,created_date\nD1,2024-01-01\n")
    [problem] = checked({"deals_file": str(path)})
    assert problem.endswith("says in its first line that its columns are separated by ';': set delimiter to ';'")
    path.write_text('"sep=;"\r\ndeal_id;created_date\r\nD1;2024-01-01\r\n')
    assert checked({"deals_file": str(path), "delimiter": ";"}) == []


def checked(variables: dict, given: list[str] | None = None) -> list[str]:
    contract = [Input("deals", ["deal_id", "created_date"], ["region", "currency_code", "deal_amount"])]
    with duckdb.connect() as connection:
        return check(connection, Request(contract, [], {**VARIABLES, **variables}, given or list(variables)))


def test_all_that_is_wrong_with_a_header_is_said_at_once_with_the_nearest_names(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("Deal ID,Create Date,Territory\n1,2024-01-01,North\n")
    [problem] = checked({"deals_file": str(path), "column_mapping": {"region": "Teritory"}})
    assert (
        "has no column 'deal_id' (near: 'Deal ID'), 'created_date' (near: 'Create Date'), 'Teritory' (for region) (near: 'Territory')"
        in problem
    )
    assert checked({"deals_file": str(path), "column_mapping": {"deal_id": "Deal ID", "created_date": "create date"}}) == []


@pytest.mark.parametrize("kind", ["folder", "fifo", "nothing"])
def test_what_is_no_file_is_said_in_a_sentence(kind, tmp_path):

    path = tmp_path / "deals.csv"
    if kind == "folder":
        path.mkdir()
    if kind == "fifo":
        os.mkfifo(path)
    [problem] = checked({"deals_file": str(path)})
    assert {"folder": "is a folder", "fifo": "is no file that can be read twice", "nothing": "names no file"}[kind] in problem


def test_a_folders_name_is_no_column(tmp_path):
    path = tmp_path / "region=APAC" / "deals.csv"
    path.parent.mkdir()
    path.write_text("deal_id,created_date,region\n1,2024-01-01,North\n")
    contract = [Input("deals", ["deal_id", "created_date"], ["region", "currency_code", "deal_amount"])]
    with duckdb.connect() as connection:
        assert check(connection, Request(contract, [], {**VARIABLES, "deals_file": str(path)}, [])) == []
        assert connection.execute("select region from landing.deals").fetchall() == [("North",)]


def test_vars_and_their_schema_name_the_same(tmp_path):
    assert list(schema()["properties"]) == list(VARIABLES)
    assert problems(json.loads(json.dumps(VARIABLES)), []) == []


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        ("holdout_percent", 120, "holdout_percent is 120, but must be a whole number from 0 to 99"),
        ("as_of_date", "2025-13-01", 'as_of_date is "2025-13-01", but must be a date, written as YYYY-MM-DD, or unset'),
        ("segment_dimensions", ["industry", "industry"], "none twice"),
        ("rep_funnel_levels", [0.5], "rep_funnel_levels is [0.5], but must be a list of a number between 0 and 1"),
        ("score_factors", [{"factor": "x", "lable": "y"}], "score_factors[0] has lable, which is none of factor, label"),
        ("own_dimensions", [{"dimension": "Tier 1", "column": "Tier"}], "must be text of lower-case letters, digits and _, a letter first"),
        ("input_name", "x" * 101, "must be text that isn't blank, at most 100 characters, or unset"),
        ("date_format", "%d.%m", 'date_format is "%d.%m", which has no year: add %Y'),
        ("date_format", {"deals": ["iso", "%Q"]}, 'date_format is "%Q", which can\'t be read as a pattern'),
        ("date_format", "dd.mm.yyyy", "which is none of iso, epoch_ms, epoch_s, excel and no pattern: write one such as"),
        ("date_format", "epoch", "did you mean epoch_s?"),
        ("decimal_mark", "'", 'decimal_mark is "\'", but must be'),
        ("percent", "percents", "but must be one of fraction, percent, or unset"),
        ("time_zone", "America/Los Angles", "which is no zone of the IANA list: did you mean America/Los_Angeles"),
        ("time_zone", {"deals": "Berlin"}, "Europe/Berlin"),
        ("keep_history", "yes", 'keep_history is "yes", but must be true or false'),
        ("deals_file", "", 'deals_file is "", but must be text that isn\'t blank, or unset'),
    ],
)
def test_a_value_that_a_var_may_not_have_is_said_in_a_sentence(name, value, sentence):
    [problem] = problems({**VARIABLES, name: value}, [])
    assert sentence in problem


def test_a_misspelt_var_is_said_with_the_nearest_name():
    assert problems(VARIABLES, ["deal_file"]) == ["there is no var deal_file: did you mean deals_file?"]
    assert problems(VARIABLES, ["colour"]) == ["there is no var colour: docs/vars.md lists them"]
    # In another project's build its own vars are none of ours.
    assert problems(VARIABLES, ["colour", "deals_fil"], is_own_project=False) == ["there is no var deals_fil: did you mean deals_file?"]


@pytest.fixture
def with_tables(tmp_path):
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute('create schema raw; create schema "CRM 2"')
        connection.execute(
            "create table raw.deals as select 'D1' as \"Deal ID\", date '2024-01-02' as created_date, 'Won' as outcome, 12.5 as extra"
        )
        connection.execute('create view "CRM 2"."all deals" as select * from raw.deals')
        yield connection


def of_tables(connection, deals: str, **others):
    contract = [Input("deals", ["deal_id", "created_date"], ["outcome", "deal_amount", "home_amount", "currency_code"])]
    variables = {**VARIABLES, "deals_file": deals, "column_mapping": {"deal_id": "deal id"}}
    return check(connection, Request(contract, [], variables, [], **others))


@pytest.mark.parametrize("name", ["raw.deals", "RAW.DEALS", 'crm.raw."deals"', '"CRM 2"."all deals"'])
def test_a_table_or_view_is_an_input(name, with_tables):
    assert of_tables(with_tables, name) == []
    assert with_tables.execute("select deal_id, created_date, outcome, deal_amount from landing.deals").fetchall() == [
        ("D1", datetime.date(2024, 1, 2), "Won", None)
    ]
    assert with_tables.execute("select input, file_name, row_count, rejected_count, fingerprint from landing.files").fetchall() == [
        ("deals", name, 1, 0, None)
    ]
    assert with_tables.execute("select column_name from landing.columns where not is_read").fetchall() == [("extra",)]


def test_a_source_is_the_table_that_dbt_says(with_tables):
    assert of_tables(with_tables, "source('crm', 'deals')", source_tables={"deals": '"crm"."raw"."deals"'}) == []
    assert with_tables.execute("select deal_id from landing.deals").fetchall() == [("D1",)]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("raw.deal", "deals_file 'raw.deal' names no table (near: raw.deals), and no file"),
        ("deals.csv", "names no file"),
        ("source('crm', 'deals')", "a source of dbt, which only a build can look up"),
        ("ref('stg_deals')", "an input is a file, a table that is there before the build"),
    ],
)
def test_what_is_no_table_is_said_in_a_sentence(name, sentence, with_tables):
    [problem] = of_tables(with_tables, name)
    assert sentence in problem


def test_columns_that_a_table_lacks_are_said_as_of_a_file(with_tables):
    with_tables.execute('alter table raw.deals rename created_date to "Created"')
    [problem] = of_tables(with_tables, "raw.deals")
    assert "deals_file 'raw.deals' has no column 'created_date' (near: 'Created')" in problem


def test_a_file_that_is_there_is_no_table(with_tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw.deals").write_text("deal id,created_date\nD7,2024-01-01\n")
    assert of_tables(with_tables, "raw.deals") == []
    assert with_tables.execute("select deal_id from landing.deals").fetchall() == [("D7",)]


def test_tools_check_looks_up_tables_in_the_database(with_tables, tmp_path, monkeypatch, capsys):
    with_tables.execute("create table raw.crm as select 'D1' as deal_id, '2024-01-02' as created_date, 'Won' as outcome")
    with_tables.close()
    monkeypatch.setenv("SALES_DB", str(tmp_path / "crm.duckdb"))
    (tmp_path / "acme.yml").write_text("deals_file: raw.crm")
    arguments = argparse.Namespace(vars=tmp_path / "acme.yml")
    assert tools_check.run(arguments) == 0 and "deals: 1 rows can be read" in capsys.readouterr().out
    monkeypatch.setenv("SALES_DB", str(tmp_path / "nowhere.duckdb"))
    assert tools_check.run(arguments) == 1 and "in which tables are looked up, can't be read" in capsys.readouterr().err

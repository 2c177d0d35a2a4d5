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

from intake.contract import contract
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
        ("deal_id,a,b,c\nD1,2,3,4\n".encode("utf-16-le"), "wide.csv", "is not text in the encoding utf-8: .* such as utf-16-le"),
        (b"PK\x03\x04 and so on", "deals.csv", "is an Excel file or another archive, not CSV: save it as CSV"),
        (b"PAR1 and so on", "deals.csv", "is a Parquet file, not CSV: give it a name that ends in .parquet"),
        (gzip.compress(b"deal_id,a,b,c\nD1,1,2,3\n"), "deals.csv", "is a gzip file, not CSV: give it a name that ends in .gz"),
        (b"deal_id,a,b,c\nD1,1,2,3\n", "deals.csv.gz", "is no gzip file, though its name ends in .gz: give it another name"),
        (
            b"\xef\xbb\xbf<html><table><tr><th>deal_id</th>",
            "deals.xls",
            r"is a web page \(HTML\), not CSV: open it in a spreadsheet program",
        ),
        ("<!DOCTYPE html>\n<p>".encode("utf-16"), "deals.xls", r"is a web page \(HTML\), not CSV"),
        (b'<?xml version="1.0"?><Workbook>', "deals.xls", "is XML, not CSV: open it in a spreadsheet program"),
        (b'[\n  {"deal_id": "D1", "a": 1},', "deals.csv", "is JSON, not CSV: export it as CSV"),
        (random.Random(1).randbytes(5000), "deals.csv", "is a binary file, not CSV: export it as CSV"),
        (b"\xef\xbb\xbf \n\n", "deals.csv", "has no line with text: export it again with a header line"),
        (b"\n\ndeal_id,a,b,c\nD1,1,2,3\n", "deals.csv", "has no name of a column in line 1: name them there, or set skip_lines"),
        (b'deal_id,a,"b,c\nD1,1,2,3\nD2,1,2,3\n', "deals.csv", "opens a quote in its header that nothing closes"),
    ],
    ids=lambda value: value.split(",")[0] if isinstance(value, str) else "",
)
def test_a_file_that_cant_be_read_is_said_in_a_sentence(written, name, sentence, tmp_path):
    (tmp_path / name).write_bytes(written)
    with pytest.raises(Unusable, match=sentence):
        landed(tmp_path / name)


def test_lines_to_skip_that_a_file_doesnt_have_are_said(tmp_path):
    (tmp_path / "deals.csv").write_text("deal_id,a,b,c\nD1,1,2,3\n")
    with pytest.raises(Unusable, match="has no line with text below the 1,000,000,000,000 that skip_lines leaves out"):
        landed(tmp_path / "deals.csv", Dialect(skip_lines=10**12))


def test_text_of_two_bytes_a_character_that_is_declared_is_no_binary_file(tmp_path):
    rows = [f"D{number},{chr(0x4E01 + number % 30) * 40},2,3" for number in range(200)]
    (tmp_path / "deals.csv").write_bytes("\n".join(["deal_id,a,b,c", *rows]).encode("utf-16-le"))
    assert landed(tmp_path / "deals.csv", Dialect(encoding="utf-16-le"))[0].row_count == 200


def test_a_fault_of_the_project_says_what_to_send(tmp_path, monkeypatch):
    (tmp_path / "deals.csv").write_text("deal_id;a;b;c\nD1;1;2;3\n", encoding="cp1252")
    monkeypatch.setattr("intake.landing.land_by_duckdb", lambda *_: (0, []))
    with pytest.raises(
        Unusable, match=r"1 rows of which only 0 could be stored.* \(delimiter ';', encoding cp1252\), the version .* first line"
    ):
        landed(tmp_path / "deals.csv", Dialect(";", "cp1252"))


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


def test_columns_of_a_wide_file_are_not_all_listed(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text(",".join([*(f"c{number}" for number in range(1999)), "x" * 500]) + "\n1\n")
    [problem] = checked({"deals_file": str(path)})
    assert "'c39' and 1,960 more: rename columns" in problem and len(problem) < 700 + len(str(path))


def test_a_name_with_the_signs_of_a_pattern_is_a_file_if_there_is_one(tmp_path):
    (tmp_path / "deals[1].csv").write_text("deal_id,created_date\nD1,2024-01-01\n")
    assert checked({"deals_file": str(tmp_path / "deals[1].csv")}) == []
    assert checked({"deals_file": str(tmp_path / "deals[[]*.csv")}) == []


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("https://crm.example/deals.csv", "is https://crm.example/deals.csv, an address, but an input is a file of this machine"),
        ("~/deals.csv", "names no file: correct the path (a relative one starts where dbt is called; write the home folder out for ~"),
        ("deals\0.csv", "names no file"),
    ],
)
def test_what_is_no_path_is_said(name, sentence):
    [problem] = checked({"deals_file": name})
    assert sentence in problem


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
        ("row_filters", [{"column": "A", "keep": []}], "row_filters[0].keep is [], but must be a list of at least 1 entry, each text"),
        ("row_filters", [{"column": "A", "keep": "Test"}], 'row_filters[0].keep is "Test", but must be a list of at least 1 entry, each '),
        ("segment_dimensions", "industry", 'must be a list of text that isn\'t blank, none twice: write ["industry"]'),
        ("score_penalties", [], "score_penalties is [], but must be a list of at least 1 entry, each a number above 0"),
        ("delimiter", {"deal": ";"}, "delimiter has deal, which is none of deals, stage_history, "),
        ("delimiter", {"deal": ";"}, ": did you mean deals?"),
        ("encoding", {"Deals": "cp1252"}, "encoding has Deals, which is none of deals, "),
        ("date_format", {"quota": "%d.%m.%Y"}, ": did you mean quotas?"),
        ("decimal_mark", {"xyz": ","}, "playbook, bands: take one of these"),
        ("percent", {"deal": "percent"}, "percent has deal, which is none of deals, "),
        ("skip_lines", {"deal": 1}, "skip_lines has deal, which is none of deals, "),
        ("value_maps", {"stage": {"a": "b"}}, "value_maps has stage, which is none of outcome, deal_stage, pipeline, "),
        ("value_maps", {"outcome": {"Ja": True}}, "value_maps.outcome.Ja is true, but must be text, or unset"),
        ("date_format", {"deals": 5}, "date_format.deals is 5, but must be text that isn't blank, or a list of at least 1 entry"),
        ("delimiter", [";"], 'delimiter is [";"], but must be one character, or a mapping of an input to such a value'),
        ("delimiter", '"', "which can't stand between columns: set the one of the file"),
        ("encoding", "base64", 'encoding is "base64", which is the name of none'),
        ("encoding", "a\0b", "which is the name of none"),
        ("max_rejected_share", float("nan"), 'max_rejected_share is "nan", but must be a number from 0 to 1'),
        ("max_row_count_change", float("inf"), 'max_row_count_change is "inf", but must be a number above 1'),
        ("own_dimensions", 5, "own_dimensions is 5, but must be a list of mappings"),
        (
            "own_dimensions",
            {"dimension": "tier", "column": "T"},
            'must be a list of mappings: write [{"dimension": "tier", "column": "T"}]',
        ),
        ("score_factors", [{"factor": "x", "label": "x", "column": "y", "bandtype": "y"}], "has bandtype, which is none of factor, label"),
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


def test_all_that_is_wrong_with_a_value_is_said_at_once():
    found = problems({**VARIABLES, "row_filters": [{"colum": "A", "keep": []}, {"column": 5, "drop": ["x"]}]}, [])
    assert [clause.split(",")[0] for clause in found] == [
        "row_filters[0] has colum", "row_filters[0] lacks column: add it", "row_filters[0].keep is []", "row_filters[1].column is 5",
    ]  # fmt: skip


def test_each_input_can_have_a_format_of_its_own():
    assert schema()["$defs"]["input"]["enum"] == list(contract())
    variables = {name: {source: value for source in contract()} for name, value in {"date_format": "%d.%m.%Y", "decimal_mark": ","}.items()}
    assert problems({**VARIABLES, **variables}, []) == []


def test_a_misspelt_var_is_said_with_the_nearest_name():
    assert problems(VARIABLES, ["deal_file"]) == ["there is no var deal_file: did you mean deals_file?"]
    assert problems(VARIABLES, [5, None])[0] == "there is no var 5: docs/vars.md lists them"
    assert problems(VARIABLES, ["vars"]) == ["there is no var vars: leave the line `vars:` out, and begin those below it without blanks"]
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


@pytest.mark.parametrize(
    "text, sentence",
    [
        (None, "can't be read (No such file or directory): name a vars file, such as `python -m tools profile` writes."),
        (b"PK\x03\x04\xff", "is not text in UTF-8: name a vars file, or save it as UTF-8."),
        (
            b"deals_file: x: y",
            "is no YAML (line 1, column 14: mapping values are not allowed here): correct it there; a text that holds : or #",
        ),
        (b"a: &a [*a]", "is nested without an end: take out an alias"),
        (b"a: !!bool x", "has a value that doesn't fit its type (!!): take the type out."),
        (b"- deals_file", "has no vars: write `name: value`, a line each."),
        (b"as_of_date: 2025-02-30", 'as_of_date is "2025-02-30", but must be a date, written as YYYY-MM-DD, or unset.'),
        (b"as_of_date: 2025-06-30 10:00:00", 'as_of_date is "2025-06-30 10:00:00", but must be a date'),
        (b"own_dimensions: 5\nrow_filters: true", "own_dimensions is 5, but must be a list of mappings."),
        (b"1: x\non: y", "there is no var 1: docs/vars.md lists them."),
        (b"deal_file: x", "there is no var deal_file: did you mean deals_file?\n"),
    ],
)
def test_tools_check_says_what_is_wrong_with_the_vars_file(text, sentence, tmp_path, capsys):
    if text is not None:
        (tmp_path / "my.yml").write_bytes(text)
    assert tools_check.run(argparse.Namespace(vars=tmp_path / "my.yml")) == 1
    assert sentence in capsys.readouterr().err


def test_tools_check_reads_dates_and_whole_numbers_as_a_build_does(tmp_path, capsys):
    (tmp_path / "deals.csv").write_text("Report\ndeal_id,created_date,outcome\nD1,2024-01-01,Won\n")
    (tmp_path / "my.yml").write_text(f"deals_file: {tmp_path}/deals.csv\nas_of_date: 2025-06-30\nskip_lines: 1.0\n")
    assert tools_check.run(argparse.Namespace(vars=tmp_path / "my.yml")) == 0
    assert "deals: 1 rows can be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("outcomes", "value_maps", "is_said"),
    [
        (["true", "False", ""], {}, True),
        (["1", "0"], {}, True),
        (["Won", "false"], {}, False),
        (["true", "false"], {"outcome": {"TRUE": "Won", "False": "Lost"}}, False),
        (["", ""], {}, False),
    ],
)
def test_an_outcome_of_yes_and_no_is_said(outcomes, value_maps, is_said, tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("deal_id,created_date,Is Won\n" + "".join(f"D{number},2024-01-01,{word}\n" for number, word in enumerate(outcomes)))
    contract = [Input("deals", ["deal_id", "created_date"], ["outcome", "deal_amount", "home_amount", "currency_code"])]
    variables = {**VARIABLES, "deals_file": str(path), "column_mapping": {"outcome": "Is Won"}, "value_maps": value_maps}
    with duckdb.connect() as connection:
        found = check(connection, Request(contract, [], variables, []))
    assert ["which doesn't tell lost deals from open ones" in problem for problem in found] == [True] * is_said

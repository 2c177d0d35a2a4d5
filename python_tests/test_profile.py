"""`python -m tools profile`: exports as CRMs write them, and small files of other kinds, are read right or said to be unclear."""

import argparse
import csv
import datetime
import gzip
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml
from conftest import PROJECT, run_dbt
from exports import EXPORTS, deals, totals, write

from intake.inputs import check
from intake.profiling.profile import page, profile, vars_file, write_stages
from intake.profiling.values import may_be_date
from tools import profile as command
from tools.check import request_of

BASE = [
    [
        f"D{number:04}",
        datetime.date(2024, 1, 1) + datetime.timedelta(days=number),
        "Closed Won" if number % 3 else "Closed Lost",
        1000.5 + 7 * number,
    ]
    for number in range(60)
]


def profiled(folder: Path, *paths: Path) -> tuple[dict, str, list]:
    """The vars that were written, the page, and the profiles."""
    out = folder / "found.yml"
    profiles = profile(paths, out)
    stages = next((each.states for each in profiles if each.states and each.states.stages), None)
    stages_file = folder / "found_stages.csv" if stages else None
    if stages and stages_file:
        write_stages(stages, stages_file)
    text = vars_file(profiles, stages_file)
    out.write_text(text, encoding="utf-8")
    return yaml.safe_load(text), page(profiles, out, stages_file), profiles


def small(
    path: Path, date: str = "%Y-%m-%d", amount: str = "{:.2f}", delimiter: str = ",", encoding: str = "utf-8", before: str = ""
) -> Path:
    rows = [[number, day.strftime(date), stage, amount.format(value)] for number, day, stage, value in BASE]
    return write(path, [["Deal ID", "Created", "Stage", "Amount"], *rows], delimiter=delimiter, encoding=encoding, before=before)


@pytest.mark.parametrize("crm", EXPORTS)
def test_an_export_of_a_crm_is_understood_without_an_edit(crm, tmp_path):
    found = deals()
    variables, text, profiles = profiled(tmp_path, EXPORTS[crm](tmp_path / f"{crm}.csv", found))
    states = profiles[0].states
    count, won, lost, open_, _ = totals(found)
    assert states.counts == {"Won": won, "Lost": lost, "Open": open_, "unknown": 0}, text
    assert {"deal_id", "created_date", "closed_date", "deal_amount", "deal_stage", "sales_rep_id"} <= set(profiles[0].mapping)
    assert not states.doubts
    with duckdb.connect() as connection:
        assert check(connection, request_of(variables)) == []


@pytest.mark.parametrize("crm", ["salesforce", *(pytest.param(crm, marks=pytest.mark.campaign) for crm in EXPORTS if crm != "salesforce")])
def test_a_build_with_the_vars_that_were_found_reads_each_deal(crm, tmp_path):
    found = deals()
    variables, *_ = profiled(tmp_path, EXPORTS[crm](tmp_path / f"{crm}.csv", found))
    build = run_dbt(tmp_path / "found.duckdb", variables, select="+int_deals", with_tests=False).check()
    [row] = build.query(
        """
        select count(*), count(case when is_won then 1 end), count(case when not is_won then 1 end), count(case when is_open then 1 end), sum(deal_amount)
        from intermediate.int_deals
        """
    )
    assert (*row[:4], float(row[4])) == totals(found)
    created = build.query("select min(created_date), max(created_date), min(closed_date) from intermediate.int_deals")
    assert created == [(min(d.created for d in found), max(d.created for d in found), min(d.closed for d in found if d.closed))]


@pytest.mark.parametrize(
    "written, expected",
    [
        ({}, {}),
        ({"date": "%d.%m.%Y", "delimiter": ";", "encoding": "cp1252"}, {"date_format": "%d.%m.%Y", "delimiter": ";"}),
        ({"date": "%m/%d/%Y"}, {"date_format": "%m/%d/%Y"}),
        ({"date": "%d/%m/%Y"}, {"date_format": "%d/%m/%Y"}),
        ({"date": "%m/%d/%y"}, {"date_format": "%m/%d/%y"}),
        ({"date": "%d-%b-%Y"}, {"date_format": "%d-%b-%Y"}),
        ({"date": "%Y%m%d"}, {"date_format": "%Y%m%d"}),
        ({"date": "%d/%m/%Y %H:%M"}, {"date_format": "%d/%m/%Y %H:%M"}),
        ({"delimiter": "\t", "encoding": "utf-16"}, {"delimiter": "\t", "encoding": "utf-16"}),
        ({"delimiter": "|"}, {"delimiter": "|"}),
        ({"before": "Report: deals\nof 2024\n\n"}, {"skip_lines": 3}),
        ({"amount": "${:,.2f}"}, {}),
    ],
    ids=lambda value: "-".join(f"{key}={text!r}" for key, text in value.items()) or "plain",
)
def test_the_format_of_a_file_is_found(written, expected, tmp_path):
    variables, text, profiles = profiled(tmp_path, small(tmp_path / "deals.csv", **written))
    for name in ("deals_file", "column_mapping"):
        variables.pop(name)
    assert variables == expected, text
    assert sum(profiles[0].states.counts.values()) == len(BASE)


@pytest.mark.parametrize(
    "amounts, mark",
    [
        (["31.729", "13.522", "2.703", "1.000"], ","),
        (["31,729", "13,522"], "."),
        (["31.729,88", "5,10"], ","),
        (["31729,88", "5,1"], ","),
        (["31 729,88", "5,10"], ","),
        (["31'729.88", "5.10"], "."),
        (["31729.88", "5.125"], "."),
        (["12", "13"], "."),
        (["1.234.567", "12"], ","),
    ],
)
def test_the_decimal_mark_is_found_by_all_amounts_together(amounts, mark, tmp_path):
    rows = [[f"D{number}", "2024-01-01", "Closed Won", amounts[number % len(amounts)]] for number in range(40)]
    variables, text, _ = profiled(tmp_path, write(tmp_path / "deals.csv", [["Deal ID", "Created", "Stage", "Amount"], *rows]))
    assert variables.get("decimal_mark", ".") == mark, text


def test_dates_that_tell_no_order_are_said_to_be_a_guess(tmp_path):
    rows = [[f"D{number}", f"{number % 12 + 1:02}/{number % 11 + 1:02}/2024", "Closed Won"] for number in range(50)]
    _, text, _ = profiled(tmp_path, write(tmp_path / "deals.csv", [["Deal ID", "Created", "Stage"], *rows]))
    assert "no value tells day from month" in text and "swap %d and %m" in text


def test_words_for_won_and_lost_are_mapped_and_unknown_ones_asked_about(tmp_path):
    words = ["Gewonnen", "Verloren", "In Arbeit", "Geparkt"]
    rows = [[f"D{number}", "2024-01-01", words[number % 4]] for number in range(40)]
    variables, text, _ = profiled(tmp_path, write(tmp_path / "deals.csv", [["ID", "Erstellt am", "Status"], *rows]))
    assert variables["value_maps"] == {"outcome": {"Gewonnen": "Won", "Verloren": "Lost", "In Arbeit": "Open"}}
    assert "'Geparkt' in 10 rows: is that Won, Lost or Open?" in text


def test_true_and_false_for_open_deals_too_leaves_the_state_to_the_stages(tmp_path):
    stages = ["Closed Won", "Closed Lost", "Proposal"]
    rows = [[f"D{number}", "2024-01-01", stages[number % 3], str(number % 3 == 0).lower()] for number in range(60)]
    variables, text, profiles = profiled(tmp_path, write(tmp_path / "deals.csv", [["ID", "Created", "Stage", "Is Won"], *rows]))
    assert profiles[0].states.counts == {"Won": 20, "Lost": 20, "Open": 20, "unknown": 0}
    assert "outcome" not in variables["column_mapping"]["deals"] and "value_maps" not in variables


def test_companions_are_recognised_by_their_columns(tmp_path):
    deals_file = small(tmp_path / "deals.csv")
    history = write(
        tmp_path / "h.csv", [["Opportunity ID", "To Stage", "Edit Date"], *[[row[0], "Proposal", "2024-02-01 10:00:00"] for row in BASE]]
    )
    variables, *_ = profiled(tmp_path, deals_file, history)
    assert variables["stage_history_file"] == str(history)
    assert variables["column_mapping"]["stage_history"] == {"deal_id": "Opportunity ID", "stage": "To Stage", "entered_at": "Edit Date"}


def test_own_columns_are_offered_and_not_used(tmp_path):
    rows = [[f"D{number}", "2024-01-01", "Closed Won", f"Größe {number % 4}", number * 1.5, f"text {number}"] for number in range(80)]
    header = ["ID", "Created", "Stage", "Kunden-Größe", "Seats", "Notes"]
    variables, _, _ = profiled(tmp_path, write(tmp_path / "deals.csv", [header, *rows]))
    text = (tmp_path / "found.yml").read_text(encoding="utf-8")
    assert "own_dimensions" not in variables
    assert 'dimension: kunden_groesse, column: "Kunden-Größe"' in text and "Notes" not in text


def test_a_workbook_becomes_a_csv(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("python_calamine")
    openpyxl = pytest.importorskip("openpyxl")
    assert openpyxl
    frame = pandas.DataFrame(BASE, columns=["Deal ID", "Created", "Stage", "Amount"])
    frame["Created"] = pandas.to_datetime(frame["Created"])
    frame.to_excel(tmp_path / "deals.xlsx", index=False)
    variables, text, _ = profiled(tmp_path, tmp_path / "deals.xlsx")
    assert variables["deals_file"] == str(tmp_path / "found_deals.csv")
    with (tmp_path / "found_deals.csv").open(encoding="utf-8") as file:
        assert next(csv.DictReader(file))["Created"] == "2024-01-01"


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("deals.csv", b"", r"is empty \(0 bytes\): export it again"),
        ("deals.csv", b"\n \n", "has no line with text: export it again"),
        ("deals.csv", b"sep=;\n", "has no line with text: export it again"),
        ("deals.csv", b"Deal ID,Created,Stage\n", "has no row below its header that can be read: export it again with its data"),
        ("deals.csv", b",,\nD1,2024-01-01,1000\n", "has no name of a column in line 1"),
        ("deals.csv", b'"Deal ID,Created,Stage\nD1,2024-01-01,Won\n', "opens a quote in its header"),
        ("deals.csv", b"PK\x03\x04rest", "is an Excel file or another archive, not CSV: save it as CSV"),
        ("deals.csv", b'[{"Deal ID": 1, "Stage": "Won"}]', "is JSON, not CSV"),
        ("deals.xls", b"<html><table><tr><td>Deal ID</td></tr></table></html>", r"is a web page \(HTML\), not CSV"),
        ("deals.csv", b"SQLite format 3\0" + bytes(500), "is a binary file, not CSV"),
        ("deals.csv", b"just one column\n1\n2\n", "has no two columns that a comma, semicolon, tab or vertical bar parts"),
        ("deals.parquet", b"PAR1 and no more of it", "can't be read .*: copy or export it again"),
        ("deals.csv.gz", gzip.compress(bytes(range(256)) * 50)[:-200], "is cut off or damaged"),
        ("deals.csv.gz", b"a,b\n1,2\n", "is no gzip file, though its name ends in .gz"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(name, content, sentence, tmp_path, capsys):
    (tmp_path / name).write_bytes(content)
    assert ran(tmp_path / name, "--out", tmp_path / "found.yml") == 1
    assert re.fullmatch(f"{re.escape(str(tmp_path / name))} {sentence}.*[.]\n", capsys.readouterr().err)
    assert not (tmp_path / "found.yml").exists()


def ran(*arguments: object) -> int:
    """The exit code of the command; what it raises besides is a traceback to its user."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(list(map(str, arguments))))


@pytest.mark.parametrize("ending", ["xlsx", "xls", "ods"])
@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"], ids=["new", "old"])
def test_a_damaged_workbook_is_one_sentence(start, ending, tmp_path, capsys):
    pytest.importorskip("python_calamine")
    (tmp_path / f"deals.{ending}").write_bytes(start + bytes(range(256)) * 3)
    assert ran(tmp_path / f"deals.{ending}", "--out", tmp_path / "found.yml") == 1
    assert re.search(r"can't be read as a workbook \(.+\): open it in a spreadsheet program and save it as CSV", capsys.readouterr().err)


def test_a_workbook_at_which_its_library_ends_the_process_is_one_sentence(tmp_path, capsys, monkeypatch):
    pytest.importorskip("python_calamine")
    (tmp_path / "deals.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    (tmp_path / "abort").write_text("#!/bin/sh\necho panicked at cfb.rs >&2\nkill -ABRT $$\n")
    (tmp_path / "abort").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "abort"))
    assert ran(tmp_path / "deals.xls", "--out", tmp_path / "found.yml") == 1
    printed = capsys.readouterr().err
    assert "can't be read as a workbook (its parts don't fit together)" in printed and "panicked" not in printed


@pytest.mark.parametrize("name", ["deals.xls", "deals.xlsx"])
def test_text_that_is_called_a_workbook_is_read_as_text(name, tmp_path):
    variables, *_ = profiled(tmp_path, small(tmp_path / name, delimiter="\t"))
    assert variables["deals_file"] == str(tmp_path / name) and variables["delimiter"] == "\t"


def test_what_is_no_file_is_one_sentence(tmp_path, capsys):
    os.mkfifo(tmp_path / "fifo.csv")
    small(tmp_path / "deals.csv")
    sentences = {".": "is a folder, not a file", "nothing.csv": "is no file: correct the path", "fifo.csv": "can be read twice"}
    for name, sentence in sentences.items():
        assert ran(tmp_path / name, "--out", tmp_path / "found.yml") == 1
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "out, sentence",
    [
        ("nowhere/my.yml", "names a folder that isn't there: make '.*nowhere', or name another"),
        ("folder", "is a folder: name a file in it, such as my_crm.yml"),
        ("closed/my.yml", "is in the folder '.*closed', to which you may not write"),
        ("deals.csv", "would replace '.*deals.csv', which is to be read"),
        ("taken.yml", r"taken_stages.csv can't be written \(Is a directory\): name another place in --out"),
    ],
)
def test_a_place_where_nothing_can_be_written_is_one_sentence(out, sentence, tmp_path, capsys, monkeypatch):
    for name in ("folder", "closed", "taken_stages.csv"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "closed")
    rows = [[number, day, "Signed" if stage == "Closed Won" else stage, amount] for number, day, stage, amount in BASE]
    export = write(tmp_path / "deals.csv", [["Deal ID", "Created", "Stage", "Amount"], *rows])
    before = export.read_bytes()
    assert ran(export, "--out", tmp_path / out) == 1
    assert re.search(sentence, capsys.readouterr().err) and export.read_bytes() == before


def test_two_files_of_one_kind_are_said(tmp_path, capsys):
    files = [small(tmp_path / "a.csv"), small(tmp_path / "b.csv")]
    assert ran(*files, "--out", tmp_path / "found.yml") == 1
    assert "b.csv is taken for deals, as another file is: give one file of several alike" in capsys.readouterr().err


def test_columns_that_cant_be_told_apart_or_read_are_asked_about(tmp_path):
    rows = [[f"D{number}", "99/99/2024", "Closed Won", "x", "y"] for number in range(60)]
    _, text, _ = profiled(tmp_path, write(tmp_path / "deals.csv", [["Deal ID", "Created", "Stage", "Stage", ""], *rows]))
    assert "'Stage' stands 2 times in the header: only the first is read" in text
    assert (
        "created_date, which deals need: name it in column_mapping ('Created' is called so, but holds '99/99/2024', which is read as no date)"
        in text
    )


def test_columns_without_a_name_are_taken_for_nothing(tmp_path):
    rows = [[f"D{number}", "2024-01-01", "Closed Won"] for number in range(60)]
    variables, text, _ = profiled(tmp_path, write(tmp_path / "deals.csv", [["", "Created", "Stage"], *rows]))
    assert "deal_id" not in variables["column_mapping"]["deals"] and "no column was recognised as deal_id" in text


def test_values_and_names_of_several_lines_leave_the_vars_file_yaml(tmp_path):
    """Examples stand in comments, names in quotes."""
    kinds = ["a\nmin_segment_deals: 1", "b\x01c", "d\u2028e"]
    rows = [[f"D{number}", "2024-01-01", "Closed Won", kinds[number % 3]] for number in range(60)]
    header = ["Deal\x85ID\u2028", "Created", "Stage", "Two\nlines"]
    variables, text, _ = profiled(tmp_path, write(tmp_path / "deals.csv", [header, *rows]))
    assert set(variables) == {"deals_file", "column_mapping"}
    assert variables["column_mapping"]["deals"]["deal_id"] == header[0].strip()
    assert 'column: "Two\\nlines"' in (tmp_path / "found.yml").read_text() and "\nmin_segment_deals" not in text


def test_an_unusual_separator_that_the_first_line_names_is_read(tmp_path):
    variables, text, profiles = profiled(tmp_path, small(tmp_path / "deals.csv", delimiter="^", before="sep=^\n"))
    assert variables["delimiter"] == "^" and "columns are parted by ^" in text and profiles[0].table.landed.row_count == 60


def test_patterns_of_dates_are_tried_on_what_may_be_one():
    """On each column of numbers they took a minute for two thousand columns."""
    assert not any(map(may_be_date, ["", "D7", "12", "1000.50", "1.000", "-3,5 %", "EUR 12,5", "Tier 1", "Won", "1,5"]))
    dates = ["1.1.24", "24-1-1", "31/12/2024", "20240131", "Jan 1, 2024", "5. März 2024 10:00", "202411", "1 Feb 24", "2024.1.1"]
    assert all(map(may_be_date, dates))


def test_the_command_writes_what_a_check_finds_right(tmp_path):
    small(tmp_path / "deals.csv", date="%d.%m.%Y")
    command = [sys.executable, "-m", "tools"]
    wrote = subprocess.run(
        [*command, "profile", str(tmp_path / "deals.csv"), "--out", str(tmp_path / "my.yml")], cwd=PROJECT, capture_output=True, text=True
    )
    assert wrote.returncode == 0 and "Next: python -m tools check" in wrote.stdout, wrote.stderr
    checked = subprocess.run([*command, "check", str(tmp_path / "my.yml")], cwd=PROJECT, capture_output=True, text=True)
    assert checked.returncode == 0 and "deals: 60 rows can be read" in checked.stdout, checked.stderr
    (tmp_path / "bad.yml").write_text((tmp_path / "my.yml").read_text() + "deals_fil: x\nmin_segment_deals: many\n")
    bad = subprocess.run([*command, "check", str(tmp_path / "bad.yml")], cwd=PROJECT, capture_output=True, text=True)
    assert bad.returncode == 1 and "did you mean deals_file?" in bad.stderr and "min_segment_deals" in bad.stderr


def test_months_in_another_language_and_columns_without_a_known_name_are_read(tmp_path):
    months = ["Jan", "Feb", "März", "Apr", "Mai", "Juni", "Juli", "Aug", "Sep", "Okt", "Nov", "Dez"]
    rows = [
        [f"D{number}", f"{day.day}. {months[day.month - 1]} {day.year}", stage.removeprefix("Closed ")] for number, day, stage, _ in BASE
    ]
    variables, text, _ = profiled(tmp_path, write(tmp_path / "deals.csv", [["Kennung", "Seit", "Ausgang"], *rows], delimiter=";"))
    assert variables["date_format"] == "%d. %b %Y"
    assert variables["column_mapping"]["deals"] == {"created_date": "Seit", "outcome": "Ausgang", "deal_id": "Kennung"}
    assert text.count("a guess:") == 3


def test_flags_say_which_stages_are_closed_when_their_names_dont(tmp_path):
    stages = ["Signed", "Dropped", "Talks"]
    rows = [
        [f"D{number}", "2024-01-01", stages[number % 3], str(number % 3 < 2).lower(), str(number % 3 == 0).lower()] for number in range(60)
    ]
    header = ["Id", "CreatedDate", "StageName", "IsClosed", "IsWon"]
    _, _, profiles = profiled(tmp_path, write(tmp_path / "deals.csv", [header, *rows]))
    assert profiles[0].states.counts == {"Won": 20, "Lost": 20, "Open": 20, "unknown": 0}
    assert {stage.name: stage.state for stage in profiles[0].states.stages} == {"Signed": "Won", "Dropped": "Lost", "Talks": "Open"}


@pytest.mark.parametrize("crm", ["HubSpot", "Salesforce"])
def test_the_worked_example_of_a_crm_is_what_the_command_does(crm, tmp_path, monkeypatch, capsys):
    """Blocks of docs/worked_exports.md: lines of the export, the command, all that it prints, and lines of the files that it writes."""
    text = (PROJECT / "docs" / "worked_exports.md").read_text(encoding="utf-8").split(f"\n## {crm}\n")[1].split("\n## ")[0]
    (_, export), (_, line), (_, printed), *written = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
    found, name = deals(), crm.lower()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exports").mkdir()
    made = EXPORTS[name](tmp_path / "exports" / f"{name}.csv", found).read_text(encoding="utf-8").splitlines()
    begin, _, end = export.partition("...\n")
    assert made[: len(begin.splitlines())] == begin.splitlines() and made[len(made) - len(end.splitlines()) :] == end.splitlines()
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert line.startswith("python -m tools profile ")
    assert command.run(parser.parse_args(shlex.split(line)[4:])) == 0
    assert capsys.readouterr().out == printed
    files = {"yaml": f"{name}.yml", "csv": f"{name}_stages.csv"}
    assert len(written) >= 1
    for kind, block in written:
        lines = iter((tmp_path / files[kind]).read_text(encoding="utf-8").splitlines())
        assert [shown for shown in block.splitlines() if not shown.strip().startswith("#") and shown not in lines] == []
    count, won, lost, open_, _ = totals(found)
    without_amount = sum(deal.amount is None for deal in found)
    result = f"{count} accepted, {won} won, {lost} lost, {open_} open; {without_amount} of the {count} are without an amount"
    assert result in " ".join(text.split())

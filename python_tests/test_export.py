"""The score file for the CRM: whole, of one build, and harmless to open."""

import pathlib
import shutil
import subprocess
import sys

import duckdb
import pytest
from conftest import PROJECT
from test_same_tables import read_rows

from tools.export import MARTS, export


@pytest.fixture(scope="module")
def published(demo, tmp_path_factory):
    """The demo's marts as the published file holds them, with two odd texts."""
    path = tmp_path_factory.mktemp("published") / "marts.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"attach '{demo.database}' as built (read_only)")
        for name in MARTS[1:]:
            connection.execute(f"create table {name} as select * from built.marts.{name}")
        connection.execute("create table build_info as select 'abc123' as build_id, 'acme' as input_name, date '2025-12-31' as as_of_date")
        first, second = [row[0] for row in connection.execute("select deal_id from fct_open_deals order by 1 limit 2").fetchall()]
        connection.execute("update fct_open_deals set deal_name = '=HYPERLINK(\"http://x\")' where deal_id = ?", [first])
        connection.execute("update fct_open_deals set deal_name = '-Smith, \"Sons\"\nLtd' where deal_id = ?", [second])
    return path


def test_one_row_per_open_deal_with_its_score_reasons_and_actions(published, demo, tmp_path):
    count = export(str(published), tmp_path / "scores.csv")
    found = {row["deal_id"]: row for row in read_rows(tmp_path / "scores.csv")}
    scores = demo.query("select deal_id, score_status, risk_score, risk_category, win_probability from marts.fct_deal_scores")
    assert count == len(scores) == len(found)
    for deal, status, risk, category, probability in scores:
        row = found[deal]
        assert (row["score_status"], int(row["risk_score"]), row["risk_category"]) == (status, risk, category)
        assert float(row["win_probability"]) == pytest.approx(probability, abs=5e-5)
        assert (row["build_id"], row["as_of_date"]) == ("abc123", "2025-12-31")
    offers = demo.query(
        "select deal_id, action_text, is_holdout, action_rank from marts.fct_recommended_actions order by deal_id, action_rank"
    )
    assert all((text in found[deal]["actions"]) != is_holdout for deal, text, is_holdout, _ in offers)
    held_out = {deal for deal, _, is_holdout, _ in offers if is_holdout}
    assert len(held_out) > 10 and {found[deal]["actions"] for deal in held_out} == {""}
    several = [(deal, text) for deal, text, is_holdout, rank in offers if rank == 2 and not is_holdout]
    first = {deal: text for deal, text, _, rank in offers if rank == 1}
    assert all(found[deal]["actions"].index(first[deal]) < found[deal]["actions"].index(text) for deal, text in several)
    shown = demo.query("select deal_id, reason from marts.fct_deal_score_reasons where is_shown")
    assert all(reason in found[deal]["reasons"] for deal, reason in shown)


def test_text_that_a_spreadsheet_would_run_is_quoted_in_csv_and_whole_in_parquet(published, tmp_path):
    export(str(published), tmp_path / "scores.csv")
    first, second = read_rows(tmp_path / "scores.csv")[:2]
    assert first["deal_name"] == '\'=HYPERLINK("http://x")' and second["deal_name"] == '\'-Smith, "Sons"\nLtd'
    assert not [
        value for row in read_rows(tmp_path / "scores.csv") for value in row.values() if value[:1] in ("=", "+", "-", "@", "\t", "\r")
    ]
    export(str(published), tmp_path / "scores.parquet")
    names = duckdb.sql(f"select deal_name from '{tmp_path / 'scores.parquet'}' order by deal_id limit 2").fetchall()
    assert names == [('=HYPERLINK("http://x")',), ('-Smith, "Sons"\nLtd',)]


def test_the_last_file_stays_whole_when_a_new_one_cant_be_written(published, tmp_path):
    out = tmp_path / "scores.csv"
    export(str(published), out)
    before = out.read_bytes()
    broken = tmp_path / "broken.duckdb"
    shutil.copy(published, broken)
    with duckdb.connect(str(broken)) as connection:
        connection.execute("alter table fct_deal_scores drop column risk_score")
    with pytest.raises(ValueError, match="can't be written"):
        export(str(broken), out)
    assert out.read_bytes() == before and sorted(path.name for path in tmp_path.iterdir()) == ["broken.duckdb", "scores.csv"]
    # The same build gives the same bytes.
    export(str(published), out)
    assert out.read_bytes() == before


def test_scores_of_another_input_are_replaced_only_when_told_to(published, tmp_path):
    other = pathlib.Path(shutil.copy(published, tmp_path / "other.duckdb"))
    with duckdb.connect(str(other)) as connection:
        connection.execute("update build_info set input_name = 'demo'")
    for name in ("scores.csv", "scores.parquet"):
        out = tmp_path / name
        export(str(published), out)
        before = out.read_bytes()
        with pytest.raises(
            ValueError, match="holds scores of the input 'acme', and .* is of the demo CRM: name another file, or give --replace-input"
        ):
            export(str(other), out)
        assert out.read_bytes() == before
        export(str(other), out, may_replace=True)
        assert out.read_bytes() != before


def test_what_cant_be_done_is_said_in_one_sentence(published, tmp_path):
    empty = tmp_path / "empty.duckdb"
    duckdb.connect(str(empty)).close()
    (tmp_path / "text.duckdb").write_text("no database")
    cases = {
        "there is no published file 'none.duckdb': run `dbt build`": ("none.duckdb", "scores.csv"),
        "has no build_info, fct_open_deals": (empty, "scores.csv"),
        "text.duckdb' can't be read": (tmp_path / "text.duckdb", "scores.csv"),
        "ends neither with .csv nor with .parquet": (published, "scores.xlsx"),
        "the folder of": (published, "nowhere/scores.csv"),
    }
    for sentence, (marts, out) in cases.items():
        with pytest.raises(ValueError, match=".") as raised:
            export(str(marts), tmp_path / out)
        assert sentence in str(raised.value)


def test_the_command_reads_the_published_file_of_the_environment(published, tmp_path):
    command = [sys.executable, "-m", "tools", "export", "--out", str(tmp_path / "scores.csv")]
    environment = {"PATH": "", "SALES_MARTS_DB": str(published)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=environment)
    assert done.returncode == 0 and done.stdout.endswith("scores.csv: 249 deals\n")
    failed = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env={"PATH": "", "SALES_MARTS_DB": "none.duckdb"})
    assert failed.returncode == 1 and failed.stderr.startswith("Export: there is no published file") and "Traceback" not in failed.stderr

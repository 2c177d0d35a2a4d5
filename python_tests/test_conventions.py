"""What holds for the project as a whole: conventions, documentation, and no warning of any kind."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import duckdb
import pytest
from conftest import PROJECT, run_dbt

BIN = pathlib.Path(sys.executable).parent


@pytest.fixture(scope="module")
def manifest(demo) -> dict:
    return json.loads((demo.database.parent / "demo_sales_dbt" / "target" / "manifest.json").read_text())


def public_marts(manifest: dict) -> list[dict]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model" and node["schema"] == "marts"]


def test_the_demo_builds_without_a_warning(demo):
    assert not re.search(r"\[WARNING\]|deprecat", demo.output, re.IGNORECASE), demo.output
    assert re.search(r"WARN=0 ERROR=0 SKIP=0", demo.output)


def test_a_second_build_on_the_same_database_passes_too(demo):
    again = run_dbt(demo.database).check()
    assert re.search(r"WARN=0 ERROR=0 SKIP=0", again.output)


def test_every_kind_of_broken_value_fails_its_test(demo, tmp_path):
    database = shutil.copy(demo.database, tmp_path / "broken.duckdb")
    broken = {
        "rpt_win_rate_trend": "verdict = 'perhaps'",
        "rpt_score_drift": "p_value = 1.01",
        "rpt_lost_reasons": "lost_share = -1",
        "rpt_segment_win_rates": "vs_rest_difference_lower = 'nan'",
        "rpt_win_rate_drivers": "vs_others_lower_pp = null where vs_others_upper_pp is not null",
    }
    with duckdb.connect(database) as connection:
        for mart, change in broken.items():
            connection.execute(f"update marts.{mart} set {change}")
        connection.execute("update intermediate.int_expected_wins set closed_month = null")
    tests = [f"{name}_values_hold" for name in [*broken, "int_expected_wins", "rpt_win_rate_change"]]
    done = run_dbt(database, command="test", select=" ".join(tests))
    assert re.findall(r"PASS (\w+)_values_hold", done.output) == ["rpt_win_rate_change"], done.output
    assert set(re.findall(r"FAIL [1-9]\d* (\w+)_values_hold", done.output)) == {*broken, "int_expected_wins"}, done.output


def test_yaml_keeps_to_the_schema_of_dbt(tmp_path):
    """dbt checks YAML against its schema for some adapters only; here it is made to check it for DuckDB."""
    script = f"""
import sys
from dbt.cli.main import dbtRunner
from dbt.jsonschemas import jsonschemas
jsonschemas._JSONSCHEMA_SUPPORTED_ADAPTERS = set(jsonschemas._JSONSCHEMA_SUPPORTED_ADAPTERS) | {{"duckdb"}}
arguments = ["parse", "--no-partial-parse", "--show-all-deprecations"]
arguments += ["--project-dir", {str(PROJECT)!r}, "--profiles-dir", {str(PROJECT)!r}]
arguments += ["--target-path", {str(tmp_path / "target")!r}, "--log-path", {str(tmp_path / "logs")!r}]
sys.exit(not dbtRunner().invoke(arguments).success)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deprecat" not in (done.stdout + done.stderr).lower(), done.stdout


def test_every_mart_has_a_contract_and_every_column_a_description(manifest):
    marts = public_marts(manifest)
    assert len(marts) >= 16
    for mart in marts:
        assert mart["config"]["contract"]["enforced"], mart["name"]
        assert mart["schema"] == "marts"
        for column in mart["columns"].values():
            assert len(column["description"].strip()) > 3, f"{mart['name']}.{column['name']}"
            assert column["data_type"], f"{mart['name']}.{column['name']}"


def test_every_mart_has_a_uniqueness_test(manifest):
    tested = set()
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and re.search("unique|tile_its_life", node["name"]):
            tested.update(node["depends_on"]["nodes"])
    for mart in public_marts(manifest):
        assert mart["unique_id"] in tested, f"{mart['name']} has no uniqueness test"


def test_no_model_reads_the_clock():
    clock = re.compile(r"\b(current_date|current_timestamp|getdate|now\(\)|datetime\.now|date\.today|time\.time)\b", re.IGNORECASE)
    files = [*PROJECT.glob("models/**/*.sql"), *PROJECT.glob("models/**/*.py"), *PROJECT.glob("macros/**/*.sql")]
    assert len(files) > 40
    assert [str(file) for file in files if clock.search(file.read_text())] == []


def test_sql_is_linted(tmp_path):
    done = subprocess.run(
        [BIN / "sqlfluff", "lint", "--disable-progress-bar", "models", "tests", "analyses"],
        capture_output=True, text=True, cwd=PROJECT, env=_environment(tmp_path),
    )
    assert done.returncode == 0, done.stdout


def test_python_is_linted():
    done = subprocess.run([BIN / "ruff", "check", "--no-cache", "."], capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 0, done.stdout


def test_the_files_of_requirements_agree():
    """A pin of the smaller file is a pin of the larger one, so that they can be installed together."""
    base, serve, dev = ({*(PROJECT / f"requirements{name}.txt").read_text().split()} for name in ("", "-serve", "-dev"))
    assert base < serve < dev
    for pins in (base, serve, dev):
        names = [pin.partition("==")[0] for pin in pins]
        assert len(names) == len(set(names)) and all("==" in pin for pin in pins)


def test_conventions_hold(demo, tmp_path):
    configuration = (PROJECT / "dbt-bouncer.yml").read_text()
    target = demo.database.parent / "demo_sales_dbt" / "target"
    moved = tmp_path / "dbt-bouncer.yml"
    moved.write_text(configuration.replace("dbt_artifacts_dir: target", f"dbt_artifacts_dir: {target}"))
    done = subprocess.run([BIN / "dbt-bouncer", "run", "--config-file", moved], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_from_another_directory_relative_paths_are_the_callers(tmp_path):
    deals = PROJECT / "seeds" / "demo" / "demo_deals.csv"
    (tmp_path / "deals.csv").write_bytes(deals.read_bytes())
    build = run_dbt(tmp_path / "elsewhere.duckdb", {"deals_file": "deals.csv"}, with_tests=False, select="+dim_reps").check()
    assert build.query("select count(*) > 5 from marts.dim_reps") == [(True,)]


def _environment(folder: pathlib.Path) -> dict:
    paths = {"SALES_DB": "lint.duckdb", "DBT_TARGET_PATH": "target", "DBT_LOG_PATH": "logs"}
    return {**os.environ, **{name: str(folder / path) for name, path in paths.items()}}


def models(manifest: dict) -> list[dict]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]


def rooms_read(manifest: dict) -> list[tuple[str, str]]:
    """(room of the reader, room it reads) of each model that a model reads; a room is a folder of models."""
    room = {node["unique_id"]: str(pathlib.PurePath(node["original_file_path"]).parent) for node in models(manifest)}
    return [(room[node["unique_id"]], room[read]) for node in models(manifest) for read in node["depends_on"]["nodes"] if read in room]


def test_models_mostly_read_models_of_their_room(manifest):
    edges = rooms_read(manifest)
    inside = sum(reader == read for reader, read in edges)
    assert inside >= 0.48 * len(edges), f"{inside} of {len(edges)}"


def test_each_model_is_described_and_tested_in_the_yml_beside_it():
    files = [file for file in PROJECT.glob("models/**/*") if file.suffix in (".sql", ".py")]
    assert len(files) > 100
    for file in files:
        beside = yaml.safe_load(file.with_suffix(".yml").read_text())
        [model] = beside["models"]
        assert model["name"] == file.stem and model["description"].strip(), file
    for file in PROJECT.glob("models/**/*.yml"):
        told = yaml.safe_load(file.read_text())
        assert {model["name"] for model in told.get("models", [])} <= {file.stem}, file
        assert {test["model"] for test in told.get("unit_tests", [])} <= {file.stem}, file

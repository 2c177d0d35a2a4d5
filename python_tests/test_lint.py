"""The linters, which take minutes and need no build: first of all files, while another worker of pytest builds the demo."""

import os
import pathlib
import subprocess
import sys

from conftest import PROJECT

BIN = pathlib.Path(sys.executable).parent


def test_sql_is_linted(tmp_path):
    done = subprocess.run(
        [BIN / "sqlfluff", "lint", "--disable-progress-bar", "models", "tests", "analyses"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=_environment(tmp_path),
    )
    assert done.returncode == 0, done.stdout


def test_python_is_linted():
    done = subprocess.run([BIN / "ruff", "check", "--no-cache", "."], capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 0, done.stdout


def _environment(folder: pathlib.Path) -> dict:
    paths = {"SALES_DB": "lint.duckdb", "DBT_TARGET_PATH": "target", "DBT_LOG_PATH": "logs"}
    return {**os.environ, **{name: str(folder / path) for name, path in paths.items()}}

"""Reading the published marts.

The file is swapped by a rename while it is read. So one run of a page holds one attached file from beginning to end, which stays whole
after the swap, and the next run opens the new one. What is cached is cached under the file's identity and the build's id.
"""

import os
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import streamlit as st

BUILD_HELP = "Run `dbt build` in the project's folder, or set SALES_MARTS_DB to the file that it published."


class NotPublished(Exception):
    """There is nothing to show; the message is one sentence for the reader."""


@dataclass(frozen=True)
class Build:
    """One published build, attached read-only."""

    identity: tuple[str, int, int]
    build_id: str
    as_of_date: date
    published_at: datetime
    project_version: str
    connection: duckdb.DuckDBPyConnection

    @property
    def key(self) -> str:
        return f"{self.identity} {self.build_id}"

    def rows(self, sql: str, *parameters: object) -> pd.DataFrame:
        """The rows of a query over the marts, by their bare names."""
        return _rows(self.key, sql, parameters, self)

    @property
    def money(self) -> str:
        """The one currency of the build, as far as the input tells."""
        [(code,)] = self.rows("select max(currency_code) as code from fct_deals").itertuples(index=False)
        return code if isinstance(code, str) else "currency of the CRM"

    def has(self, mart: str) -> bool:
        found = self.rows("select 1 from duckdb_tables() where database_name = 'published' and table_name = ?", mart)
        return not found.empty


def marts_path() -> Path:
    return Path(os.environ.get("SALES_MARTS_DB") or "marts.duckdb").resolve()


def file_identity() -> tuple[str, int, int]:
    """Changes whenever another file stands under the name."""
    path = marts_path()
    try:
        status = path.stat()
    except OSError:
        raise NotPublished(f"No published marts at {path}. {BUILD_HELP}") from None
    return str(path), status.st_ino, status.st_mtime_ns


def current_build() -> Build:
    return _open(file_identity())


@st.cache_resource(max_entries=2, show_spinner=False)
def _open(identity: tuple[str, int, int]) -> Build:
    path = identity[0]
    quoted = path.replace("'", "''")
    try:
        connection = duckdb.connect(config={"threads": 2})
        connection.execute(f"attach '{quoted}' as published (read_only)")
        connection.execute("set enable_external_access = false")
        [info] = connection.execute("select build_id, as_of_date, published_at, project_version from published.build_info").fetchall()
    except (duckdb.Error, ValueError) as error:
        raise NotPublished(f"{path} can't be read as published marts ({type(error).__name__}). {BUILD_HELP}") from error
    return Build(identity, *info, connection)


@st.cache_data(max_entries=400, show_spinner=False)
def _rows(key: str, sql: str, parameters: tuple, _build: Build) -> pd.DataFrame:
    cursor = _build.connection.cursor()
    cursor.execute("use published")
    return cursor.execute(sql, list(parameters)).df()

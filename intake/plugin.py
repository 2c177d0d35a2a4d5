"""Gives the connection of a build the functions that the macro `check_inputs` calls."""

import json
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError
from duckdb import DuckDBPyConnection

from intake.inputs import check
from intake.places import problem_of_database
from intake.request import Request
from intake.vars import schema


class Plugin(BasePlugin):
    """`project_vars()`: names of the project's vars, a JSON list. `check_inputs(request)`: what is wrong, a JSON list of clauses."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Before the database is opened: DuckDB's own errors come with a trace, or late, or not at all."""
        if problem := problem_of_database(self.creds.path):
            raise DbtRuntimeError(f"Input check: {problem}.")

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        def project_vars() -> str:
            return json.dumps(list(schema()["properties"]))

        def check_inputs(request: str) -> str:
            return json.dumps(check(conn.cursor(), Request.of(json.loads(request))), ensure_ascii=False)

        conn.create_function("project_vars", project_vars, [], "VARCHAR", side_effects=True)
        conn.create_function("check_inputs", check_inputs, ["VARCHAR"], "VARCHAR", side_effects=True)

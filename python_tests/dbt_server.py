"""Runs dbt commands one after another, each in a process of its own that is forked from this one, where dbt is imported and warm.

A command costs its own work, and not the 3 seconds in which Python imports dbt and dbt builds the schemas of its classes, nor the time in
which Jinja compiles files that have been compiled before, nor the 5 seconds in which dbt parses the project where it finds one in its target
folder that was parsed with vars of the same `structure`. A request is a line of JSON (arguments, folder, environment, output: a file,
structure: text, killed_after: seconds or null, killed_at: a regular expression or null), the answer a line with the exit code.
"""

import functools
import gc
import json
import os
import pathlib
import re
import signal
import sys
import time
import traceback

import duckdb
import jinja2
import numpy
import pandas
import scipy.special
import scipy.stats
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.artifacts.resources import FileHash
from dbt.cli.main import cli, dbtRunner
from dbt.parser.manifest import ManifestLoader

WARM = (duckdb, numpy, pandas, scipy.special, scipy.stats)


def remember(name: str) -> None:
    """Make a method of Jinja's environments return what it returned before for the same text."""
    method = getattr(jinja2.Environment, name)
    results = {}

    @functools.wraps(method)
    def remembered(self, source, *values, **named):
        key = (type(self), source, values, *named.items())
        if key not in results:
            results[key] = method(self, source, *values, **named)
        return results[key]

    setattr(jinja2.Environment, name, remembered)


def known_by(structure: str) -> None:
    """Make dbt take a parsed project for that of other vars of the same structure; its own check is of their text."""
    own_check = ManifestLoader.build_manifest_state_check

    def check(loader):
        found = own_check(loader)
        found.vars_hash = FileHash.from_contents(structure)
        return found

    ManifestLoader.build_manifest_state_check = check


def run(request: dict) -> int:
    """Run one command as the `dbt` script does, and return its exit code."""
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    known_by(request["structure"])
    if request["killed_after"] is not None:
        signal.setitimer(signal.ITIMER_REAL, request["killed_after"])
    try:
        cli(request["arguments"])
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
    return 1


def wait(child: int, request: dict) -> int:
    """Exit code of the child, which is killed when its output matches `killed_at`."""
    while request["killed_at"]:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if re.search(request["killed_at"], pathlib.Path(request["output"]).read_text(errors="replace")):
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.005)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def close_database() -> None:
    DuckDBConnectionManager.close_all_connections()
    gc.collect()


def main(answers) -> None:
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            gc.set_threshold(100_000, 50, 100)
            code = run(request)
            # The end of a process closes its database, but this one must not end what it has from its parent.
            close_database()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        print(wait(child, request), file=answers, flush=True)


if __name__ == "__main__":
    # What dbt prints while it warms up is no answer.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        remember("compile")
        remember("parse")
        warmed = dbtRunner().invoke(sys.argv[1:])
        if not warmed.success:
            sys.exit(f"dbt could not parse the project: {warmed.exception or 'see above'}")
        close_database()
        gc.freeze()
        main(answers)

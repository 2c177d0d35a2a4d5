"""Time and memory of a whole build beside plain DuckDB doing the bare steps on the same files, and how both grow.

Run from the project's root. Every measured thing is a fresh process of this Python, one after the other:
- `dbt build`, tests included, of generated clean deals with stage history, into a database of its own;
- the same build of 5,000 deals, the faster of two: dbt's fixed cost, which is taken off the time of the large one;
- the bare steps (tools/bare_steps.py): the scans, windows, groupings and writes that the marts can't do without, and nothing else, with the
  same DuckDB, memory limit and threads as in profiles.yml.
Peak memory is the largest resident set of the process, as the kernel reports it when the process ends.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tools.bare_steps import bare_steps

FIXED_COST_DEALS = 5_000
GROWTH = 10
COMPANIONS = {
    "stages": ("stage_history",),
    "all": ("stage_history", "field_history", "activities", "interventions", "reps", "quotas"),
}


@dataclass(frozen=True)
class Measure:
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run_bare_steps(folder: Path) -> None:
    """Made to run alone in a process: prints the seconds of each step."""
    import duckdb

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        settings = {
            "threads": os.environ.get("SALES_DUCKDB_THREADS", "2"),
            "memory_limit": os.environ.get("SALES_MEMORY_LIMIT", "900MB"),
            "preserve_insertion_order": "false",
        }
        with duckdb.connect(f"{scratch}/bare.duckdb", config=settings) as connection:
            for name, statement in bare_steps(folder, Path(scratch) / "published.duckdb"):
                start = time.perf_counter()
                connection.execute(statement).fetchall()
                progress(f"  {time.perf_counter() - start:6.2f} s  {name}")


# The measured processes


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(command: list[str], log: Path, environment: dict[str, str] | None = None) -> Measure:
    """Runs a process to its end. A child of a large process would start with its parent's peak: this one imports nothing large."""
    start = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | (environment or {}))
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text(errors="replace")
    if process.returncode:
        progress("\n".join(text.splitlines()[-40:]))
        raise SystemExit(f"`{' '.join(command[:5])} ...` failed with code {process.returncode}")
    return Measure(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def generate_files(folder: Path, deals: int, companions: str) -> None:
    if folder.exists():
        progress(f"{deals:,} deals: taken from {folder}")
        return
    unfinished = folder.with_suffix(".unfinished")
    tables = ",".join(("deals", *COMPANIONS[companions]))
    command = [sys.executable, "-m", "tools", "generate", "--deals", str(deals), "--format", "parquet", "--clean"]
    measured = measure([*command, "--out", str(unfinished), "--tables", tables], folder.with_suffix(".generate.log"))
    unfinished.rename(folder)
    progress(f"{deals:,} deals generated: {measured.seconds:.1f} s, {gib(measured.peak_bytes)} GiB")


def build(folder: Path, companions: str) -> Measure:
    """A whole build into a new database; parsing included, since it starts from an empty target folder."""
    files = {f"{name}_file": f"{folder}/demo_{name}.parquet" for name in ("deals", *COMPANIONS[companions])}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, "-m", "dbt.cli.main", "build", "--vars", json.dumps(files)]
        command += ["--target-path", f"{scratch}/target", "--log-path", f"{scratch}/logs"]
        return measure(
            command, folder.with_suffix(".build.log"), {"SALES_DB": f"{scratch}/sales.duckdb", "SALES_MARTS_DB": f"{scratch}/marts.duckdb"}
        )


def bare(folder: Path) -> Measure:
    log = folder.with_suffix(".bare.log")
    measured = measure([sys.executable, "-m", "tools", "benchmark", "--bare", str(folder)], log)
    progress(log.read_text().rstrip())
    return measured


# The report


def gib(size: int) -> str:
    return f"{size / 2**30:.2f}"


def report(fixed: Measure, sizes: dict[int, tuple[Measure, Measure]]) -> str:
    """A Markdown table. On a machine that does other work too, the seconds of the processors say more than those of the clock."""
    lines = [
        "| deals | dbt build s | without fixed cost s | cpu s | peak GiB | bare DuckDB s | cpu s | peak GiB | ratio | cpu ratio |",
        "| ---: " * 10 + "|",
        f"| {FIXED_COST_DEALS:,} (fixed cost) | {fixed.seconds:.1f} | 0.0 | 0.0 | {gib(fixed.peak_bytes)} | | | | | |",
    ]
    own = {deals: (built.seconds - fixed.seconds, built.cpu_seconds - fixed.cpu_seconds) for deals, (built, _) in sizes.items()}
    for deals, (built, plain) in sizes.items():
        seconds, cpu_seconds = own[deals]
        lines.append(
            f"| {deals:,} | {built.seconds:.1f} | {seconds:.1f} | {cpu_seconds:.1f} | {gib(built.peak_bytes)} "
            f"| {plain.seconds:.1f} | {plain.cpu_seconds:.1f} | {gib(plain.peak_bytes)} "
            f"| {seconds / plain.seconds:.2f} | {cpu_seconds / plain.cpu_seconds:.2f} |"
        )
    if len(sizes) > 1:
        small, large = sizes
        growth = [own[large][clock] / (own[small][clock] * large / small) for clock in (0, 1)]
        text = f"{growth[0]:.2f} by the clock, {growth[1]:.2f} by cpu."
        lines += ["", f"Growth of the build from {small:,} to {large:,} deals, against linear: {text}"]
    return "\n".join(lines)


# Command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deals", type=int, default=1_000_000, help="number of deals (1000000)")
    parser.add_argument("--growth", action="store_true", help="ten times as many deals too, and the growth between them")
    parser.add_argument("--companions", choices=tuple(COMPANIONS), default="stages", help="companion files: stage history (default) or all")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder to keep the generated files in, and to find them in again")
    parser.add_argument("--bare", type=Path, metavar="DIR", help="only the bare steps, on the generated files of this folder")


def run(arguments: argparse.Namespace) -> int:
    if arguments.bare:
        run_bare_steps(arguments.bare)
        return 0
    if not Path("dbt_project.yml").exists():
        raise SystemExit("Run the benchmark from the project's root: no dbt_project.yml here.")
    with tempfile.TemporaryDirectory() as scratch:
        home = arguments.keep or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)

        def files(deals: int) -> Path:
            folder = home / f"{deals}_{arguments.companions}"
            generate_files(folder, deals, arguments.companions)
            return folder

        progress("the fixed cost")
        fixed = min((build(files(FIXED_COST_DEALS), arguments.companions) for _ in range(2)), key=lambda each: each.seconds)
        sizes = {}
        for deals in [arguments.deals, GROWTH * arguments.deals][: 1 + arguments.growth]:
            folder = files(deals)
            progress(f"{deals:,} deals: dbt build")
            built = build(folder, arguments.companions)
            progress(f"{deals:,} deals: {built.seconds:.1f} s, {gib(built.peak_bytes)} GiB; bare DuckDB")
            sizes[deals] = built, bare(folder)
    print(report(fixed, sizes))
    return 0

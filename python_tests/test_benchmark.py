"""The benchmark: what it measures of a process, its bare steps, and the arithmetic of its report."""

import os
import re
import subprocess
import sys

import duckdb
import pytest
from conftest import PROJECT

from tools import bare_steps, benchmark, generate
from tools.benchmark import Measure


def test_peak_and_time_are_those_of_the_process(tmp_path):
    """Measured from a small process, as the command does it: a child starts with its parent's peak, and that of a test runner is large."""
    code = "import time; block = bytearray(300 * 2**20); block[::4096] = b'x' * len(block[::4096]); del block; time.sleep(0.5)"
    measuring = f"import sys; from pathlib import Path; from tools.benchmark import measure; print(measure([sys.executable, '-c', {code!r}], Path('log')))"
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", measuring], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    seconds, cpu_seconds, peak_bytes = map(float, re.findall(r"=([\d.]+)", done.stdout))
    assert 300 * 2**20 < peak_bytes < 400 * 2**20
    assert 0.5 < seconds < 10
    assert cpu_seconds < seconds + 0.5


def test_a_failed_process_stops_the_benchmark_and_shows_its_last_lines(tmp_path, capsys):
    with pytest.raises(SystemExit, match="failed with code 3"):
        benchmark.measure([sys.executable, "-c", "print('the reason'); raise SystemExit(3)"], tmp_path / "log")
    assert "the reason" in capsys.readouterr().err


def test_bare_steps_do_the_work_they_name(tmp_path):
    generate.generate(tmp_path, 4_000, 1, "parquet", clean=True, tables=("deals", "stage_history"))
    connection = duckdb.connect()
    for name, statement in bare_steps.bare_steps(tmp_path, tmp_path / "published.duckdb"):
        rows = connection.execute(statement).fetchall()
        assert not (name.startswith("no ") and rows), name

    def value(query: str):
        return connection.execute(query).fetchall()[0][0]

    closed = value("select count(*) from deals where outcome is not null")
    assert value("select sum(closed_count) from win_rates") == closed * (6 + 15 + 1 + 6)
    assert value("select sum(closed_count) from driver_cells") == closed
    visits = value("select count(*) from visits")
    assert visits == value("select count(*) from visits where stage_rank is not null") > 2 * 4_000
    assert value("select count(*) from visits where is_reentry") > 0 < value("select count(*) from visits where is_regression")
    assert value("select sum(deal_count) from close_times") == 4_000
    assert value("select sum(visit_count) from stage_durations") == visits * 7
    assert value("select sum(deal_count) from stage_conversion") == value("select count(*) from visits where not is_reentry") * 7
    assert value("select count(distinct as_of_date) from replays") == 15
    assert value("select sum(observation_count) from cells") > 4_000
    assert value("select count(*) from median_cycles where industry is not null") == 5 * 2
    open_deals = value("select count(*) from deals where outcome is null and deal_id in (select deal_id from visits where is_open)")
    assert 0.98 * (4_000 - closed) < open_deals <= 4_000 - closed
    assert value("select count(*) from open_deals") == value("select count(*) from scores") == open_deals
    assert value("select count(*) from reasons where contribution is not null") > 0.99 * open_deals * len(bare_steps.FACTORS)
    assert value("select sum(deal_count) from pipeline") == open_deals * 7
    assert value("select max(deals) from (select count(*) as deals from similar_deals group by deal_id)") == 5
    assert value("select count(*) from similar_deals inner join deals on similar_deal_id = deals.deal_id where not is_won") == 0
    assert value("select count(*) from checks") == open_deals * len(bare_steps.CHECKS) > value("select count(*) from alerts") > 0
    assert 0 < value("select count(*) from actions") <= 3 * open_deals
    with duckdb.connect(str(tmp_path / "published.duckdb"), read_only=True) as published:
        assert published.execute("select count(*) from visits").fetchall() == [(visits,)]
        assert published.execute("select count(*) from checks").fetchall() == [(open_deals * len(bare_steps.CHECKS),)]


def test_report_takes_the_fixed_cost_off_and_compares_growth_with_linear():
    sizes = {100: (Measure(16, 20, 2**30), Measure(4, 5, 2**29)), 1_000: (Measure(76, 120, 2**31), Measure(40, 50, 2**30))}
    text = benchmark.report(Measure(10, 10, 2**28), sizes)
    # 16 - 10 = 6 over 4 is 1.5, by cpu 10 over 5 is 2; 66 over 40 is 1.65, by cpu 110 over 50 is 2.2.
    assert "| 100 | 16.0 | 6.0 | 10.0 | 1.00 | 4.0 | 5.0 | 0.50 | 1.50 | 2.00 |" in text
    assert "| 1,000 | 76.0 | 66.0 | 110.0 | 2.00 | 40.0 | 50.0 | 1.00 | 1.65 | 2.20 |" in text
    # 66 over ten times 6 is 1.1; 110 over ten times 10 is 1.1.
    assert text.endswith("1.10 by the clock, 1.10 by cpu.")

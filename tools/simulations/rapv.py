"""How far forecasts of past pipelines were from what came, on generated CRMs with stages, through the dbt models themselves.

Each CRM is generated, the models are built up to `rpt_pipeline_value_backtest`, and it is read: at every past month end whose deals have closed since, what was
predicted / what was realised, by method. A CRM's month ends share deals, so errors are counted over CRMs.
- planted, no bad quarter: the demo's kind of CRM without the quarter in which everything wins less. RAPV should be at 0.97 to 1.03.
- planted: with it. No forecast made before the quarter can know it, so month ends are told apart: before it (less than 1 % of the open amount
  closes in it; also 0.97 to 1.03), those that ran into it, and those after it, whose training holds it.
"""

import os
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import duckdb
import numpy as np

from tools import crm
from tools.generate import generate
from tools.simulations.settings import PROJECT

DEALS = 3_000
MART, SCORES = "rpt_pipeline_value_backtest", ("ml_score_fits", "int_score_predictions", "int_deal_scores")
TABLES = ("deals", "stage_history", "field_history", "activities")
METHODS = ("rapv", "flat", "segment", "stage_weighted")
FIRST_DAY, LAST_DAY, _ = crm.PLANTED.bad_quarter
KINDS = {
    "planted, no bad quarter": replace(crm.PLANTED, bad_quarter=(FIRST_DAY, LAST_DAY, 0.0)),
    "planted": crm.PLANTED,
}
MOST_TOUCHED = 0.01
WHEN = ("before the quarter", "into the quarter", "after the quarter")


@dataclass(frozen=True)
class MonthEnd:
    """What a method said at a past month end, what came, whether the 80 % band held it, and the share of the open amount that closed in the quarter."""

    forecast_date: date
    method: str
    predicted: float
    realised: float
    is_within_band: bool | None
    touched_share: float

    @property
    def when(self) -> str:
        if self.forecast_date >= LAST_DAY:
            return WHEN[2]
        return WHEN[0] if self.touched_share < MOST_TOUCHED else WHEN[1]


MONTH_ENDS = f"""
    with touched as (
        select
            forecasts.forecast_date,
            sum(case when deals.closed_date between '{FIRST_DAY}' and '{LAST_DAY}' then forecasts.raw_amount else 0 end) / sum(forecasts.raw_amount)
                as touched_share
        from intermediate.int_deal_forecasts as forecasts
        inner join intermediate.int_deals as deals on forecasts.deal_id = deals.deal_id
        group by forecasts.forecast_date
    )

    select forecast_date, method, forecast_amount, cast(realised_amount as double), is_within_band, cast(touched_share as double)
    from marts.{MART}
    inner join touched using (forecast_date)
    where is_evaluable and realised_amount > 0 and method in {METHODS} and forecast_amount is not null
    order by forecast_date, method
"""


class Models:
    """The value models, compiled and built once by dbt on the first CRM. On the next ones their statements alone run again, over files of the
    same names: dbt's own time would be most of a CRM's. The scores, which take most of the rest and none of the methods here, are left out."""

    def __init__(self, folder: Path, seed: int, deals: int, effects: crm.Effects) -> None:
        from dbt.cli.main import dbtRunner

        self.folder, self.deals = folder, deals
        self.generate(seed, effects)
        os.environ["SALES_DB"] = str(folder / "sales.duckdb")
        files = {f"{name}_file": str(folder / f"demo_{name}.parquet") for name in TABLES}
        flags = ["--quiet", "--no-use-colors", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--vars", str(files)]
        flags += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs"), "--threads", "1"]
        selection = ["--select", f"+{MART}", "--exclude-resource-type", "test", "unit_test"]
        done = dbtRunner().invoke(["build", *selection, *flags])
        if not done.success:
            raise SystemExit(f"The value models couldn't be built: {done.exception or 'see above'}")
        built = [each.node for each in done.result.results if each.node.resource_type == "model"]
        needed, by_id = set(), {node.unique_id: node for node in built}
        waiting = [node.unique_id for node in built if node.name == MART]
        while waiting:
            each = waiting.pop()
            if each in by_id and each not in needed and by_id[each].name not in SCORES:
                needed.add(each)
                waiting += by_id[each].depends_on.nodes
        # One thread: they were built in the order in which they depend on each other.
        self.nodes = [node for node in built if node.unique_id in needed]
        self.scores = [node for node in built if node.name in SCORES]

    def generate(self, seed: int, effects: crm.Effects) -> None:
        generate(self.folder, self.deals, seed, "parquet", effects, clean=True, tables=TABLES)

    def build(self, connection, node) -> None:
        relation = f'"{node.schema}"."{node.alias}"'
        if node.language == "sql":
            kind = "view" if node.config.materialized == "view" else "table"
            connection.execute(f"create or replace {kind} {relation} as {node.compiled_code}")
            return
        code: dict = {"__name__": node.name}
        exec(compile(node.compiled_code, node.name, "exec"), code)
        made = code["model"](code["dbtObj"](lambda name: connection.query(f"select * from {name}")), connection)
        connection.register("made", made)
        connection.execute(f"create or replace table {relation} as select * from made")

    def month_ends(self) -> list[MonthEnd]:
        """As they stand in the database."""
        with duckdb.connect(os.environ["SALES_DB"]) as connection:
            return [MonthEnd(*row) for row in connection.execute(MONTH_ENDS).fetchall()]

    def rebuild(self, seed: int, effects: crm.Effects) -> list[MonthEnd]:
        self.generate(seed, effects)
        with duckdb.connect(os.environ["SALES_DB"]) as connection:
            for node in self.scores:
                connection.execute(f'delete from "{node.schema}"."{node.alias}"')
            for node in self.nodes:
                self.build(connection, node)
        return self.month_ends()


def build_all(seeds: Iterable[int], deals: int) -> dict[str, list[list[MonthEnd]]]:
    """By kind, the month ends of each CRM, all built by one process."""
    seeds, found = list(seeds), {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        models = Models(Path(folder), seeds[0], deals, crm.PLANTED)
        for seed in seeds:
            for kind, effects in KINDS.items():
                found[kind].append(models.rebuild(seed, effects))
            print(f"seed {seed}: done", file=sys.stderr, flush=True)
    return found


def mean_and_error(values: list[float], digits: int = 3) -> str:
    """Mean over CRMs and its standard error."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):.{digits}f} ({error:.{digits}f})"


def ratio_of_sums(month_ends: list[MonthEnd]) -> float:
    return sum(each.predicted for each in month_ends) / sum(each.realised for each in month_ends)


def row(kind: str, when: str, method: str, crms: list[list[MonthEnd]]) -> str:
    """A line of the table, of the month ends of one method in each CRM."""
    crms = [month_ends for month_ends in crms if month_ends]
    if not crms:
        return f"| {kind} | {when} | {method} | 0 |" + " |" * 4
    errors = [[each.predicted / each.realised - 1 for each in month_ends] for month_ends in crms]
    held = [np.mean([each.is_within_band for each in month_ends]) for month_ends in crms] if method == "rapv" else []
    figures = [
        f"{np.mean([len(month_ends) for month_ends in crms]):.1f}",
        mean_and_error([1 + np.mean(each) for each in errors]),
        mean_and_error([ratio_of_sums(month_ends) for month_ends in crms]),
        f"{np.mean([np.abs(each).mean() for each in errors]):.3f}",
        f"{np.mean(held):.1%}" if held else "",
    ]
    return f"| {kind} | {when} | {method} | {' | '.join(figures)} |"


def table(found: dict[str, list[list[MonthEnd]]], deals: int) -> str:
    count = len(next(iter(found.values())))
    lines = [
        f"| {count} CRMs of {deals:,} deals each | month ends | method | how many a CRM | mean predicted / realised (standard error) "
        "| sum predicted / sum realised (standard error) | mean absolute error | within the 80 % band |",
        "| --- |" + " --- |" * 7,
    ]
    for kind, crms in found.items():
        for method in METHODS:
            lines.append(row(kind, "all", method, [[each for each in month_ends if each.method == method] for month_ends in crms]))
        for when in WHEN:
            chosen = [[each for each in month_ends if each.method == "rapv" and each.when == when] for month_ends in crms]
            lines.append(row(kind, when, "rapv", chosen))
    return "\n".join(lines)


def run(crms: int, seed: int, processes: int, deals: int = DEALS) -> str:
    """A Markdown table: `crms` of each kind, seeds from `seed` on. Each process builds its share of the CRMs, one after the other."""
    shares = [range(seed, seed + crms)[start::processes] for start in range(min(processes, crms))]
    job = partial(build_all, deals=deals)
    if len(shares) > 1:
        with ProcessPoolExecutor(len(shares)) as pool:
            parts = list(pool.map(job, shares))
    else:
        parts = [job(share) for share in shares]
    return table({kind: [month_ends for part in parts for month_ends in part[kind]] for kind in KINDS}, deals)

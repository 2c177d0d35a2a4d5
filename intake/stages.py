"""The check of `stages_file`: what makes its rows no stages of pipelines, said before the first node.

A stage is known by its pipeline and its name, in capitals or not. A row without a pipeline is of every pipeline that doesn't have the name itself; a
row with alias_of is another name of a stage. The model int_parsed__stages reads the file in the same way.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import duckdb

from intake.landing import nearest

MOST_ROWS = 1000
MOST_STAGES = 50
# A set of open stages is a number of 128 bits with a sign.
MOST_OPEN_STAGES = 120
READ = f"""
    select
        coalesce(lower(nullif(trim(cast(pipeline as varchar)), '')), '') as pipeline,
        nullif(trim(cast(stage as varchar)), '') as name,
        lower(nullif(trim(cast(alias_of as varchar)), '')) as alias,
        case when try_cast(trim(cast(stage_order as varchar)) as double) % 1 = 0 then try_cast(trim(cast(stage_order as varchar)) as integer) end as stage_order,
        try_cast(trim(cast(is_closed as varchar)) as boolean) as is_closed,
        nullif(trim(cast(is_won as varchar)), '') as raw_is_won,
        try_cast(trim(cast(is_won as varchar)) as boolean) as is_won,
        nullif(trim(cast(is_late as varchar)), '') as raw_is_late,
        try_cast(trim(cast(is_late as varchar)) as boolean) as is_late,
        nullif(trim(cast(default_probability as varchar)), '') as raw_probability,
        try_cast(replace(trim(cast(default_probability as varchar)), '%', '') as double) as probability
    from landing.stages
    limit {MOST_ROWS + 1}
"""


@dataclasses.dataclass(frozen=True)
class Stage:
    """A row of the file. `pipeline` and `alias` are in lower case; `order`, the booleans and `probability` are null where they can't be read."""

    pipeline: str
    name: str | None
    alias: str | None
    order: int | None
    is_closed: bool | None
    raw_is_won: str | None
    is_won: bool | None
    raw_is_late: str | None
    is_late: bool | None
    raw_probability: str | None
    probability: float | None

    @property
    def text(self) -> str:
        return (self.name or "").lower()

    @property
    def key(self) -> tuple[str, str]:
        return self.pipeline, self.text


def problems_of_stages(connection: duckdb.DuckDBPyConnection, path: str, stage_map: Mapping[str, str]) -> list[str]:
    """Sentences about the landed stages file, and about spellings that `stage_map` maps to no stage of it."""
    rows = [Stage(*row) for row in connection.execute(READ).fetchall()]
    if len(rows) > MOST_ROWS:
        return [f"stages_file '{path}' can't be used: it has more than {MOST_ROWS} rows, so it is no list of stages; give one row per stage"]
    found = [f"stages_file '{path}' can't be used: {fault} (stage '{name}'); correct the file" for fault, name in faults(rows)]
    return found or problems_of_map(rows, path, stage_map)


def faults(rows: Sequence[Stage]) -> Iterator[tuple[str, str]]:
    """Each fault, with the first stage by name that has it."""
    stages = [row for row in rows if row.alias is None]
    same_key = Counter(row.key for row in rows)
    per_pipeline = Counter(row.pipeline for row in stages)
    open_count = open_stages(rows)
    orders, names = grouped(stages, "order"), grouped(rows, "text")
    highest = max((row.probability for row in stages if row.probability is not None), default=0)
    checks = {
        "a stage is blank": (rows, lambda row: row.name is None),
        f"it has more than {MOST_STAGES} stages": (stages, lambda row: per_pipeline[row.pipeline] > MOST_STAGES),
        f"its pipelines have more than {MOST_OPEN_STAGES} open stages together": (stages, lambda row: open_count > MOST_OPEN_STAGES),
        "a stage stands in it twice": (rows, lambda row: same_key[row.key] > 1),
        "a stage_order is no whole number": (stages, lambda row: row.order is None),
        "a stage_order stands in it twice": (stages, lambda row: row.order is not None and any(clash(row, other) for other in orders[row.order])),
        "an is_closed is neither true nor false": (stages, lambda row: row.is_closed is None),
        "an is_won is neither true, false nor blank": (stages, lambda row: row.raw_is_won is not None and row.is_won is None),
        "an is_late is neither true, false nor blank": (stages, lambda row: row.raw_is_late is not None and row.is_late is None),
        "a default_probability is no number from 0 to 1, nor the column one of percentages from 0 to 100": (
            stages,
            lambda row: row.raw_probability is not None and not is_probability(row.probability, highest),
        ),
        "an alias_of names no stage of its pipeline": (rows, lambda row: row.alias is not None and not successors(row, names)),
        "its aliases lead in a circle": (rows, lambda row: is_in_circle(row, names)),
    }
    for fault, (checked, is_fault) in checks.items():
        found = sorted(row.name or "(blank)" for row in checked if is_fault(row))
        if found:
            yield fault, found[0]


def grouped(rows: Sequence[Stage], attribute: str) -> dict[object, list[Stage]]:
    found: dict[object, list[Stage]] = {}
    for row in rows:
        found.setdefault(getattr(row, attribute), []).append(row)
    return found


def clash(row: Stage, other: Stage) -> bool:
    """Have two stages of one order a pipeline in common? A closed one of no pipeline stands in no order with those of others."""
    if row.pipeline == other.pipeline:
        return row is not other
    shared = row if not row.pipeline else other
    return not shared.pipeline and not shared.is_closed and row.text != other.text


def open_stages(rows: Sequence[Stage]) -> int:
    """Stages that deals can be in, those of no pipeline once for each."""
    pipelines = len({row.pipeline for row in rows} | {""})
    return sum(pipelines if not row.pipeline else 1 for row in rows if row.alias is None and row.is_closed is False)


def is_probability(value: float | None, highest: float) -> bool:
    """A column that goes beyond 1 is of percentages, and has no value between 0 and 1 then."""
    if value is None:
        return False
    return 0 <= value <= 1 if highest <= 1 else value == 0 or 1 <= value <= 100


def successors(row: Stage, names: Mapping[object, Sequence[Stage]]) -> list[Stage]:
    """Rows that an alias may mean: of its pipeline, or of none; without a pipeline, of any."""
    return [other for other in names.get(row.alias, []) if not row.pipeline or other.pipeline in ("", row.pipeline)]


def is_in_circle(row: Stage, names: Mapping[object, Sequence[Stage]]) -> bool:
    """Do aliases lead from the row back to it?"""
    reached, new = set(), [row]
    while new:
        new = [other for each in new for other in successors(each, names) if each.alias is not None and other.key not in reached]
        reached |= {other.key for other in new}
    return row.key in reached


def problems_of_map(rows: Sequence[Stage], path: str, stage_map: Mapping[str, str]) -> list[str]:
    names = {row.text: row.name for row in rows if row.name}
    found = []
    for spelling, stage in stage_map.items():
        if str(stage).strip().lower() in names:
            continue
        near = nearest(str(stage), list(names.values()))
        found.append(
            f"value_maps maps the deal_stage '{spelling}' to '{stage}', which is no stage of stages_file '{path}': "
            + (f"did you mean '{near}'?" if near else "name one of its stages")
        )
    return found

"""The check of `stages_file`: what makes its rows no stages of pipelines, said before the first node.

A stage is known by its pipeline and its name, in capitals or not. A row without a pipeline is of every pipeline that doesn't have the name itself; a
row with alias_of is another name of a stage. The model int_parsed__stages reads the file in the same way.
"""

import dataclasses
import math
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import duckdb

from intake.landing import nearest

MOST_ROWS = 1000
MOST_STAGES = 50
# A set of open stages is a number of 128 bits with a sign.
MOST_OPEN_STAGES = 120
COLUMNS = ("pipeline", "stage", "alias_of", "stage_order", "is_closed", "is_won", "is_late", "default_probability")
# As the macro to_boolean has them.
TRUE = ("true", "t", "yes", "y", "1", "1.0", "x", "on", "wahr", "ja", "vrai", "oui", "verdadero", "si", "sí")
FALSE = ("false", "f", "no", "n", "0", "0.0", "off", "falsch", "nein", "faux", "non", "falso")


@dataclasses.dataclass(frozen=True)
class Stage:
    """A row of the file as text, nothing where it is blank. `pipeline` and `alias` are in lower case, `pipeline` is empty for none."""

    pipeline: str
    name: str | None
    alias: str | None
    order: str | None
    is_closed: str | None
    is_won: str | None
    is_late: str | None
    probability: str | None

    @classmethod
    def of(cls, row: Sequence[object]) -> "Stage":
        pipeline, name, alias, *others = map(text_of, row)
        return cls((pipeline or "").lower(), name, alias and alias.lower(), *others)

    @property
    def text(self) -> str:
        return (self.name or "").lower()

    @property
    def place(self) -> int | None:
        """Its order as a whole number of 32 bits, nothing where it is none."""
        found = number_of(self.order)
        return int(found) if found is not None and found % 1 == 0 and abs(found) < 2**31 and "%" not in self.order else None

    @property
    def key(self) -> tuple[str, str]:
        return self.pipeline, self.text


def text_of(value: object) -> str | None:
    """As the macro to_text: without white space and invisible characters around it, in Unicode NFC; blank is nothing."""
    text = "" if value is None else unicodedata.normalize("NFC", str(value))
    while text and unicodedata.category(text[0])[0] in "ZC":
        text = text[1:]
    while text and unicodedata.category(text[-1])[0] in "ZC":
        text = text[:-1]
    return text or None


def is_boolean(text: str | None) -> bool:
    return text is not None and text.lower() in (*TRUE, *FALSE)


def is_true(text: str | None) -> bool:
    return text is not None and text.lower() in TRUE


def number_of(text: str | None, decimal_mark: str = ".") -> float | None:
    """A plain number, a % sign left out; nothing where it can't be read."""
    try:
        found = float((text or "").rstrip(" %").replace(decimal_mark, "."))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def problems_of_stages(
    connection: duckdb.DuckDBPyConnection, path: str, stage_map: Mapping[str, str], percent: str | None = None, decimal_mark: str = "."
) -> list[str]:
    """Sentences about the landed stages file, and about spellings that `stage_map` maps to no stage of it; `percent` is the declared scale, if any."""
    landed = connection.execute(f"select {', '.join(COLUMNS)} from landing.stages limit {MOST_ROWS + 1}").fetchall()
    if len(landed) > MOST_ROWS:
        return [
            f"stages_file '{path}' can't be used: it has more than {MOST_ROWS} rows, so it is no list of stages; give one row per stage"
        ]
    rows = [Stage.of(row) for row in landed]
    found = [
        f"stages_file '{path}' can't be used: {fault} (stage '{name}'); correct the file"
        for fault, name in faults(rows, percent, decimal_mark)
    ]
    return found or problems_of_map(rows, path, stage_map)


def faults(rows: Sequence[Stage], percent: str | None, decimal_mark: str) -> Iterator[tuple[str, str]]:
    """Each fault, with the first stage by name that has it."""
    stages = [row for row in rows if row.alias is None]
    same_key = Counter(row.key for row in rows)
    per_pipeline = Counter(row.pipeline for row in stages)
    open_count = open_stages(rows)
    orders, names = grouped(stages, "place"), grouped(rows, "text")
    highest = 100.0 if percent == "percent" else max((number_of(row.probability, decimal_mark) or 0 for row in stages), default=0)
    checks = {
        "a stage is blank": (rows, lambda row: row.name is None),
        f"it has more than {MOST_STAGES} stages": (stages, lambda row: per_pipeline[row.pipeline] > MOST_STAGES),
        f"its pipelines have more than {MOST_OPEN_STAGES} open stages together": (stages, lambda row: open_count > MOST_OPEN_STAGES),
        "a stage stands in it twice": (rows, lambda row: same_key[row.key] > 1),
        "a stage_order is no whole number": (stages, lambda row: row.place is None),
        "a stage_order stands in it twice": (
            stages,
            lambda row: row.place is not None and any(clash(row, other) for other in orders[row.place]),
        ),
        "an is_closed is neither true nor false": (stages, lambda row: not is_boolean(row.is_closed)),
        "an is_won is neither true, false nor blank": (stages, lambda row: row.is_won is not None and not is_boolean(row.is_won)),
        "an is_late is neither true, false nor blank": (stages, lambda row: row.is_late is not None and not is_boolean(row.is_late)),
        "a default_probability is no number from 0 to 1, nor the column one of percentages from 0 to 100": (
            stages,
            lambda row: row.probability is not None and not is_probability(row.probability, decimal_mark, percent, highest),
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
    return not shared.pipeline and not is_true(shared.is_closed) and row.text != other.text


def open_stages(rows: Sequence[Stage]) -> int:
    """Stages that deals can be in, those of no pipeline once for each."""
    pipelines = len({row.pipeline for row in rows} | {""})
    return sum(pipelines if not row.pipeline else 1 for row in rows if row.alias is None and not is_true(row.is_closed))


def is_probability(text: str, decimal_mark: str, percent: str | None, highest: float) -> bool:
    """With a % sign up to 100. Without, a column that goes beyond 1 is of percentages; unless declared so it has no value between 0 and 1 then."""
    value = number_of(text, decimal_mark)
    if value is None:
        return False
    if text.endswith("%") or percent == "percent":
        return 0 <= value <= 100
    return 0 <= value <= 1 if highest <= 1 or percent == "fraction" else value == 0 or 1 <= value <= 100


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

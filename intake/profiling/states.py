"""What tells whether a deal is won, lost or open: the file's outcome, or its stages, and in which words."""

import dataclasses
from collections.abc import Mapping

from intake.profiling.columns import Column, Table, expression, folded
from intake.profiling.values import TRUE, seed_stages, stage_state, state_words

PLAIN = {"won", "lost", "open", "closed won", "closed lost", "closedwon", "closedlost"}
# Usual stages in their usual order, by words that their names hold.
STEPS = (
    ("new", "lead", "inbound", "prospect", "neu", "incoming", "untouched"),
    ("mql", "contact", "appointment", "connect", "kontakt"),
    ("qualif", "sql", "discover", "bedarf", "engag", "interest"),
    ("needs", "analys", "scope", "requirement", "perception", "id. decision"),
    ("demo", "present", "meeting", "präsent"),
    ("evaluat", "trial", "poc", "pilot", "value prop", "test", "solution"),
    ("proposal", "quote", "angebot", "offer", "propuesta", "devis", "price"),
    ("negotiat", "verhandlung", "review", "legal", "procure", "négoc", "negoci"),
    ("commit", "verbal", "decision", "contract", "vertrag", "sign", "invoice"),
)
LATE = 7
# Columns of true and false that say of each deal whether it is closed, or won.
CLOSED_FLAGS = {"isclosed", "closed", "hsisclosed", "isdealclosed", "dealclosed", "isclosednumeric"}
WON_FLAGS = {"iswon", "won", "isclosedwon", "hsisclosedwon", "closedwon", "isdealwon"}
MOST_FLAGGED = 0.98


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage as the file names it, with rows in it, how deals in it stand, and where it comes in the pipeline."""

    pipeline: str | None
    name: str
    count: int
    state: str
    order: float
    probability: float | None
    is_known: bool


@dataclasses.dataclass(frozen=True)
class States:
    """How a deal's state is read.

    `outcome`: the column that says it, none where the stages do. `value_map`: what its words mean. `stages`: the file's stages where they are
    none of the project's own, else none. `counts`: deals won, lost, open and of unknown state.
    `left_out`: rows without an id or a date of creation. `evidence`, `doubts`: sentences.
    """

    outcome: Column | None
    value_map: dict[str, str | None]
    stages: list[Stage]
    counts: Mapping[str, int]
    left_out: int
    evidence: list[str]
    doubts: list[str]


def states_of(table: Table, mapping: Mapping[str, Column]) -> States:
    outcome, stage = mapping.get("outcome"), mapping.get("deal_stage")
    evidence: list[str] = []
    doubts: list[str] = []
    stages = stages_of(table, mapping) if stage else []
    if any(flag(table, names) for names in (CLOSED_FLAGS, WON_FLAGS)) and stages:
        evidence.append("columns of true and false say which stages are closed and won")
    value_map: dict[str, str | None] = {}
    ends = {each.state for each in stages} - {"Open"}
    if outcome and is_flag(outcome):
        blank_count = table.landed.row_count - outcome.filled
        if stages and ends == {"Won", "Lost"} and not blank_count:
            evidence.append(f"'{outcome.name}' is true or false for every deal, open ones too, so the stages tell: {named_ends(stages)}")
            outcome = None
        else:
            for value in outcome.values:
                value_map[value] = "Won" if state_words(value) == "true" else ("Lost" if blank_count or not stages else None)
            evidence.append(f"'{outcome.name}' is true for won deals" + (", blank for open ones" if blank_count else ""))
            if not blank_count and not stages:
                doubts.append(
                    f"'{outcome.name}' is false for open deals too, if it is like most CRMs': deals without a close date may be open"
                )
    elif outcome:
        for value in outcome.values:
            state = state_words(value) or stage_state(value)
            if state in ("Won", "Lost", "Open") and value.casefold() not in PLAIN:
                value_map[value] = state
            elif state is None:
                doubts.append(
                    f"'{outcome.name}' has '{value}' in {dict(outcome.top)[value]} rows: is that Won, Lost or Open? Say it in value_maps"
                )
        evidence.append(f"'{outcome.name}' says the state: " + ", ".join(f"{value} ({count})" for value, count in outcome.top))
    elif stages:
        evidence.append(f"no column says won or lost, so the stages tell: {named_ends(stages)}")
    if not outcome and stages and ends != {"Won", "Lost"}:
        missing = " and ".join(sorted({"Won", "Lost"} - ends))
        doubts.append(f"no stage is known to mean {missing}: set is_closed and is_won in the stages file")
    if stages and all(each.is_known for each in stages):
        stages_to_write: list[Stage] = []
    else:
        stages_to_write = stages
    counted = counts(table, mapping, outcome, value_map, stages)
    return States(outcome, value_map, stages_to_write, counted, table.landed.row_count - sum(counted.values()), evidence, doubts)


def is_flag(column: Column) -> bool:
    return all(state_words(value) in ("true", "false") for value in column.values)


def named_ends(stages: list[Stage]) -> str:
    return ", ".join(f"{each.name} ({each.count}) is {each.state.lower()}" for each in stages if each.state != "Open") or "none is closed"


def stages_of(table: Table, mapping: Mapping[str, Column]) -> list[Stage]:
    stage, pipeline, probability = mapping["deal_stage"], mapping.get("pipeline"), mapping.get("stage_probability")
    known = seed_stages()
    of_pipeline = expression(pipeline) if pipeline and 1 < pipeline.distinct <= 20 else "null"
    closed, won = flag(table, CLOSED_FLAGS), flag(table, WON_FLAGS)
    number = f"try_cast(replace(replace({expression(probability)}, '%', ''), ',', '.') as double)" if probability else "null"
    rows = table.connection.execute(
        f"""
        select nullif({of_pipeline}, ''), {expression(stage)} as stage, count(*), median({number}), {share(closed)}, {share(won)}
        from {table.name} where {expression(stage)} <> '' group by 1, 2 order by 1, 2
        """
    ).fetchall()
    scale = 100 if probability and probability.numbers and probability.numbers.greatest > 1 else 1
    return sorted(
        (
            Stage(
                of,
                name,
                count,
                flagged(is_closed, is_won) or stage_state(name) or "Open",
                chance / scale if chance is not None else step(name),
                None if chance is None else min(max(chance / scale, 0), 1),
                name.casefold() in known,
            )  # fmt: skip
            for of, name, count, chance, is_closed, is_won in rows
        ),
        key=lambda each: (each.pipeline or "", ("Open", "Won", "Lost").index(each.state), each.order, each.name),
    )


def flag(table: Table, names: set[str]) -> Column | None:
    return next((column for column in table.columns if folded(column.name) in names and column.filled and is_flag(column)), None)


def share(column: Column | None) -> str:
    """SQL of the share of rows in which a column of true and false is true; null without one."""
    if column is None:
        return "null"
    true = ", ".join(f"'{word}'" for word in TRUE)
    return f"avg(case when lower({expression(column)}) in ({true}) then 1.0 else 0 end)"


def flagged(closed_share: float | None, won_share: float | None) -> str | None:
    """The state of a stage by the file's own columns of closed and won deals, none where they don't agree on it."""
    if won_share is not None and won_share > MOST_FLAGGED:
        return "Won"
    if closed_share is None or won_share is None:
        return None
    if closed_share > MOST_FLAGGED and won_share < 1 - MOST_FLAGGED:
        return "Lost"
    return "Open" if closed_share < 1 - MOST_FLAGGED else None


def step(name: str) -> int:
    """Where in the usual order of such names a stage stands, for a CRM that gives no probability."""
    text = name.casefold()
    return max((number for number, words in enumerate(STEPS) if any(word in text for word in words)), default=3)


def is_late(stage: Stage) -> bool:
    return stage.state == "Open" and step(stage.name) >= LATE


def counts(
    table: Table, mapping: Mapping[str, Column], outcome: Column | None, value_map: Mapping[str, str | None], stages: list[Stage]
) -> dict[str, int]:
    """Rows won, lost, open and unknown, as the build will read them."""
    stage = mapping.get("deal_stage")
    closed = mapping.get("closed_date")
    columns = [expression(column) if column else "null" for column in (outcome, stage)]
    is_dated = f"coalesce({expression(closed)}, '') <> ''" if closed else "false"
    needed = (
        " and ".join(f"coalesce({expression(mapping[name])}, '') <> ''" for name in ("deal_id", "created_date") if name in mapping)
        or "true"
    )
    rows = table.connection.execute(
        f"select {columns[0]}, {columns[1]}, {is_dated}, count(*) from {table.name} where {needed} group by 1, 2, 3"
    ).fetchall()
    of_stage = {each.name.casefold(): each.state for each in stages}
    meant = {key.casefold(): value for key, value in value_map.items()}
    found = {"Won": 0, "Lost": 0, "Open": 0, "unknown": 0}
    for said, where, is_dated, count in rows:
        state = None
        if said:
            state = (
                meant[said.casefold()]
                if said.casefold() in meant
                else {"closedwon": "Won", "closedlost": "Lost"}.get(folded(said), state_words(said))
            )
        if state not in found and where:
            state = of_stage.get(where.casefold())
        if state not in found:
            state = "unknown" if said or is_dated else "Open"
        found[state] += count
    return found

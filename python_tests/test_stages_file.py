"""The stages file before the first node: what is wrong with pipelines, aliases and mapped spellings, and what may stand there."""

import re

import duckdb
import pytest
from conftest import PROJECT

from intake.stages import FALSE, TRUE, problems_of_stages

HEADER = ("stage", "stage_order", "is_closed", "is_won", "is_late", "default_probability", "pipeline", "alias_of")


def problems(*rows: tuple, stage_map: dict | None = None, **declared: str) -> list[str]:
    """Of rows that may end early: what is missing is blank."""
    with duckdb.connect() as connection:
        connection.execute("create schema landing")
        connection.execute(f"create table landing.stages ({', '.join(f'{name} varchar' for name in HEADER)})")
        connection.executemany(
            f"insert into landing.stages values ({', '.join('?' * len(HEADER))})",
            [(*row, *[None] * (len(HEADER) - len(row))) for row in rows],
        )
        return problems_of_stages(connection, "stages.csv", stage_map or {}, **declared)


def stage(name: str, order: object, pipeline: str | None = None, closed: str = "false") -> tuple:
    return name, str(order), closed, None, None, None, pipeline


def alias(name: str, alias_of: str, pipeline: str | None = None) -> tuple:
    return name, None, None, None, None, None, pipeline, alias_of


GOOD = {
    "one stage": [stage("Deal", 1)],
    "a name in two pipelines": [stage("Proposal", 1, "New"), stage("proposal", 1, "Renewal")],
    "a pipeline's own row beside one of all": [stage("Proposal", 3), stage("Proposal", 3, "Renewal"), stage("Notice", 1, "Renewal")],
    "closed stages of all pipelines": [stage("Demo", 1, "New"), stage("Notice", 1, "Renewal"), stage("Won", 1, closed="true")],
    "aliases of aliases": [stage("Notice", 1, "Renewal"), alias("Note", "notify", "renewal"), alias("Notify", "NOTICE", "Renewal")],
    "an alias in all pipelines": [stage("Demo", 1, "New"), stage("Demo", 1, "Renewal"), alias("Trial", "Demo")],
    "other words, signs and white space": [("Demo\u200b", "1", "nein", "", "x", "25 %"), ("\ufeffTerms", "2", "Non", "", "", "50%")],
    "yes, no, 1 and percentages": [
        ("Demo", "1", "no", "", "0", "25 %"),
        ("Won", "2.0", " YES ", "1", "TRUE", "100"),
        ("Lost", "3", "y", "n", "f", "0"),
    ],
    "quotes, commas, umlauts, emoji": [stage("\"Größe\", 1/2 'x' 🚀", 1)],
    "fifty stages in each of two pipelines": [stage(f"S{place:02}", place, name) for name in ("A", "B") for place in range(50)],
}


@pytest.mark.parametrize("case", GOOD)
def test_usable_stages_are_not_refused(case):
    assert problems(*GOOD[case]) == []


BAD = {
    "a stage twice, by case": ([stage("Demo", 1, "New"), stage("DEMO ", 2, "new")], "a stage stands in it twice (stage 'DEMO')"),
    "a stage and an alias": ([stage("Demo", 1), stage("Trial", 2), alias("demo", "Trial")], "a stage stands in it twice (stage 'Demo')"),
    "an order twice in a pipeline": (
        [stage("Demo", 1, "New"), stage("Terms", 1, "New")],
        "a stage_order stands in it twice (stage 'Demo')",
    ),
    "an order twice with all pipelines": ([stage("Demo", 1), stage("Terms", 1, "New")], "a stage_order stands in it twice (stage 'Demo')"),
    "half an order": ([stage("Demo", 1.5)], "a stage_order is no whole number (stage 'Demo')"),
    "an alias of nothing": (
        [stage("Demo", 1, "New"), alias("Trial", "Dmeo", "New")],
        "an alias_of names no stage of its pipeline (stage 'Trial')",
    ),
    "an alias of another pipeline": (
        [stage("Demo", 1, "New"), alias("Trial", "Demo", "Old")],
        "an alias_of names no stage of its pipeline (stage 'Trial')",
    ),
    "an alias of itself": ([stage("Demo", 1), alias("Trial", "trial")], "its aliases lead in a circle (stage 'Trial')"),
    "aliases of each other": (
        [stage("Demo", 1), alias("A", "B"), alias("B", "C"), alias("C", "A")],
        "its aliases lead in a circle (stage 'A')",
    ),
    "unsure if late": ([("Demo", "1", "false", "", "late")], "an is_late is neither true, false nor blank (stage 'Demo')"),
    "fractions and percentages": (
        [("Demo", "1", "no", "", "", "0.25"), ("Terms", "2", "no", "", "", "50")],
        "nor the column one of percentages from 0 to 100 (stage 'Demo')",
    ),
    "more than 100 %": ([("Demo", "1", "no", "", "", "101")], "nor the column one of percentages from 0 to 100 (stage 'Demo')"),
    "51 stages": ([stage(f"S{place:02}", place) for place in range(51)], "it has more than 50 stages (stage 'S00')"),
    "121 open stages": (
        [stage(f"S{place:03}", place, f"P{place // 40}") for place in range(121)],
        "its pipelines have more than 120 open stages together (stage 'S000')",
    ),
    "rows of something else": (
        [stage(f"D{place:04}", place) for place in range(1001)],
        "it has more than 1000 rows, so it is no list of stages",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_unusable_stages_are_refused_in_a_sentence(case):
    rows, sentence = BAD[case]
    [found] = problems(*rows)
    assert found.startswith("stages_file 'stages.csv' can't be used: ") and sentence in found


def test_percentages_and_decimal_marks_are_read_as_declared():
    few = [("Demo", "1", "no", "", "", "0,5"), ("Terms", "2", "no", "", "", "50")]
    assert problems(*few, percent="percent", decimal_mark=",") == []
    assert "nor the column one of percentages from 0 to 100 (stage 'Terms')" in problems(*few, percent="fraction", decimal_mark=",")[0]
    assert len(problems(*few)) == len(problems(*few, decimal_mark=",")) == 1


def test_the_words_of_booleans_are_those_of_the_macro():
    macro = (PROJECT / "macros" / "parse.sql").read_text().split("macro to_boolean")[1].split("endmacro")[0]
    found = [re.findall(r"'([^']+)'", line.split(" in (")[1]) for line in macro.splitlines() if " in (" in line]
    assert found == [list(TRUE), list(FALSE)]


def test_all_faults_are_said_at_once():
    assert len(problems(stage("Demo", "first", closed="perhaps"), alias("Trial", "Nothing"))) == 3


def test_a_spelling_is_mapped_to_a_stage_or_the_nearest_is_named():
    assert problems(stage("Proposal", 1), stage_map={"Angebot": " proposal"}) == []
    assert problems(stage("Proposal", 1), stage_map={"Angebot": "Proposl"}) == [
        "value_maps maps the deal_stage 'Angebot' to 'Proposl', which is no stage of stages_file 'stages.csv': did you mean 'Proposal'?"
    ]

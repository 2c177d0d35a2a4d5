"""Stages of several pipelines, from files to visits and conversion: names that pipelines share, aliases, pipelines that nobody declared, odd shapes."""

import csv
import pathlib

import pytest
from conftest import Build, run_dbt

STAGES = "pipeline stage stage_order is_closed is_won is_late default_probability alias_of".split()
DEALS = "deal_id pipeline created_date closed_date deal_stage outcome".split()
HISTORY = "deal_id stage entered_at".split()
CLOSED = [["", "Won", 98, "yes", "yes", "", "100", ""], ["", "Lost", 99, "yes", "no", "", "0", ""]]


def build(folder: pathlib.Path, stages: list, deals: list, history: list, **variables) -> Build:
    """The visits and the conversion of small files; a row of history is a deal, its stages and the days of January on which it entered them."""
    rows = [[deal, stage, f"2024-01-{day:02d} 09:00:00"] for deal, *visits in history for stage, day in visits]
    for name, header, lines in (("stages", STAGES, stages), ("deals", DEALS, deals), ("history", HISTORY, rows)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *lines])
    files = {"deals_file": folder / "deals.csv", "stage_history_file": folder / "history.csv", "stages_file": folder / "stages.csv"}
    return run_dbt(
        folder / "pipelines.duckdb",
        {**files, "as_of_date": "2024-03-31", **variables},
        select="+fct_deal_stage_visits +rpt_stage_conversion +dim_stages int_unknown_stages",
        with_tests=False,
    ).check()


def visits(made: Build, columns: str = "stage, exit_kind, skipped_stage_count") -> dict[str, list[tuple]]:
    found: dict[str, list[tuple]] = {}
    for deal, *visit in made.query(f"select deal_id, {columns} from marts.fct_deal_stage_visits order by deal_id, visit_number"):
        found.setdefault(deal, []).append(tuple(visit))
    return found


def deal(name: str, pipeline: str = "", outcome: str = "", stage: str = "") -> list:
    return [name, pipeline, "2024-01-01", "2024-02-01" if outcome else "", outcome or stage, outcome]


DEMO, CHECKED = 'Demo, "big" 🚀', "Größe geprüft"


@pytest.fixture(scope="module")
def declared(tmp_path_factory) -> Build:
    stages = [
        ["New", DEMO, 1, "no", "", "0", "25 %", ""],
        ["New", "Proposal", 2, "no", "", "1", "50", ""],
        ["Renewal", "Notice", 1, "no", "", "", "80", ""],
        ["Renewal", "Proposal", 2, "no", "", "", "90", ""],
        ["renewal", "Note", "", "", "", "", "", "notice"],
        ["", CHECKED, 3, "FALSE", "", "", "95", ""],
        *CLOSED,
    ]
    deals = [
        deal("N1", "New", "Won"),
        deal("N2", " new", "Lost"),
        deal("R1", "Renewal", "Won"),
        deal("R2", "Renewal", "Lost"),
        deal("R3", "RENEWAL", stage=CHECKED),
        deal("M1", "Renewal", stage="NOTE"),
        deal("X1", "Partners", "Won"),
    ]
    history = [
        ["N1", (DEMO.upper(), 1), ("proposal", 5), (CHECKED.upper().replace("SS", "ß"), 9)],
        ["N2", ("Angebot", 3)],
        ["R1", ("Note", 2), ("PROPOSAL", 8), (f" {CHECKED} ", 9)],
        ["R2", ("Notice", 1), ("Nottice", 2)],
        ["R3", (CHECKED, 1)],
        ["M1", (DEMO, 1), ("Notice", 10)],
        ["X1", ("Proposal", 1), ("Notice", 2)],
    ]
    maps = {"deal_stage": {"Angebot": "Proposal"}}
    return build(tmp_path_factory.mktemp("declared"), stages, deals, history, value_maps=maps)


def test_visits_are_of_the_deals_pipeline(declared):
    """N1's Größe geprüft is New's, R1's is Renewal's. R3 jumped over Notice and Proposal, N2 over Demo. M1 came from New."""
    assert visits(declared) == {
        "N1": [(DEMO, "advanced", 0), ("Proposal (New)", "advanced", 0), (f"{CHECKED} (New)", "won", 0)],
        "N2": [("Proposal (New)", "lost", 0)],
        "R1": [("Notice", "advanced", 0), ("Proposal (Renewal)", "advanced", 0), (f"{CHECKED} (Renewal)", "won", 0)],
        "R2": [("Notice", "lost", 0)],
        "R3": [(f"{CHECKED} (Renewal)", "open", 2)],
        "M1": [(DEMO, "moved", 0), ("Notice", "open", 0)],
        "X1": [("Notice", "won", 0)],
    }


def test_deals_are_in_the_stage_of_their_pipeline(declared):
    stages = dict(declared.query("select deal_id, deal_stage from intermediate.int_deals"))
    assert stages == {"N1": "Won", "N2": "Lost", "R1": "Won", "R2": "Lost", "R3": f"{CHECKED} (Renewal)", "M1": "Notice", "X1": "Won"}


def test_stages_and_their_conversion_are_of_one_pipeline(declared):
    assert declared.query(
        "select stage, pipeline, stage_name, is_won, default_probability from marts.dim_stages order by stage_order, pipeline nulls first"
    )[:4] == [
        (DEMO, "New", DEMO, None, 0.25),
        ("Notice", "Renewal", "Notice", None, 0.8),
        ("Proposal (New)", "New", "Proposal", None, 0.5),
        ("Proposal (Renewal)", "Renewal", "Proposal", None, 0.9),
    ]
    counts = "reached_deal_count, advanced_deal_count, lost_here_deal_count, open_here_deal_count, loss_share_rate"
    conversion = declared.query(
        f"select stage, pipeline, {counts} from marts.rpt_stage_conversion where segment_dimension = 'all' order by pipeline, stage_order"
    )
    assert conversion == [
        (DEMO, "New", 2, 1, 0, 1, 0.0),
        ("Proposal (New)", "New", 2, 1, 1, 0, 1.0),
        (f"{CHECKED} (New)", "New", 1, 1, 0, 0, 0.0),
        ("Notice", "Renewal", 4, 2, 1, 1, 1.0),
        ("Proposal (Renewal)", "Renewal", 1, 1, 0, 0, 0.0),
        (f"{CHECKED} (Renewal)", "Renewal", 2, 1, 0, 1, 0.0),
    ]


def test_stages_of_no_row_are_found(declared):
    found = declared.query("select input, check_name, row_count, message from intermediate.int_unknown_stages order by check_name")
    assert [row[:3] for row in found] == [("stage_history", "unknown_stage: Nottice", 1), ("stage_history", "unknown_stage: Proposal", 1)]
    assert "(near: Notice)" in found[0][3] and "stage of several pipelines" in found[1][3]


def test_a_pipeline_that_nobody_declared_starts_where_its_deals_start(tmp_path):
    """R-Notice and R-Quote stand behind Demo and Terms, but no deal was in both. T, which starts in Terms, did jump over Demo, and Q over R-Notice."""
    names = ["Demo", "Terms", "Never", "R-Notice", "R-Quote"]
    stages = [["", name, place, "false", "", "", "", ""] for place, name in enumerate(names)]
    deals = [deal(name, outcome="Won") for name in ("D", "T", "R")] + [deal("Q", stage="R-Quote")]
    history = [["D", ("Demo", 1), ("Terms", 2)], ["T", ("Terms", 1)], ["R", ("R-Notice", 1), ("R-Quote", 2)], ["Q", ("R-Quote", 1)]]
    made = build(tmp_path, [*stages, *CLOSED], deals, history)
    assert visits(made) == {
        "D": [("Demo", "advanced", 0), ("Terms", "won", 0)],
        "T": [("Terms", "won", 1)],
        "R": [("R-Notice", "advanced", 0), ("R-Quote", "won", 0)],
        "Q": [("R-Quote", "open", 1)],
    }
    assert made.query("select count(*), count(pipeline) from marts.dim_stages") == [(7, 0)]


def test_two_pipelines_of_49_stages(tmp_path):
    """Sets of more stages than a double has digits: A goes from the first stage to the last, B visits all, C the last alone."""
    stages = [[name, f"{name}{place:02}", place, "0", "", "", "", ""] for name in ("A", "B") for place in range(49)]
    deals = [
        deal("A", "A", "Won"),
        deal("B", "A", "Won"),
        deal("C", "A", stage="A48"),
        deal("D", "B", stage="B48"),
        deal("E", "B", stage="B48"),
    ]
    everything = [(f"A{place:02}", 1 + place // 2) for place in range(49)]
    last = [(f"B{place:02}", 1 + place // 2) for place in range(49)]
    history = [["A", ("A00", 1), ("A48", 2)], ["B", *everything], ["C", ("A48", 1)], ["D", *last], ["E", ("B47", 1), ("B48", 2)]]
    made = build(tmp_path, [*stages, *CLOSED], deals, history)
    found = visits(made, "stage, skipped_stage_count")
    assert found["A"] == [("A00", 0), ("A48", 47)] and found["C"] == [("A48", 48)]
    assert sum(skipped for _, skipped in found["B"]) == 0 and len(found["B"]) == 49
    assert found["E"] == [("B47", 47), ("B48", 0)]


def test_one_stage_and_histories_that_start_closed_or_reopen(tmp_path):
    stages = [["", "In 'work'", 1, "0", "", "", "", ""], *CLOSED]
    deals = [deal("A", outcome="Won"), deal("B", stage="In 'work'"), deal("C", outcome="Lost")]
    history = [["A", ("Lost", 1), ("In 'work'", 3)], ["B", ("In 'work'", 1), ("Lost", 5), ("IN 'WORK'", 9)], ["C", ("Lost", 1)]]
    made = build(tmp_path, stages, deals, history)
    assert visits(made, "stage, exit_kind, spell_number, days_in_stage") == {
        "A": [("In 'work'", "won", 1, 31)],
        "B": [("In 'work'", "lost", 1, 4), ("In 'work'", "open", 2, 82)],
    }

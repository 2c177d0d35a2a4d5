"""Bad input is either quarantined with its reason or stops the build with one clear sentence, and nothing is lost."""

import shutil

import pytest
from conftest import DEAL_COLUMNS, Build, run_dbt, write_deals

GOOD = [
    "D1,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won",
    "D2,2024-01-02,2024-02-01,rep_1,SaaS,Europe,Core,Inbound,Closed,6000,30,Lost",
    "D3,2024-01-03,,rep_2,SaaS,Europe,Core,Inbound,Demo,7000,,",
]

BAD = {
    ",2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": "deal_id_missing",
    "B02,,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": "created_date_missing",
    "B03,2024-13-45,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": "created_date_unreadable",
    "B04,31/12/2023,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": "created_date_unreadable",
    "B05,2024-01-01,soon,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": "closed_date_unreadable",
    "B06,2024-01-31,2024-01-01,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": "closed_before_created",
    "B07,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,-5,30,Won": "deal_amount_not_positive",
    "B08,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,0,30,Won": "deal_amount_not_positive",
    "B09,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,99999999999,30,Won": "deal_amount_too_large",
    "B10,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,,30,Won": "deal_amount_missing",
    "B11,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5k,30,Won": "deal_amount_unreadable",
    "B12,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Maybe": "outcome_unknown",
    "B13,2024-01-01,,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,,Won": "closed_date_missing",
    "B14,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Demo,5000,,Open": "outcome_missing",
    "B15,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Signed,5000,30,Won": "deal_stage_unknown",
    "B16,2099-01-01,,rep_1,SaaS,Europe,Core,Inbound,Demo,5000,,": "created_date_implausible",
    "B17,2024-01-01,2099-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": "closed_date_implausible",
    "B18,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": "deal_id_conflicting",
    "B18,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5001,30,Won": "deal_id_conflicting",
    "B19,2024-01-01,2024-01-31,rep_1,Saa,S,Europe,Core,Inbound,Closed,5000,30,Won": "line_unreadable",
    "B20,2024-01-01": "line_unreadable",
}


def identity(build) -> dict[str, float]:
    rows = build.query("select check_name, check_value from marts.rpt_data_quality where input = 'deals'")
    return {name: value for name, value in rows if name.startswith("row")}


def test_every_bad_row_is_quarantined_with_its_reason_and_nothing_is_lost(tmp_path):
    repeated = [GOOD[0], GOOD[0]]
    deals = write_deals(tmp_path / "deals.csv", *GOOD, *repeated, *BAD)
    build = run_dbt(tmp_path / "bad.duckdb", {"deals_file": deals}).check()

    expected = sorted(BAD.values())
    found = build.query("select reason_codes from marts.fct_quarantined_rows")
    assert sorted(code for (code,) in found) == expected
    assert build.query("select deal_id from marts.fct_deals order by 1") == [("D1",), ("D2",), ("D3",)]
    assert identity(build) == {
        "rows_in": len(GOOD) + 2 + len(BAD),
        "rows_accepted": 3,
        "rows_quarantined": len(BAD),
        "rows_duplicate": 2,
        "rows_not_yet_known": 0,
        "row_identity_difference": 0,
    }
    [(reason, raw)] = build.query("select reason, raw_values from marts.fct_quarantined_rows where deal_id = 'B15'")
    assert reason == "deal_stage_unknown: Signed"
    assert '"deal_amount":"5000"' in raw


STOPS = {
    "no such file": (None, "names no file"),
    "empty file": (b"", "is empty"),
    "header only": (DEAL_COLUMNS.encode() + b"\n", "has a header and no row"),
    "missing column": (b"deal_id,created_date\nD1,2024-01-01\n", "has no column 'closed_date'"),
    "misnamed column": ("\n".join([DEAL_COLUMNS.replace("deal_amount", "value"), GOOD[0]]).encode(), "has no column 'deal_amount'"),
    "other delimiter": ("\n".join([DEAL_COLUMNS, GOOD[0]]).replace(",", ";").encode(), "its columns are separated by semicolons, so set delimiter to ';'"),
    "wrong encoding": ("\n".join([DEAL_COLUMNS, GOOD[0].replace("SaaS", "Santé")]).encode("latin-1"), "is not text in the encoding utf-8"),
    "mixed currencies": (
        "\n".join([DEAL_COLUMNS + ",currency_code", GOOD[0] + ",EUR", GOOD[1] + ",USD"]).encode(), "mixes currencies",
    ),
}


@pytest.fixture(scope="module")
def good_build(tmp_path_factory) -> Build:
    folder = tmp_path_factory.mktemp("good")
    good = write_deals(folder / "good.csv", *GOOD)
    return run_dbt(folder / "good.duckdb", {"deals_file": good}, select="+fct_deals", with_tests=False).check()


@pytest.mark.parametrize("case", STOPS)
def test_unusable_file_stops_the_build_and_leaves_the_last_marts(case, good_build, tmp_path):
    content, sentence = STOPS[case]
    database = shutil.copy(good_build.database, tmp_path / "kept.duckdb")
    bad = tmp_path / "bad.csv"
    if content is not None:
        bad.write_bytes(content)

    stopped = run_dbt(database, {"deals_file": bad})

    assert stopped.exit_code != 0
    [line] = {line.strip() for line in stopped.output.splitlines() if "Input check: " in line}
    assert sentence in line and line.endswith(".")
    assert "deals_file" in line
    assert stopped.query("select count(*) from marts.fct_deals") == [(3,)]


BAD_VARIABLES = {
    "companion without deals": ({"stage_history_file": "history.csv"}, "stage_history_file is set without deals_file"),
    "mapping of no column": ({"deals_file": "DEALS", "column_mapping": {"amont": "Amount"}}, "maps 'amont'"),
    "misspelt var": ({"deal_file": "DEALS"}, "there is no var deal_file: did you mean deals_file?"),
    "value out of range": ({"fdr_level": 5}, "fdr_level is 5, but must be a number between 0 and 1"),
    "unknown dimension": ({"segment_dimensions": ["industy"]}, 'segment_dimensions[0] is "industy", but must be one of industry'),
    "mapping to no column": ({"deals_file": "DEALS", "column_mapping": {"deal_amount": "Amount"}}, "has no column 'Amount'"),
    "as-of date that is none": ({"deals_file": "DEALS", "as_of_date": "2024-02-31"}, 'as_of_date is "2024-02-31", but must be a date, written as YYYY-MM-DD'),
    "training date that is none": ({"deals_file": "DEALS", "train_as_of_date": "last week"}, 'train_as_of_date is "last week", but must be a date'),
    "training after the as-of date": (
        {"deals_file": "DEALS", "as_of_date": "2024-02-01", "train_as_of_date": "2024-02-02"},
        "train_as_of_date 2024-02-02 is after as_of_date 2024-02-01",
    ),
}


@pytest.mark.parametrize("case", BAD_VARIABLES)
def test_bad_variables_stop_the_build(case, tmp_path):
    variables, sentence = BAD_VARIABLES[case]
    deals = write_deals(tmp_path / "deals.csv", *GOOD)
    variables = {key: deals if value == "DEALS" else value for key, value in variables.items()}
    stopped = run_dbt(tmp_path / "stopped.duckdb", variables)
    assert stopped.exit_code != 0
    assert any("Input check: " in line and sentence in line for line in stopped.output.splitlines())


STAGES_HEADER = "stage,stage_order,is_closed\n"
BAD_STAGES = {
    "repeated stage": ("Demo,1,false\nDemo,2,false\n", "a stage stands in it twice (stage 'Demo')"),
    "order that is no number": ("Demo,first,false\n", "a stage_order is no whole number (stage 'Demo')"),
    "neither open nor closed": ("Demo,1,perhaps\n", "an is_closed is neither true nor false (stage 'Demo')"),
    "too many": ("".join(f"S{number:02},{number},false\n" for number in range(51)), "it has more than 50 stages"),
}


@pytest.mark.parametrize("case", BAD_STAGES)
def test_unusable_stages_stop_the_build(case, tmp_path):
    rows, sentence = BAD_STAGES[case]
    deals, stages = write_deals(tmp_path / "deals.csv", *GOOD), tmp_path / "stages.csv"
    stages.write_text(STAGES_HEADER + rows)

    stopped = run_dbt(tmp_path / "none.duckdb", {"deals_file": deals, "stages_file": stages})

    assert stopped.exit_code != 0
    assert sentence in stopped.output


EXTREMES = {
    "one row": GOOD[:1],
    "all open": [f"D{n},2024-01-{n:02d},,rep_1,SaaS,Europe,Core,Inbound,Demo,{1000 * n},," for n in range(1, 29)],
    "all won": [f"D{n},2024-01-{n:02d},2024-03-{n:02d},rep_1,SaaS,Europe,Core,Inbound,Closed,{1000 * n},60,Won" for n in range(1, 29)],
}


@pytest.mark.parametrize("case", EXTREMES)
def test_extreme_but_valid_input_builds_without_a_nan(case, tmp_path):
    deals = write_deals(tmp_path / "deals.csv", *EXTREMES[case])
    build = run_dbt(tmp_path / "extreme.duckdb", {"deals_file": deals}).check()
    assert identity(build)["rows_accepted"] == len(EXTREMES[case])
    doubles = build.query(
        "select table_name, column_name from information_schema.columns where table_schema = 'marts' and data_type = 'DOUBLE'"
    )
    assert len(doubles) > 50
    for table, column in doubles:
        assert build.query(f"select count(*) from marts.{table} where isnan({column}) or isinf({column})") == [(0,)], (table, column)
    verdicts = build.query("select distinct verdict from marts.rpt_segment_win_rates")
    assert ("signal",) not in verdicts

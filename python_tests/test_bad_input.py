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
    "B05,1900-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": "created_date_implausible",
    "B06,2024-01-31,2024-01-01,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": "closed_before_created",
    "B12,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Maybe": "outcome_unknown",
    "B18,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": "deal_id_conflicting",
    "B18,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5001,30,Won": "deal_id_conflicting",
    "B19,2024-01-01,2024-01-31,rep_1,Saa,S,Europe,Core,Inbound,Closed,5000,30,Won": "line_unreadable",
    "B20,2024-01-01": "line_unreadable",
}

# Accepted all the same: outcome, close date and why the amount doesn't count. What they lack takes them out of the figures that need it.
LACKING = {
    "L05,2024-01-01,soon,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": ("Won", None, None),
    "L07,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,-5,30,Won": ("Won", "2024-01-31", "negative"),
    "L08,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,0,30,Won": ("Won", "2024-01-31", "zero"),
    "L09,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,99999999999,30,Won": ("Won", "2024-01-31", "too_large"),
    "L10,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,,30,Lost": ("Lost", "2024-01-31", "missing"),
    "L11,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5k,30,Lost": ("Lost", "2024-01-31", "unreadable"),
    "L13,2024-01-01,,rep_1,SaaS,Europe,Core,Inbound,Closed,,,Lost": ("Lost", None, "missing"),
    "L14,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Demo,5000,30,Open": ("Open", None, None),
    "L15,2024-01-01,2024-01-31,rep_1,SaaS,Europe,Core,Inbound,Signed,5000,30,Won": ("Won", "2024-01-31", None),
    "L17,2024-01-01,2099-01-31,rep_1,SaaS,Europe,Core,Inbound,Closed,5000,30,Won": ("Open", None, None),
}
LATER = ["N16,2099-01-01,,rep_1,SaaS,Europe,Core,Inbound,Demo,5000,,"]


def identity(build) -> dict[str, float]:
    rows = build.query("select check_name, check_value from marts.rpt_data_quality where input = 'deals'")
    return {name: value for name, value in rows if name.startswith("row")}


def test_every_bad_row_is_quarantined_with_its_reason_and_nothing_is_lost(tmp_path):
    repeated = [GOOD[0], GOOD[0]]
    deals = write_deals(tmp_path / "deals.csv", *GOOD, *repeated, *BAD, *LACKING, *LATER)
    build = run_dbt(tmp_path / "bad.duckdb", {"deals_file": deals}).check()

    expected = sorted(BAD.values())
    found = build.query("select reason_codes from marts.fct_quarantined_rows")
    assert sorted(code for (code,) in found) == expected
    assert identity(build) == {
        "rows_in": len(GOOD) + 2 + len(BAD) + len(LACKING) + len(LATER),
        "rows_accepted": 3 + len(LACKING),
        "rows_quarantined": len(BAD),
        "rows_duplicate": 2,
        "rows_filtered": 0,
        "rows_not_yet_known": 1,
        "row_identity_difference": 0,
    }
    [(reason, raw)] = build.query("select reason, raw_values from marts.fct_quarantined_rows where deal_id = 'B12'")
    assert reason == "outcome_unknown: Maybe"
    assert '"deal_amount":"5000"' in raw

    lacking = build.query(
        "select deal_id, outcome, cast(closed_date as varchar), amount_problem from marts.fct_deals where deal_id like 'L%' order by 1"
    )
    assert lacking == [(row.split(",")[0], *facts) for row, facts in LACKING.items()]
    # 10 of 12: D1, D2 and those of LACKING that closed; 4 amounts: D1, D2 of 5,000 and 6,000, L05 and L15 of 5,000 each.
    [figures] = build.query(
        "select closed_deal_count, won_deal_count, no_close_date_deal_count, no_amount_deal_count, closed_amount, mean_deal_amount, mean_cycle_days "
        "from marts.rpt_segment_win_rates where segment_dimension = 'all' and period = 'all'"
    )
    assert [float(figure) for figure in figures] == [10, 6, 2, 6, 21_000, 5_250, 30]
    checks = dict(build.query("select check_name, check_value from marts.rpt_data_quality where input = 'deals' and is_finding"))
    for name, count in {
        "amounts_missing": 2, "amounts_unreadable": 1, "amounts_zero": 1, "amounts_negative": 1, "amounts_too_large": 1,
        "closed_deals_without_close_date": 2, "close_dates_unreadable": 1, "open_deals_with_close_date": 1,
        "dates_beyond_gap": 1, "close_dates_beyond_gap": 1, "unknown_stage: Signed": 1,
    }.items():  # fmt: skip
        assert checks[name] == count, name


STOPS = {
    "no such file": (None, "names no file"),
    "empty file": (b"", "is empty"),
    "header only": (DEAL_COLUMNS.encode() + b"\n", "has a header and no row"),
    "missing column": (b"deal_id,created_date\nD1,2024-01-01\n", "outcome"),
    "misnamed column": ("\n".join([DEAL_COLUMNS.replace("created_date", "created"), GOOD[0]]).encode(), "has no column 'created_date'"),
    "other delimiter": (
        "\n".join([DEAL_COLUMNS, GOOD[0]]).replace(",", ";").encode(),
        "its columns are separated by semicolons, so set delimiter to ';'",
    ),
    "wrong encoding": ("\n".join([DEAL_COLUMNS, GOOD[0].replace("SaaS", "Santé")]).encode("latin-1"), "is not text in the encoding utf-8"),
    "mixed currencies": (
        "\n".join([DEAL_COLUMNS + ",currency_code", GOOD[0] + ",EUR", GOOD[1] + ",USD"]).encode(),
        "mixes currencies",
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
    "unknown dimension": (
        {"segment_dimensions": ["industy"]},
        "segment_dimensions has industy, which is no dimension: did you mean industry?",
    ),
    "mapping to no column": ({"deals_file": "DEALS", "column_mapping": {"deal_amount": "Amount"}}, "has no column 'Amount'"),
    "as-of date that is none": (
        {"deals_file": "DEALS", "as_of_date": "2024-02-31"},
        'as_of_date is "2024-02-31", but must be a date, written as YYYY-MM-DD',
    ),
    "training date that is none": (
        {"deals_file": "DEALS", "train_as_of_date": "last week"},
        'train_as_of_date is "last week", but must be a date',
    ),
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
    "no amounts": [
        f"D{n},2024-01-{n:02d},2024-03-{n:02d},rep_1,SaaS,Europe,Core,Inbound,Closed,,60,{'Won' if n % 3 else 'Lost'}" for n in range(1, 29)
    ],
    "no close dates": [
        f"D{n},2024-01-{n:02d},,rep_1,SaaS,Europe,Core,Inbound,Closed,{1000 * n},,{'Won' if n % 3 else 'Lost'}" for n in range(1, 29)
    ],
    "neither": [
        f"D{n},2024-01-{n:02d},,rep_1,SaaS,Europe,Core,Inbound,{['Closed', 'Closed', 'Demo'][n % 3]},,,{['Won', 'Lost', ''][n % 3]}"
        for n in range(1, 29)
    ],
    "all won": [f"D{n},2024-01-{n:02d},2024-03-{n:02d},rep_1,SaaS,Europe,Core,Inbound,Closed,{1000 * n},60,Won" for n in range(1, 29)],
}


@pytest.mark.parametrize("case", ["neither", *(pytest.param(case, marks=pytest.mark.campaign) for case in EXTREMES if case != "neither")])
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

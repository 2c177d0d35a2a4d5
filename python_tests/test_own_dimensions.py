"""Own dimensions through whole builds: planted effects are found everywhere a built-in segment goes, what is known only at the close foresees
nothing, a column without effect gives no finding, and odd names and values break nothing."""

import csv
import datetime
import pathlib

import duckdb
import numpy as np
import pandas
import pytest
from conftest import Build, run_dbt
from test_dashboard import PAGES, metric, run_page

from dashboard.deal_filter import SOURCE, DealFilter
from intake.dimensions import BUILT_IN, TAKEN

FIRST, AS_OF = datetime.date(2024, 1, 1), datetime.date(2025, 11, 21)
TIERS = [f"T{number:02d}" for number in range(40)]
BASE = ["deal_id", "created_date", "closed_date", "outcome", "deal_amount", "industry", "region", "sales_rep_id"]
TIER, LABEL = "Kunden-Stufe 🏷 \"A\", 'b'", "customer's tier"
PLANTED = [
    {"dimension": "tier", "column": TIER, "label": LABEL},
    {"dimension": "employees", "column": "Employees", "label": "number of employees", "kind": "number", "known": "changes"},
    {"dimension": "headcount", "column": "Employees", "kind": "number"},
    {"dimension": "loss_code", "column": "Loss Code", "label": "loss code", "known": "close"},
]
LONG = "a long value, with \"quotes\" and 'others' " * 8
ODD = [
    {"dimension": "tier", "column": TIER, "label": "'; drop table x; --"},
    {"dimension": "constant", "column": "Always"},
    {"dimension": "empty", "column": "Never"},
    {"dimension": "serial", "column": "Serial №"},
    {"dimension": "odd_text", "column": "Größe, {{ x }}", "label": '"Größe" {{ x }} 🚀', "known": "changes"},
    {"dimension": "odd_number", "column": "Odd %", "kind": "number"},
    {"dimension": "one_number", "column": "Seven", "kind": "number"},
    {"dimension": "code", "column": "Code", "known": "close"},
]


def write(path: pathlib.Path, header: list[str], rows: list[list]) -> pathlib.Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def deals(count: int, tier_effect: float, employee_slope: float, seed: int):
    """BASE, tier, employees and the code of each deal; T07 has a fifth of the deals and wins `tier_effect` more, and a standard deviation of the
    logarithm of employees `employee_slope`."""
    rng = np.random.default_rng(seed)
    shares = np.full(len(TIERS), 0.8 / (len(TIERS) - 1))
    shares[7] = 0.2
    for number in range(count):
        created = FIRST + datetime.timedelta(int(rng.integers(640)))
        tier, size = TIERS[rng.choice(len(TIERS), p=shares)], rng.normal()
        closed = created + datetime.timedelta(int(rng.integers(10, 90)))
        is_won = rng.random() < 0.4 + tier_effect * (tier == "T07") + employee_slope * size
        is_open = closed > AS_OF
        base = [f"D{number:04d}", created, "" if is_open else closed, "Open" if is_open else "Won" if is_won else "Lost"]
        base += [
            f"{np.exp(rng.normal(9, 1)):.2f}",
            rng.choice(["SaaS", "Retail", "Health"]),
            rng.choice(["North", "South"]),
            f"R{rng.integers(6)}",
        ]
        yield (
            rng,
            base,
            tier,
            int(np.exp(5 + 1.2 * size)) + 1,
            "" if is_open else "ok" if is_won else str(rng.choice(["price, again", 'said "no"'])),
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("own_dimensions")


@pytest.fixture(scope="module")
def planted(folder) -> Build:
    rows = [[*base, tier, employees, code] for _, base, tier, employees, code in deals(2500, 0.15, 0.1, seed=5)]
    file = write(folder / "planted.csv", [*BASE, TIER, "Employees", "Loss Code"], rows)
    return run_dbt(folder / "planted.duckdb", {"deals_file": file, "own_dimensions": PLANTED, "as_of_date": str(AS_OF)}).check()


@pytest.fixture(scope="module")
def odd(folder, planted) -> Build:
    """Nothing planted, in a copy of the planted build's database: kept tables have other columns."""
    rows = []
    for rng, base, tier, _, code in deals(1200, 0, 0, seed=11):
        text = rng.choice([LONG, "it's", "a,b;c", "  Ünï ", "NULL", "🚀", "' or 1 = 1 --"])
        number = rng.choice(["NaN", "inf", "n/a", "", "-5", "-0.5", "0", "0", "0", "1000000"])
        pipeline, kind = rng.choice(["", "New", "Renewal"]), rng.choice(["", "New business"])
        rows.append([*base, tier, "same", "", base[0], text, number, 7, code, pipeline, kind])
    header = [*BASE, TIER, "Always", "Never", "Serial №", "Größe, {{ x }}", "Odd %", "Seven", "Code", "pipeline", "deal_type"]
    with_pipeline = ["industry", "region", "deal_type", "pipeline"]
    variables = {
        "deals_file": write(folder / "odd.csv", header, rows),
        "own_dimensions": ODD,
        "as_of_date": str(AS_OF),
        "segment_dimensions": [*with_pipeline, "lead_source", "sales_rep_id", "forecast_category"],
        "driver_factors": with_pipeline,
        "rapv_segment_dimensions": with_pipeline,
        "rapv_offset_dimensions": ["pipeline", "region"],
        "similar_deal_dimensions": with_pipeline,
    }
    (folder / "odd.duckdb").write_bytes(planted.database.read_bytes())
    return run_dbt(folder / "odd.duckdb", variables).check()


def verdicts(build: Build, dimension: str) -> dict[str, str]:
    return dict(
        build.query(
            f"select segment_value, verdict from marts.rpt_segment_win_rates where segment_dimension = '{dimension}' and period = 'all'"
        )
    )


def test_a_planted_effect_is_a_finding_of_segments_drivers_and_alerts(planted):
    found = verdicts(planted, "tier")
    assert len(found) == 40 and found["T07"] == "signal" and set(found.values()) == {"signal", "no_signal"}
    assert sum(verdict == "signal" for verdict in found.values()) == 1
    sentence = planted.query(
        "select finding from marts.rpt_segment_win_rates where segment_dimension = 'tier' and segment_value = 'T07' and period = 'all'"
    )
    assert sentence[0][0].startswith(f"{LABEL} T07: ") and "more wins" in sentence[0][0]
    bands = [band for (band,) in planted.query("select band from marts.dim_bands where band_type = 'employees' order by band_order")]
    assert len(bands) == 4 and verdicts(planted, "employees")[bands[0]] == "signal"
    drivers = planted.query(
        "select factor, level, finding from marts.rpt_win_rate_drivers where verdict = 'signal' and not is_known_only_after_close"
    )
    assert {("tier", "T07"), ("headcount", bands[0])} <= {(factor, level) for factor, level, _ in drivers}
    assert any(finding.startswith(f"{LABEL} T07: ") for _, _, finding in drivers)
    assert {factor for factor, _, _ in drivers} <= {"tier", "headcount"}, "employees may change while a deal is open"
    assert planted.query("select count(*) from marts.fct_alerts where subject_name = 'number of employees " + bands[0] + "'") == [(1,)]


def test_own_dimensions_go_where_segments_go(planted):
    early = {"tier", "employees", "headcount"}

    def dimensions(mart: str) -> set[str]:
        return {name for (name,) in planted.query(f"select distinct segment_dimension from {mart}")}

    for mart in (
        "marts.rpt_win_rate_change",
        "marts.rpt_pipeline_value",
        "marts.rpt_cycle_outcome_gap",
        "intermediate.int_segment_offsets",
    ):
        assert dimensions(mart) & (early | {"loss_code"}) == early, mart
    pairs = {name for name in dimensions("marts.rpt_segment_win_rates") if " x " in name}
    assert {"industry x tier", "deal_size_band x employees"} <= pairs
    assert len(pairs) == 15 + 6 * len(early), "own dimensions meet the listed ones, and not each other"
    assert {factor for (factor,) in planted.query("select factor from marts.rpt_score_drift")} >= early
    assert planted.query("select count(*) from marts.fct_similar_won_deals where finding like '%of 8)%'")[0][0] > 0


def test_scores_and_forecasts_know_the_planted_effects(planted):
    terms = planted.frame("select factor, level, contribution from intermediate.ml_score_fits where fit = 'final' and method = 'model'")
    tier = terms[terms.factor == "tier"].set_index("level").contribution
    assert tier.idxmax() == "T07" or tier["T07"] > 0.2
    first, *_, last = [
        band for (band,) in planted.query("select band from marts.dim_bands where band_type = 'employees' order by band_order")
    ]
    size = terms[terms.factor == "employees"].set_index("level").contribution
    assert size[first] < 0 < size[last]
    offsets = planted.frame(
        """
        select segment_dimension, segment_value, log_odds_offset from intermediate.int_segment_offsets
        where band_type = 'deal_age_band' and forecast_date = (select max(forecast_date) from intermediate.int_segment_offsets)
        """
    ).set_index(["segment_dimension", "segment_value"])
    assert offsets.loc["tier", "T07"].item() > 0.2 and offsets.loc["employees", first].item() < -0.2
    # By hand: the offset of a deal is the sum of those of its segments.
    names = ["industry", "product_type", "lead_source", "region", "deal_size_band", "tier", "employees", "headcount"]
    open_deals = planted.frame(f"select deal_id, {', '.join(names)} from intermediate.int_deals where is_open order by deal_id")
    shown = planted.frame("select deal_id, log_odds_offset, rapv_probability_lower from marts.fct_deal_values order by deal_id")
    expected = sum(
        offsets.log_odds_offset.reindex(pandas.MultiIndex.from_product([[name], open_deals[name]])).fillna(0).to_numpy() for name in names
    )
    assert len(shown) > 20 and shown.log_odds_offset.to_numpy() == pytest.approx(expected)
    assert shown.rapv_probability_lower.notna().all()


def test_what_is_known_at_the_close_foresees_nothing(planted):
    rows = planted.query(
        "select distinct is_known_only_after_close, period from marts.rpt_segment_win_rates where segment_dimension = 'loss_code'"
    )
    assert rows == [(True, "all")] and verdicts(planted, "loss_code")["ok"] == "signal"
    for column, relation in (
        ("factor", "marts.rpt_win_rate_drivers"),
        ("factor", "marts.fct_deal_score_reasons"),
        ("factor", "marts.rpt_score_drift"),
        ("factor", "intermediate.ml_score_fits"),
        ("factor", "intermediate.int_score_factors"),
        ("segment_dimension", "intermediate.int_segment_offsets"),
        ("segment_dimension", "marts.rpt_stage_conversion"),
        ("subject_id", "marts.fct_alert_checks"),
    ):
        assert planted.query(f"select count(*) from {relation} where {column} like 'loss_code%'") == [(0,)], relation
    for relation in ("int_deal_observations", "int_score_observations", "int_kept_deal_scores", "int_replayed_deals", "int_rep_cells"):
        columns = {name for (name,) in planted.query(f"select column_name from duckdb_columns() where table_name = '{relation}'")}
        assert "loss_code" not in columns and "tier" in columns, relation


def test_own_dimensions_are_published_with_their_labels(planted):
    rows = planted.query(
        "select dimension, label, kind, known, column_name from marts.dim_dimensions where not is_built_in order by dimension"
    )
    assert rows == [
        ("employees", "number of employees", "number", "changes", "Employees"),
        ("headcount", "headcount", "number", "creation", "Employees"),
        ("loss_code", "loss code", "text", "close", "Loss Code"),
        ("tier", LABEL, "text", "creation", TIER),
    ]
    counts = dict(planted.query("select dimension, count(*) from marts.fct_deal_dimensions group by 1"))
    [(all_deals, closed)] = planted.query("select count(*), count(*) filter (where not is_open) from marts.fct_deals")
    assert counts == {"tier": all_deals, "employees": all_deals, "headcount": all_deals, "loss_code": closed}
    edges = planted.query("select upper_bound from marts.dim_bands where band_type = 'deal_size_band' order by band_order")
    with duckdb.connect(str(planted.database), read_only=True) as connection:
        [(quartiles,)] = connection.execute(
            "select quantile_disc(deal_amount, [0.25, 0.5, 0.75]) from marts.fct_deals where not is_open"
        ).fetchall()
    assert [float(f"{float(edge):.2g}") for edge in quartiles] == [edge for (edge,) in edges[:3]]


def test_the_deal_table_filters_by_them(planted):
    where, parameters = DealFilter(own={"tier": ["T07"], "employees": []}).where()
    with duckdb.connect(str(planted.published), read_only=True) as connection:
        [(shown,)] = connection.execute(f"select count(*) {SOURCE} {where}", parameters).fetchall()
    assert [(shown,)] == planted.query("select count(*) from intermediate.int_deals where is_open and tier = 'T07'") and shown > 0


def test_the_pages_offer_them_under_their_labels(planted, monkeypatch):
    shown = "Customer's tier"
    app = run_page("deals", planted.published, monkeypatch)
    assert app.multiselect("deals-own-tier").label.replace("\\", "") == shown and "T07" in app.multiselect("deals-own-tier").options
    app.multiselect("deals-own-tier").set_value(["T07"])
    app.run()
    assert metric(app, "Open deals") == str(
        planted.query("select count(*) from intermediate.int_deals where is_open and tier = 'T07'")[0][0]
    )
    for page, key in (
        ("drivers", "segment-dimension"),
        ("drivers", "driver-factor"),
        ("change", "change-dimension"),
        ("overview", "value-dimension"),
    ):
        app = run_page(page, planted.published, monkeypatch)
        assert shown in app.selectbox(key).options, key
        app.selectbox(key).set_value("tier")
        app.run()
        assert not app.exception, key


@pytest.mark.parametrize("page", PAGES.values())
def test_every_page_stands_odd_names_and_values(page, odd, monkeypatch):
    assert not run_page(page, odd.published, monkeypatch).exception


def test_names_that_would_be_mistaken_are_taken(planted):
    """Each column that stands beside an own dimension in a relation is refused as a name of one."""
    beside = planted.query(
        "select distinct column_name from duckdb_columns() where table_name in (select table_name from duckdb_columns() where column_name = 'tier')"
    )
    contract = {name for (name,) in planted.query("select column_name from duckdb_columns() where table_name = 'int_input__deals'")}
    names = {name for (name,) in beside if not name.startswith(("is_", "raw_", "stated_", "filter_"))}
    assert names - contract - {*TAKEN, *BUILT_IN} == set()


def test_a_column_without_effect_gives_no_finding_whatever_its_names_and_values(odd):
    own = ", ".join(f"'{each['dimension']}'" for each in ODD if each.get("known") != "close")
    assert odd.query(f"select finding from marts.rpt_segment_win_rates where verdict = 'signal' and segment_dimension in ({own})") == []
    assert odd.query(f"select finding from marts.rpt_win_rate_drivers where verdict = 'signal' and factor in ({own})") == []
    assert set(verdicts(odd, "serial").values()) == {"insufficient_n"}
    assert verdicts(odd, "constant") == {"same": "not_computable"} and verdicts(odd, "empty") == {"Unknown": "not_computable"}
    assert set(verdicts(odd, "one_number")) == {"up to 7"}
    assert set(verdicts(odd, "odd_text")) == {" ".join(LONG.split(" ")).strip(), "it's", "a,b;c", "Ünï", "Unknown", "🚀", "' or 1 = 1 --"}
    assert "Unknown" in verdicts(odd, "odd_number") and all("nan" not in band and "inf" not in band for band in verdicts(odd, "odd_number"))
    fitted = dict(odd.query("select factor, verdict from marts.rpt_win_rate_drivers where level = 'North' or level = '(rare)'"))
    assert fitted["region"] == "no_signal", "columns of many values leave the other factors their fit"
    [(pooled,)] = odd.query(
        "select distinct pooled_levels from marts.rpt_win_rate_drivers where factor = 'serial' and level = '(rare)' and not is_known_only_after_close"
    )
    assert 50 < len(pooled.split(", ")) <= 101 and "all but the most frequent" in pooled
    assert odd.query(
        "select count(distinct second_segment_value) from marts.rpt_segment_win_rates where segment_dimension = 'region x serial'"
    ) == [(101,)]
    [(label,)] = odd.query("select distinct label from marts.fct_deal_dimensions where dimension = 'tier'")
    assert label == "'; drop table x; --"


def test_type_and_pipeline_may_be_dimensions_and_blank_ones_are_unknown(odd):
    assert set(verdicts(odd, "pipeline")) == {"New", "Renewal", "Unknown"} and set(verdicts(odd, "deal_type")) == {
        "New business",
        "Unknown",
    }
    assert set(verdicts(odd, "forecast_category")) == {"Unknown"}
    assert {"Unknown", "New"} <= {
        value for (value,) in odd.query("select segment_value from marts.rpt_pipeline_value where segment_dimension = 'pipeline'")
    }
    [(valued, all_open)] = odd.query("select count(rapv_amount), count(*) from marts.fct_deal_values")
    assert valued == all_open > 10
    assert odd.query("select count(*) from marts.fct_similar_won_deals where finding like '%pipeline New%'")[0][0] > 0


def test_kept_scores_outlive_dimensions_that_come_and_go(folder, planted, odd):
    """Built with others, then without: what was kept before is as it was."""
    [(build_id,)] = planted.query("select distinct build_id from intermediate.int_kept_deal_scores")
    kept = f"select * from intermediate.int_kept_deal_scores where build_id = '{build_id}' order by deal_id"
    before = planted.frame(kept)
    (folder / "bare.duckdb").write_bytes(odd.database.read_bytes())
    bare = run_dbt(folder / "bare.duckdb", {"deals_file": folder / "planted.csv", "as_of_date": str(AS_OF)}, with_tests=False).check()
    after = bare.frame(kept)
    assert len(before) > 0 and {"tier", "employees"} <= set(before) and {"serial", "odd_number"} <= set(after)
    pandas.testing.assert_frame_equal(after[list(before)], before)
    assert bare.query("select count(*) from marts.fct_deal_dimensions") == [(0,)]
    [(reason,)] = bare.query("select reason from marts.rpt_data_capabilities where mart = 'fct_deal_dimensions'")
    assert "own_dimensions" in reason


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"own_dimensions": [{"dimension": "group", "column": "A"}]}, "names a dimension group, which is a word of SQL"),
        (
            {"own_dimensions": [{"dimension": "level", "column": "A"}]},
            "names a dimension level, which is a word of SQL or a name of the project's own",
        ),
        ({"own_dimensions": [{"dimension": "competitor", "column": "A"}]}, "names a dimension competitor"),
        ({"own_dimensions": [{"dimension": "serial", "column": "deal_id"}]}, "has serial, whose column 'deal_id' has 10,001 values"),
        (
            {"own_dimensions": [{"dimension": "tier_value", "column": "A"}, {"dimension": "tier", "column": "B"}]},
            "names a dimension tier_value",
        ),
        (
            {"own_dimensions": [{"dimension": "code", "column": "A", "known": "close"}], "rapv_offset_dimensions": ["region", "code"]},
            "rapv_offset_dimensions has code, which own_dimensions says is known only at the close",
        ),
        (
            {"own_dimensions": [{"dimension": "tier", "column": "A"}], "driver_factors": ["tear"]},
            "driver_factors has tear, which is no dimension",
        ),
    ],
)
def test_what_cannot_be_a_dimension_stops_the_build(variables, sentence, tmp_path):
    rows = [[f"D{number}", FIRST, "", "Open", 1, "I", "R", "S", "a", "b"] for number in range(10_001)]
    file = write(tmp_path / "deals.csv", [*BASE, "A", "B"], rows)
    stopped = run_dbt(tmp_path / "stopped.duckdb", {"deals_file": file, **variables}, select="int_as_of")
    assert stopped.exit_code != 0 and sentence in stopped.output

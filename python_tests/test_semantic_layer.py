"""Each metric of the semantic layer, queried through MetricFlow, against the mart that publishes the same figure."""

import csv
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import types

import pandas
import pytest
import yaml
from conftest import PROJECT, Build
from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
from metricflow.protocols.sql_client import SqlEngine
from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

SEGMENTS = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]["segment_dimensions"]
EVERY_SEGMENT = ("all", *SEGMENTS)
AT_RISK = "{{ Dimension('deal__risk_category') }} in ('high', 'critical')"

# A group is the name of a dimension of the deal, or one of these.
GROUP_BY = {
    "all": [],
    "month": ["metric_time__month"],
    "expected_close_month": ["deal__expected_close_date__month"],
    "team": ["sales_rep__team"],
    "team_of_deal": ["deal__sales_rep__team"],
}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Figures of one mart, each an aggregate over the rows of a key: `{group}` stands for the group that is compared."""

    mart: str
    figures: dict[str, str]
    groups: tuple[str, ...]
    key: str
    where: str = "true"
    and_by: tuple[str, ...] = ()
    only: str | None = None
    only_keys_of_mart: bool = False

    def expected(self, build: Build, group: str) -> pandas.DataFrame:
        figures = ", ".join(f"cast({expression} as double) as {metric}" for metric, expression in self.figures.items())
        key = "'all'" if (group, self.key) == ("all", "{group}") else self.key.format(group=group)
        return build.frame(
            f"select coalesce(cast({key} as varchar), 'Unknown') as key, {figures} from {self.mart} where {self.where.format(group=group)} group by 1"
        )


def same(columns: str, aggregate: str = "max") -> dict[str, str]:
    return {column: f"{aggregate}({column})" for column in columns.split()}


def health(metric: str, column: str = "metric_value") -> str:
    return f"max({column}) filter (metric = '{metric}')"


IN_SEGMENT = {"groups": EVERY_SEGMENT, "key": "segment_value", "where": "segment_dimension = '{group}'"}
BY_DEAL = {"groups": EVERY_SEGMENT, "key": "{group}"}
DEALS = "marts.fct_deals"
OPEN_DEALS = "marts.fct_open_deals"
SCORED_DEALS = f"marts.fct_deal_scores inner join {DEALS} using (deal_id)"
VISITS = "marts.fct_deal_stage_visits"
MOVEMENTS = f"(select movements.deal_id, deals.* exclude (deal_id) from marts.fct_pipeline_movements as movements inner join {DEALS} as deals using (deal_id))"
CLOSED_MONTH = "date_trunc('month', closed_date)::date"
CREATED_MONTH = "date_trunc('month', created_date)::date"

CLOSED = {
    **{f"{outcome}_amount": f"coalesce(sum(deal_amount) filter (outcome = '{outcome.title()}'), 0)" for outcome in ("won", "lost")},
    "closed_amount": "coalesce(sum(deal_amount), 0)",
    "mean_deal_amount": "avg(deal_amount)",
    "median_deal_amount": "quantile_cont(deal_amount::double, 0.5)",
    "mean_won_amount": "avg(deal_amount) filter (outcome = 'Won')",
    "mean_cycle_days": "avg(closed_date - created_date)",
    "median_cycle_days": "quantile_cont(closed_date - created_date, 0.5)",
    "size_effect_ratio": "sum(deal_amount) filter (outcome = 'Won') / sum(deal_amount) / (count(deal_amount) filter (outcome = 'Won') / count(deal_amount))",
    "valued_closed_deal_count": "count(deal_amount)",
    "valued_won_deal_count": "count(deal_amount) filter (outcome = 'Won')",
    "valued_win_rate": "avg((outcome = 'Won')::int) filter (deal_amount is not null)",
    "dated_closed_deal_count": "count(closed_date)",
}
COHORT = {
    "cohort_closed_deal_count": "count(*)",
    "cohort_won_deal_count": "count(*) filter (is_won)",
    "cohort_valued_won_deal_count": "count(deal_amount) filter (is_won)",
    "cohort_dated_won_deal_count": "count(closed_date) filter (is_won)",
    # Of won deals none of which has an amount it isn't known.
    "cohort_won_amount": "sum(case when is_won then deal_amount else 0 end)",
    "cohort_won_cycle_days": "coalesce(sum(cycle_days) filter (is_won), 0)",
    "cohort_win_rate": "avg(is_won::int)",
    "cohort_mean_won_amount": "avg(deal_amount) filter (is_won)",
    "cohort_mean_won_cycle_days": "avg(cycle_days) filter (is_won)",
    "revenue_efficiency": "avg(is_won::int) * avg(deal_amount) filter (is_won) / avg(cycle_days) filter (is_won)",
}
SO_FAR = {
    "created_deals_so_far": "count(*)",
    "closed_deals_so_far": "count(closed_date)",
    "dated_deal_count": "count(*) filter (is_open or closed_date is not null)",
    "dated_deals_so_far": "count(*) filter (is_open or closed_date is not null)",
    "period_end_open_deal_count": "count(*) filter (is_open)",
    "velocity": "count(*) filter (is_open) * avg(is_won::int) filter (is_mature_cohort) * avg(deal_amount) filter (is_won and is_mature_cohort)"
    " / avg(cycle_days) filter (is_won and is_mature_cohort)",
}
FLAGS = {
    "stalled_in_stage_deal_count": "sum(is_stalled_in_stage::int)",
    "stalled_in_stage_amount": "sum(deal_amount * is_stalled_in_stage::int)",
    "stalled_in_stage_rate": "avg(is_stalled_in_stage::int)",
    "inactive_deal_count": "sum(is_inactive::int)",
    "inactive_amount": "sum(deal_amount * is_inactive::int)",
    "inactive_rate": "avg(is_inactive::int)",
    "stale_deal_count": "sum(is_stale::int)",
    "stale_rate": "avg(is_stale::int)",
    "overdue_deal_count": "sum((expected_close_date < as_of_date)::int)",
}
STAGE_COUNTS = {
    "stage_reached_deal_count": "max(reached_deal_count)",
    "stage_advanced_deal_count": "max(advanced_deal_count)",
    "stage_lost_deal_count": "max(lost_here_deal_count)",
    "stage_open_deal_count": "max(open_here_deal_count)",
    "stage_loss_rate": "max(loss_rate)",
}
STAGE_RESULTS = {
    "stage_reached_deal_count": "count(stage_result)",
    **{f"stage_{result}_deal_count": f"count(*) filter (stage_result = '{result}')" for result in ("advanced", "lost", "open")},
    "stage_loss_rate": "avg((stage_result = 'lost')::int) filter (stage_result <> 'open')",
}
ITEMS = {"new": 1, "reopened": 1, "increased": 1, "decreased": -1, "won": -1, "lost": -1}

COMPARISONS = [
    # Closed deals
    Comparison(
        "marts.rpt_segment_win_rates",
        same(
            "closed_deal_count won_deal_count lost_deal_count win_rate closed_amount won_amount lost_amount amount_win_rate size_effect_ratio"
        )
        | same("mean_deal_amount median_deal_amount mean_cycle_days median_cycle_days")
        | {"resource_efficiency": "max(amount_win_rate * win_rate)"},
        groups=(*EVERY_SEGMENT, "cycle_band", "competitor"),
        key="nullif(segment_value, 'None recorded')",
        where="segment_dimension = '{group}' and period = 'all'",
    ),
    Comparison(
        "marts.rpt_win_rate_trend",
        same("closed_deal_count won_deal_count lost_deal_count win_rate"),
        groups=("month",),
        key="period_start_date",
        where="basis = 'closed_date' and period_type = 'month' and not is_risk_adjusted",
    ),
    Comparison(
        "marts.rpt_pipeline_health",
        {
            metric: health(metric)
            for metric in ("win_rate", "amount_win_rate", "resource_efficiency", "mean_won_cycle_days", "late_stage_loss_rate")
        }
        | {
            "late_stage_closed_deal_count": health("late_stage_loss_rate", "deal_count"),
            "late_stage_lost_deal_count": health("late_stage_loss_rate", "deal_count * metric_value"),
        },
        groups=("month",),
        key="period_start_date",
        where="basis = 'closed_date'",
    ),
    Comparison(
        "marts.rpt_stage_conversion", same("late_stage_closed_deal_count late_stage_lost_deal_count late_stage_loss_rate"), **IN_SEGMENT
    ),
    Comparison(DEALS, CLOSED, groups=("month",), key=CLOSED_MONTH, where="not is_open"),
    Comparison(DEALS, CLOSED | {"mean_won_cycle_days": "avg(cycle_days) filter (is_won)"}, where="not is_open", **BY_DEAL),
    Comparison(
        "marts.rpt_rep_performance",
        same("closed_deal_count won_deal_count", "sum"),
        groups=("team",),
        key="team",
        where="closed_deal_count > 0",
    ),
    # Cohorts
    Comparison(
        "marts.rpt_win_rate_trend",
        {"created_deal_count": "max(won_deal_count + lost_deal_count + open_deal_count)"},
        groups=("month",),
        key="period_start_date",
        where="basis = 'created_cohort' and period_type = 'month' and not is_risk_adjusted",
    ),
    Comparison(
        "marts.rpt_pipeline_health",
        {
            "cohort_win_rate": health("win_rate"),
            "cohort_mean_won_amount": health("mean_won_amount"),
            "cohort_mean_won_cycle_days": health("mean_won_cycle_days"),
            "revenue_efficiency": health("revenue_efficiency"),
            "velocity": health("velocity"),
            "cohort_closed_deal_count": health("win_rate", "deal_count"),
            "cohort_won_deal_count": health("win_rate", "deal_count * metric_value"),
            "cohort_valued_won_deal_count": health("mean_won_amount", "deal_count"),
            "cohort_won_amount": health("mean_won_amount", "deal_count * metric_value"),
            "cohort_won_cycle_days": health("mean_won_cycle_days", "deal_count * metric_value"),
        },
        groups=("month",),
        key="period_start_date",
        where="basis = 'created_cohort' and metric_value is not null",
    ),
    Comparison(DEALS, COHORT, where="is_mature_cohort and not is_open", **BY_DEAL),
    Comparison(DEALS, COHORT, groups=("month",), key=CREATED_MONTH, where="is_mature_cohort and not is_open"),
    Comparison(DEALS, {"dated_deal_count": SO_FAR["dated_deal_count"]}, groups=("month",), key=CREATED_MONTH),
    Comparison(DEALS, {"created_deal_count": "count(*)", "created_amount": "sum(deal_amount)"}, **BY_DEAL),
    Comparison(DEALS, {"created_amount": "sum(deal_amount)"}, groups=("month",), key=CREATED_MONTH),
    Comparison(DEALS, SO_FAR, **BY_DEAL),
    Comparison(
        f"{DEALS} inner join (select distinct {CREATED_MONTH} as month from {DEALS}) as months on {CREATED_MONTH} <= month",
        {
            "created_deals_so_far": "count(*)",
            "closed_deals_so_far": f"count(*) filter ({CLOSED_MONTH} <= month)",
            "dated_deals_so_far": "count(*) filter (is_open or closed_date is not null)",
            "period_end_open_deal_count": f"count(*) filter (is_open or {CLOSED_MONTH} > month)",
        },
        groups=("month",),
        key="month",
        only_keys_of_mart=True,
    ),
    Comparison(
        "marts.rpt_pipeline_value_backtest",
        {"period_end_open_deal_count": "max(open_deal_count)"},
        groups=("month",),
        key="date_trunc('month', forecast_date)::date",
        where="method = 'rapv'",
        only_keys_of_mart=True,
    ),
    # The open pipeline
    Comparison(
        "marts.rpt_pipeline_value",
        same("open_deal_count stage_weighted_deal_count stage_weighted_amount flat_amount segment_amount rapv_amount model_amount")
        | same("published_aging_amount revenue_at_risk_amount optimism_gap")
        | {"pipeline_amount": "max(raw_amount)"},
        groups=(*EVERY_SEGMENT, "deal_stage", "expected_close_month"),
        key="segment_value",
        where="segment_dimension = '{group}'",
    ),
    Comparison(
        "marts.rpt_pipeline_health",
        {
            "pipeline_amount": health("raw_amount"),
            "rapv_amount": health("risk_adjusted_amount"),
            "revenue_at_risk_amount": health("revenue_at_risk"),
            "optimism_gap": health("optimism_gap"),
            "open_deal_count": health("raw_amount", "deal_count"),
            "stalled_in_stage_rate": health("stalled_in_stage_rate"),
            "inactive_rate": health("inactive_rate"),
            "stale_rate": health("stale_rate"),
        },
        groups=("month",),
        key="period_start_date",
        where="period_start_date = date_trunc('month', as_of_date)",
    ),
    Comparison(
        "marts.rpt_rep_performance",
        same("open_deal_count rapv_amount revenue_at_risk_amount mean_risk_score stalled_in_stage_deal_count inactive_deal_count")
        | {"pipeline_amount": "max(open_amount)"},
        groups=("sales_rep_id",),
        key="sales_rep_id",
        where="open_deal_count > 0",
    ),
    Comparison(
        "marts.rpt_rep_performance",
        same("open_deal_count rapv_amount stalled_in_stage_deal_count inactive_deal_count", "sum")
        | {"pipeline_amount": "sum(open_amount)"},
        groups=("team_of_deal",),
        key="team",
        where="open_deal_count > 0",
    ),
    Comparison(
        "marts.rpt_rep_performance",
        {"open_deal_count": "max(at_risk_deal_count)", "pipeline_amount": "max(at_risk_amount)"},
        groups=("sales_rep_id",),
        key="sales_rep_id",
        where="at_risk_deal_count > 0",
        only=AT_RISK,
    ),
    Comparison(OPEN_DEALS, FLAGS, **BY_DEAL),
    Comparison(SCORED_DEALS, {"mean_risk_score": "avg(risk_score)", "mean_health_score": "avg(health_score)"}, **BY_DEAL),
    # Stages
    Comparison(
        "marts.rpt_stage_conversion",
        STAGE_COUNTS,
        groups=EVERY_SEGMENT,
        key="stage || case when '{group}' = 'all' then '' else ' | ' || segment_value end",
        where="segment_dimension = '{group}'",
        and_by=("stage",),
    ),
    Comparison(VISITS, STAGE_RESULTS, groups=("month",), key="date_trunc('month', entered_at)::date || ' | ' || stage", and_by=("stage",)),
    # Movements: all of a deal's together are what it still holds of the pipeline
    Comparison(
        DEALS,
        {"pipeline_movement_amount": "coalesce(sum(deal_amount) filter (is_open), 0)"},
        where="exists (select * from marts.fct_pipeline_movements) and is_value_eligible",
        **BY_DEAL,
    ),
    Comparison(
        "marts.rpt_pipeline_bridge",
        {"pipeline_movement_amount": "max(closing_amount) - max(opening_amount)"},
        groups=("month",),
        key="period_start_date",
        where="period_type = 'month' and segment_dimension = 'all'",
    ),
    Comparison(MOVEMENTS, {"pipeline_movement_count": "count(*)"}, **BY_DEAL),
    *(
        Comparison(
            "marts.rpt_pipeline_bridge",
            {"pipeline_movement_amount": f"{sign} * max({item}_amount)", "pipeline_movement_count": f"max({item}_deal_count)"},
            groups=("month",),
            key="period_start_date",
            where=f"period_type = 'month' and segment_dimension = 'all' and {item}_deal_count > 0",
            only=f"{{{{ Dimension('pipeline_movement__movement') }}}} = '{item}'",
        )
        for item, sign in ITEMS.items()
    ),
]


class Layer:
    """The semantic layer of a finished build: MetricFlow writes the SQL, the build's database answers."""

    def __init__(self, build: Build):
        self.build = build
        self.target = build.database.parent / (build.database.stem + "_dbt") / "target"
        text = (self.target / "semantic_manifest.json").read_text()
        self.manifest = json.loads(text)
        self.metrics = {metric["name"]: metric for metric in self.manifest["metrics"]}
        self.measured_by = {
            measure["name"]: measure["agg_time_dimension"] or model["defaults"]["agg_time_dimension"]
            for model in self.manifest["semantic_models"]
            for measure in model["measures"]
        }
        client = types.SimpleNamespace(sql_engine_type=SqlEngine.DUCKDB, sql_plan_renderer=DuckDbSqlPlanRenderer())
        lookup = SemanticManifestLookup(parse_manifest_from_dbt_generated_manifest(manifest_json_string=text))
        self.engine = MetricFlowEngine(semantic_manifest_lookup=lookup, sql_client=client)

    def query(self, **request) -> pandas.DataFrame:
        return self.build.frame(self.engine.explain(MetricFlowQueryRequest.create(**request)).sql_statement.sql)

    def time_dimensions(self, metric: str) -> set[str]:
        """By which days the metric, or what it is made of, is placed in time."""
        params = self.metrics[metric]["type_params"]
        if params["measure"]:
            return {self.measured_by[params["measure"]["name"]]}
        inputs = [
            params["numerator"],
            params["denominator"],
            *(params["metrics"] or []),
            (params["cumulative_type_params"] or {}).get("metric"),
        ]
        return set().union(*(self.time_dimensions(each["name"]) for each in inputs if each))


@pytest.fixture(scope="module")
def layer(demo) -> Layer:
    return Layer(demo)


@pytest.fixture(scope="module")
def reference_layer(real_build_as_of) -> Layer:
    """The real file as of a day on which 695 of its deals were open; it has no stage history and no field history."""
    return Layer(real_build_as_of("2023-12-31"))


def text_of(value) -> str:
    if pandas.isna(value):
        return "Unknown"
    return str(value.date()) if isinstance(value, pandas.Timestamp) else str(value)


def compare(layer: Layer, comparison: Comparison, group: str) -> int:
    """Every figure of the group within 1e-9 of the mart's, and no group more or less; gives how many figures were compared."""
    metrics = list(comparison.figures)
    group_by = [*comparison.and_by, *GROUP_BY.get(group, [f"deal__{group}"])]
    found = layer.query(metric_names=metrics, group_by_names=group_by, where_constraints=[comparison.only] if comparison.only else None)
    keys = [name for name in found.columns if name not in metrics]
    found["key"] = [" | ".join(map(text_of, row)) for row in found[keys].itertuples(index=False)] if keys else "all"
    found = found.set_index("key")[metrics].astype(float).dropna(how="all").sort_index()
    expected = comparison.expected(layer.build, group).set_index("key")[metrics].astype(float).dropna(how="all").sort_index()
    if group in ("month", "cycle_band"):  # a closed deal without a close date is of none, and marts by one leave it out
        found = found[found.index.isin(expected.index) | (found.index != "Unknown")]
    if comparison.only_keys_of_mart:
        found = found[found.index.isin(expected.index)]
    pandas.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-9, check_index_type=False, obj=f"{comparison.mart} by {group}")
    return expected.notna().sum().sum()


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda each: f"{next(iter(each.figures))}-{each.mart.split('.')[-1].split(' ')[0]}")
def test_metrics_equal_the_mart(layer, comparison):
    for group in comparison.groups:
        assert compare(layer, comparison, group) >= len(comparison.figures), group


def test_metrics_equal_the_marts_on_the_real_file(reference_layer):
    """Where the file has no history both sides have no figure; it names no competitors, and then the mart has no such dimension."""
    pairs = [(comparison, group) for comparison in COMPARISONS for group in comparison.groups if group != "competitor"]
    assert sum(compare(reference_layer, comparison, group) for comparison, group in pairs) > 2500


def test_no_metric_is_left_uncompared(layer):
    """By each segment and altogether, and by month where the metric has a history."""
    known_as_of_one_day = {"valued_on", "open_on", "scored_on"}
    compared = {metric: set() for metric in layer.metrics}
    for comparison in COMPARISONS:
        for metric in comparison.figures:
            compared[metric].update(comparison.groups)
    missing = {}
    for metric, groups in compared.items():
        needed = {*EVERY_SEGMENT} | (set() if layer.time_dimensions(metric) <= known_as_of_one_day else {"month"})
        if needed - groups:
            missing[metric] = needed - groups
    assert not missing


def test_every_metric_dimension_and_saved_query_says_what_it_is(layer):
    for metric in layer.manifest["metrics"] + layer.manifest["saved_queries"]:
        assert metric["label"] and metric["label"] != metric["name"], metric["name"]
        assert len(metric["description"].strip()) > 30, metric["name"]
    for model in layer.manifest["semantic_models"]:
        assert model["description"]
        for dimension in model["dimensions"]:
            assert dimension["description"], dimension["name"]


def test_every_segment_dimension_is_a_dimension_of_the_deal(layer):
    deals = next(model for model in layer.manifest["semantic_models"] if model["name"] == "deals")
    assert {*SEGMENTS} <= {dimension["name"] for dimension in deals["dimensions"]}


def test_every_saved_query_gives_rows(layer):
    assert len(layer.manifest["saved_queries"]) >= 5
    for saved in layer.manifest["saved_queries"]:
        rows = layer.query(saved_query_name=saved["name"])
        assert len(rows) >= 4, saved["name"]
        assert {*saved["query_params"]["metrics"]} <= {*rows.columns}


@pytest.fixture(scope="module")
def project_root(layer, tmp_path_factory) -> pathlib.Path:
    """The project as its user sees it after `dbt build`: mf looks for target/ in the project's root."""
    root = tmp_path_factory.mktemp("root")
    for path in PROJECT.iterdir():
        if path.name not in ("target", "logs") and not path.name.endswith(".duckdb"):
            (root / path.name).symlink_to(path)
    (root / "target").symlink_to(layer.target)
    return root


def run_mf(layer: Layer, root: pathlib.Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(pathlib.Path(sys.executable).parent / "mf"), *arguments],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "SALES_DB": str(layer.build.database)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_mf_validates_the_layer_and_its_tables(layer, project_root):
    said = run_mf(layer, project_root, "validate-configs", "--show-all")
    assert said.count("Successfully validated") == 6, said
    assert said.count("ERRORS: 0, FUTURE_ERRORS: 0, WARNINGS: 0") == 6, said


def test_mf_answers_a_saved_query_and_an_ad_hoc_one(layer, project_root):
    run_mf(layer, project_root, "query", "--saved-query", "stage_funnel", "--csv", "funnel.csv")
    with open(project_root / "funnel.csv", newline="") as file:
        funnel = {row["stage"]: row for row in csv.DictReader(file)}
    expected = layer.build.query(
        "select stage, reached_deal_count, loss_rate from marts.rpt_stage_conversion where segment_dimension = 'all'"
    )
    assert len(funnel) == len(expected) >= 4
    for stage, reached, loss_rate in expected:
        assert float(funnel[stage]["stage_reached_deal_count"]) == reached
        assert float(funnel[stage]["stage_loss_rate"]) == pytest.approx(loss_rate, rel=1e-9)

    run_mf(layer, project_root, "query", "--metrics", "win_rate,optimism_gap", "--csv", "overall.csv")
    with open(project_root / "overall.csv", newline="") as file:
        (overall,) = csv.DictReader(file)
    ((win_rate, gap),) = layer.build.query(
        "select win_rate, optimism_gap from marts.rpt_segment_win_rates as rates cross join marts.rpt_pipeline_value as pipeline"
        " where rates.segment_dimension = 'all' and rates.period = 'all' and pipeline.segment_dimension = 'all'"
    )
    assert float(overall["win_rate"]) == pytest.approx(win_rate, rel=1e-9)
    assert float(overall["optimism_gap"]) == pytest.approx(gap, rel=1e-9)

"""What readers of the marts are told: groups, exposures, descriptions, worked examples, README, the pages in docs/ and the static docs site."""

import argparse
import ast
import importlib
import json
import operator
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import urllib.parse

import duckdb
import pytest
from conftest import PROJECT, run_dbt

from tools import crm

PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", PROJECT / "models" / "overview.md", *sorted((PROJECT / "docs").glob("*.md"))]
FILLERS = frozenset(
    "a an and are as at by for from has have in is it its key null of on one or that the their them they this to was were when where which "
    "while with".split()
)
OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.USub: operator.neg}


@pytest.fixture(scope="module")
def manifest(demo) -> dict:
    return json.loads((demo.database.parent / "demo_sales_dbt" / "target" / "manifest.json").read_text())


def models(manifest: dict, schema: str | None = None) -> list[dict]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] == "model" and schema in (None, node["schema"])]


def words(text: str) -> set[str]:
    return {re.sub(r"(es|s|ed|ing)$", "", word) for word in re.findall(r"[a-z0-9]+", text.lower())}


def says_something(name: str, description: str) -> bool:
    """Long enough, and not the name again: at least two words that are neither in the name nor fillers."""
    text = re.sub(r"^Key[.:]\s*", "", description.strip())
    return len(text) >= 20 and len(words(text) - words(name.replace("_", " ")) - words(" ".join(FILLERS))) >= 2


def value(expression: str) -> float:
    """Value of an arithmetic expression as the docs write it: 1,060 and x for times."""

    def evaluate(node):
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.UnaryOp):
            return OPERATIONS[type(node.op)](evaluate(node.operand))
        return OPERATIONS[type(node.op)](evaluate(node.left), evaluate(node.right))

    return evaluate(ast.parse(expression.strip().replace(",", "").replace(" x ", " * "), mode="eval").body)


@pytest.mark.parametrize("echo", ["", "The win rate.", "Key. The deal.", "Win rate of the deals, the win rates.", "Upper end."])
def test_a_description_that_echoes_the_name_says_nothing(echo):
    assert not says_something("deal_win_rate", echo)


def test_every_public_model_and_column_is_described(manifest):
    public = [model for model in models(manifest) if model["access"] == "public"]
    described = [(model["name"], "", model["description"]) for model in public]
    described += [(model["name"], column["name"], column["description"]) for model in public for column in model["columns"].values()]
    assert len(described) > 700
    assert [entry for entry in described if not says_something(entry[1] or entry[0], entry[2])] == []
    # Contracts are enforced on SQL models alone; here the columns that exist are those that are described.
    assert [model["name"] for model in public if len(model["description"]) < 80] == []


def test_what_is_public_is_the_marts_and_everything_has_an_owner(manifest):
    assert {model["name"] for model in models(manifest) if model["access"] == "public"} == {
        model["name"] for model in models(manifest, "marts")
    }
    assert {model["access"] for model in models(manifest, "staging")} == {"private"}
    owners = {group["name"]: group["owner"] for group in manifest["groups"].values()}
    assert [model["name"] for model in models(manifest) if model["group"] not in owners] == []
    groups = {(model["path"].split("/")[0], model["group"]) for model in models(manifest)}
    assert len(groups) == len({folder for folder, _ in groups}), "a folder has one owner"
    for owner in [*owners.values(), *(exposure["owner"] for exposure in manifest["exposures"].values())]:
        assert owner in owners.values() and re.fullmatch(r"[^@\s]+@[^@\s]+", owner["email"]) and owner["name"]


def test_an_owner_is_replaced_in_one_place():
    text = (PROJECT / "models" / "_groups_and_exposures.yml").read_text()
    emails = re.findall(r"email: (\S+)", text)
    assert emails and len(emails) == len(set(emails))


def test_every_public_mart_is_in_an_exposure_and_exposures_read_nothing_else(manifest):
    read = {node for exposure in manifest["exposures"].values() for node in exposure["depends_on"]["nodes"]}
    assert read == {mart["unique_id"] for mart in models(manifest, "marts")}
    assert [exposure["name"] for exposure in manifest["exposures"].values() if len(exposure["description"]) < 60] == []


def test_worked_examples_are_right():
    examples = [
        (left, right)
        for file in ["metrics.md", "columns.md"]
        for left, right in re.findall(r"`([^`=]+) = ([-\d.,]+)`", (PROJECT / "models" / file).read_text())
    ]
    assert len(examples) >= 25
    for left, right in examples:
        decimals = len(right.partition(".")[2])
        assert round(value(left), decimals) == value(right), f"{left} = {right}"


def test_every_metric_has_a_worked_example_and_says_what_is_left_out():
    blocks = re.findall(r"{% docs (\w+) %}\n(.*?){% enddocs %}", (PROJECT / "models" / "metrics.md").read_text(), re.DOTALL)
    assert len(blocks) >= 13
    assert [name for name, text in blocks if not re.search(r"`[^`=]+ = [^`]+`", text)] == []
    apart = {"health_metrics", "mix_effect"}  # A list of metrics; the other half of rate_effect.
    assert [name for name, text in blocks if name not in apart and "Left out" not in text] == []


def test_health_metrics_are_all_defined(manifest):
    [block] = [doc["block_contents"] for doc in manifest["docs"].values() if doc["name"] == "health_metrics"]
    seed = (PROJECT / "seeds" / "reference" / "health_metrics.csv").read_text().splitlines()[1:]
    assert set(re.findall(r"\*\*(\w+)\*\*", block)) == {line.split(",")[0] for line in seed}


def test_every_doc_block_is_used(manifest):
    used = {
        block
        for node in manifest["nodes"].values()
        for item in [node, *node.get("columns", {}).values()]
        for block in item.get("doc_blocks", [])
    }
    used |= {block for metric in manifest["metrics"].values() for block in metric.get("doc_blocks", [])}
    blocks = {
        key for key, doc in manifest["docs"].items() if doc["package_name"] == "pipeline_intelligence" and doc["name"] != "__overview__"
    }
    assert blocks and blocks - used == set()


def test_pages_name_marts_and_columns_that_exist(manifest):
    names = {model["name"] for model in models(manifest, "marts")}
    columns = {column for model in models(manifest, "marts") for column in model["columns"]}
    for page in PAGES:
        text = page.read_text()
        marts = set(re.findall(r"\b((?:fct|rpt|dim)_[a-z_]*[a-z])\b", text))
        assert marts - names == set(), page.name
        code = " ".join(re.findall(r"^\| [^|]+ \| `(?:fct|rpt)_.*$", text, re.MULTILINE))
        told = set(re.findall(r"\b[a-z]+_[a-z_]*[a-z]\b", re.sub(r"'[^']*'", "", code))) - names
        assert told - columns == set(), page.name


def test_capabilities_readme_and_docs_name_every_mart_and_its_file(manifest, demo):
    marts = {mart["name"]: mart["original_file_path"] for mart in models(manifest, "marts")}
    assert {mart for (mart,) in demo.query("select mart from marts.rpt_data_capabilities")} == set(marts)
    link = re.compile(r"\[`((?:fct|rpt|dim)_\w+)`\]\((?:\.\./)?(models/[\w/]+\.sql)\)")
    for page in [PROJECT / "README.md", PROJECT / "docs" / "marts.md"]:
        links = link.findall(page.read_text())
        assert dict(links) == marts and len(links) == len(marts), page.name
    assert set(marts) <= set(re.findall(r"`(\w+)`", (PROJECT / "models" / "overview.md").read_text()))


def picture() -> set[tuple[str, str]]:
    """Arrows of the README's picture: from a room to a room."""
    lines = re.search(r"```mermaid\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)[1].splitlines()[1:]
    chains = [[re.findall(r"\w+", re.sub(r"\[.*?\]", "", boxes)) for boxes in line.split("-->")] for line in lines]
    return {(one, other) for chain in chains for before, after in zip(chain, chain[1:], strict=False) for one in before for other in after}


def test_the_picture_of_the_flow_is_that_of_the_models(manifest):
    """Each arrow between rooms is one that models make, and no room reads another but along the arrows."""
    rooms = {model["unique_id"]: model["path"].split("/")[0] for model in models(manifest)}
    read = {
        (rooms[parent], rooms[model["unique_id"]])
        for model in models(manifest)
        for parent in model["depends_on"]["nodes"]
        if parent in rooms
    }
    arrows = {(one, other) for one, other in picture() if one != "export"}
    assert {room for arrow in arrows for room in arrow} == set(rooms.values())
    assert arrows - read == set()
    along = set(arrows)
    while more := {(one, last) for one, middle in along for first, last in arrows if middle == first} - along:
        along |= more
    assert {(one, other) for one, other in read if one != other} - along == set()
    overview = (PROJECT / "models" / "overview.md").read_text()
    told = re.findall(r"^([a-z_, ]+?) +-> ([a-z_, ]+)$", overview, re.MULTILINE)
    spine = [re.search(r"demo -> (\w+) -> (\w+) -> (\w+)$", overview, re.MULTILINE).groups()]
    told_arrows = {(one, other) for before, after in told for one in before.split(", ") for other in after.split(", ")}
    assert told_arrows | {arrow for each in spine for arrow in zip(each, each[1:], strict=False)} == arrows


def test_readme_and_docs_say_of_the_demo_what_its_marts_say(demo):
    """Sentences that are quoted in tables, and the figures and verdicts that prose names."""
    said = {text for mart in ["rpt_segment_win_rates", "rpt_score_quality"] for (text,) in demo.query(f"select finding from marts.{mart}")}
    said |= {text for (text,) in demo.query("select reason from marts.fct_deal_score_reasons")}
    readme, page = (PROJECT / "README.md").read_text(), (PROJECT / "docs" / "reading_marts.md").read_text()
    quoted = {
        each: [line.strip("| ") for line in text.splitlines() if re.match(r"\| [^`|]*\. \|$", line)]
        for each, text in (("readme", readme), ("page", page))
    }
    assert len(quoted["readme"]) >= 1 and len(quoted["page"]) >= 6
    assert [text for texts in quoted.values() for text in texts if text not in said] == []
    prose = " ".join(readme.split())
    [(count, raw, value)] = demo.query(
        "select open_deal_count, raw_amount, rapv_amount from marts.rpt_pipeline_value where segment_dimension = 'all'"
    )
    assert f"All {count} open deals together are worth {raw:,.0f} before and {value:,.0f} after their risk" in prose
    [(lower, upper)] = demo.query("select yield_p10_amount, yield_p90_amount from marts.rpt_pipeline_value where segment_dimension = 'all'")
    assert f"an 80 % band from {lower:,.0f} to {upper:,.0f}" in prose
    # "no band [of size] is a signal"
    bands = "select count(*) from marts.rpt_segment_win_rates where segment_dimension = 'deal_size_band' and period = 'all' and verdict = 'signal'"
    assert demo.query(bands) == [(0,)]
    # "With like deals R14 is 15 points above [...] no signal: [...] it finds 21 points with 80 % [...] R07 [...] is one there too."
    reps = "select sales_rep_id, verdict, round(100 * vs_reference_difference), round(100 * detectable_difference) from marts.rpt_rep_performance"
    planted = f"{reps} where sales_rep_id in {tuple(crm.PLANTED.reps)} or verdict = 'signal' order by 1"
    assert demo.query(planted) == [("R07", "signal", -17, 18), ("R14", "no_signal", 15, 21)]
    assert demo.query("select distinct evaluated_date_count from marts.rpt_pipeline_value_methods") == [(13,)]
    assert "at thirteen past month ends" in " ".join(page.split())
    # "two rules warn of losses no better than chance: [...] do better than chance; of large deals there were too few warnings to tell"
    verdicts = dict(
        demo.query(
            "select title, verdict from marts.rpt_alert_rules_backtest where metric in "
            "('risk_score', 'days_over_stall_limit', 'days_since_last_activity', 'days_overdue')"
        )
    )
    assert verdicts == {
        **dict.fromkeys(["No activity", "Expected close date has passed"], "no_signal"),
        **dict.fromkeys(["Deal stalled", "Deal at risk", "Risk rose above 75"], "signal"),
        **dict.fromkeys(["Large deal stalled", "Large deal at risk"], "insufficient_n"),
    }


def run_block(block: str, published: pathlib.Path) -> str:
    environment = {**os.environ, "SALES_MARTS_DB": str(published)}
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, cwd=published.parent, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python_of_the_bi_page_runs(demo):
    blocks = re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / "bi_tools.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    with duckdb.connect(str(demo.published), read_only=True) as other:  # Another reader has the file open.
        plain, pandas, sqlalchemy = (run_block(block, demo.published) for block in blocks)
        build_id, deals, open_deals = other.execute(
            "select build_id, (select count(*) from fct_deals where not is_open), (select count(*) from fct_deal_scores) from build_info"
        ).fetchall()[0]
    assert build_id in plain and "lead_source Referral" in plain
    assert sum(int(line.split()[-1]) for line in pandas.splitlines()[2:]) == deals
    assert sum(int(line.split()[-1]) for line in sqlalchemy.splitlines()[1:]) == open_deals


def test_static_docs_open_without_a_network_and_a_search_finds_a_mart(demo, browser):
    expect = pytest.importorskip("playwright.sync_api").expect
    run_dbt(demo.database, command="docs generate --static", with_artifacts=True).check()
    page_file = demo.database.parent / "demo_sales_dbt" / "target" / "static_index.html"
    alone = demo.database.parent / "docs_alone" / "index.html"
    alone.parent.mkdir()
    shutil.copy(page_file, alone)
    page = browser.new_page()
    page.set_default_timeout(120_000)
    expect.set_options(timeout=120_000)
    asked, errors = set(), []
    page.on("request", lambda request: asked.add(urllib.parse.urlsplit(request.url).scheme))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(alone.as_uri())
    expect(page.get_by_role("heading", name="How to read an interval and a verdict")).to_be_visible()
    page.get_by_placeholder("Search for models").fill("rpt_segment_win")
    page.locator(".search-result h4").get_by_text("rpt_segment_win_rates", exact=True).click()
    expect(page.get_by_text("One row per segment_dimension, segment_value and period")).to_be_visible()
    page.get_by_text("shrunk_win_rate", exact=True).filter(visible=True).click()
    expect(page.get_by_text("The best guess of a segment's own rate").filter(visible=True)).to_be_visible()
    page.close()
    assert asked <= {"file", "data"} and errors == []


def test_commands_of_the_tools_in_readme_and_docs_exist():
    """Each line of a script is one that its command's parser takes; a command that prose names is one."""
    texts = [path.read_text() for path in PAGES]
    named = {name for text in texts for name in re.findall(r"python -m tools ([a-z]+)", text)}
    assert {"generate", "export", "deliver"} <= named
    parsers = {name: argparse.ArgumentParser(exit_on_error=False) for name in named}
    for name, parser in parsers.items():
        importlib.import_module(f"tools.{name}").add_arguments(parser)
    for line in {line for text in texts for line in re.findall(r"^python -m tools (.+)$", text, re.M)}:
        name, *arguments = shlex.split(line)
        parsers[name].parse_args(arguments)

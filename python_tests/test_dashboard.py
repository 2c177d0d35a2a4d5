"""The dashboard: in headless Chromium on the demo and on the real file, and its parts without a browser.

Without a Chromium the browser's tests are skipped, but not in CI.
"""

import csv
import gc
import importlib
import io
import os
import re
import shutil
import time
import warnings
from datetime import UTC, date, datetime

import duckdb
import pandas
import pytest
from conftest import PROJECT, one_row
from streamlit.testing.v1 import AppTest

from dashboard import published, words
from dashboard.deal_filter import FLAGS, LISTS, ORDERS, DealFilter
from dashboard.views import change, deals, overview
from tools import screenshots

PAGES = {
    "Overview": "overview",
    "Why it changed": "change",
    "Drivers": "drivers",
    "Stages": "stages",
    "Deals at risk": "deals",
    "Reps": "reps",
    "Forecast and model quality": "model_quality",
    "Data quality": "input_quality",
}
# Seconds of processor time in which a page must be made, whatever else the machine does.
PAGE_CPU_SECONDS = 2
HOSTILE = "<img src=x onerror=alert(1)> **b** :red[x] $x$ [l](http://x) `c` # _i_"


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def millions(amount: float) -> str:
    return f"{amount / 1e6:,.2f} M"


@pytest.fixture(scope="module", autouse=True)
def no_event_loops_left():
    """AppTest leaves its event loops open; collected later, in another file's test, their warning would be that test's error."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


# In a browser


class Site:
    """A running dashboard; `show` swaps another published file in, as the end of a build does."""

    def __init__(self, address: str, marts) -> None:
        self.address, self.marts = address, marts

    def show(self, file) -> str:
        beside = self.marts.with_suffix(".new")
        shutil.copy(file, beside)
        os.replace(beside, self.marts)
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute("select build_id from build_info").fetchall()[0][0]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dashboard")
    with screenshots.serving(folder / "marts.duckdb", folder / "log.txt") as address:
        yield Site(address, folder / "marts.duckdb")


@pytest.fixture
def page(browser):
    """A page that must neither show an exception nor log an error of its own, nor ask anybody else for anything."""
    opened = browser.new_page(viewport={"width": 1400, "height": 1000})
    problems = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    # Below a page's path Streamlit looks for its server before it looks at the root.
    opened.on("console", lambda entry: problems.append(entry.text) if entry.type == "error" and "404" not in entry.text else None)
    opened.on("request", lambda asked: problems.append(asked.url) if "//127.0.0.1" not in asked.url and asked.url[:4] == "http" else None)
    yield opened
    exceptions = opened.get_by_test_id("stException").all_inner_texts()
    opened.close()
    assert exceptions == []
    assert problems == []


def go(page, title: str) -> str:
    """Opens a page by the sidebar, and gives all its words."""
    page.get_by_test_id("stSidebarNav").get_by_text(title, exact=True).click()
    page.locator("h1", has_text=re.compile(f"^{title}$")).wait_for()
    screenshots.settle(page)
    assert page.get_by_test_id("stException").all_inner_texts() == []
    return page.get_by_test_id("stMain").inner_text()


def visit_all(page) -> tuple[dict[str, str], dict[str, int]]:
    """The words of every page and the number of its charts, if it has any; the overview comes last."""
    texts, charts = {}, {}
    for title in reversed(PAGES):
        texts[title] = go(page, title)
        if count := page.get_by_test_id("stVegaLiteChart").count():
            charts[title] = count
    return texts, charts


def figure(page, name: str) -> str:
    return page.locator(f".st-key-figure-{name}").get_by_test_id("stMetricValue").inner_text()


def wait_for_figure(page, name: str, value: str) -> None:
    page.locator(f".st-key-figure-{name}").get_by_test_id("stMetricValue").get_by_text(value, exact=True).wait_for(timeout=30_000)


def choose(page, key: str, option: str) -> None:
    page.locator(f".st-key-{key} input").first.click()
    page.get_by_role("option", name=option, exact=True).click()


def test_every_page_of_the_demo_shows_and_its_figures_are_those_of_the_marts(demo, site, page):
    site.show(demo.published)
    page.goto(site.address)
    texts, charts = visit_all(page)
    assert charts == {"Overview": 3, "Why it changed": 3, "Drivers": 5, "Stages": 3, "Reps": 2, "Forecast and model quality": 4}
    assert not [title for title, text in texts.items() if "Not in these data" in text]
    rate = one_row(demo, "select * from marts.rpt_segment_win_rates where segment_dimension = 'all' and period = 'last_4_quarters'")
    value = one_row(demo, "select * from marts.rpt_pipeline_value where segment_dimension = 'all'")
    gap = one_row(demo, "select * from marts.rpt_cycle_outcome_gap where segment_dimension = 'all'")
    assert figure(page, "win-rate") == percent(rate["win_rate"])
    assert figure(page, "pipeline") == millions(value["raw_amount"])
    assert figure(page, "rapv") == millions(value["rapv_amount"])
    assert figure(page, "gap") == f"{gap['cycle_shift_days']:+.1f} days"
    shown = texts["Overview"]
    for text in (
        f"{percent(rate['win_rate_lower'])} to {percent(rate['win_rate_upper'])}; {rate['closed_deal_count']:,} closed deals",
        f"P10 to P90: {millions(value['yield_p10_amount'])} to {millions(value['yield_p90_amount'])}",
        f"{value['open_deal_count']:,} open deals",
    ):
        assert text in shown, text
    newest = "select finding from marts.rpt_win_rate_trend where basis = 'closed_date' and period_type = 'month' and not is_risk_adjusted"
    assert one_row(demo, f"{newest} order by period_start_date desc limit 1")["finding"] in shown
    gate = one_row(demo, "select finding from marts.rpt_score_quality where fold = 'all'")["finding"]
    assert gate in texts["Forecast and model quality"]


def test_closed_deals_only_say_on_every_page_what_they_cannot_say(real_build, site, page):
    site.show(real_build.published)
    page.goto(site.address)
    texts, charts = visit_all(page)
    assert charts == {"Overview": 2, "Why it changed": 2, "Drivers": 3, "Reps": 1, "Forecast and model quality": 3}
    missing = real_build.frame("select mart, capability, reason from marts.rpt_data_capabilities where not is_available")
    reasons = {(row.mart, row.capability): row.reason for row in missing.itertuples()}
    for title, mart, capability in (
        ("Overview", "rpt_pipeline_value", "open_deals"),
        ("Why it changed", "rpt_pipeline_bridge", "field_history"),
        ("Drivers", "rpt_lost_reasons", "lost_reasons"),
        ("Drivers", "rpt_segment_win_rates", "competitors"),
        ("Stages", "rpt_stage_conversion", "stage_history"),
        ("Stages", "rpt_stage_durations", "stage_history"),
        ("Deals at risk", "fct_open_deals", "open_deals"),
        ("Reps", "fct_deal_scores", "open_deals"),
        ("Forecast and model quality", "rpt_score_drift", "open_deals"),
    ):
        assert reasons[mart, capability] in texts[title], (title, mart)
    assert f"{len(missing)} of " in texts["Data quality"]
    rate = one_row(real_build, "select * from marts.rpt_segment_win_rates where segment_dimension = 'all' and period = 'last_4_quarters'")
    assert figure(page, "win-rate") == percent(rate["win_rate"])
    assert figure(page, "pipeline") == "–"
    gate = one_row(real_build, "select finding, is_gate_passed from marts.rpt_score_quality where fold = 'all'")
    assert not gate["is_gate_passed"]
    assert gate["finding"] in texts["Forecast and model quality"]


def test_started_from_another_folder_it_keeps_its_settings(demo, site, page):
    """`site` is: no statistics of its use leave the machine (`page` sees what it asks others for), and nothing offers to deploy it."""
    site.show(demo.published)
    page.goto(site.address)
    screenshots.settle(page)
    assert page.get_by_test_id("stAppDeployButton").count() == 0
    assert "usage statistics" not in (site.marts.parent / "log.txt").read_text()


def test_choices_change_the_figures(demo, site, page):
    site.show(demo.published)
    page.goto(f"{site.address}/change")
    screenshots.settle(page)
    changes = demo.frame(
        """
        select distinct period_type, cast(period_start_date as date)::text as day, total_change from marts.rpt_win_rate_change
        where segment_dimension = 'all' order by day desc
        """
    ).set_index(["period_type", "day"])
    [newest, *_, oldest] = changes.loc["half_year"].index
    assert figure(page, "total-change") == f"{100 * changes.loc[('half_year', newest)].total_change:+.1f} points"
    choose(page, "change-period", oldest)
    wait_for_figure(page, "total-change", f"{100 * changes.loc[('half_year', oldest)].total_change:+.1f} points")
    go(page, "Stages")
    late = demo.frame(
        "select distinct segment_value, late_stage_loss_rate from marts.rpt_stage_conversion where segment_dimension = 'region'"
    )
    choose(page, "stage-dimension", "Region")
    choose(page, "stage-segment", "EMEA")
    wait_for_figure(page, "late-loss", percent(late.set_index("segment_value").late_stage_loss_rate["EMEA"]))


def test_deals_are_filtered_downloaded_and_explained_on_a_click(demo, site, page, tmp_path):
    site.show(demo.published)
    page.goto(f"{site.address}/deals")
    screenshots.settle(page)
    everything = one_row(demo, "select count(*) as n from marts.fct_open_deals")["n"]
    assert figure(page, "deals-count") == f"{everything:,}"
    choose(page, "deals-risk_category", "high")
    high = demo.frame(
        """
        select * from marts.fct_deal_scores inner join marts.fct_open_deals using (deal_id) left join marts.fct_deal_values using (deal_id)
        where risk_category = 'high' order by risk_score desc, fct_open_deals.deal_amount desc, deal_id
        """
    )
    assert 0 < len(high) < everything
    wait_for_figure(page, "deals-count", f"{len(high):,}")
    assert figure(page, "deals-rapv") in (millions(high.rapv_amount.sum()), f"{high.rapv_amount.sum() / 1e3:,.2f} k")
    page.keyboard.press("Escape")
    screenshots.settle(page)
    with page.expect_download() as download:
        page.get_by_text("Download these deals").click()
    with open(download.value.path(), newline="", encoding="utf-8") as file:
        assert [row["deal_id"] for row in csv.DictReader(file)] == high.deal_id.tolist()
    screenshots.choose_first_deal(page)
    deal = high.deal_id[0]
    page.wait_for_url(f"**/deals?deal={deal}")
    screenshots.settle(page)
    shown = page.get_by_test_id("stMain").inner_text()
    reasons = demo.frame(f"select reason from marts.fct_deal_score_reasons where deal_id = '{deal}' and is_shown").reason
    similar = demo.frame(f"select similar_deal_id from marts.fct_similar_won_deals where deal_id = '{deal}'")
    assert len(reasons) and all(" ".join(reason.split()) in shown for reason in reasons)
    assert figure(page, "deal-risk") == f"{high.risk_score[0]} of 100"
    assert similar.empty or page.get_by_test_id("stDataFrame").count() == 2


def test_an_open_page_shows_a_new_build_without_a_restart(demo, real_build, site, page):
    first = site.show(demo.published)
    page.goto(site.address)
    screenshots.settle(page)
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text(f"Build {first}").wait_for()
    second = site.show(real_build.published)
    assert first != second
    sidebar.get_by_text(f"Build {second}").wait_for(timeout=30_000)
    rate = one_row(real_build, "select * from marts.rpt_segment_win_rates where segment_dimension = 'all' and period = 'last_4_quarters'")
    wait_for_figure(page, "win-rate", percent(rate["win_rate"]))


def test_names_of_the_data_are_text_and_a_phone_needs_no_sideways_scrolling(demo, site, page, tmp_path):
    hostile = copy_of(demo, tmp_path)
    with duckdb.connect(str(hostile)) as connection:
        deal = connection.execute("select min(deal_id) from fct_deal_score_reasons where is_shown").fetchall()[0][0]
        connection.execute("update fct_open_deals set deal_name = ? where deal_id = ?", [HOSTILE, deal])
        connection.execute("update fct_deal_score_reasons set reason = ? where deal_id = ?", [HOSTILE, deal])
    site.show(hostile)
    page.set_viewport_size({"width": 390, "height": 900})
    for path in ("", f"deals?deal={deal}"):
        page.goto(f"{site.address}/{path}")
        screenshots.settle(page)
        assert page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollWidth") <= 390
    page.locator("h3", has_text=deal).wait_for()
    assert page.locator("h3", has_text=deal).inner_text() == f"{deal}: {HOSTILE}"
    assert page.get_by_text(HOSTILE).count() >= 2
    assert page.locator("img[src='x']").count() == 0


# Without a browser


def show_page(name: str) -> None:
    """One page as a script of its own."""
    import importlib

    from dashboard import published

    importlib.import_module(f"dashboard.views.{name}").show(published.current_build())


def copy_of(build, folder):
    file = folder / "marts_of_its_own.duckdb"
    shutil.copy(build.published, file)
    return file


def run_page(name: str, marts, monkeypatch, **query: str) -> AppTest:
    importlib.import_module(f"dashboard.views.{name}")
    monkeypatch.setenv("SALES_MARTS_DB", str(marts))
    app = AppTest.from_function(show_page, kwargs={"name": name}, default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def metric(app: AppTest, label: str) -> str:
    [found] = [each.value for each in app.metric if each.label == label]
    return found


def texts(app: AppTest) -> str:
    return "\n".join(str(each.value) for kind in ("markdown", "caption", "info", "warning") for each in app.get(kind))


@pytest.mark.parametrize("name", PAGES.values())
def test_a_page_costs_little_time(name, demo, monkeypatch):
    run_page(name, demo.published, monkeypatch)
    start = time.process_time()
    app = run_page(name, demo.published, monkeypatch)
    assert time.process_time() - start < PAGE_CPU_SECONDS
    assert not app.exception


@pytest.mark.parametrize("choice", [*LISTS, *FLAGS, "amount", "search", "close", "created"])
def test_each_filter_of_the_deals_gives_the_deals_that_pandas_finds(choice, demo, monkeypatch):
    app = run_page("deals", demo.published, monkeypatch)
    rows = demo.frame(
        """
        select deals.*, team, risk_category, revenue_at_risk_amount from marts.fct_open_deals as deals
        left join marts.dim_reps using (sales_rep_id) left join marts.fct_deal_scores using (deal_id) left join marts.fct_deal_values using (deal_id)
        """
    )
    if choice in LISTS:
        values = sorted(rows[choice].dropna().unique())[:2]
        app.multiselect(f"deals-{choice}").set_value(values)
        kept = rows[choice].isin(values)
    elif choice in FLAGS:
        app.multiselect("deals-flags").set_value([choice])
        flag = {"stalled in its stage": "is_stalled_in_stage"}.get(choice, f"is_{choice}")
        kept = rows.push_count > 0 if choice == "pushed" else rows[flag].fillna(False).astype(bool)
    elif choice == "amount":
        app.number_input("deals-least").set_value(10_000.0)
        app.number_input("deals-most").set_value(20_000.0)
        kept = rows.deal_amount.astype(float).between(10_000, 20_000)
    elif choice == "search":
        app.text_input("deals-search").set_value("starter")
        kept = rows.deal_name.str.lower().str.contains("starter")
    elif choice == "close":
        middle = rows.expected_close_date.sort_values().iloc[len(rows) // 2].date()
        app.date_input("deals-Expected close to").set_value(middle)
        kept = rows.expected_close_date <= pandas.Timestamp(middle)
    else:
        middle = rows.created_date.sort_values().iloc[len(rows) // 2].date()
        app.date_input("deals-Created from").set_value(middle)
        kept = rows.created_date >= pandas.Timestamp(middle)
    app.run()
    assert not app.exception
    assert metric(app, "Open deals") == f"{kept.sum():,}"
    assert words.money(rows.revenue_at_risk_amount[kept].sum()) == metric(app, "Revenue at risk")
    assert 0 < kept.sum() < len(rows)


def test_pages_of_the_deals_hold_every_deal_once(demo, monkeypatch):
    app = run_page("deals", demo.published, monkeypatch)
    [pages] = [each for each in app.number_input if each.label.startswith("Page")]
    seen = []
    for number in range(1, int(pages.max) + 1):
        [box] = [each for each in app.number_input if each.label.startswith("Page")]
        app = box.set_value(number).run()
        seen += app.dataframe[0].value.deal_id.tolist()
    assert sorted(seen) == sorted(demo.frame("select deal_id from marts.fct_open_deals").deal_id)


def test_actions_are_offered_but_not_for_a_deal_that_is_held_out(demo, tmp_path, monkeypatch):
    marts = copy_of(demo, tmp_path)
    with duckdb.connect(str(marts)) as connection:
        offered, held = [deal for (deal,) in connection.execute("select deal_id from fct_open_deals order by 1 limit 2").fetchall()]
        connection.execute(
            f"""
            create or replace table fct_recommended_actions as
            from (values
                ('{offered}', 'b', 2, 'Ring them', 'this_week', 'It is late.', 'measured', 0.17, 3400, 400, 6400, 'no call for 9 days', false),
                ('{offered}', 'a', 1, 'Meet *them*', 'immediate', 'It is risky.', 'unmeasured', null, null, null, null, 'no meeting', false),
                ('{held}', 'a', 1, 'Meet *them*', 'immediate', 'It is risky.', 'unmeasured', null, null, null, null, 'no meeting', true)
            ) as actions(
                deal_id, action_id, action_rank, action_text, priority, rationale, effect_status, effect_per_acted_deal,
                expected_value_amount, expected_value_lower_amount, expected_value_upper_amount, evidence, is_holdout
            )
            """
        )
    app = run_page("deals", marts, monkeypatch, deal=offered)
    shown = texts(app)
    assert shown.index("**Immediate:** Meet \\*them\\*") < shown.index("**This week:** Ring them")
    assert "closed won 17.0 points more often (measured against the hold-out)" in shown
    assert "worth 3.40 k (400 to 6.40 k)" in shown
    assert shown.count("nobody has measured") == 1 and "This deal is in the hold-out" not in shown
    app = run_page("deals", marts, monkeypatch, deal=held)
    assert "This deal is in the hold-out" in texts(app) and "Meet \\*them" not in texts(app)


def test_without_the_mart_of_actions_the_page_says_so(demo, tmp_path, monkeypatch):
    marts = copy_of(demo, tmp_path)
    with duckdb.connect(str(marts)) as connection:
        connection.execute("drop table if exists fct_recommended_actions")
        deal = connection.execute("select min(deal_id) from fct_open_deals").fetchall()[0][0]
    app = run_page("deals", marts, monkeypatch, deal=deal)
    assert not app.exception
    assert "doesn't publish recommended actions" in texts(app)


@pytest.mark.parametrize("content", [None, b"not a database", "empty"])
def test_without_published_marts_one_sentence_says_what_to_do(content, tmp_path, monkeypatch):
    file = tmp_path / "marts.duckdb"
    if content == "empty":
        duckdb.connect(str(file)).close()
    elif content:
        file.write_bytes(content)
    monkeypatch.setenv("SALES_MARTS_DB", str(file))
    app = AppTest.from_file(str(PROJECT / "dashboard" / "app.py"), default_timeout=60).run()
    assert not app.exception
    [sentence] = [each.value.replace("\\", "") for each in app.info]
    assert str(file) in sentence and "dbt build" in sentence


def test_a_page_that_began_with_a_build_ends_with_it(demo, tmp_path, monkeypatch):
    marts = copy_of(demo, tmp_path)
    monkeypatch.setenv("SALES_MARTS_DB", str(marts))
    before = published.current_build()
    newer = tmp_path / "newer.duckdb"
    shutil.copy(demo.published, newer)
    with duckdb.connect(str(newer)) as connection:
        connection.execute("update build_info set build_id = 'newer'")
        connection.execute("delete from fct_deals")
    os.replace(newer, marts)
    count = "select count(*) as n, (select build_id from build_info) as build_id from fct_deals"
    after = published.current_build()
    assert (after.build_id, after.rows(count).n[0], after.rows(count).build_id[0]) == ("newer", 0, "newer")
    assert (before.rows(count).n[0], before.rows(count).build_id[0]) == (
        one_row(demo, "select count(*) as n from marts.fct_deals")["n"],
        before.build_id,
    )


def test_every_bridge_ends_where_the_mart_says(demo):
    bridges = demo.frame("select * from marts.rpt_pipeline_bridge where segment_dimension = 'all'")
    assert len(bridges) > 100
    for _, row in bridges.iterrows():
        steps = change.waterfall(row)
        inner = steps[~steps.step.isin(["Opening", "Closing"])]
        assert steps.end.iloc[-1] == pytest.approx(float(row.closing_amount))
        assert float(row.opening_amount) + inner.amount.sum() == pytest.approx(steps.end.iloc[-1], abs=0.005)


def month(day: str, verdict: str, direction: str | None = None, partial: bool = False, reason: str | None = None) -> dict:
    return {
        "period_start_date": pandas.Timestamp(day),
        "verdict": verdict,
        "alarm_direction": direction,
        "is_partial_period": partial,
        "missing_reason": reason,
    }


@pytest.mark.parametrize(
    ("months", "expected"),
    [
        ([month("2025-01-01", "no_signal"), month("2025-02-01", "signal", "below")], "It is real: in February 2025"),
        ([month("2025-01-01", "signal", "below"), month("2025-02-01", "no_signal")], "more than chance: January 2025 (below)"),
        ([month("2025-01-01", "no_signal"), month("2025-02-01", "no_signal")], "Chance can explain it"),
        ([month("2025-01-01", "signal", "above"), month("2025-02-01", "not_computable", partial=True)], "It is real: in January 2025"),
        ([month("2025-01-01", "insufficient_n", reason="too few periods before it")], "It can't be told yet: January 2025 has too few"),
        ([month("2025-01-01", "not_computable", partial=True)], "no complete month"),
    ],
)
def test_the_headline_follows_the_verdicts(months, expected):
    assert expected in overview.answer(pandas.DataFrame(months))


def test_the_headline_looks_at_twelve_complete_months():
    alarm, now = month("2024-12-01", "signal", "below"), month("2026-01-01", "not_computable", partial=True)
    quiet = [month(f"2025-{number:02}-01", "no_signal") for number in range(1, 13)]
    months = pandas.DataFrame([alarm, *quiet, now])
    assert "none of the 11 months before it is an alarm." in overview.answer(months)
    assert set(overview.newest_months(months).verdict) == {"no_signal"}
    assert "the 12 months up to it hold more than chance: December" in overview.answer(pandas.DataFrame([alarm, *quiet[1:], now]))
    quiet[0] = month("2025-01-01", "insufficient_n", reason="too few deals")
    assert "none of the 11 months before it is an alarm (10 could be judged)." in overview.answer(pandas.DataFrame([alarm, *quiet]))


def test_a_signal_is_charted_before_larger_effects_and_what_is_left_out_is_said():
    def page():
        import pandas

        from dashboard import parts

        frame = pandas.DataFrame({"size": [9.0, -8.0, 0.5, None], "verdict": ["no_signal", "no_signal", "signal", "insufficient_n"]})
        parts.st.text(parts.most_telling(frame, frame["size"], 2).index.tolist())
        parts.most_telling(frame, frame["size"], 4)
        frame["finding"] = [f"finding {number}" for number in range(4)]
        parts.signals(frame, "none stands out")
        parts.signals(frame[:2], "none stands out")
        parts.signals(frame[3:], "none stands out")
        parts.findings(frame.finding.tolist(), limit=3)

    app = AppTest.from_function(page).run()
    assert not app.exception
    assert app.text[0].value == "[0, 2]"
    assert [caption.value[:13] for caption in app.caption] == ["Shown: 2 of 4"]
    assert [each.value for each in app.markdown] == [
        "- finding 2",
        "none stands out",
        "**Nothing here could be judged.**",
        "- finding 0\n- finding 1\n- finding 2\n- and 1 more",
    ]


def test_data_are_stale_a_day_after_their_last_day_ended():
    assert not words.is_stale(date(2025, 12, 31), datetime(2026, 1, 2, 0, 0, tzinfo=UTC))
    assert words.is_stale(date(2025, 12, 31), datetime(2026, 1, 2, 0, 1, tzinfo=UTC))
    assert words.age_days(date(2025, 12, 31), datetime(2026, 1, 2, 0, 1, tzinfo=UTC)) == 2


def test_a_spreadsheet_runs_nothing_of_the_download():
    rows = pandas.DataFrame({"name": ["=1+1", "@x", "\n=1", "plain", None], "amount": [-1.5, 2.0, 3.0, 4.0, 5.0]})
    read = list(csv.DictReader(io.StringIO(deals.to_csv(rows).decode())))
    assert [row["name"] for row in read] == ["'=1+1", "'@x", "'\n=1", "plain", ""]
    assert [float(row["amount"]) for row in read] == [-1.5, 2.0, 3.0, 4.0, 5.0]


def test_values_of_a_filter_never_become_sql():
    where, parameters = DealFilter({"stage": ["x') or true --"]}, search="'; drop table x").where()
    assert "drop" not in where and "or true" not in where
    assert parameters == [["x') or true --"], "'; drop table x", "'; drop table x"]
    assert set(ORDERS) == {"Highest risk", "Most money at risk", "Largest amount", "Soonest expected close", "Longest in its stage"}


@pytest.mark.parametrize(
    ("amount", "text"),
    [(3_995_890, "4.00 M"), (1_494_981.2, "1.49 M"), (979.4, "979"), (14_807, "14.81 k"), (2.5e9, "2.50 bn"), (None, "–")],
)
def test_money(amount, text):
    assert words.money(amount) == text

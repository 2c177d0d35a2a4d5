"""How far to trust the forecasts and the scores: what they said in the past, and what came."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts, parts, words
from dashboard.published import Build
from dashboard.views.pipeline import METHODS


def show(build: Build) -> None:
    st.subheader("Forecasts against what came")
    if parts.can_say(build, "rpt_pipeline_value_backtest"):
        backtest(build)
    st.subheader("Scores of deals")
    if parts.can_say(build, "rpt_score_quality"):
        quality(build)
    st.subheader("Do deals at 70 % win 70 %?")
    if parts.can_say(build, "rpt_score_calibration"):
        calibration(build)
    st.subheader("Do the open deals still look like those before?")
    if parts.can_say(build, "rpt_score_drift"):
        drift(build)


def backtest(build: Build) -> None:
    methods = build.rows("select * from rpt_pipeline_value_methods order by is_default desc, mean_absolute_error_rate")
    names = methods.method.tolist()
    method = parts.choose("Forecast", names, "backtest-method", write=lambda name: METHODS.get(name, words.label(name)))
    chosen = methods[methods.method == method].iloc[0]
    ratio, error, band = st.columns(3)
    span = f"{words.count(chosen.evaluated_date_count)} month ends whose deals have closed since."
    parts.figure(
        ratio,
        "Forecast / realised",
        words.MISSING if pd.isna(chosen.forecast_to_realised_ratio) else f"{chosen.forecast_to_realised_ratio:.2f}",
        f"{words.money(chosen.forecast_amount)} said, {words.money(chosen.realised_amount)} won; {span}",
        "forecast-ratio",
    )
    parts.figure(
        error, "Mean error of a month end", words.percent(chosen.mean_absolute_error_rate), f"Without regard to sign; {span}", "error"
    )
    parts.figure(
        band,
        "80 % band held",
        words.percent(chosen.within_band_rate, 0),
        f"of {words.count(chosen.band_date_count)} month ends that had a band.",
        "band-held",
    )
    frame = build.rows("select * from rpt_pipeline_value_backtest where method = ? order by forecast_date", method)
    parts.chart(backtest_chart(frame, build.money), frame, "Forecast with its band and realised amount by month end")
    st.caption(
        "Hollow: some of the deals are still open, so what came isn't all in yet. The band, P10 to P90, stands where the forecast has one."
    )
    methods["name"] = methods.method.map(lambda name: METHODS.get(name, words.label(name)))
    methods["ratio"] = methods.forecast_to_realised_ratio.round(3)
    methods["error"] = methods.mean_absolute_error_rate.map(words.percent)
    methods["bias"] = methods.mean_error_rate.map(words.percent)
    parts.table(
        methods,
        {
            "name": "Method",
            "is_default": "Default",
            "verdict": "Verdict",
            "ratio": "Forecast / realised",
            "error": "Mean absolute error",
            "bias": "Mean signed error",
            "evaluated_date_count": "Month ends",
        },
    )


def backtest_chart(frame: pd.DataFrame, money: str) -> alt.LayerChart:
    names = {"forecast_amount": "forecast", "realised_amount": "realised"}
    long = frame.melt(
        ["forecast_date", "is_evaluable", "yield_p10_amount", "yield_p90_amount", "open_deal_count", "still_open_deal_count"],
        list(names),
        "what",
        "amount",
    )
    long["what"] = long.what.map(names)
    x = charts.months("Month end of the forecast", "forecast_date", "%d %b %Y")
    tips = charts.tooltips(
        {
            "forecast_date": "%Y-%m-%d",
            "what": "",
            "amount": ",.0f",
            "yield_p10_amount": ",.0f",
            "yield_p90_amount": ",.0f",
            "open_deal_count": ",",
            "still_open_deal_count": ",",
        }
    )
    looks = {"forecast": (charts.BLUE, "circle"), "realised": (charts.VERMILLION, "diamond")}
    colour, shape = charts.marks(long, "what", looks)
    base = alt.Chart(long).encode(x=x, tooltip=tips)
    y = alt.Y("yield_p10_amount:Q", title=f"Amount ({money})", axis=charts.axis("~s"), scale=alt.Scale(zero=False))
    band = (
        base.transform_filter(alt.datum.what == "forecast").mark_area(color=charts.BLUE, opacity=0.18).encode(y=y, y2="yield_p90_amount:Q")
    )
    lines = base.mark_line(opacity=0.6).encode(y="amount:Q", color=colour)
    points = base.mark_point(size=60, opacity=1).encode(
        y="amount:Q",
        color=colour,
        shape=shape,
        fill=alt.condition("datum.is_evaluable", colour, alt.value("white")),
    )
    return alt.layer(band, lines, points).properties(height=320)


def quality(build: Build) -> None:
    frame = build.rows("select * from rpt_score_quality order by fold = 'all', trained_until_date, fold")
    pooled = frame[frame.fold == "all"]
    row = pooled.iloc[0] if len(pooled) else frame.iloc[-1]
    with st.container(border=True, key="gate"):
        st.markdown(f"**The gate:** {words.escape(row.finding)}")
    auc, brier, slope = st.columns(3)
    n = f"{words.count(row.deal_count)} deals of {len(frame) - len(pooled)} past tests."
    parts.figure(
        auc,
        "A won deal above a lost one (AUC)",
        _number(row.auc),
        f"{words.between(row.auc_lower, row.auc_upper, _number)}; 0.5 is a coin. {n}",
        "auc",
    )
    parts.figure(brier, "Squared error below the base rate's", words.percent(row.brier_skill), n, "brier")
    parts.figure(
        slope,
        "Calibration slope",
        _number(row.calibration_slope),
        f"{words.between(row.calibration_slope_lower, row.calibration_slope_upper, _number)}; 1 is right, below it scores are too bold.",
        "slope",
    )
    folds = frame.dropna(subset=["auc"])
    drawn = charts.intervals(
        folds.assign(verdict=folds.verdict.map(words.verdict), fold=folds.fold.replace("all", "all together")),
        "fold",
        "auc",
        ("auc_lower", "auc_upper"),
        "AUC on deals created after the training",
        {
            "fold": "",
            "auc": ".3f",
            "auc_lower": ".3f",
            "auc_upper": ".3f",
            "brier_skill": "+.1%",
            "calibration_slope": ".2f",
            "precision_at_k": ".1%",
            "training_deal_count": ",",
            "deal_count": ",",
            "trained_until_date": "%Y-%m-%d",
        },
        form=".2f",
        rule=0.5,
    )
    parts.chart(drawn, folds, "AUC of each past test with its interval")
    parts.findings(frame[frame.fold != "all"].finding.tolist())


def _number(value: float | None) -> str:
    return words.MISSING if pd.isna(value) else f"{value:.2f}"


def calibration(build: Build) -> None:
    methods = parts.values(build, "rpt_score_calibration", "method", first="model")
    method = parts.choose("Score", methods, "calibration-method")
    frame = build.rows("select * from rpt_score_calibration where method = ? order by bin_number", method)
    base = alt.Chart(frame).encode(
        x=alt.X("predicted_win_rate:Q", title="Predicted win probability", axis=charts.axis(".0%"), scale=alt.Scale(domain=[0, 1])),
        tooltip=charts.tooltips(
            {
                "bin_number": ",",
                "predicted_win_rate": ".1%",
                "win_rate": ".1%",
                "win_rate_lower": ".1%",
                "win_rate_upper": ".1%",
                "deal_count": ",",
                "effective_deal_count": ",.0f",
            }
        ),
    )
    y = alt.Y("win_rate_lower:Q", title="Really won", axis=charts.axis(".0%"), scale=alt.Scale(domain=[0, 1]))
    right = alt.Chart(pd.DataFrame({"a": [0, 1]})).mark_line(color=charts.GREY, strokeDash=[4, 4]).encode(x="a:Q", y="a:Q")
    drawn = alt.layer(
        right,
        base.mark_rule(color=charts.BLUE, strokeWidth=2).encode(y=y, y2="win_rate_upper:Q"),
        base.mark_point(filled=True, color=charts.BLUE, size=70, opacity=1).encode(y="win_rate:Q"),
    ).properties(height=340)
    parts.chart(drawn, frame, "Predicted win probability against the share really won, with intervals")
    st.caption("On the dashed line the score is right. Below it, deals win less often than their score says.")


def drift(build: Build) -> None:
    frame = build.rows("select *, factor_label as name from rpt_score_drift order by psi - no_drift_psi_upper desc nulls last")
    judged = frame.dropna(subset=["psi"]).assign(verdict=lambda rows: rows.verdict.map(words.verdict))
    colour, shape = charts.marks(judged, "verdict", charts.VERDICT_MARKS)
    base = alt.Chart(judged).encode(
        y=charts.names("name", judged, 170),
        tooltip=charts.tooltips(
            {
                "name": "",
                "psi": ".3f",
                "no_drift_psi": ".3f",
                "no_drift_psi_upper": ".3f",
                "verdict": "",
                "q_value": ".3f",
                "open_deal_count": ",",
                "reference_deal_count": ",",
            }
        ),
    )
    chance = base.mark_bar(color=charts.GREY, opacity=0.25, height=14).encode(
        x=alt.X(
            "no_drift_psi_upper:Q",
            title=charts.title("PSI: how far today's open deals differ from those of past month ends"),
            axis=charts.axis(".2f"),
        )
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x="psi:Q",
        color=colour,
        shape=shape,
    )
    parts.chart(
        charts.rows(alt.layer(chance, points), 24),
        judged,
        "Drift of each factor beside what chance makes",
    )
    st.caption("Grey bars: how far chance alone seldom goes.")
    signals = frame[frame.verdict == "signal"]
    parts.findings(signals.finding.tolist() or frame.finding.head(2).tolist())

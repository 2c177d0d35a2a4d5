"""Which segments and factors go with winning and losing, and what deals are lost to."""

from collections.abc import Sequence
from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts, parts, words
from dashboard.published import Build

MAX_CELLS = 600
MAX_ROWS = 40
MEASURES = {"Win rate": "win_rate", "Difference to those that don't stand out": "vs_reference_difference"}
PERIODS = {"all": "All closed deals", "last_4_quarters": "Last four quarters", "prior_4_quarters": "The four quarters before"}
RATE_TIPS = {
    "segment_value": "",
    "win_rate": ".1%",
    "win_rate_lower": ".1%",
    "win_rate_upper": ".1%",
    "won_deal_count": ",",
    "closed_deal_count": ",",
    "shrunk_win_rate": ".1%",
    "vs_reference_difference": "+.1%",
    "excess_lost_deal_count": "+.1f",
    "excess_lost_amount": "+,.0f",
    "verdict": "",
}


def show(build: Build) -> None:
    st.subheader("Factors, the others held equal")
    if parts.can_say(build, "rpt_win_rate_drivers"):
        effects(build)
    if parts.can_say(build, "rpt_segment_win_rates", "closed_deals"):
        st.subheader("Pairs of segments")
        heat_map(build)
        st.subheader("Segments by themselves")
        segments(build)
    st.subheader("What deals are lost to")
    if parts.can_say(build, "rpt_lost_reasons"):
        lost_reasons(build)
    st.subheader("Competitors")
    if parts.can_say(build, "rpt_segment_win_rates", "competitors"):
        rates_of(build, "competitor", "all")


def effects(build: Build) -> None:
    left, right = st.columns(2)
    with right:
        after_close = st.toggle("With what is known only after the close (describes, can't foresee)", key="driver-after-close")
    factors = parts.values(build, "rpt_win_rate_drivers", "factor", is_known_only_after_close=after_close)
    everything = "Every factor"
    with left:
        factor = parts.choose(
            "Factor",
            [everything, *factors],
            "driver-factor",
            write=lambda name: name if name == everything else parts.dimension(build, name),
        )
    frame = build.rows(
        f"""
        select *, {_name_of("factor", "level", factor == everything)} as name
        from rpt_win_rate_drivers
        where is_known_only_after_close = ? and (factor = ? or ?) and vs_others_pp is not null
            and level <> '(rare)'
        order by factor, vs_others_pp desc, level
        """,
        after_close,
        factor,
        factor == everything,
    )
    shown = parts.most_telling(frame, frame.vs_others_pp, MAX_ROWS)
    drawn = charts.intervals(
        shown.assign(verdict=shown.verdict.map(words.verdict)),
        "name",
        "vs_others_pp",
        ("vs_others_lower_pp", "vs_others_upper_pp"),
        "Win rate against the factor's levels that don't stand out (percentage points)",
        {
            "name": "",
            "vs_others_pp": "+.1f",
            "vs_others_lower_pp": "+.1f",
            "vs_others_upper_pp": "+.1f",
            "verdict": "",
            "won_deal_count": ",",
            "closed_deal_count": ",",
            "adjusted_win_rate": ".1%",
            "odds_ratio": ".2f",
            "other_levels": "",
            "shrunk_vs_others_pp": "+.1f",
            "detectable_difference_pp": ".1f",
            "adjusted_p_value": ".4f",
            "is_sign_flip": "",
        },
        form="+.0f",
        rule=0,
    )
    parts.chart(drawn, shown, "Effect of each level on the win rate with its interval")
    if not frame.empty:
        st.caption(
            f"Marginal effects of a model of {words.count(frame.fit_deal_count.iloc[0])} closed deals: associated with, not the cause of, more "
            "or fewer wins."
        )
    parts.signals(frame, "**No factor stands out:** chance can explain each difference that could be judged.")
    flips = frame[frame.is_sign_flip]
    if not flips.empty:
        st.warning("Changed its direction between half-years: " + words.escape(", ".join(flips.name)), icon=":material/swap_horiz:")


def _name_of(dimension: str, value: str, is_long: bool) -> str:
    own = f"(select label from dim_dimensions as dimensions where not is_built_in and dimensions.dimension = {dimension})"
    return f"coalesce({own}, replace({dimension}, '_', ' ')) || ': ' || {value}" if is_long else value


def heat_map(build: Build) -> None:
    pairs = [name for name in parts.values(build, "rpt_segment_win_rates", "segment_dimension") if " x " in name]
    left, right = st.columns(2)
    with left:
        pair = parts.choose(
            "Pair",
            pairs,
            "heat-pair",
            write=lambda name: " by ".join(parts.dimension(build, one) for one in name.split(" x ")),
            default="lead_source x deal_size_band",
        )
    with right:
        measure = parts.choose("Shown", list(MEASURES), "heat-measure", write=str)
    frame = build.rows(
        """
        select * from rpt_segment_win_rates
        where segment_dimension = ? and period = 'all'
        order by closed_deal_count desc, segment_value
        """,
        pair,
    )
    shown = parts.most_telling(frame, frame.closed_deal_count, MAX_CELLS, "with the most closed deals")
    names = [parts.dimension(build, name) for name in pair.split(" x ")]
    parts.chart(heat_chart(shown, names, MEASURES[measure]), shown, f"{measure} by {pair}")
    st.caption(
        "In each cell the figure and the number of closed deals; pale: too few deals to judge; framed: more than its two segments by "
        "themselves and chance explain."
    )
    parts.signals(frame, "**No pair that could be judged stands out** beyond what its two segments do by themselves.")


def heat_chart(frame: pd.DataFrame, names: Sequence[str], measure: str) -> alt.LayerChart:
    """Sequential for rates, diverging about no difference; both can be told apart without red and green."""
    first, second = names
    is_rate = measure == "win_rate"
    largest = float(frame[measure].abs().max() or 0) if len(frame) else 0
    scale = alt.Scale(scheme="blues") if is_rate else alt.Scale(scheme="blueorange", domain=[largest, -largest])
    tips = charts.tooltips({**RATE_TIPS, "reference_win_rate": ".1%", "adjusted_p_value": ".4f"})
    base = alt.Chart(frame.assign(label=[_cell(row, measure) for row in frame.to_dict("records")])).encode(
        x=alt.X("second_segment_value:N", title=second, axis=alt.Axis(labelAngle=-40, labelLimit=110)),
        y=alt.Y("first_segment_value:N", title=first, axis=alt.Axis(labelLimit=110)),
        tooltip=tips,
    )
    cells = base.mark_rect(stroke="white").encode(
        color=alt.Color(f"{measure}:Q", scale=scale, legend=alt.Legend(title=None, format=".0%", orient="top", gradientLength=180)),
        opacity=alt.condition(alt.datum.verdict == "insufficient_n", alt.value(0.25), alt.value(1)),
    )
    framed = base.transform_filter(alt.datum.verdict == "signal").mark_rect(fillOpacity=0, stroke="black", strokeWidth=2)
    dark_from = frame.win_rate.min() + 0.55 * (frame.win_rate.max() - frame.win_rate.min())
    is_dark = f"datum.win_rate > {dark_from} && datum.verdict != 'insufficient_n'" if is_rate and len(frame) else "false"
    text = base.mark_text(fontSize=11, lineBreak="|").encode(
        text="label:N",
        color=alt.condition(is_dark, alt.value("white"), alt.value("black")),
    )
    return charts.rows(alt.layer(cells, framed, text), 38)


def _cell(row: dict, measure: str) -> str:
    value = row[measure]
    figure = words.MISSING if pd.isna(value) else f"{100 * value:.0f} %" if measure == "win_rate" else f"{100 * value:+.0f}"
    return f"{figure}|n {row['closed_deal_count']:,}"


def segments(build: Build) -> None:
    every = parts.values(build, "rpt_segment_win_rates", "segment_dimension")
    dimensions = [name for name in every if " x " not in name and name not in ("all", "competitor")]
    left, right = st.columns(2)
    with left:
        dimension = parts.choose("By", dimensions, "segment-dimension", write=partial(parts.dimension, build), default="lead_source")
    periods = parts.values(build, "rpt_segment_win_rates", "period", segment_dimension=dimension)
    with right:
        period = parts.choose("Of", periods, "segment-period", write=lambda name: PERIODS.get(name, name))
    rates_of(build, dimension, period)


def rates_of(build: Build, dimension: str, period: str) -> None:
    frame = build.rows(
        """
        select * from rpt_segment_win_rates
        where segment_dimension = ? and period = ?
        order by excess_lost_amount desc nulls last, segment_value
        """,
        dimension,
        period,
    )
    if frame.empty:
        st.info("No rows for this choice.", icon=":material/info:")
        return
    pooled = float(frame.pooled_win_rate.iloc[0])
    shown = parts.most_telling(frame, frame.vs_reference_difference, MAX_ROWS)
    drawn = charts.intervals(
        shown.assign(verdict=shown.verdict.map(words.verdict)),
        "segment_value",
        "win_rate",
        ("win_rate_lower", "win_rate_upper"),
        "Win rate (won / closed deals)",
        RATE_TIPS,
        rule=pooled,
    )
    parts.chart(drawn, shown, f"Win rate by {dimension} with intervals")
    note = f"Dashed: {words.percent(pooled)}, all of them together. In the order of the money lost beyond what that rate would lose."
    if bool(frame.is_known_only_after_close.iloc[0]):
        note += " Known only after the close: it describes, and can't foresee."
    st.caption(note)
    parts.findings(frame[frame.verdict == "signal"].finding.tolist() or frame.finding.head(2).tolist())


def lost_reasons(build: Build) -> None:
    frame = build.rows("select * from rpt_lost_reasons order by lost_share desc limit 25")
    before = frame.assign(
        lost_share=frame.previous_lost_share,
        lost_share_lower=frame.previous_lost_share_lower,
        lost_share_upper=frame.previous_lost_share_upper,
        lost_deal_count=frame.previous_lost_deal_count,
        all_lost_deal_count=frame.previous_all_lost_deal_count,
        lost_amount=frame.previous_lost_amount,
    )
    both = pd.concat([frame.assign(period="last four quarters"), before.assign(period="the four before")])
    periods = {"last four quarters": (charts.BLUE, "diamond"), "the four before": (charts.ORANGE, "circle")}
    colour, shape = charts.marks(both, "period", periods)
    base = alt.Chart(both).encode(
        y=charts.names("lost_reason", frame),
        yOffset=alt.YOffset("period:N", sort=list(periods)),
        color=colour,
        tooltip=charts.tooltips(
            {
                "lost_reason": "",
                "period": "",
                "lost_share": ".1%",
                "lost_share_lower": ".1%",
                "lost_share_upper": ".1%",
                "lost_deal_count": ",",
                "all_lost_deal_count": ",",
                "lost_amount": ",.0f",
            }
        ),
    )
    ranges = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("lost_share_lower:Q", title="Share of lost deals", axis=charts.axis(".0%")), x2="lost_share_upper:Q"
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x="lost_share:Q", shape=shape)
    parts.chart(
        charts.rows(alt.layer(ranges, dots), 22),
        both,
        "Share of lost deals by reason, now and before",
    )
    parts.findings(frame.finding.tolist())

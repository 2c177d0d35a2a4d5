"""Altair charts: intervals are drawn, colours are those of Okabe and Ito, which colour-blind readers can tell apart."""

import altair as alt
import pandas as pd

BLUE, ORANGE, VERMILLION, SKY, GREEN, PURPLE, GREY = "#0072B2", "#E69F00", "#D55E00", "#56B4E9", "#009E73", "#CC79A7", "#8A8A8A"
VERDICT_SCALE = alt.Scale(
    domain=["more than chance", "chance can explain it", "too few deals to judge", "can't be judged"], range=[VERMILLION, BLUE, GREY, GREY]
)
VERDICT_SHAPES = alt.Scale(domain=VERDICT_SCALE.domain, range=["diamond", "circle", "circle", "circle"])
ROW_HEIGHT = 26
POINTS_AXIS = alt.Axis(labelExpr="format(datum.value * 100, '+.3~r')")


def tooltips(columns: dict[str, str]) -> list[alt.Tooltip]:
    """`{"win_rate": ".1%"}`; a format of "" leaves the value as it is; the title is the column's name in words."""
    result = []
    for name, form in columns.items():
        field, kind = name, "Q"
        if form == "":
            kind = "N"
        elif form.startswith("%"):
            kind = "T"
        title = field.replace("_", " ")
        options = {"format": form} if form else {}
        result.append(alt.Tooltip(f"{field}:{kind}", title=title, **options))
    return result


def intervals(
    frame: pd.DataFrame,
    label: str,
    value: str,
    lower: str,
    upper: str,
    title: str,
    tips: dict[str, str],
    form: str = ".0%",
    rule: float | None = None,
    verdict: str | None = "verdict",
    sort: list[str] | None = None,
    zero: bool = False,
) -> alt.LayerChart:
    """A row per label: its value as a point, its interval as a line, a dashed rule where nothing would stand out."""
    axis = POINTS_AXIS if form == "points" else alt.Axis(format=form)
    y = alt.Y(f"{label}:N", sort=sort or frame[label].tolist(), title=None, axis=alt.Axis(labelLimit=150))
    scale = alt.Scale(zero=zero)
    base = alt.Chart(frame).encode(y=y, tooltip=tooltips(tips))
    colour = alt.value(BLUE)
    shape = alt.value("circle")
    if verdict:
        colour = alt.Color(
            f"{verdict}:N", scale=VERDICT_SCALE, legend=alt.Legend(title=None, orient="top", values=_present(frame, verdict))
        )
        shape = alt.Shape(f"{verdict}:N", scale=VERDICT_SHAPES, legend=None)
    layers = [
        base.mark_rule(strokeWidth=2).encode(x=alt.X(f"{lower}:Q", title=title, axis=axis, scale=scale), x2=f"{upper}:Q", color=colour),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=alt.X(f"{value}:Q", title=title), color=colour, shape=shape),
    ]
    if rule is not None:
        layers.insert(0, alt.Chart(pd.DataFrame({"at": [rule]})).mark_rule(strokeDash=[4, 4], color=GREY).encode(x="at:Q"))
    return alt.layer(*layers).properties(height=alt.Step(ROW_HEIGHT))


def _present(frame: pd.DataFrame, column: str) -> list[str]:
    return [value for value in VERDICT_SCALE.domain if value in set(frame[column])]


def band_over_time(
    frame: pd.DataFrame, date: str, value: str, lower: str, upper: str, title: str, tips: dict[str, str], form: str, zero: bool = False
) -> alt.LayerChart:
    """A line over months with its interval as a band; months without a value leave a gap."""
    x = alt.X(f"{date}:T", title=None, axis=alt.Axis(format="%b %Y", labelAngle=-45, labelOverlap=True))
    scale = alt.Scale(zero=zero)
    base = alt.Chart(frame).encode(x=x, tooltip=tooltips(tips))
    band = base.mark_area(opacity=0.2, color=BLUE).encode(
        y=alt.Y(f"{lower}:Q", title=title, axis=alt.Axis(format=form), scale=scale), y2=f"{upper}:Q"
    )
    line = base.mark_line(color=BLUE, point=alt.OverlayMarkDef(color=BLUE, size=40)).encode(y=alt.Y(f"{value}:Q", title=title))
    return alt.layer(band, line).properties(height=280)

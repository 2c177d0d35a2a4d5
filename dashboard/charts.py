"""Altair charts: intervals are drawn, colours are those of Okabe and Ito, which colour-blind readers can tell apart."""

import textwrap

import altair as alt
import pandas as pd

BLUE, ORANGE, VERMILLION, SKY, GREY, PALE = "#0072B2", "#E69F00", "#D55E00", "#56B4E9", "#8A8A8A", "#B8C4CC"
VERDICT_MARKS = {
    "more than chance": (VERMILLION, "diamond"),
    "chance can explain it": (BLUE, "circle"),
    "too few deals to judge": (GREY, "circle"),
    "can't be judged": (GREY, "square"),
}
ROW_HEIGHT = 28


def axis(form: str = "", **options: object) -> alt.Axis:
    """`points` writes a rate of 0 to 1 in percentage points."""
    if form == "points":
        options["labelExpr"] = "format(datum.value * 100, '+.3~r')"
    elif form:
        options["format"] = form
    return alt.Axis(**{"tickCount": 8, "labelOverlap": True, **options})


def months(title: str, name: str = "period_start_date", form: str = "%b %Y") -> alt.X:
    return alt.X(f"{name}:T", title=title, axis=axis(form, labelAngle=-45, tickCount=12))


def names(column: str, frame: pd.DataFrame, width: int = 150) -> alt.Y:
    """Rows in the order of the frame."""
    order = list(dict.fromkeys(frame[column]))
    return alt.Y(f"{column}:N", sort=order, title=None, axis=alt.Axis(labelLimit=width, labelFlush=False))


def rows(chart: alt.Chart | alt.LayerChart, height: int = ROW_HEIGHT) -> alt.Chart | alt.LayerChart:
    """A height that grows with the rows."""
    return chart.properties(height=alt.Step(height))


def title(text: str) -> list[str]:
    """In lines that fit a phone."""
    return textwrap.wrap(text, 32)


def legend(labels: list[str]) -> alt.Legend:
    """Two labels stand side by side only where a phone is wide enough."""
    columns = 1 if any(len(label) > 20 for label in labels) else 2
    return alt.Legend(title=None, orient="top", symbolOpacity=1, labelLimit=0, columns=columns)


def colours(column: str, palette: dict[str, str]) -> alt.Color:
    scale = alt.Scale(domain=list(palette), range=list(palette.values()))
    return alt.Color(f"{column}:N", scale=scale, legend=legend(list(palette)))


def marks(frame: pd.DataFrame, column: str, looks: dict[str, tuple[str, str]]) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape together, of the values that occur: nothing is told by colour alone."""
    present = [value for value in looks if value in set(frame[column])]
    colour = colours(column, {value: looks[value][0] for value in present})
    shape = alt.Scale(domain=present, range=[looks[value][1] for value in present])
    return colour, alt.Shape(f"{column}:N", scale=shape, legend=legend(present))


def tooltips(columns: dict[str, str]) -> list[alt.Tooltip]:
    """`{"win_rate": ".1%"}`: a number's format, a date's (begins with %), or "" for text; the title is the column's name in words."""
    result = []
    for name, form in columns.items():
        kind = "N" if not form else "T" if form.startswith("%") else "Q"
        result.append(alt.Tooltip(f"{name}:{kind}", title=name.replace("_", " "), **({"format": form} if form else {})))
    return result


def intervals(
    frame: pd.DataFrame,
    name: str,
    value: str,
    ends: tuple[str, str],
    what: str,
    tips: dict[str, str],
    form: str = ".0%",
    rule: float | None = None,
    verdict: str | None = "verdict",
    zero: bool = False,
) -> alt.LayerChart:
    """A row per name: its value as a point, its interval as a line, a dashed rule where nothing would stand out."""
    base = alt.Chart(frame).encode(y=names(name, frame), tooltip=tooltips(tips))
    colour, shape = marks(frame, verdict, VERDICT_MARKS) if verdict else (alt.value(BLUE), alt.value("circle"))
    lower, upper = ends
    layers = [
        base.mark_rule(strokeWidth=2).encode(
            x=alt.X(f"{lower}:Q", title=title(what), axis=axis(form), scale=alt.Scale(zero=zero)), x2=f"{upper}:Q", color=colour
        ),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=f"{value}:Q", color=colour, shape=shape),
    ]
    if rule is not None:
        layers.insert(0, alt.Chart(pd.DataFrame({"at": [rule]})).mark_rule(strokeDash=[4, 4], color=GREY).encode(x="at:Q"))
    return rows(alt.layer(*layers))


def band_over_time(frame: pd.DataFrame, value: str, ends: tuple[str, str], what: str, tips: dict[str, str], form: str) -> alt.LayerChart:
    """A line over months with its interval as a band; months without a value leave a gap."""
    base = alt.Chart(frame).encode(x=months("Month"), tooltip=tooltips(tips))
    lower, upper = ends
    band = base.mark_area(opacity=0.2, color=BLUE).encode(
        y=alt.Y(f"{lower}:Q", title=what, axis=axis(form), scale=alt.Scale(zero=False)), y2=f"{upper}:Q"
    )
    line = base.mark_line(color=BLUE, point=alt.OverlayMarkDef(color=BLUE, size=40)).encode(y=alt.Y(f"{value}:Q", title=what))
    return alt.layer(band, line).properties(height=280)

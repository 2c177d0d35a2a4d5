"""The figures of the marts, each computed anew from the files that a build has read, by another way than the project's.

A figure is a function under `@figure`, which names the mart, the columns that its rows are found by, and how far two numbers may lie
apart. It takes a `Crm`, the input read by pandas, and gives a frame whose columns are named as the mart's are: each must hold what the
mart holds, in every row of the mart (`some=True`: in those rows that the frame has). Statistics come from statsmodels, scipy, a likelihood
that is maximised numerically, or a loop over deals; nothing is imported from the project but the fixtures that build it.

Score intervals of two proportions are no business of statsmodels: its ones are off by up to .04.
"""

import hashlib
import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from conftest import PROJECT, Build, made_once, run_dbt
from scipy import optimize, stats
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint, proportions_ztest
from statsmodels.tools.numdiff import approx_fprime_cs

from tools import generate, process

pytestmark = pytest.mark.slow

# As docs/vars.md has them.
DIMENSIONS = ["industry", "region", "product_type", "lead_source", "deal_size_band", "sales_rep_id"]
PRIMARY = ["industry", "region", "lead_source"]
MIN_DEALS, MIN_ACCOUNTS, MIN_EXPECTED, PRIOR_DEALS = 30, 8, 3, 50
LEVEL = 0.01  # half of fdr_level, as no builds have been kept

# Inputs


@dataclass(frozen=True, eq=False)
class Crm:
    """A build and the files it has read."""

    build: Build
    files: dict[str, Path]  # by table: deals, stage_history ...
    size_edges: list[float] | None = None  # of a bands file

    @cached_property
    def deals(self) -> pd.DataFrame:
        """The deals that can be placed, as they are on the newest day of the files."""
        rows = text_of(self.files["deals"]).drop_duplicates()
        rows = rows[rows.deal_id.notna() & ~rows.deal_id.duplicated(keep=False)].set_index("deal_id").sort_index()
        for name in ("created_date", "closed_date", "expected_close_date"):
            rows[name] = pd.to_datetime(rows.get(name), format="%Y-%m-%d", errors="coerce")
        is_open = rows.outcome.isna() | (rows.closed_date > self.as_of)
        for name in rows.columns.intersection(["deal_stage", "stage_probability"]):
            rows[name] = rows[name].mask(rows.closed_date > self.as_of)  # as of a day that is yet to come
        rows["outcome"] = rows.outcome.mask(is_open, "Open")
        rows["closed_date"] = rows.closed_date.mask(is_open)
        rows = rows[rows.created_date.notna() & rows.outcome.isin(["Won", "Lost", "Open"]) & ~(rows.closed_date < rows.created_date)].copy()
        rows["is_won"] = rows.outcome == "Won"
        rows["is_open"] = rows.outcome == "Open"
        amount = pd.to_numeric(rows.deal_amount, errors="coerce")
        rows["amount"] = amount.where((amount > 0) & (amount < 1e9))
        rows["cycle_days"] = (rows.closed_date - rows.created_date).dt.days
        rows["age_days"] = (rows.closed_date.fillna(self.as_of) - rows.created_date).dt.days.where(is_open | rows.closed_date.notna())
        rows["sales_rep_id"] = rows.sales_rep_id.fillna("Unknown")
        for name in ("industry", "region", "product_type", "lead_source"):
            rows[name] = most_frequent_spelling(rows[name]).fillna("Unknown")
        if "competitor" in rows:
            rows["competitor"] = rows.competitor.fillna("None recorded")
        edges = self.size_edges or quartile_edges(rows[~rows.is_open].amount)
        rows["deal_size_band"] = self.size_band(rows.amount, edges)
        rows["cycle_band"] = pd.cut(rows.cycle_days, [-np.inf, 30, 60, 90, np.inf], labels=["0-30", "31-60", "61-90", "90+"]).astype(object)
        return rows.drop(columns=["deal_amount"])

    def size_band(self, amounts: pd.Series, edges: list[float] | None = None) -> pd.Series:
        names = ("small", "medium", "large", "enterprise" if self.size_edges else "very large")
        edges = edges or self.size_edges or quartile_edges(self.closed.amount)
        return pd.cut(amounts, [-np.inf, *edges, np.inf], labels=names).astype(object).fillna("Unknown")

    @cached_property
    def as_of(self) -> pd.Timestamp:
        """The newest day on which something happened; a day a year beyond all others is a typo."""
        rows = text_of(self.files["deals"])
        texts = [rows.created_date, rows.closed_date[rows.outcome.notna()]]
        texts += [text_of(self.files[name])[column] for name, column in MOMENTS.items() if name in self.files]
        days = pd.to_datetime(pd.concat(texts).str[:10], format="%Y-%m-%d", errors="coerce").dropna().sort_values()
        far = days.diff() > pd.Timedelta(days=365)
        return days[~far.cummax()].iloc[-1]

    @cached_property
    def closed(self) -> pd.DataFrame:
        return self.deals[~self.deals.is_open]

    @cached_property
    def open(self) -> pd.DataFrame:
        return self.deals[self.deals.is_open]

    @property
    def facts_of_the_close(self) -> list[str]:
        return ["cycle_band", *(["competitor"] if "competitor" in self.deals else [])]

    def events(self, table: str, moment: str) -> pd.DataFrame:
        """Rows of a companion file about deals that count, from their creation on, by moment."""
        rows = text_of(self.files[table])
        rows[moment] = pd.to_datetime(rows[moment], format="%Y-%m-%d %H:%M:%S", errors="coerce")
        rows = rows[rows.deal_id.isin(self.deals.index) & (rows[moment] < self.as_of + DAY)]
        return rows.sort_values(["deal_id", moment], kind="stable").reset_index(drop=True)

    def mart(self, name: str, where: str = "true") -> pd.DataFrame:
        return self.build.frame(f"select * from marts.{name} where {where}")


DAY = pd.Timedelta(days=1)
MOMENTS = {"stage_history": "entered_at", "field_history": "changed_at"}


def text_of(path: Path) -> pd.DataFrame:
    """The cells of a file as text; blank ones are missing."""
    return pd.read_csv(path, dtype=str, keep_default_na=False).apply(lambda column: column.str.strip()).replace("", np.nan)


def most_frequent_spelling(values: pd.Series) -> pd.Series:
    """Values that differ by case alone are one, written as most deals write it."""
    counts = values.value_counts().rename_axis("value").reset_index(name="deals").sort_values(["deals", "value"], ascending=[False, True])
    best = counts.groupby(counts.value.str.lower()).value.first()
    return values.str.lower().map(best)


def quartile_edges(amounts: pd.Series) -> list[float]:
    """Amounts at the quartiles, to two digits."""
    return sorted({float(f"{each:.1e}") for each in amounts.quantile([0.25, 0.5, 0.75], interpolation="lower")})


# Figures


@dataclass(frozen=True)
class Figure:
    compute: Callable[[Crm], pd.DataFrame]
    mart: str
    keys: list[str]
    within: float  # of numbers above 1 a share of them
    where: str
    some: bool
    needs: str  # a table without which there is no such figure


FIGURES: list[Figure] = []


def figure(mart: str, *keys: str, within: float = 1e-9, where: str = "true", some: bool = False, needs: str = "deals"):
    def listed(compute):
        FIGURES.append(Figure(compute, mart, list(keys), within, where, some, needs))
        return compute

    return listed


def disagreements(expected: pd.DataFrame, found: pd.DataFrame, within: float) -> list[str]:
    """Rows and columns in which two frames with the same index differ."""
    wrong = []
    for name in expected.columns:
        one, other = expected[name], found[name]
        if pd.api.types.is_numeric_dtype(one) and not pd.api.types.is_bool_dtype(one):
            one, other = one.astype(float), other.astype(float)
            agree = ((one - other).abs() <= within * np.maximum(1, one.abs())) | (one == other) | (one.isna() & other.isna())
        else:
            agree = (one == other) | (one.isna() & other.isna())
        wrong += [f"{key}: {name} is {other[key]}, expected {one[key]}" for key in expected.index[~agree.to_numpy()]]
    return wrong


def check(figure: Figure, crm: Crm) -> None:
    expected = figure.compute(crm)
    found = crm.mart(figure.mart, figure.where)
    if figure.keys:
        found = found.set_index(figure.keys)
    assert found.index.is_unique and expected.index.is_unique, "not one row a key"
    missing, unexpected = expected.index.difference(found.index), found.index.difference(expected.index)
    assert not len(missing) and (figure.some or not len(unexpected)), f"not in the mart: {missing}; only in the mart: {unexpected}"
    wrong = disagreements(expected, found.loc[expected.index], figure.within)
    assert not wrong, f"{len(wrong)} figures of {figure.mart}:\n" + "\n".join(wrong[:20])


def share(part: float, whole: float) -> float:
    return part / whole if whole else np.nan


def wilson(hits: float, count: float) -> tuple[float, float]:
    return proportion_confint(hits, count, method="wilson") if count else (np.nan, np.nan)


# Deals


@figure("fct_deals", "deal_id")
def deals(crm):
    """A deal counts in win rates once it is closed, in cycles if the day of its close is known, in amounts if it has one that can be true."""
    rows = crm.deals
    names = ["created_date", "closed_date", "outcome", "is_open", *DIMENSIONS, "cycle_days", "cycle_band", "age_days"]
    return rows[names].assign(
        is_won=rows.is_won.where(~rows.is_open).astype(object),
        is_win_rate_eligible=~rows.is_open,
        is_cycle_eligible=rows.closed_date.notna(),
        is_value_eligible=rows.amount.notna(),
        deal_amount=rows.amount,
        is_amount_outlier=rows.amount > np.dot(rows.amount.quantile([0.25, 0.75]), [-1.5, 2.5]),
    )


@figure("dim_reps", "sales_rep_id", needs="reps")
def deals_of_reps(crm):
    reps = text_of(crm.files["reps"]).set_index("sales_rep_id")
    counts = crm.deals.sales_rep_id.value_counts()
    found = reps.reindex(reps.index.union(counts.index))
    return found.rename(columns={"name": "rep_name"}).assign(deal_count=counts.reindex(found.index).fillna(0))


# Stages

STAGES = ["Qualified", "Demo", "Proposal", "Negotiation"]  # and three for the close
CLOSINGS = {"Closed": "closed", "Closed Won": "won", "Closed Lost": "lost"}
LATE = "Negotiation"
VISIT = ("deal_id", "visit_number")


@cache
def visits(crm: Crm) -> pd.DataFrame:
    """How a deal went through the stages, row by row of its history: repeated rows are one, what comes before its creation or after its
    close is none, closings of a closed deal change nothing, and the first visit reaches back to the creation."""
    history = crm.events("stage_history", "entered_at")
    history = history[history.stage.isin([*STAGES, *CLOSINGS]) & history.entered_at.notna()]
    history["place"] = history.stage.map({stage: place for place, stage in enumerate([*STAGES, *CLOSINGS])})
    found, deals = [], {deal.Index: deal for deal in crm.deals.itertuples()}
    ordered = history.sort_values(["deal_id", "entered_at", "place"])
    for deal_id, rows in itertools.groupby(ordered.itertuples(), lambda row: row.deal_id):
        deal = deals[deal_id]
        changes, last = [], None
        for row in rows:
            if row.entered_at < deal.created_date or row.entered_at >= deal.closed_date + DAY:
                continue
            if row.stage != last and not (row.stage in CLOSINGS and (last is None or last in CLOSINGS)):
                changes.append(row)
            last = row.stage
        found += visits_of(deal_id, deal, changes, crm.as_of)
    table = pd.DataFrame(found)
    moved = history.groupby(
        [history.entered_at.dt.floor("min"), crm.deals.sales_rep_id.reindex(history.deal_id).to_numpy()]
    ).deal_id.nunique()
    minutes = zip(table.recorded_at.dt.floor("min"), crm.deals.sales_rep_id.reindex(table.deal_id), strict=True)
    return table.assign(is_bulk_update=[moved.get(each, 0) >= 10 for each in minutes]).set_index(list(VISIT))


def visits_of(deal_id: str, deal, changes: list, as_of: pd.Timestamp) -> list[dict]:
    found, been, spell = [], [], 1
    stages_of_all = {row.stage for row in changes}
    for number, row in enumerate(changes):
        if row.stage in CLOSINGS:
            spell += 1
            continue
        rest = changes[number + 1 :]
        is_last = not rest or (len(rest) == 1 and rest[0].stage in CLOSINGS)
        entered = deal.created_date if number == 0 else row.entered_at
        if not is_last:
            exited = rest[0].entered_at
        elif deal.is_open:
            exited = pd.NaT
        else:
            exited = max([row.entered_at, *([deal.closed_date] if pd.notna(deal.closed_date) else []), *(each.entered_at for each in rest)])
        order, highest = STAGES.index(row.stage) + 1, max((STAGES.index(each) + 1 for each in been), default=0)
        starts_late = number == 0 and row.entered_at >= deal.created_date + DAY
        goes_on_as = rest[0].stage if rest else None
        is_furthest = order == max(STAGES.index(each) + 1 for each in stages_of_all if each in STAGES)
        same = [each for each in found if each["stage"] == row.stage]
        days = ((as_of if pd.isna(exited) else exited).normalize() - entered.normalize()).days
        if pd.isna(exited):
            exit_kind = "open"
        elif is_last:
            exit_kind = "won" if deal.is_won else "lost"
        else:
            exit_kind = CLOSINGS.get(goes_on_as) or ("regressed" if STAGES.index(goes_on_as) + 1 < order else "advanced")
        result = "advanced" if not is_furthest or deal.is_won else "open" if deal.is_open else "lost"
        found.append(
            {
                "deal_id": deal_id,
                "visit_number": len(found) + 1,
                "spell_number": spell,
                "stage": row.stage,
                "recorded_at": row.entered_at,
                "entered_at": entered,
                "exited_at": exited,
                "is_censored": pd.isna(exited),
                "visit_seconds": ((as_of + DAY if pd.isna(exited) else exited) - entered).total_seconds(),
                "days_in_stage": days,
                "cumulative_days_in_stage": days + sum(each["days_in_stage"] for each in same),
                "is_latest": row.stage not in [each.stage for each in rest],
                "is_reentry": row.stage in been,
                "is_regression": order < highest,
                "skipped_stage_count": 0 if starts_late else max(0, order - highest - 1),
                "exit_kind": exit_kind,
                "stage_result": None if row.stage in been else result,
                "is_left_truncated": starts_late,
                "seen_after": (row.entered_at.normalize() - entered.normalize()).days if starts_late else 0,
            }
        )
        been.append(row.stage)
    return found


@figure("fct_deal_stage_visits", *VISIT, needs="stage_history")
def stage_visits(crm):
    return visits(crm).drop(columns=["recorded_at", "seen_after"])


@cache
def stage_segments(crm: Crm) -> dict[tuple[str, str, str], pd.DataFrame]:
    """Visits by dimension, value and stage, each with what became of its deal."""
    rows = visits(crm).reset_index("visit_number").join(crm.deals[[*DIMENSIONS, "outcome", "is_won", "is_open", "closed_date"]])
    rows["lasted"] = (rows.closed_date.fillna(crm.as_of) - rows.entered_at.dt.normalize()).dt.days  # to the close of the deal
    found = {("all", "all", stage): group for stage, group in rows.groupby("stage")}
    for dimension in DIMENSIONS:
        found |= {(dimension, *key): group for key, group in rows.groupby([dimension, "stage"])}
    return found


def survival(days: pd.Series, seen_after: pd.Series, ended: pd.Series) -> SurvfuncRight | None:
    """Kaplan and Meier's curve by statsmodels. Days begin with 1, as it takes no end on the day of the entry. None where the curve has a
    hole: on some day all that were watched had ended, and others came under watch only later."""
    seen = (seen_after == 0) | (days > seen_after)
    days, ended, entry = days[seen] + 1, ended[seen].astype(int), (seen_after[seen] + 1).where(seen_after[seen] > 0, 0)
    if not ended.any():
        return None
    curve = SurvfuncRight(days.to_numpy(), ended.to_numpy(), entry=entry.to_numpy())
    gone = curve.surv_times[curve.surv_prob <= 1e-12]
    return None if len(gone) and (days > gone[0]).any() else curve


def first_day(curve: SurvfuncRight, share: float) -> tuple[float, float, float]:
    """The day by which a share has left, and the days that the log(-log) test doesn't reject. Where nobody is left, the exact limit of none
    among those who were stands in for the test."""
    level, days, left = 1 - share, curve.surv_times - 1, curve.surv_prob
    reached = days[left <= level + 1e-12]
    z = []
    for place, (share_left, error) in enumerate(zip(left, curve.surv_prob_se, strict=True)):
        if share_left > 1e-12:
            z.append((np.log(-np.log(share_left)) - np.log(-np.log(level))) * share_left * -np.log(share_left) / error)
        else:
            before = left[place - 1] if place else 1.0
            limit = before * proportion_confint(0, curve.n_risk[place], method="beta")[1]
            z.append(np.inf if limit <= level else 0.0)
    z = np.array(z)
    limit = stats.norm.ppf(0.975)
    lower, after = np.flatnonzero(z >= -limit), np.flatnonzero(z <= limit)
    after = after[-1] + 1 if len(after) else 0
    found = (reached[0] if len(reached) else np.nan, days[lower[0]] if len(lower) else np.nan, days[after] if after < len(days) else np.nan)
    return found if len(reached) else (np.nan, found[1], np.nan)


@figure("rpt_stage_durations", "segment_dimension", "segment_value", "stage", needs="stage_history")
def stage_durations(crm):
    rows = {}
    for key, group in stage_segments(crm).items():
        rows[key] = {
            "completed_visit_count": int((~group.is_censored).sum()),
            "open_visit_count": int(group.is_censored.sum()),
            "left_truncated_visit_count": int((group.seen_after > 0).sum()),
        }
        curve = survival(group.days_in_stage, group.seen_after, ~group.is_censored)
        for name, share_left in (("median", 0.5), ("p75", 0.75), ("p90", 0.9)):
            limits = first_day(curve, share_left) if curve else (np.nan,) * 3
            rows[key] |= dict(zip((f"{name}_days", f"{name}_lower_days", f"{name}_upper_days"), limits, strict=True))
    return pd.DataFrame.from_dict(rows, orient="index")


def incidences(group: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Shares that are won, lost and open in the end, winning and losing competing, with their variances (Aalen and Johansen, Dinse and
    Larson), in a loop over days."""
    group = group[(group.seen_after == 0) | (group.lasted > group.seen_after)]
    lasted, seen_after, is_open, is_won = (group[name].to_numpy() for name in ("lasted", "seen_after", "is_open", "is_won"))
    left, hazard, steps = 1.0, 0.0, []
    for day in np.unique(lasted[~is_open]):
        at_risk = ((lasted >= day) & ((seen_after == 0) | (seen_after < day))).sum()
        won, lost = (((lasted == day) & ~is_open & (is_won == each)).sum() for each in (True, False))
        steps.append((left, at_risk, {"won": won, "lost": lost}))
        hazard += (won + lost) / (at_risk * (at_risk - won - lost)) if at_risk > won + lost else 0
        left *= 1 - (won + lost) / at_risk
    found = {"open": (left, left**2 * hazard)}
    for cause in ("won", "lost"):
        shares = np.cumsum([before * ends[cause] / at_risk for before, at_risk, ends in steps])
        variance = 0.0
        for so_far, (before, at_risk, ends) in zip(shares, steps, strict=True):
            rest, own, all_ends = shares[-1] - so_far, ends[cause], sum(ends.values())
            variance += rest**2 * (all_ends / (at_risk * (at_risk - all_ends)) if at_risk > all_ends else 0)
            variance += before**2 * own * (at_risk - own) / at_risk**3 - 2 * rest * before * own / at_risk**2
        found[cause] = shares[-1], variance
    return found


@figure("rpt_stage_conversion", "segment_dimension", "segment_value", "stage", needs="stage_history")
def stage_conversion_counts(crm):
    rows = {}
    lost_here = {}
    for key, group in stage_segments(crm).items():
        first = group[~group.is_reentry]
        results, outcomes = first.stage_result.value_counts(), first.outcome.value_counts()
        rows[key] = {
            "reached_deal_count": len(first),
            "advanced_deal_count": results.get("advanced", 0),
            "lost_here_deal_count": results.get("lost", 0),
            "open_here_deal_count": results.get("open", 0),
            "won_deal_count": outcomes.get("Won", 0),
            "lost_deal_count": outcomes.get("Lost", 0),
            "open_deal_count": outcomes.get("Open", 0),
        }
        lost_here[key[:2]] = lost_here.get(key[:2], 0) + results.get("lost", 0)
    for key, row in rows.items():
        decided = row["reached_deal_count"] - row["open_here_deal_count"]
        row["loss_rate"] = share(row["lost_here_deal_count"], decided)
        row["loss_rate_lower"], row["loss_rate_upper"] = wilson(row["lost_here_deal_count"], decided)
        row["loss_share_rate"] = share(row["lost_here_deal_count"], lost_here[key[:2]])
        row["loss_share_rate_lower"], row["loss_share_rate_upper"] = wilson(row["lost_here_deal_count"], lost_here[key[:2]])
    return pd.DataFrame.from_dict(rows, orient="index")


@figure("rpt_stage_conversion", "segment_dimension", "segment_value", "stage", needs="stage_history")
def stage_outcome_probabilities(crm):
    """Statsmodels knows these shares too, but only where all deals were watched from the start; there they must agree."""
    names = {"won": "stage_win_probability", "lost": "loss_probability", "open": "open_probability"}
    rows = {}
    for key, group in stage_segments(crm).items():
        first, row = group[~group.is_reentry], {}
        curve = survival(first.lasted, first.seen_after, ~first.is_open)
        if curve:
            found = incidences(first)
            if not first.seen_after.any():
                causes = first.outcome.map({"Open": 0, "Won": 1, "Lost": 2}).to_numpy()
                with np.errstate(all="ignore"):
                    theirs = CumIncidenceRight((first.lasted + 1).to_numpy(), causes)
                for cause, number in (("won", 1), ("lost", 2)):
                    if number in causes:
                        expected, error = theirs.cinc[number - 1][-1], theirs.cinc_se[number - 1][-1]
                        assert np.isclose(found[cause][0], expected, atol=1e-9), key
                        assert np.isnan(error) or np.isclose(found[cause][1], error**2, atol=1e-9), key  # none once nobody is left
            for cause, name in names.items():
                estimate, variance = found[cause]
                is_between = 1e-12 < estimate < 1 - 1e-12 and variance > 0
                cases = estimate * (1 - estimate) / variance if is_between else (~first.is_open).sum()
                row |= {
                    name: estimate,
                    f"{name}_lower": wilson(estimate * cases, cases)[0],
                    f"{name}_upper": wilson(estimate * cases, cases)[1],
                }
        rows[key] = row or dict.fromkeys([f"{name}{end}" for name in names.values() for end in ("", "_lower", "_upper")], np.nan)
    return pd.DataFrame.from_dict(rows, orient="index")


@figure("rpt_stage_conversion", "segment_dimension", "segment_value", "stage", needs="stage_history")
def late_stage_losses(crm):
    """Of the deals that closed after they had been in a late stage; the same in each row of a segment."""
    late = visits(crm).query("stage == @LATE").index.get_level_values("deal_id")
    closed = crm.closed[crm.closed.index.isin(late)]
    rows = {}
    for dimension, value, stage in stage_segments(crm):
        deals = closed if dimension == "all" else closed[closed[dimension] == value]
        lost = int((~deals.is_won).sum())
        rows[dimension, value, stage] = {
            "late_stage_closed_deal_count": len(deals),
            "late_stage_lost_deal_count": lost,
            "late_stage_loss_rate": share(lost, len(deals)),
            "late_stage_loss_rate_lower": wilson(lost, len(deals))[0],
            "late_stage_loss_rate_upper": wilson(lost, len(deals))[1],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


# Open deals


@cache
def changes(crm: Crm) -> pd.DataFrame:
    """Changes of fields, each with the value before it."""
    rows = crm.events("field_history", "changed_at").drop_duplicates()
    before = rows.groupby(["deal_id", "field"]).new_value.shift()
    return rows.assign(old_value=rows.old_value.fillna(before))


@figure("fct_open_deals", "deal_id", needs="stage_history")
def open_deals_in_their_stages(crm):
    """An open deal is stalled in its stage beyond the 95 % quantile of what visits of won deals lasted, and inactive after 14 days without activity."""
    table = visits(crm).reset_index("visit_number")
    now = table[table.is_censored]
    active = crm.events("activities", "occurred_at").groupby("deal_id").occurred_at.max().dt.normalize()
    rows = crm.open
    found = pd.DataFrame({"stage": now.stage.reindex(rows.index), "days_in_stage": now.days_in_stage.reindex(rows.index)})
    found["stage"] = found.stage.fillna(rows.deal_stage.where(rows.deal_stage.isin([*STAGES, *CLOSINGS])))
    found["stall_threshold_days"] = now.stage.reindex(rows.index).map(stall_limits(crm))
    found["regression_count"] = table.groupby("deal_id").is_regression.sum().reindex(rows.index)
    found["last_activity_date"] = active.reindex(rows.index)
    found["days_since_last_activity"] = (crm.as_of - found.last_activity_date.fillna(rows.created_date)).dt.days
    over = found.days_in_stage - found.stall_threshold_days
    return found.assign(
        is_stalled_in_stage=(over > 0).astype(float).where(over.notna()),
        days_over_stall_limit=over.clip(lower=0),
        is_inactive=(found.days_since_last_activity >= 14).astype(float),
        days_over_inactivity_limit=(found.days_since_last_activity - 14).clip(lower=0),
    )


@figure("fct_open_deals", "deal_id", needs="field_history")
def open_deals_and_their_changes(crm):
    rows = crm.open
    table = changes(crm)
    table = table[table.deal_id.isin(rows.index)]
    dates = table[table.field == "expected_close_date"]
    old, new = (pd.to_datetime(dates[name], errors="coerce") for name in ("old_value", "new_value"))
    pushed = dates[new > old].assign(days=(new - old).dt.days, quarters=new.dt.to_period("Q") > old.dt.to_period("Q")).groupby("deal_id")
    amounts = table[(table.field == "amount") & table.old_value.notna()]
    amounts = amounts[amounts.old_value.astype(float) != amounts.new_value.astype(float)]
    moments = [table.groupby("deal_id").changed_at.max(), visits(crm).groupby("deal_id").recorded_at.max(), rows.created_date]
    moments += [crm.events("activities", "occurred_at").groupby("deal_id").occurred_at.max(), pd.to_datetime(rows.updated_at)]
    last = pd.concat(moments, axis=1).reindex(rows.index).max(axis=1)
    counts = {
        "push_count": pushed.size(),
        "push_days": pushed.days.sum(),
        "quarter_push_count": pushed.quarters.sum(),
        "amount_change_count": amounts.groupby("deal_id").size(),
    }
    found = pd.DataFrame({name: values.reindex(rows.index).fillna(0) for name, values in counts.items()})
    idle = (crm.as_of - last.dt.normalize()).dt.days
    found = found.assign(days_since_last_update=idle, is_stale=idle >= 30, expected_close_date=rows.expected_close_date)
    return found.assign(is_overdue=(rows.expected_close_date < crm.as_of).where(rows.expected_close_date.notna()))


# Win rates of segments

SEGMENT = ("segment_dimension", "segment_value", "period")
SINGLE = "first_segment_value is null"


def periods(crm: Crm) -> dict[str, tuple[pd.Timestamp, pd.Timestamp]]:
    """First day, and the day after the last one, of the four newest complete quarters and of the four before."""
    end = (crm.as_of + pd.Timedelta(days=1)).to_period("Q").start_time
    year = pd.DateOffset(years=1)
    return {"last_4_quarters": (end - year, end), "prior_4_quarters": (end - 2 * year, end - year)}


@cache
def segments(crm: Crm) -> dict[tuple[str, str, str], pd.DataFrame]:
    """Closed deals by dimension, value and period. What is known only after the close has no periods."""
    found, spans = {}, periods(crm)
    for dimension in ["all", *DIMENSIONS, *crm.facts_of_the_close]:
        groups = [("all", crm.closed)] if dimension == "all" else crm.closed.groupby(dimension)
        for value, deals in groups:
            found[dimension, value, "all"] = deals
            if dimension not in crm.facts_of_the_close:
                for period, (start, end) in spans.items():
                    found[dimension, value, period] = deals[(deals.closed_date >= start) & (deals.closed_date < end)]
    return found


def by_segment(crm: Crm, compute: Callable[[pd.DataFrame], dict]) -> pd.DataFrame:
    rows = {key: compute(deals) for key, deals in segments(crm).items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(SEGMENT)


@figure("rpt_segment_win_rates", *SEGMENT, where=SINGLE)
def segment_counts(crm):
    def counts(deals):
        won = int(deals.is_won.sum())
        return {
            "closed_deal_count": len(deals),
            "won_deal_count": won,
            "lost_deal_count": len(deals) - won,
            "win_rate": share(won, len(deals)),
        }

    return by_segment(crm, counts)


@figure("rpt_segment_win_rates", *SEGMENT, where=SINGLE)
def segment_wilson_intervals(crm):
    def interval(deals):
        lower, upper = wilson(deals.is_won.sum(), len(deals))
        return {"win_rate_lower": lower, "win_rate_upper": upper}

    return by_segment(crm, interval)


@figure("rpt_segment_win_rates", *SEGMENT, where=SINGLE)
def segment_amounts(crm):
    def amounts(deals):
        total, won = deals.amount.sum(), deals.amount[deals.is_won].sum()
        valued = deals[deals.amount.notna()]
        rate = share(won, total)
        return {
            "closed_amount": total,
            "won_amount": won,
            "lost_amount": total - won,
            "no_amount_deal_count": len(deals) - len(valued),
            "amount_win_rate": rate,
            "size_effect_ratio": share(rate, valued.is_won.mean()) if len(valued) else np.nan,
            "mean_deal_amount": valued.amount.mean(),
            "median_deal_amount": valued.amount.median(),
        }

    return by_segment(crm, amounts)


@figure("rpt_segment_win_rates", *SEGMENT, where=SINGLE)
def segment_cycles(crm):
    return by_segment(crm, lambda deals: {"mean_cycle_days": deals.cycle_days.mean(), "median_cycle_days": deals.cycle_days.median()})


@figure("rpt_segment_win_rates", *SEGMENT, where=SINGLE)
def segment_amount_intervals(crm):
    """Deal by deal: the residuals of a ratio estimator, and Wilson's interval of as many deals as it is as sure as, at most Kish's number."""

    def interval(deals):
        amount, won = deals.amount.dropna(), deals.is_won[deals.amount.notna()]
        if len(amount) < 2 or won.nunique() < 2:
            # Of all or none won, the interval of Kish's number of deals.
            count = amount.sum() ** 2 / (amount**2).sum() if len(amount) else 0
            rate = float(won.mean()) if len(amount) else np.nan
        else:
            rate = np.average(won, weights=amount)
            variance = np.var(amount * won - rate * amount, ddof=1) * len(amount) / amount.sum() ** 2
            count = min(rate * (1 - rate) / variance, amount.sum() ** 2 / (amount**2).sum())
        lower, upper = wilson(rate * count, count)
        return {"amount_win_rate_lower": lower, "amount_win_rate_upper": upper}

    return by_segment(crm, interval)


@figure("rpt_segment_win_rates", *SEGMENT, where=SINGLE)
def segment_size_effect_intervals(crm):
    """Deal by deal: the influence of each on the logarithm of the quotient."""

    def interval(deals):
        amount, won = deals.amount.dropna().to_numpy(), deals.is_won[deals.amount.notna()].to_numpy()
        if not 2 <= won.sum() < len(won):
            return {"size_effect_lower": np.nan, "size_effect_upper": np.nan}
        influence = amount * won / amount[won].sum() - amount / amount.sum() - won / won.sum() + 1 / len(won)
        reach = stats.t.ppf(0.975, won.sum() - 1) * np.sqrt(np.sum(influence**2) * len(won) / (len(won) - 1))
        effect = amount[won].mean() / amount.mean()
        return {"size_effect_lower": effect * np.exp(-reach), "size_effect_upper": effect * np.exp(reach)}

    return by_segment(crm, interval)


@figure("rpt_segment_win_rates", *SEGMENT, where=SINGLE)
def segment_shrunk_rates(crm):
    """Kleinman's moments: what the rates of a dimension differ by beyond chance says how many deals the pooled rate is worth."""
    table = segment_counts(crm)
    amounts = segment_amounts(crm).closed_amount
    found = []
    for _, rows in table.groupby(["segment_dimension", "period"]):
        won, count = rows.won_deal_count.astype(float), rows.closed_deal_count.astype(float)
        total, kept = count.sum(), count > 0
        pooled = share(won.sum(), total)
        prior = float(PRIOR_DEALS)
        if kept.sum() >= 3:
            spread = (count * (won / count - pooled) ** 2)[kept].sum() - (kept.sum() - 1) * pooled * (1 - pooled)
            between = spread / (total - (count**2).sum() / total)
            prior = max(0.0, pooled * (1 - pooled) / between - 1) if between > 0 else np.inf
        shrunk = (won + pooled * prior) / (count + prior) if np.isfinite(prior) else won * 0 + pooled
        columns = {
            "pooled_win_rate": pooled,
            "prior_deal_count": prior if np.isfinite(prior) and total else np.nan,
            "has_no_evidence_of_differences": bool(np.isinf(prior)),
            "shrunk_win_rate": shrunk,
            "excess_lost_deal_count": count * (pooled - shrunk),
            "excess_lost_amount": (amounts[rows.index] * (pooled - shrunk)).round(2),
        }
        found.append(pd.DataFrame(columns, index=rows.index))
    return pd.concat(found)


# Verdicts on segments


def accounts_of(deals: pd.DataFrame) -> pd.Series:
    """A deal without an account is an account by itself."""
    return deals.account_id.fillna(pd.Series(deals.index, deals.index)) if "account_id" in deals else pd.Series(deals.index, deals.index)


def has_accounts(crm: Crm) -> bool:
    return "account_id" in crm.deals


@cache
def within_accounts(crm: Crm, dimension: str) -> float:
    """The intraclass correlation of an analysis of variance by account, of what is left of each deal's outcome by the rate of its segment."""
    deals = crm.closed[crm.closed[dimension].notna()]
    residual = deals.is_won - deals.groupby(dimension).is_won.transform("mean")
    groups = residual.groupby(accounts_of(deals))
    size, k, n = groups.size(), groups.ngroups, len(deals)
    if n <= k or k < 2:
        return 0.0
    between = (groups.sum() ** 2 / size).sum()
    within = (residual**2).sum() - between
    mean_between, mean_within = between / (k - 1), max(0.0, within) / (n - k)
    usual = (n - (size**2).sum() / n) / (k - 1)
    return float(np.clip((mean_between - mean_within) / (mean_between + (usual - 1) * mean_within), 0, 1))


def others_of_the_account(deals: pd.DataFrame) -> float:
    """How many other deals of its account a deal meets among these, on average."""
    size = accounts_of(deals).value_counts()
    return (size**2).sum() / size.sum() - 1 if len(size) else 0.0


@figure("rpt_segment_win_rates", *SEGMENT, where=f"{SINGLE} and segment_dimension <> 'all'")
def segment_accounts(crm):
    correlations = {each: within_accounts(crm, each) for each in [*DIMENSIONS, *crm.facts_of_the_close]}
    rows = {}
    for key, deals in segments(crm).items():
        if key[0] != "all":
            effect = 1 + correlations[key[0]] * others_of_the_account(deals) if has_accounts(crm) else 1.0
            rows[key] = {"account_count": accounts_of(deals).nunique() if has_accounts(crm) else np.nan, "design_effect": effect}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(SEGMENT)


PAIR = ("segment_dimension", "first_segment_value", "second_segment_value")


@figure("rpt_segment_win_rates", *PAIR, where="verdict_tier = 'pair'")
@cache
def pair_counts(crm):
    rows = {}
    for one, two in itertools.combinations(DIMENSIONS, 2):
        for values, deals in crm.closed.groupby([one, two]):
            amount, won = deals.amount.sum(), int(deals.is_won.sum())
            lower, upper = wilson(won, len(deals))
            rows[f"{one} x {two}", *values] = {
                "closed_deal_count": len(deals),
                "won_deal_count": won,
                "win_rate": won / len(deals),
                "win_rate_lower": lower,
                "win_rate_upper": upper,
                "closed_amount": amount,
                "amount_win_rate": share(deals.amount[deals.is_won].sum(), amount),
                "mean_cycle_days": deals.cycle_days.mean(),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(PAIR)


@figure("rpt_segment_win_rates", *PAIR, where="verdict_tier = 'pair'")
def pair_design_effects(crm):
    """Of the more alike of both dimensions, with as many deals of an account as in the segment that has fewer."""
    correlations = {each: within_accounts(crm, each) for each in DIMENSIONS}
    others = {(each, value): others_of_the_account(deals) for each in DIMENSIONS for value, deals in crm.closed.groupby(each)}
    rows = {}
    for (dimensions, first, second), _ in pair_counts(crm).iterrows():
        one, two = dimensions.split(" x ")
        least = min(others[one, first], others[two, second])
        effect = 1 + max(correlations[one], correlations[two]) * least if has_accounts(crm) else 1.0
        rows[dimensions, first, second] = {"design_effect": effect}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(PAIR)


def adjusted(p_values: np.ndarray) -> np.ndarray:
    """Two segments are one contrast; up to eleven have Bonferroni's correction, more have Benjamini and Hochberg's."""
    known, found = np.isfinite(p_values), np.full(len(p_values), np.nan)
    if known.any():
        method = "bonferroni" if known.sum() < 12 else "fdr_bh"
        found[known] = p_values[known] if known.sum() == 2 else multipletests(p_values[known], method=method)[1]
    return found


def each_level(p_values: np.ndarray, level: float) -> float:
    """The level of each test, and so of its interval, at which those of a family are judged together at `level`."""
    count = np.isfinite(p_values).sum()
    if count < 12:
        return level / (1 if count == 2 else max(count, 1))
    return level * max(1, np.sum(adjusted(p_values) <= level)) / count


@dataclass
class Family:
    """Segments that are compared with each other: deals, those of them won, and how many of them stand for one independent deal."""

    rows: pd.DataFrame  # won, count, effect, and of pairs first, second; the last may stand for several
    rate: float  # of all deals of the family, the small segments' too
    is_pair: bool

    def z(self, left: np.ndarray) -> np.ndarray:
        return self.against_main_effects(left)[0] if self.is_pair else self.against_the_others(left)[0]

    def against_the_others(self, left: np.ndarray) -> tuple[np.ndarray, ...]:
        """z by statsmodels, rate, and worth in deals of all others that are left."""
        found = []
        for own, row in enumerate(self.rows.itertuples()):
            others = self.rows[left & (np.arange(len(left)) != own)]
            count = others["count"].sum()
            rate, worth = share(others.won.sum(), count), share(count**2, (others["count"] * others.effect).sum())
            hits, counts = np.array([row.won / row.effect, rate * worth]), np.array([row.count / row.effect, worth])
            can_differ = np.isfinite(worth) and 0 < hits.sum() < counts.sum()
            found.append((proportions_ztest(hits, counts)[0] if can_differ else np.nan, rate, worth))
        return tuple(np.array(found).T)

    def against_main_effects(self, left: np.ndarray) -> tuple[np.ndarray, ...]:
        """As above, against what a logistic regression on both main effects, fitted to the cells that are left, says without the cell."""
        design = pd.get_dummies(self.rows[["first", "second"]], drop_first=True, dtype=float).assign(constant=1.0).to_numpy()
        won, count = (self.rows[each].to_numpy() / self.rows.effect.to_numpy() for each in ("won", "count"))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            fit = sm.GLM(np.column_stack([won, count - won])[left], design[left], family=sm.families.Binomial()).fit(tol=1e-13, maxiter=200)
            rate = fit.predict(design)
            worth = 1 / (rate * (1 - rate) * np.einsum("ij,jk,ik->i", design, fit.cov_params(), design))
            own, own_won = np.where(left, count, 0), np.where(left, won, 0)
            unknown = (rate * (1 - rate) <= 1e-9) | (worth <= own * (1 + 1e-6))
            others = np.where(unknown, np.nan, worth - own)
            other_rate = np.clip(rate * worth - own_won, 0, others) / others
            pooled = (won + other_rate * others) / (count + others)
            z = (won / count - other_rate) / np.sqrt(pooled * (1 - pooled) * (1 / count + 1 / others))
        return z, other_rate, others

    def freedom(self, left: np.ndarray) -> int:
        """Of the interaction, in the cells that are left."""
        cells = self.rows[left]
        design = pd.get_dummies(cells[["first", "second"]], dtype=float).to_numpy()
        return len(cells) - np.linalg.matrix_rank(design)

    def p_value(self) -> float:
        everyone = np.ones(len(self.rows), bool)
        if len(self.rows) < 2 or self.is_pair and self.freedom(everyone) < 1:
            return np.nan
        found = adjusted(2 * stats.norm.sf(np.abs(self.z(everyone))))
        return np.nanmin(found) if np.isfinite(found).any() else np.nan

    def reference(self, level: float) -> np.ndarray:
        """Who doesn't stand out: while more than two are left, the farthest from all others leaves if it is so beyond chance."""
        left = np.ones(len(self.rows), bool)
        while left.sum() > 2 and not (self.is_pair and self.freedom(left) < 2):
            p_values = np.where(left, 2 * stats.norm.sf(np.abs(self.z(left))), np.nan)
            if not np.isfinite(p_values).any() or np.nanmin(p_values) * left.sum() > level:
                break
            left[np.nanargmax(np.where(left, np.abs(self.z(left)), np.nan))] = False
        return left


def families(crm: Crm) -> Iterator[tuple[str, pd.DataFrame, Family]]:
    """Of each dimension and period: its tier, its rows with the reason why they aren't judged, and what is compared."""
    singles = segment_counts(crm).query("segment_dimension != 'all'").join(segment_accounts(crm))
    pairs = pair_counts(crm).join(pair_design_effects(crm)).assign(account_count=np.nan)
    for table in (singles, pairs):
        is_pair = table is pairs
        by = ["segment_dimension"] if is_pair else ["segment_dimension", "period"]
        for key, rows in table.groupby(by):
            tier = "pair" if is_pair else "period" if key[1] != "all" else "primary" if key[0] in PRIMARY else "single"
            count = rows.closed_deal_count
            rate = share(rows.won_deal_count.sum(), count.sum())
            expected = count / rows.design_effect * min(rate, 1 - rate)
            reason = pd.Series(None, rows.index, object)
            reason[(expected < MIN_EXPECTED) & (expected > 0)] = "too few won or lost deals to expect"
            reason[rows.account_count < MIN_ACCOUNTS] = "too few accounts"
            reason[count < MIN_DEALS] = "too few closed deals"
            columns = {"won": rows.won_deal_count, "count": count, "effect": rows.design_effect}
            compared = pd.DataFrame({name: values.astype(float) for name, values in columns.items()})
            small, compared = compared[reason.notna()], compared[reason.isna()]
            if is_pair:
                compared = compared.assign(first=compared.index.get_level_values(1), second=compared.index.get_level_values(2))
            elif small["count"].sum() >= MIN_DEALS:
                effect = np.average(small.effect, weights=small["count"])
                together = {"won": [small.won.sum()], "count": [small["count"].sum()], "effect": [effect]}
                compared = pd.concat([compared, pd.DataFrame(together)])
            yield tier, rows.assign(reason=reason), Family(compared, rate, is_pair)


@cache
def judged(crm: Crm) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Figures of all segments and of all pairs."""
    found: dict[bool, list[pd.DataFrame]] = {True: [], False: []}
    everything = [(*each, each[2].p_value()) for each in families(crm)]
    for tier in ("primary", "single", "period", "pair"):
        members = [each for each in everything if each[0] == tier]
        p_values = np.array([each[3] for each in members])
        known = np.isfinite(p_values)
        q_values = np.full(len(members), np.nan)
        selected = 0
        if known.any():
            rejected, q_values[known], *_ = multipletests(p_values[known], LEVEL, method="fdr_bh")
            selected = rejected.sum()
        level = LEVEL * max(1, selected) / max(1, known.sum())
        for (_, rows, family, p_value), q_value in zip(members, q_values, strict=True):
            size = rows.reason.isna().sum()
            rows = rows.assign(family_segment_count=size, tier_family_count=known.sum(), tier_selected_family_count=selected)
            rows = rows.assign(family_p_value=p_value, family_q_value=q_value, p_value_threshold=level if np.isfinite(p_value) else np.nan)
            rows["verdict"] = np.where(rows.reason.isna(), "not_computable", "insufficient_n")
            compared = compare(family, level).iloc[:size] if np.isfinite(p_value) else pd.DataFrame()
            if len(compared):
                compared = compared.set_axis(rows.index[rows.reason.isna()])
                rows = rows.drop(columns="verdict").join(compared).assign(verdict=compared.verdict.reindex(rows.index).fillna(rows.verdict))
            found[family.is_pair].append(rows)
    unknown = {"is_in_reference": False, "reference_segment_count": 0, "reference_deal_count": 0}
    return tuple(with_intervals(pd.concat(found[is_pair]).fillna(unknown)) for is_pair in (False, True))


def with_intervals(rows: pd.DataFrame) -> pd.DataFrame:
    columns = (rows[name].to_numpy() for name in ("own_rate", "own_count", "reference_win_rate", "worth"))
    lower, upper = score_interval(*columns, 1 - rows.vs_reference_confidence_level.to_numpy())
    rows = rows.assign(vs_reference_lower=lower, vs_reference_upper=upper)
    families = rows.groupby([name for name in ("segment_dimension", "period") if name in rows.index.names])
    return rows.assign(shrunk_vs_reference_difference=pd.concat([shrunk_differences(family) for _, family in families]))


def compare(family: Family, level: float) -> pd.DataFrame:
    """Every segment against those that don't stand out, itself left out."""
    reference = family.reference(level)
    against = family.against_main_effects if family.is_pair else family.against_the_others
    z, rate, worth = against(reference)
    p_values = 2 * stats.norm.sf(np.abs(z))
    rows, each = family.rows, each_level(p_values, level)
    own, own_count = (rows.won / rows["count"]).to_numpy(), (rows["count"] / rows.effect).to_numpy()
    pooled = (own * own_count + rate * worth) / (own_count + worth)
    spread = np.sqrt(family.rate * (1 - family.rate) * (1 / own_count + 1 / worth))
    return pd.DataFrame(
        {
            "is_in_reference": reference,
            "reference_segment_count": reference.sum() - reference,
            "reference_deal_count": (rows["count"] * reference).sum() - rows["count"].to_numpy() * reference,
            "reference_win_rate": rate,
            "vs_reference_difference": own - rate,
            "vs_reference_confidence_level": 1 - each,
            "vs_reference_p_value": p_values,
            "adjusted_p_value": adjusted(p_values),
            "detectable_difference": (stats.norm.isf(each / 2) + stats.norm.ppf(0.8)) * spread,
            "verdict": np.where(np.isnan(z), "not_computable", np.where(adjusted(p_values) <= level, "signal", "no_signal")),
            "own_rate": own,
            "own_count": own_count,
            "worth": worth,
            "error": np.sqrt(pooled * (1 - pooled) * (1 / own_count + 1 / worth)),
        },
        rows.index,
    )


def score_interval(rate: np.ndarray, count: np.ndarray, other_rate: np.ndarray, other_count: np.ndarray, level: np.ndarray) -> np.ndarray:
    """The differences of two rates that the score test doesn't reject, each by the rates that are likeliest if it is the true one.

    Both are sought by halving: the likelihood of two rates that differ by a given amount has one maximum, and z falls in the difference.
    """

    def z(difference):
        low, high = np.maximum(0, difference), np.minimum(1, 1 + difference)
        for _ in range(70):
            first = (low + high) / 2
            second = first - difference
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = count * (rate - first) / (first * (1 - first)) + other_count * (other_rate - second) / (second * (1 - second))
            low, high = np.where(slope > 0, first, low), np.where(slope > 0, high, first)
        variance = first * (1 - first) / count + second * (1 - second) / other_count
        gap = rate - other_rate - difference
        return np.divide(gap, np.sqrt(variance), out=np.sign(gap) * np.inf, where=variance > 1e-18)

    limit, ends = stats.norm.isf(level / 2), []
    for side in (1, -1):
        low, high = np.where(side > 0, -1, rate - other_rate), np.where(side > 0, rate - other_rate, 1)
        for _ in range(50):
            middle = (low + high) / 2
            is_beyond = z(middle) > side * limit
            low, high = np.where(is_beyond, middle, low), np.where(is_beyond, high, middle)
        ends.append(np.where(np.isnan(rate + other_rate), np.nan, (low + high) / 2))
    return np.array(ends)


def shrunk_differences(rows: pd.DataFrame) -> pd.Series:
    """DerSimonian and Laird's moments about 0: what differences vary by beyond their errors says how much of each to expect again."""
    known = rows[rows.vs_reference_difference.notna() & (rows.error > 0)]
    weight, square = 1 / known.error**2, known.vs_reference_difference**2
    if len(known) == 2:  # one contrast, seen from both sides
        weight, square = weight[:1], square[:1]
    between = max(0.0, ((square * weight).sum() - max(1, len(known) - 1)) / weight.sum()) if len(known) else np.nan
    shrunk = known.vs_reference_difference * between / (between + known.error**2)
    return shrunk.clip(known.vs_reference_lower, known.vs_reference_upper).reindex(rows.index)


FAMILY = [
    "family_segment_count",
    "tier_family_count",
    "tier_selected_family_count",
    "family_p_value",
    "family_q_value",
    "p_value_threshold",
]
REFERENCE = ["is_in_reference", "reference_segment_count", "reference_deal_count", "reference_win_rate", "vs_reference_difference"]
TEST = ["vs_reference_p_value", "adjusted_p_value", "vs_reference_confidence_level", "detectable_difference", "verdict"]
INTERVAL = ["vs_reference_lower", "vs_reference_upper", "shrunk_vs_reference_difference"]


@figure("rpt_segment_win_rates", *SEGMENT, where=f"{SINGLE} and segment_dimension <> 'all'")
def segment_families(crm):
    return judged(crm)[0][FAMILY]


@figure("rpt_segment_win_rates", *SEGMENT, where=f"{SINGLE} and segment_dimension <> 'all'")
def segment_references(crm):
    return judged(crm)[0][REFERENCE]


@figure("rpt_segment_win_rates", *SEGMENT, where=f"{SINGLE} and segment_dimension <> 'all'")
def segment_tests(crm):
    return judged(crm)[0][TEST]


@figure("rpt_segment_win_rates", *SEGMENT, where=f"{SINGLE} and segment_dimension <> 'all'", within=1e-8)
def segment_score_intervals(crm):
    return judged(crm)[0][INTERVAL]


@figure("rpt_segment_win_rates", *PAIR, where="verdict_tier = 'pair'", within=1e-7)
def pair_families(crm):
    return judged(crm)[1][FAMILY]


@figure("rpt_segment_win_rates", *PAIR, where="verdict_tier = 'pair'", within=1e-7)
def pair_interactions(crm):
    return judged(crm)[1][REFERENCE + TEST]


@figure("rpt_segment_win_rates", *PAIR, where="verdict_tier = 'pair'", within=1e-7)
def pair_score_intervals(crm):
    return judged(crm)[1][INTERVAL]


# Trends and changes of the win rate

PERIOD = ("basis", "period_type", "period_start_date")
FREQUENCY = {"month": "M", "quarter": "Q"}


@cache
def whole_closes(crm: Crm) -> tuple[pd.Timestamp, pd.Timestamp]:
    """From the first creation on as long as 99 % of closed deals took, as losses come later than wins, until the newest day; until the last
    close where all deals of the file have closed."""
    dated = crm.closed[crm.closed.closed_date.notna()]
    longest = np.sort(dated.cycle_days)[int(np.ceil(0.99 * len(dated) - 1e-9)) - 1]
    until = crm.as_of if len(crm.open) else min(crm.as_of, dated.closed_date.max())
    return crm.deals.created_date.min() + pd.Timedelta(days=int(longest)), until


@cache
def rate_periods(crm: Crm) -> pd.DataFrame:
    """Closed deals by the month or quarter of their close, and all deals by that of their creation."""
    start, until = whole_closes(crm)
    first, mature, tables = crm.deals.created_date.min(), mature_months(crm), []
    sides = {"closed_date": crm.closed[crm.closed.closed_date.notna()], "created_cohort": crm.deals}
    for basis, rows in sides.items():
        days = rows.closed_date if basis == "closed_date" else rows.created_date
        for period_type, frequency in FREQUENCY.items():
            periods = days.dt.to_period(frequency)
            table = (
                rows.outcome.groupby(periods).value_counts().unstack(fill_value=0).reindex(columns=["Won", "Lost", "Open"], fill_value=0)
            )
            begin, end = table.index.start_time, table.index.end_time.normalize()
            table = table.set_axis(["won_deal_count", "lost_deal_count", "open_deal_count"], axis=1).assign(
                basis=basis, period_type=period_type, period_start_date=begin, period_end_date=end
            )
            if basis == "closed_date":
                table["is_partial_period"] = (begin < start) | (end > until)
                table["is_young"] = (begin > first) & (begin < start) & (end <= until)
                table["is_mature"] = None
            else:
                table["is_partial_period"] = (begin <= first) | (end > crm.as_of)
                months = month_of(rows.created_date).groupby(periods).unique()
                table["is_mature"] = [set(each) <= mature for each in months.reindex(table.index)]
                table["is_young"] = False
            tables.append(table)
    table = pd.concat(tables).assign(closed_deal_count=lambda rows: rows.won_deal_count + rows.lost_deal_count)
    return table.set_index(list(PERIOD))


@figure("rpt_win_rate_trend", *PERIOD, where="not is_risk_adjusted")
def rates_by_period(crm):
    """With what a cohort's rate is at least and at most, as its open deals may all be lost or won."""
    rows = rate_periods(crm)
    won, closed, still_open = rows.won_deal_count, rows.closed_deal_count, rows.open_deal_count
    is_cohort = rows.index.get_level_values("basis") == "created_cohort"
    limits = np.array([wilson(*each) for each in zip(won, closed, strict=True)])
    return rows.drop(columns="is_young").assign(
        win_rate=won / closed,
        win_rate_lower=limits[:, 0],
        win_rate_upper=limits[:, 1],
        win_rate_least=(won / (closed + still_open)).where(is_cohort),
        win_rate_most=((won + still_open) / (closed + still_open)).where(is_cohort),
    )


@figure("rpt_win_rate_trend", *PERIOD, where="basis = 'created_cohort' and not is_mature and not is_risk_adjusted")
def young_cohorts(crm):
    """The share that is won by the longest time to a close that was seen in the cohort."""
    deals = crm.deals[crm.deals.is_open | crm.deals.closed_date.notna()]
    deals, found = deals.assign(lasted=deals.age_days, seen_after=0), {}
    for key, period in rate_periods(crm).iterrows():
        if key[0] == "created_cohort" and not period.is_mature:
            group = deals[deals.created_date.dt.to_period(FREQUENCY[key[1]]).dt.start_time == key[2]]
            row = dict.fromkeys(["win_by_age_days", "win_by_age_rate", "win_by_age_lower", "win_by_age_upper"], np.nan)
            if not group.is_open.all():
                estimate, variance = incidences(group)["won"]
                is_between = 1e-12 < estimate < 1 - 1e-12 and variance > 0
                cases = estimate * (1 - estimate) / variance if is_between else (~group.is_open).sum()
                row = dict(zip(row, (group.lasted[~group.is_open].max(), estimate, *wilson(estimate * cases, cases)), strict=True))
            found[key] = row
    return pd.DataFrame.from_dict(found, orient="index").rename_axis(PERIOD)


def quick_ratio(crm: Crm, start: pd.Timestamp, end: pd.Timestamp) -> float:
    """The win rate of those closes of a period that could be known in young data, over that of all: of lives as long as those of the months in
    which all closes were known. Unknown where fewer than half could, or of these more than 80 % are won."""
    begin, until = whole_closes(crm)
    dated = crm.closed[crm.closed.closed_date.notna()]
    month = dated.closed_date.dt.to_period("M")
    lives = dated[(month.dt.start_time >= begin) & (month.dt.end_time.dt.normalize() <= until)]
    if lives.empty or lives.is_won.all():
        return np.nan
    ages = (pd.date_range(start, end) - crm.deals.created_date.min()).days
    known = [np.mean([(lives.cycle_days[lives.is_won == side] <= age).sum() for age in ages]) for side in (False, True)]
    if sum(known) < 0.5 * len(lives) or known[1] > 0.8 * sum(known):
        return np.nan
    return known[1] / sum(known) / lives.is_won.mean()


@cache
def expected_rates(crm: Crm, period_type: str, is_adjusted: bool) -> pd.Series:
    """By period, the rate that the regression on drivers leads to expect of its closes; without adjustment the same of all."""
    dated = crm.closed[crm.closed.closed_date.notna()]
    start = dated.closed_date.dt.to_period(FREQUENCY[period_type]).dt.start_time
    if not is_adjusted:
        return pd.Series(1.0, start.unique())
    fit, values = driver_fit(crm, False), dated[DRIVERS].copy()
    for name, levels in fit.levels.items():
        values[name] = values[name].where(values[name].isin(levels), RARE)
    return fit.fit.predict(design_of(values, fit.levels)).groupby(start).mean()


def has_fit(crm: Crm) -> bool:
    return driver_fit(crm, False).fit is not None


@cache
def charted(crm: Crm, period_type: str, is_adjusted: bool) -> pd.DataFrame:
    """The chart period by period: who is in the baseline, how far the period lies from it in normal scores, and what has added up."""
    table = rate_periods(crm).loc["closed_date", period_type].sort_index()
    table["expected"] = [quick_ratio(crm, row.Index, row.period_end_date) if row.is_young else 1.0 for row in table.itertuples()]
    table["expected"] *= expected_rates(crm, period_type, is_adjusted)
    table = table[(table.expected > 0) & (table.is_young | ~table.is_partial_period)]
    won, count, expected = (table[name].to_numpy(float) for name in ("won_deal_count", "closed_deal_count", "expected"))
    rows, sums, begun, side, alarms, start, tested = [], [0.0, 0.0], None, 0, 0, 0, 0
    out: set[int] = set()  # periods of excursions with two alarms or more, which no baseline holds
    for at in range(len(count)):
        if at < 12:
            rows.append({"verdict": "insufficient_n"})
            continue
        if at - 12 in out and len(out & set(range(at - 12, at))) > 6:  # a shift that lasts is the new baseline
            start, sums, begun, side, alarms, out = at - 12, [0.0, 0.0], None, 0, 0, set()
        base = [each for each in range(start, at if begun is None else begun) if each not in out]
        rate = expected * won[base].sum() / (count[base] * expected[base]).sum()
        deals, p0 = count[base].sum(), rate[at]
        row = {"baseline_period_count": len(base), "baseline_deal_count": deals}
        rows.append(row)
        if won[base].sum() in (0, deals) or max(rate[base].max(), p0) >= 1:
            row["verdict"] = "not_computable"
            continue
        row |= {"expected_win_rate": p0, "verdict": "insufficient_n"}
        if count[at] * min(p0, 1 - p0) < 5:
            continue
        pearson = sum((won[each] - count[each] * rate[each]) ** 2 / (count[each] * rate[each] * (1 - rate[each])) for each in base)
        dispersion = max(1.0, pearson / (len(base) - 1))
        error = np.sqrt(p0 * (1 - p0) * (1 / count[at] + 1 / deals) * dispersion)
        z = (won[at] / count[at] - p0) / error
        q = float(np.sign(z) * stats.norm.isf(stats.t.sf(abs(z), len(base) - 1)))
        reach = stats.t.isf(stats.norm.sf(3), len(base) - 1) * error
        tested += 1
        if side and side * q <= 0.75:
            sums, begun, side, alarms = [0.0, 0.0], None, 0, 0
        sums = [max(0.0, sums[0] + q - 0.75), max(0.0, sums[1] - q - 0.75)]
        if begun is None or not any(sums):
            begun, alarms = at if any(sums) else None, 0
        is_out, is_summed = abs(q) > 3, max(sums) > 3.2
        if is_out or is_summed:
            side, alarms = (int(np.sign(q)) if is_out else 1 if sums[0] > sums[1] else -1), alarms + 1
        if side and alarms >= 2:
            out |= set(range(begun, at + 1))
        row |= {
            "dispersion": dispersion,
            "z_score": z,
            "q_score": q,
            "p_value": 2 * stats.norm.sf(abs(q)),
            "lower_limit": max(0.0, p0 - reach),
            "upper_limit": min(1.0, p0 + reach),
            "cusum_above": sums[0],
            "cusum_below": sums[1],
            "tested_period_count": tested,
            "verdict": "signal" if is_out or is_summed else "no_signal",
        }
    return pd.DataFrame(rows, table.index)[~table.is_young]


@figure("rpt_win_rate_trend", "is_risk_adjusted", *PERIOD, where="basis = 'closed_date' and not is_partial_period", within=1e-6)
def chart_of_the_win_rate(crm):
    kinds = itertools.product([False, True][: 1 + has_fit(crm)], ["closed_date"], FREQUENCY)
    return pd.concat({key: charted(crm, key[2], key[0]) for key in kinds}, names=["is_risk_adjusted", *PERIOD])


@figure("rpt_win_rate_trend", "is_risk_adjusted", *PERIOD, within=1e-6)
def trend_tests(crm):
    """A line by weighted least squares, from 18 months or 6 quarters on beside a season, its error widened by the dispersion about it."""
    table, found = rate_periods(crm), {}
    known = table[~table.is_partial_period & (table.is_mature != False) & (table.closed_deal_count > 0)]  # noqa: E712
    kinds = [(False, basis, period_type) for basis in ("closed_date", "created_cohort") for period_type in FREQUENCY]
    for key in kinds + [(True, "closed_date", period_type) for period_type in FREQUENCY if has_fit(crm)]:
        is_adjusted, basis, period_type = key
        rows = known[(known.index.get_level_values(0) == basis) & (known.index.get_level_values(1) == period_type)].sort_index()
        start, length = rows.index.get_level_values(2), 1 if period_type == "month" else 3
        won, count = rows.won_deal_count.to_numpy(float), rows.closed_deal_count.to_numpy(float)
        row = found[key] = {"trend_period_count": len(rows), "trend_deal_count": count.sum(), "trend_verdict": "insufficient_n"}
        if len(rows) < 6:
            continue
        expected = expected_rates(crm, period_type, is_adjusted).reindex(start).to_numpy() if basis == "closed_date" else np.ones(len(rows))
        rate = expected * won.sum() / (count * expected).sum()
        month = np.array([12 * day.year + day.month for day in start], float)
        terms = [(month - month.mean()) / length, np.ones(len(rows))]
        terms += [np.cos(np.pi * month / 6), np.sin(np.pi * month / 6)] if len(rows) * length >= 18 else []
        fit = sm.WLS(won / count - rate, np.column_stack(terms), count / (rate * (1 - rate))).fit()
        if fit.df_resid <= 0:
            row["trend_verdict"] = "not_computable"
            continue
        dispersion = max(1.0, fit.ssr / fit.df_resid)
        error = np.sqrt(fit.normalized_cov_params[0, 0] * dispersion)
        z = fit.params[0] / error
        row |= {"trend_pp_per_period": 100 * fit.params[0], "trend_dispersion": dispersion, "trend_z_score": z}
        row |= {"trend_p_value": 2 * stats.t.sf(abs(z), fit.df_resid), "error": 100 * error, "freedom": fit.df_resid}
    tests = pd.DataFrame.from_dict(found, orient="index")
    tested = tests.trend_p_value.notna()
    rejected, q_values, *_ = multipletests(tests.trend_p_value[tested], LEVEL, method="fdr_bh")
    level = LEVEL * max(1, rejected.sum()) / tested.sum()
    tests.loc[tested, "trend_q_value"] = q_values
    tests.loc[tested, "trend_verdict"] = np.where(tests.trend_p_value[tested] <= level, "signal", "no_signal")
    reach = stats.t.isf(level / 2, tests.freedom) * tests.error
    tests = tests.assign(trend_lower_pp=tests.trend_pp_per_period - reach, trend_upper_pp=tests.trend_pp_per_period + reach)
    tests = tests.drop(columns=["error", "freedom"])
    periods_of = {key: table.loc[key[1], key[2]].index for key in tests.index}
    rows = [(*key, start) for key, starts in periods_of.items() for start in starts]
    return tests.loc[[row[:3] for row in rows]].set_axis(pd.MultiIndex.from_tuples(rows, names=["is_risk_adjusted", *PERIOD]))


CHANGE = ("period_type", "period_start_date", "segment_dimension", "segment_value")


@dataclass
class Comparison:
    """Two periods: months of both, by which they are compared, and what a deal of each month weighs."""

    key: tuple[str, pd.Timestamp]
    before: pd.Timestamp
    is_year_on_year: bool
    months: pd.DataFrame  # month, is_previous, stratum, won, count, weight


@cache
def comparisons(crm: Crm) -> list[Comparison]:
    """Whole months, quarters and half-years, against the same months a year before where these are known, else against the period before. The
    half-years end with the newest whole month."""
    start, until = whole_closes(crm)
    dated = crm.closed[crm.closed.closed_date.notna()]
    rows = dated.is_won.groupby(month_of(dated.closed_date)).agg(won="sum", count="size").reset_index(names="month")
    rows = rows[(rows.month >= start) & (rows.month + pd.offsets.MonthBegin() <= until + DAY)]
    newest = ((until + DAY).to_period("M") - 1).start_time
    found = []
    for period_type, length in (("month", 1), ("quarter", 3), ("half_year", 6)):
        if period_type == "half_year":
            away = 6 * (((newest.year - rows.month.dt.year) * 12 + newest.month - rows.month.dt.month) // 6)
            begins = {newest - pd.DateOffset(months=5 + each) for each in away}
        else:
            begins = set(rows.month.dt.to_period(FREQUENCY[period_type]).dt.start_time)
        for begin in sorted(begins):
            end, year, previous = begin + pd.DateOffset(months=length), begin - pd.DateOffset(years=1), begin - pd.DateOffset(months=length)
            if begin < start or end > until + DAY or previous < start:
                continue
            before = year if year >= start else previous
            newer = (rows.month >= begin) & (rows.month < end)
            older = (rows.month >= before) & (rows.month < before + pd.DateOffset(months=length))
            months = pd.concat([rows[older].assign(is_previous=True), rows[newer].assign(is_previous=False)])
            months["stratum"] = months.month.dt.month if year >= start else 0
            whole = months.groupby("stratum")["count"].transform("sum")
            own = months.groupby(["stratum", "is_previous"])["count"].transform("sum")
            months = months.assign(weight=(whole - own) / whole if year >= start else 1.0)[whole > own]
            if len(months):
                found.append(Comparison((period_type, begin), before, year >= start, months))
    return found


def months_dispersion(crm: Crm, newer: set) -> float:
    """How far whole months lie from a line, a season and a step at the newer ones, beyond chance."""
    start, until = whole_closes(crm)
    dated = crm.closed[crm.closed.closed_date.notna()]
    rows = dated.is_won.groupby(month_of(dated.closed_date)).agg(["sum", "size"])
    rows = rows[(rows.index >= start) & (rows.index + pd.offsets.MonthBegin() <= until + DAY)]
    if len(rows) < 12:
        return 1.0
    rate, number = rows["sum"].sum() / rows["size"].sum(), rows.index.year * 12 + rows.index.month
    terms = np.column_stack([np.ones(len(rows)), number, np.cos(np.pi * number / 6), np.sin(np.pi * number / 6), rows.index.isin(newer)])
    fit = sm.WLS((rows["sum"] / rows["size"]).to_numpy(), terms.astype(float), (rows["size"] / (rate * (1 - rate))).to_numpy()).fit()
    return max(1.0, fit.ssr / (len(rows) - 5)) if np.linalg.matrix_rank(terms.astype(float)) == 5 else 1.0


@figure("rpt_win_rate_change", *CHANGE, where="segment_dimension = 'all'", within=1e-8)
def changes_of_the_win_rate(crm):
    """Cochran, Mantel and Haenszel's test by statsmodels, over the dispersion of months; the interval is the test's, at the level that the
    mart names for it."""
    mart, found = crm.mart("rpt_win_rate_change", "segment_dimension = 'all'").set_index(list(CHANGE)), {}
    for each in comparisons(crm):
        tables, difference, weights, variance = [], 0.0, 0.0, 0.0
        for _, stratum in each.months.groupby("stratum"):
            (won, n), (other_won, other_n) = (stratum[stratum.is_previous == side][["won", "count"]].sum() for side in (False, True))
            tables.append([[won, n - won], [other_won, other_n - other_won]])
            difference += n * other_n / (n + other_n) * (won / n - other_won / other_n)
            weights += n * other_n / (n + other_n)
            variance += stats.hypergeom(n + other_n, won + other_won, n).var()
        difference /= weights
        chi2 = StratifiedTable(np.array(tables, float).transpose(1, 2, 0)).test_null_odds(correction=False).statistic
        dispersion = months_dispersion(crm, set(each.months.month[~each.months.is_previous]))
        key = (*each.key, "all", "all")
        error = np.sqrt(variance * dispersion) / weights
        assert np.isclose((difference / error) ** 2, chi2 / dispersion)
        reach = stats.norm.isf((1 - mart.total_confidence_level[key]) / 2) * error
        sides = {side: each.months[each.months.is_previous == side] for side in (False, True)}
        rates = {side: np.average(rows.won / rows["count"], weights=rows.weight * rows["count"]) for side, rows in sides.items()}
        found[key] = {
            "previous_period_start_date": each.before,
            "comparison": "year_on_year" if each.is_year_on_year else "previous_period",
            "closed_deal_count": sides[False]["count"].sum(),
            "won_deal_count": sides[False].won.sum(),
            "previous_closed_deal_count": sides[True]["count"].sum(),
            "previous_won_deal_count": sides[True].won.sum(),
            "win_rate": rates[False],
            "previous_win_rate": rates[True],
            "total_change": difference,
            "dispersion": dispersion,
            "total_p_value": stats.chi2.sf(chi2 / dispersion, 1),
            "total_change_lower": max(-1.0, difference - reach),
            "total_change_upper": min(1.0, difference + reach),
        }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis(CHANGE)


@cache
def decomposed(crm: Crm) -> pd.DataFrame:
    """Kitagawa's parts of the change, of deals weighed so that each calendar month counts alike in both years."""
    dated, found = crm.closed[crm.closed.closed_date.notna()], []
    months = month_of(dated.closed_date)
    known = [name for name in DIMENSIONS if (dated[name] != "Unknown").any()]
    for each in comparisons(crm):
        weights = {side: each.months[each.months.is_previous == side].set_index("month").weight for side in (False, True)}
        deals = {side: dated.assign(weight=months.map(weight)).dropna(subset="weight") for side, weight in weights.items()}
        sizes = {side: rows.weight.sum() ** 2 / (rows.weight**2).sum() for side, rows in deals.items()}
        everyone = {side: np.average(rows.is_won, weights=rows.weight) for side, rows in deals.items()}
        dispersion, overall = months_dispersion(crm, set(weights[False].index)), sum(everyone.values()) / 2
        for dimension in known:
            sides = []
            for rows in deals.values():
                groups = rows.assign(won_weight=rows.weight * rows.is_won).groupby(dimension)
                sides.append(groups.agg(count=("is_won", "size"), weight=("weight", "sum"), won_weight=("won_weight", "sum")))
            new, old = (side.reindex(sides[0].index.union(sides[1].index)).fillna(0.0) for side in sides)
            rate, before = new.won_weight / new.weight, old.won_weight / old.weight
            part, part_before = new.weight / new.weight.sum(), old.weight / old.weight.sum()
            columns = {
                "closed_deal_count": new["count"],
                "previous_closed_deal_count": old["count"],
                "win_rate": rate,
                "previous_win_rate": before,
                "deal_share": part,
                "previous_deal_share": part_before,
                "total_change": everyone[False] - everyone[True],
                "rate_effect": ((part + part_before) / 2 * (rate - before)).fillna(0.0),
                "mix_effect": (part - part_before) * ((rate.fillna(before) + before.fillna(rate)) / 2 - overall),
                "size": sizes[False],
                "previous_size": sizes[True],
                "dispersion": dispersion,
            }
            table = pd.DataFrame(columns, new.index)
            table.index = pd.MultiIndex.from_tuples([(*each.key, dimension, value) for value in new.index], names=CHANGE)
            found.append(table)
    return pd.concat(found)


@figure("rpt_win_rate_change", *CHANGE, where="segment_dimension <> 'all'")
def parts_of_a_change(crm):
    rows = decomposed(crm)
    together = (rows.rate_effect + rows.mix_effect).groupby(list(CHANGE[:3])).sum()
    assert np.allclose(together, rows.total_change.groupby(list(CHANGE[:3])).first(), atol=1e-12)
    return rows.drop(columns=["size", "previous_size"])


@figure("rpt_win_rate_change", *CHANGE, where="segment_dimension <> 'all'", within=1e-7)
def rate_effects_and_chance(crm):
    """The pooled z test by statsmodels and its inverse, of as many deals as the weighted ones are worth, a segment having its share of what all
    deals of a month have in common; at the level that the mart names."""
    rows = decomposed(crm)
    level = 1 - crm.mart("rpt_win_rate_change", "segment_dimension <> 'all'").set_index(list(CHANGE)).rate_confidence_level.reindex(
        rows.index
    )
    has_interval = rows[["closed_deal_count", "previous_closed_deal_count"]].min(axis=1) >= MIN_DEALS
    assert (level.notna() == has_interval).all()
    shares = (rows.deal_share + rows.previous_deal_share) / 2
    spread = 1 + shares * (rows.dispersion - 1)
    count, other = rows.deal_share * rows["size"] / spread, rows.previous_deal_share * rows.previous_size / spread
    p_values = []
    for rate, n, other_rate, other_n in zip(rows.win_rate, count, rows.previous_win_rate, other, strict=True):
        hits = [rate * n, other_rate * other_n]
        p_values.append(proportions_ztest(hits, [n, other_n])[1] if 1e-12 < sum(hits) < n + other_n - 1e-12 else np.nan)
    ends = score_interval(*(each.to_numpy() for each in (rows.win_rate, count, rows.previous_win_rate, other, level.fillna(0.05))))
    lower, upper = ((shares * end).where(has_interval) for end in ends)
    return pd.DataFrame({"rate_p_value": p_values, "rate_effect_lower": lower, "rate_effect_upper": upper}, rows.index)


# Won and lost cycles

GAP = ("segment_dimension", "segment_value")


def cycle_segments(crm: Crm) -> dict[tuple[str, str], pd.DataFrame]:
    found = {("all", "all"): crm.closed}
    return found | {(name, value): deals for name in DIMENSIONS for value, deals in crm.closed.groupby(name)}


def compared_cycles(crm: Crm) -> pd.Series:
    """Deals of mature cohorts whose close has a date."""
    return month_of(crm.closed.created_date).isin(mature_months(crm)) & crm.closed.closed_date.notna()


@figure("rpt_cycle_outcome_gap", *GAP)
def cycles_by_outcome(crm):
    is_compared, found = compared_cycles(crm), {}
    for key, deals in cycle_segments(crm).items():
        kept = deals[is_compared.reindex(deals.index)]
        won, lost = (kept.cycle_days[kept.is_won == side] for side in (True, False))
        found[key] = {
            "closed_deal_count": len(deals),
            "excluded_deal_count": len(deals) - len(kept),
            "no_close_date_deal_count": int(deals.closed_date.isna().sum()),
            "won_deal_count": len(won),
            "lost_deal_count": len(lost),
            "median_won_cycle_days": won.median(),
            "median_lost_cycle_days": lost.median(),
            "cycle_outcome_gap_days": won.median() - lost.median() if min(len(won), len(lost)) >= MIN_DEALS else np.nan,
            "mean_won_cycle_days": won.mean(),
            "mean_lost_cycle_days": lost.mean(),
        }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis(GAP)


@cache
def cycle_correlation(crm: Crm) -> float:
    """How alike the terms of an account's deals are in the rank statistic of all deals: an analysis of variance about 0."""
    deals = crm.closed[compared_cycles(crm)]
    term = (deals.is_won - deals.is_won.mean()) * ((stats.rankdata(deals.cycle_days) - 0.5) / len(deals) - 0.5)
    groups = term.groupby(accounts_of(deals))
    size, k, n = groups.size(), groups.ngroups, len(deals)
    if k < 2 or n <= k:
        return 0.0
    between = (groups.sum() ** 2 / size).sum()
    mean_between, mean_within = between / (k - 1), max(0.0, (term**2).sum() - between) / (n - k)
    usual = (n - (size**2).sum() / n) / (k - 1)
    return float(np.clip((mean_between - mean_within) / (mean_between + (usual - 1) * mean_within), 0, 1))


@figure("rpt_cycle_outcome_gap", *GAP, where="mann_whitney_p_value is not null", within=1e-7)
def cycle_gaps_and_chance(crm):
    """Mann and Whitney's test by scipy, the deviation widened by the root of the design effect; the shift and its interval by all pairs of a won
    and a lost deal, each difference of days spread over half a day to either side, at the level that the mart names."""
    is_compared, found = compared_cycles(crm), {}
    mart = crm.mart("rpt_cycle_outcome_gap").set_index(list(GAP))
    for key, deals in cycle_segments(crm).items():
        kept = deals[is_compared.reindex(deals.index)]
        won, lost = (kept.cycle_days[kept.is_won == side].to_numpy() for side in (True, False))
        if min(len(won), len(lost)) < MIN_DEALS or has_accounts(crm) and accounts_of(kept).nunique() < MIN_ACCOUNTS:
            continue
        effect = 1 + cycle_correlation(crm) * others_of_the_account(kept)
        plain = stats.mannwhitneyu(won, lost, method="asymptotic")
        half = len(won) * len(lost) / 2
        deviation = (abs(plain.statistic - half) - 0.5) / stats.norm.isf(plain.pvalue / 2) * np.sqrt(effect)
        p_value = min(1.0, 2 * stats.norm.sf((abs(plain.statistic - half) - 0.5) / deviation))
        days, pairs = np.unique(np.subtract.outer(won, lost), return_counts=True)
        reach = 0.5 + stats.norm.isf((1 - mart.cycle_shift_confidence_level[key]) / 2) * deviation
        edges = np.unique(np.concatenate([days - 0.5, days + 0.5]))
        below = np.array([pairs @ np.clip(edge - days + 0.5, 0, 1) for edge in edges])
        shift = (first_edge(edges, below, half) + last_edge(edges, below, half)) / 2
        found[key] = {
            "design_effect": effect,
            "mann_whitney_p_value": p_value,
            "cycle_shift_days": shift,
            "cycle_shift_lower_days": first_edge(edges, below, half - reach),
            "cycle_shift_upper_days": last_edge(edges, below, half + reach),
        }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis(GAP)


def first_edge(edges: np.ndarray, below: np.ndarray, pairs: float) -> float:
    """The least shift that has so many pairs below it."""
    at = np.flatnonzero(below >= pairs)[0]
    return np.interp(pairs, below[at - 1 : at + 1], edges[at - 1 : at + 1])


def last_edge(edges: np.ndarray, below: np.ndarray, pairs: float) -> float:
    at = np.flatnonzero(below > pairs)[0]
    return np.interp(pairs, below[at - 1 : at + 1], edges[at - 1 : at + 1])


# Reasons of losses


@figure("rpt_lost_reasons", "lost_reason", needs="stage_history")
def shares_of_lost_reasons(crm):
    lost = crm.closed[~crm.closed.is_won].assign(reason=lambda rows: most_frequent_spelling(rows.lost_reason).fillna("Not recorded"))
    spans, found = periods(crm), {}
    sides = {name: lost[(lost.closed_date >= start) & (lost.closed_date < end)] for name, (start, end) in spans.items()}
    for reason in lost.reason.unique():
        now, before = (sides[name][sides[name].reason == reason] for name in ("last_4_quarters", "prior_4_quarters"))
        n, other_n = len(sides["last_4_quarters"]), len(sides["prior_4_quarters"])
        found[reason] = {
            "lost_deal_count": len(now),
            "all_lost_deal_count": n,
            "lost_share": share(len(now), n),
            "lost_share_lower": wilson(len(now), n)[0],
            "lost_share_upper": wilson(len(now), n)[1],
            "lost_amount": now.amount.sum(),
            "lost_amount_share": share(now.amount.sum(), sides["last_4_quarters"].amount.sum()),
            "previous_lost_deal_count": len(before),
            "previous_lost_share": share(len(before), other_n),
            "previous_lost_amount": before.amount.sum(),
            "total_lost_deal_count": (lost.reason == reason).sum(),
            "total_lost_share": (lost.reason == reason).mean(),
        }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("lost_reason")


@figure("rpt_lost_reasons", "lost_reason", where="p_value is not null", within=1e-7, needs="stage_history")
def changes_of_lost_reasons(crm):
    """Each reason against those whose shares don't stand out: who changed most beyond chance leaves while more than two are left."""
    table = shares_of_lost_reasons(crm)
    counts = table[["lost_deal_count", "previous_lost_deal_count"]].astype(float)
    totals = counts.sum()

    def compared(left: list[str], own: str) -> tuple[np.ndarray, np.ndarray]:
        hits = counts.loc[own].to_numpy()
        return hits, hits + counts.loc[[each for each in left if each != own]].sum().to_numpy()

    def p_value(left: list[str], own: str) -> float:
        hits, sizes = compared(left, own)
        return proportions_ztest(hits, sizes)[1] if 0 < hits.sum() < sizes.sum() and sizes.all() else np.nan

    share_of_all = counts.sum(axis=1) / totals.sum()
    least = np.minimum(share_of_all, 1 - share_of_all) * totals.min()
    names = sorted(counts.index[(counts.sum(axis=1) >= MIN_DEALS) & (least >= MIN_EXPECTED)])
    small = counts.drop(index=names).sum()
    if small.sum() >= MIN_DEALS:
        counts.loc["the small ones"] = small
    everyone = [*names, *(["the small ones"] if small.sum() >= MIN_DEALS else [])]
    left = list(everyone)
    while len(left) > 2:
        p_values = {name: p_value(left, name) for name in left}
        top = min(p_values, key=p_values.get)
        if p_values[top] * len(left) > LEVEL:
            break
        left.remove(top)
    p_values = np.array([p_value(left, name) for name in everyone])
    each, rows = each_level(p_values, LEVEL), []
    for name in everyone:
        hits, sizes = compared(left, name)
        rows.append((*hits / sizes, *sizes))
    now, before, n, other_n = np.array(rows).T
    lower, upper = score_interval(now, n, before, other_n, each)
    found = {
        "is_in_reference": [name in left for name in everyone],
        "share_change": now - before,
        "share_change_lower": lower,
        "share_change_upper": upper,
        "share_change_confidence_level": 1 - each,
        "p_value": p_values,
        "adjusted_p_value": adjusted(p_values),
    }
    return pd.DataFrame(found, pd.Index(everyone, name="lost_reason")).loc[names]


# Drivers

DRIVERS = ["industry", "region", "product_type", "lead_source", "deal_size_band"]
DRIVER = ("is_known_only_after_close", "factor", "level")
RARE = "(rare)"


@dataclass(frozen=True, eq=False)
class Penalised:
    """Firth's logistic regression by statsmodels, for levels that only win or only lose: each deal brings as much of half a win and half a loss
    as it weighs in the whole design. `within`: of all columns, those whose coefficients aren't 0."""

    params: pd.Series
    information: pd.DataFrame
    deviance: float

    @classmethod
    def of(cls, won: pd.Series, design: pd.DataFrame, within: list[str]) -> "Penalised":
        x, params = design.to_numpy(), pd.Series(0.0, design.columns)
        for _ in range(500):
            before, rate = params.copy(), 1 / (1 + np.exp(-(x @ params.to_numpy())))
            spread = rate * (1 - rate)
            information = (x * spread[:, None]).T @ x
            own = spread * np.einsum("ij,jk,ik->i", x, np.linalg.inv(information), x)
            model = sm.GLM((won + own / 2) / (1 + own), design[within], sm.families.Binomial(), var_weights=1 + own)
            params[within] = model.fit(start_params=params[within], tol=1e-13).params
            if np.abs(params - before).max() < 1e-11:
                break
        likelihood = np.sum(np.log(np.where(won == 1, rate, 1 - rate))) + np.linalg.slogdet(information)[1] / 2
        return cls(params, pd.DataFrame(information, design.columns, design.columns), -2 * likelihood)

    def cov_params(self) -> pd.DataFrame:
        return pd.DataFrame(np.linalg.inv(self.information), self.params.index, self.params.index)

    @property
    def bse(self) -> pd.Series:
        return np.sqrt(pd.Series(np.diag(self.cov_params()), self.params.index))

    def conf_int(self, alpha: float) -> pd.DataFrame:
        reach = stats.norm.isf(alpha / 2) * self.bse
        return pd.DataFrame({0: self.params - reach, 1: self.params + reach})

    def predict(self, design: pd.DataFrame) -> pd.Series:
        return 1 / (1 + np.exp(-(design @ self.params)))


@dataclass(frozen=True, eq=False)
class DriverFit:
    """A logistic regression of won by statsmodels, one row a deal of a mature cohort; levels with fewer than 20 deals stand together."""

    deals: pd.DataFrame
    raw: pd.DataFrame
    levels: dict[str, list[str]]  # by factor, the reference first
    fit: object

    @classmethod
    def of(cls, deals: pd.DataFrame, factors: list[str]) -> "DriverFit":
        pooled = deals[factors].apply(lambda column: column.where(column.map(column.value_counts()) >= 20, RARE))
        levels = {}
        for name in factors:
            counts = pooled[name].value_counts()
            first = sorted(counts.index, key=lambda level: (level == RARE, -counts[level], level))[0]
            levels[name] = [first, *sorted(set(counts.index) - {first})]
        rows = pooled.assign(is_won=deals.is_won)
        size = 1 + sum(len(each) - 1 for each in levels.values())
        enough = min(rows.is_won.sum(), (~rows.is_won).sum()) >= 5 * size
        found = cls(rows, deals, levels, None)
        return replace(found, fit=found.fitted(list(levels))) if enough else found

    def fitted(self, factors: list[str]) -> object:
        """With the levels of some factors."""
        won, design = self.deals.is_won.astype(float), design_of(self.deals, self.levels)
        names = list(design_of(self.deals, {name: self.levels[name] for name in factors}).columns)
        rates = pd.concat([self.deals.groupby(name).is_won.mean() for name in self.levels])
        if rates.isin([0, 1]).any():
            return Penalised.of(won, design, names)
        return sm.GLM(won, design[names], sm.families.Binomial()).fit(tol=1e-13)

    def contrast(self, factor: str, weights: np.ndarray) -> tuple[float, float]:
        """A sum of means, and its standard error by the delta method."""
        means, slopes = marginal_means(self, factor)
        return weights @ means, np.sqrt(weights @ slopes @ self.fit.cov_params().to_numpy() @ slopes.T @ weights)

    def without(self, factors: list[str]) -> float:
        """How much worse, in deviance, the fit is without some factors."""
        less = self.fitted([name for name in self.levels if name not in factors])
        return less.deviance - self.fit.deviance


@cache
def marginal_means(fit: DriverFit, factor: str) -> tuple[np.ndarray, np.ndarray]:
    """Of each level of a factor, and how they move with the coefficients, by complex steps."""
    beta, found = fit.fit.params.to_numpy(), []
    for level in fit.levels[factor]:
        design = design_of(fit.deals.assign(**{factor: level}), fit.levels).to_numpy()
        patterns, count = np.unique(design, axis=0, return_counts=True)

        def mean(coefficients, patterns=patterns, count=count):
            return count @ (1 / (1 + np.exp(-(patterns @ coefficients)))) / count.sum()

        found.append((mean(beta), approx_fprime_cs(beta, mean)))
    return np.array([each[0] for each in found]), np.array([each[1] for each in found])


def design_of(rows: pd.DataFrame, levels: dict[str, list[str]]) -> pd.DataFrame:
    columns = {f"{name}: {level}": (rows[name] == level).astype(float) for name, each in levels.items() for level in each[1:]}
    return pd.DataFrame({"constant": 1.0, **columns}, rows.index)


@cache
def driver_fit(crm: Crm, is_after: bool) -> DriverFit:
    deals = crm.closed[month_of(crm.closed.created_date).isin(mature_months(crm))]
    return DriverFit.of(deals[deals.closed_date.notna()] if is_after else deals, [*DRIVERS, "cycle_band"] if is_after else DRIVERS)


def driver_rows(crm: Crm, compute: Callable[[DriverFit, str, int], dict]) -> pd.DataFrame:
    found = {}
    for is_after in (False, True):
        fit = driver_fit(crm, is_after)
        for factor, levels in fit.levels.items():
            for number, level in enumerate(levels):
                found[is_after, factor, level] = compute(fit, factor, number)
    return pd.DataFrame.from_dict(found, orient="index").rename_axis(DRIVER)


@figure("rpt_win_rate_drivers", *DRIVER)
def driver_counts(crm):
    def counts(fit, factor, number):
        won = fit.deals.is_won[fit.deals[factor] == fit.levels[factor][number]]
        return {"closed_deal_count": len(won), "won_deal_count": won.sum(), "win_rate": won.mean(), "fit_deal_count": len(fit.deals)}

    return driver_rows(crm, counts)


@figure("rpt_win_rate_drivers", *DRIVER, within=1e-6)
def driver_coefficients(crm):
    def coefficients(fit, factor, number):
        names = ["coefficient", "standard_error", "odds_ratio", "odds_ratio_lower", "odds_ratio_upper"]
        if not fit.fit or not number:
            return dict(zip(names, [0.0 if fit.fit else np.nan, *[np.nan] * 4], strict=True))
        key = f"{factor}: {fit.levels[factor][number]}"
        ends = fit.fit.conf_int(0.05).loc[key]
        return dict(zip(names, (fit.fit.params[key], fit.fit.bse[key], np.exp(fit.fit.params[key]), *np.exp(ends)), strict=True))

    return driver_rows(crm, coefficients)


@figure("rpt_win_rate_drivers", *DRIVER, within=1e-6)
def driver_likelihood_ratios(crm):
    tests: dict[tuple, tuple] = {}

    def ratio_tests(fit, factor, number):
        names = ["factor_chi2", "factor_degrees_of_freedom", "factor_p_value", "fit_chi2", "fit_p_value"]
        if not fit.fit:
            return dict.fromkeys(names, np.nan)
        for key, factors in ((factor, [factor]), ("", list(fit.levels))):
            if (fit, key) not in tests:
                freedom = sum(len(fit.levels[each]) - 1 for each in factors)
                chi2 = fit.without(factors)
                tests[fit, key] = chi2, freedom, stats.chi2.sf(chi2, freedom)
        (chi2, freedom, p_value), (whole, _, whole_p) = tests[fit, factor], tests[fit, ""]
        return dict(zip(names, (chi2, freedom, p_value, whole, whole_p), strict=True))

    return driver_rows(crm, ratio_tests)


@figure("rpt_win_rate_drivers", *DRIVER, within=1e-6)
def driver_marginal_effects(crm):
    """Mean predicted rates of all deals, had they been of the level, and the difference to the reference level."""

    def effects(fit, factor, number):
        names = ["adjusted_win_rate", "vs_reference_pp", "vs_reference_lower_pp", "vs_reference_upper_pp"]
        if not fit.fit:
            return dict.fromkeys(names, np.nan)
        if not number:
            return dict(zip(names, [marginal_means(fit, factor)[0][0], *[np.nan] * 3], strict=True))
        weights = np.zeros(len(fit.levels[factor]))
        weights[number], weights[0] = 1, -1
        effect, error = fit.contrast(factor, weights)
        ends = np.clip(effect + stats.norm.ppf([0.025, 0.975]) * error, -1, 1)
        return dict(zip(names, (marginal_means(fit, factor)[0][number], *(100 * np.array([effect, *ends]))), strict=True))

    return driver_rows(crm, effects)


def account_correlation(deals: pd.DataFrame) -> float:
    """What the levels of the factor that explains most leave between the deals of an account; what many levels take up is made up for."""
    found = []
    for name in [*DRIVERS, "cycle_band"]:
        rows = deals.assign(level=deals[name].fillna("Unknown"))
        residual = rows.is_won - rows.groupby("level").is_won.transform("mean")
        groups = residual.groupby(accounts_of(rows))
        size, k, n, levels = groups.size(), groups.ngroups, len(rows), rows.level.nunique()
        if k <= 2 * levels:
            continue
        between = (groups.sum() ** 2 / size).sum() * (k - 1) / (k - levels)
        within, usual = max(0.0, (residual**2).sum() - between), (n - (size**2).sum() / n) / (k - 1)
        one, other = between / (k - 1), within / (n - k) if n > k else np.nan
        found.append(float(np.clip((one - other) / (one + (usual - 1) * other), 0, 1)) if n > k else 0.0)
    return min(found, default=0.0)


def contrast_effect(deals: pd.DataFrame, factor: str, level: str, correlation: float) -> float:
    """How many deals stand for one where a level is compared with all others, by what each account adds to the difference."""
    inside = deals[factor] == level
    if not inside.any() or inside.all():
        return 1.0
    weight = np.where(inside, 1 / inside.sum(), -1 / (~inside).sum())
    together = (pd.Series(weight, deals.index).groupby(accounts_of(deals)).sum() ** 2).sum()
    return max(1.0, 1 + correlation * (together / (1 / inside.sum() + 1 / (~inside).sum()) - 1))


@figure("rpt_win_rate_drivers", *DRIVER, where="vs_others_p_value is not null", within=1e-6)
def driver_verdicts(crm):
    """Each level against those that don't stand out, by Wald's test, at the level that all factors share."""
    found = {}
    for is_after in (False, True):
        fit = driver_fit(crm, is_after)
        if not fit.fit:
            continue
        raw = crm.closed.loc[driver_fit(crm, False).deals.index]
        correlation = account_correlation(raw)
        judged = [name for name, levels in fit.levels.items() if len(levels) > 1]
        for factor in judged:
            levels, level = fit.levels[factor], LEVEL / len(judged)
            counts = fit.deals[factor].value_counts().reindex(levels).to_numpy(float)
            effects = [
                1.0 if each == RARE else contrast_effect(raw.assign(cycle_band=raw.cycle_band.fillna("Unknown")), factor, each, correlation)
                for each in levels
            ]

            def against(left, own, counts=counts, effects=effects, fit=fit, factor=factor):
                others = np.where(left, counts, 0.0)
                others[own] = 0.0
                if others.sum() < 20:
                    return np.nan, np.nan
                weights = -others / others.sum()
                weights[own] = 1.0
                effect, error = fit.contrast(factor, weights)
                return effect, error * np.sqrt(effects[own])

            left = np.ones(len(levels), bool)
            while left.sum() > 2:
                z = np.array([np.divide(*against(left, own)) if left[own] else np.nan for own in range(len(levels))])
                if not np.nanmin(2 * stats.norm.sf(np.abs(z))) * left.sum() <= level:
                    break
                left[np.nanargmax(np.abs(z))] = False
            accounts = [
                accounts_of(raw)[raw[factor].fillna("Unknown") == each].nunique() if each != RARE else MIN_ACCOUNTS for each in levels
            ]
            members = [own for own, each in enumerate(levels) if each != RARE and accounts[own] >= MIN_ACCOUNTS]
            effect, error = np.array([against(left, own) for own in members]).T
            p_values = 2 * stats.norm.sf(np.abs(effect / error))
            each_test = level if len(levels) == 2 else each_level_of(p_values, level)
            reach = stats.norm.isf(each_test / 2) * error
            for place, own in enumerate(members):
                found[is_after, factor, levels[own]] = {
                    "vs_others_pp": 100 * effect[place],
                    "vs_others_standard_error_pp": 100 * error[place],
                    "vs_others_lower_pp": max(-100, 100 * (effect[place] - reach[place])),
                    "vs_others_upper_pp": min(100, 100 * (effect[place] + reach[place])),
                    "vs_others_p_value": p_values[place],
                    "vs_others_confidence_level": 1 - each_test,
                    "design_effect": effects[own],
                    "other_level_count": left.sum() - left[own],
                    "verdict": "signal" if p_values[place] <= each_test else "no_signal",
                }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis(DRIVER) if found else pd.DataFrame(index=no_rows(DRIVER))


def each_level_of(p_values: np.ndarray, level: float) -> float:
    """As `each_level`, where two tests are two."""
    return level / 2 if np.isfinite(p_values).sum() == 2 else each_level(p_values, level)


def no_rows(names: tuple[str, ...]) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([[]] * len(names), names=names)


# Reps


@cache
def rep_table(crm: Crm) -> pd.DataFrame:
    """Closed deals, accounts, how many deals stand for one, and the region in which a rep's deals lie, if nine of ten deals lie in their rep's."""
    deals = crm.closed.assign(account=accounts_of(crm.closed))
    reps = deals.groupby("sales_rep_id").is_won.agg(closed_deal_count="size", won_deal_count="sum")
    cells_of = deals.groupby(["sales_rep_id", "region", "account"]).is_won.agg(["size", "sum"]).reset_index()
    rate = reps.won_deal_count / reps.closed_deal_count
    size = cells_of["size"]
    between = ((cells_of["sum"] - cells_of.sales_rep_id.map(rate) * size) ** 2 / size).sum()
    within = (reps.closed_deal_count * rate * (1 - rate)).sum() - between
    k, n = len(cells_of), len(deals)
    one, other, usual = between / (k - 1), max(0.0, within) / max(n - k, 1), (n - (size**2).sum() / n) / (k - 1)
    correlation = float(np.clip((one - other) / (one + (usual - 1) * other), 0, 1)) if n > k else 0.0
    squares = (size**2).groupby(cells_of.sales_rep_id).sum()
    reps["account_count"] = cells_of.groupby("sales_rep_id").size()
    reps["design_effect"] = 1 + correlation * (squares / reps.closed_deal_count - 1)
    places = deals.groupby(["sales_rep_id", "region"]).size().unstack(fill_value=0)
    main = places.idxmax(axis=1)
    nested = main.nunique() > 1 and places.max(axis=1).sum() >= 0.9 * n
    return reps.assign(rep_group=main if nested else "all", win_rate=rate)


@figure("rpt_rep_performance", "sales_rep_id", where="closed_deal_count > 0")
def rep_counts(crm):
    reps = rep_table(crm)
    limits = np.array([wilson(*each) for each in zip(reps.won_deal_count, reps.closed_deal_count, strict=True)])
    return reps.assign(win_rate_lower=limits[:, 0], win_rate_upper=limits[:, 1])


@figure("rpt_rep_performance", "sales_rep_id", where="p_value is not null", within=1e-6)
def rep_verdicts(crm):
    """Score tests of a rep in a logistic regression on factors, creation period and group, fitted by statsmodels to the deals, as many as they
    are worth, of those who look alike, of the rep, and of everybody outside the group."""
    reps, deals = rep_table(crm), crm.closed.copy()
    mature, month = mature_months(crm), month_of(deals.created_date)
    half = month.map(lambda day: pd.Timestamp(day.year, 1 if day.month < 7 else 7, 1))
    deals["creation_period"] = half.dt.strftime("%F half-year").where(month.isin(mature), month.dt.strftime("%F month"))
    factors = [*DRIVERS, "creation_period"]
    for name in factors:
        deals[name] = deals[name].where(deals[name].map(deals[name].value_counts()) >= 20, RARE)
    group_rate = reps.groupby("rep_group")[["won_deal_count", "closed_deal_count"]].transform("sum")
    rate = group_rate.won_deal_count / group_rate.closed_deal_count
    worth = reps.closed_deal_count / reps.design_effect
    enough = (
        (reps.closed_deal_count >= MIN_DEALS) & (reps.account_count >= MIN_ACCOUNTS) & (worth * np.minimum(rate, 1 - rate) >= MIN_EXPECTED)
    )
    deals["group"] = deals.sales_rep_id.map(reps.rep_group.where(enough, "(not judged)"))
    deals["worth"] = deals.sales_rep_id.map(1 / reps.design_effect)
    design = pd.get_dummies(deals[[*factors, "group"]], drop_first=True, dtype=float).assign(constant=1.0)

    @cache
    def scores(inside: frozenset[str]) -> pd.DataFrame:
        rows = deals.sales_rep_id.isin(inside)
        x, w, won = design[rows].to_numpy(), deals.worth[rows].to_numpy(), deals.is_won[rows].to_numpy(float)
        fit = sm.GLM(won, x, sm.families.Binomial(), var_weights=w).fit(tol=1e-13)
        spread = w * fit.fittedvalues * (1 - fit.fittedvalues)
        inverse = np.linalg.pinv((x * spread[:, None]).T @ x, hermitian=True)
        rep = deals.sales_rep_id[rows].to_numpy()
        own = pd.DataFrame({"residual": w * (won - fit.fittedvalues), "spread": spread}).groupby(rep).sum()
        parts = pd.DataFrame(x * spread[:, None]).groupby(rep).sum()
        taken = np.einsum("ij,jk,ik->i", parts, inverse, parts)
        return own.assign(variance=(own.spread - taken).where(own.spread - taken > 1e-9 * own.spread))

    everyone, found = frozenset(reps.index), {}
    separable = scores(everyone).variance.notna()
    groups = {name: list(rows.index) for name, rows in reps[enough & separable].groupby("rep_group") if len(rows) > 1}
    for members in groups.values():
        others, left, level = everyone - set(members), list(members), LEVEL / len(groups)
        while len(left) > 2:
            table = scores(others | set(left)).loc[left]
            z = table.residual / np.sqrt(table.variance)
            if 2 * stats.norm.sf(z.abs().max()) * len(left) > level:
                break
            left.remove(z.abs().idxmax())
        rows = {}
        for rep in members:
            compared = sorted({*left, rep})
            table = scores(others | set(compared))
            own, size = table.loc[rep], worth[compared].sum()
            mean_spread = table.spread[compared].sum() / size
            rows[rep] = {
                "z_score": own.residual / np.sqrt(own.variance),
                "vs_reference_difference": own.residual / own.variance * mean_spread,
                "error": mean_spread / np.sqrt(own.variance),
                "expected_won_deal_count": reps.won_deal_count[rep] - own.residual / own.variance * own.spread * reps.design_effect[rep],
                "is_in_reference": rep in left,
                "reference_rep_count": len(set(left) - {rep}),
                "reference_deal_count": reps.closed_deal_count[sorted(set(left) - {rep})].sum(),
            }
        table = pd.DataFrame.from_dict(rows, orient="index")
        p_values = 2 * stats.norm.sf(table.z_score.abs().to_numpy())
        each = each_level(p_values, level)
        reach = stats.norm.isf(each / 2) * table.error
        table = table.assign(p_value=p_values, adjusted_p_value=adjusted(p_values), vs_reference_confidence_level=1 - each)
        table = table.assign(
            vs_reference_lower=table.vs_reference_difference - reach, vs_reference_upper=table.vs_reference_difference + reach
        )
        table["verdict"] = np.where(p_values <= each, "signal", "no_signal")
        found |= table.drop(columns="error").to_dict("index")
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("sales_rep_id")


# The pipeline's health by month

MONTH = ("period_start_date", "metric", "basis")


def month_of(days: pd.Series) -> pd.Series:
    return days.dt.to_period("M").dt.start_time


def known_on(crm: Crm, day: pd.Timestamp) -> pd.DataFrame:
    rows = crm.deals[(crm.deals.is_open | crm.deals.closed_date.notna()) & (crm.deals.created_date <= day)]
    return rows.assign(closed=rows.closed_date <= day)


@cache
def longest_life(crm: Crm, day: pd.Timestamp) -> float:
    """The 99 % quantile of the time to close as it was known on a day, of Kaplan and Meier's curve by statsmodels."""
    rows = known_on(crm, day)
    age = (rows.closed_date.where(rows.closed).fillna(day) - rows.created_date).dt.days
    if not rows.closed.any():
        return np.nan
    curve = SurvfuncRight((age + 1).to_numpy(), rows.closed.astype(int).to_numpy())
    reached = curve.surv_times[curve.surv_prob <= 0.01 + 1e-12]
    return reached[0] - 1 if len(reached) else np.nan


def mature_until(crm: Crm) -> pd.Timestamp:
    begin, until = whole_closes(crm)
    return until - (begin - crm.deals.created_date.min())


@cache
def mature_months(crm: Crm) -> set[pd.Timestamp]:
    """Months of creation whose youngest deal is as old as 99 % of the closed deals got, on the last day of which all closes are known."""
    youngest = crm.deals.created_date.groupby(month_of(crm.deals.created_date)).max()
    return set(youngest.index[youngest <= mature_until(crm)])


@cache
def mature_cohorts(crm: Crm, day: pd.Timestamp) -> set[pd.Timestamp]:
    """Months of creation whose youngest deal is older than deals live, of which at most 1 % is still open."""
    rows = known_on(crm, day)
    cohorts = pd.DataFrame({"open": ~rows.closed, "created": rows.created_date}).groupby(month_of(rows.created_date))
    is_old = (day - cohorts.created.max()).dt.days > longest_life(crm, day)
    return set(is_old.index[is_old & (cohorts.open.mean() <= 0.01 + 1e-12)])


def health(rows: dict[tuple, tuple]) -> pd.DataFrame:
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["metric_value", "value_lower", "value_upper", "deal_count"])
    table.index = pd.MultiIndex.from_tuples(table.index, names=MONTH)
    return table[table.metric_value.notna() | (table.index.get_level_values("basis") == "created_cohort")]


@figure("rpt_pipeline_health", *MONTH, where="metric in ('win_rate', 'amount_win_rate', 'resource_efficiency') and basis = 'closed_date'")
def monthly_win_rates(crm):
    """By count, by money with Kish's number of deals, and their product, of which both factors rise and fall together."""
    rows = {}
    for month, deals in crm.closed.groupby(month_of(crm.closed.closed_date)):
        amount = deals.amount.dropna()
        by_count = deals.is_won.mean(), *wilson(deals.is_won.sum(), len(deals))
        rate = share(amount[deals.is_won].sum(), amount.sum())
        worth = share(amount.sum() ** 2, (amount**2).sum())
        by_amount = rate, *wilson(rate * worth, worth)
        rows[month, "win_rate", "closed_date"] = *by_count, len(deals)
        rows[month, "amount_win_rate", "closed_date"] = *by_amount, len(amount)
        rows[month, "resource_efficiency", "closed_date"] = (
            *(one * other for one, other in zip(by_count, by_amount, strict=True)),
            len(deals),
        )
    return health(rows)


def mean_of(values: pd.Series) -> tuple[float, float, float]:
    error = stats.sem(values) if len(values) > 1 else np.nan
    reach = stats.norm.ppf(0.975) * error
    return values.mean(), max(0.0, values.mean() - reach) if reach == reach else np.nan, values.mean() + reach


@figure("rpt_pipeline_health", *MONTH, where="metric = 'mean_won_cycle_days' and basis = 'closed_date'")
def monthly_cycles(crm):
    won = crm.closed[crm.closed.is_won & crm.closed.closed_date.notna()]
    groups = won.groupby(month_of(won.closed_date)).cycle_days
    return health({(month, "mean_won_cycle_days", "closed_date"): (*mean_of(days), len(days)) for month, days in groups})


@figure("rpt_pipeline_health", *MONTH, where="basis = 'created_cohort'")
def cohort_efficiency(crm):
    """REM is win rate x mean won amount / mean won cycle, velocity the deals open at the month's end x REM; the interval is of its logarithm,
    out of what each deal adds to it. Cohorts that aren't mature are there without values."""
    mature, rows = mature_months(crm), {}
    dated = crm.deals[crm.deals.is_open | crm.deals.closed_date.notna()]
    for month, deals in crm.closed.groupby(month_of(crm.closed.created_date)):
        won = deals[deals.is_won]
        found = {"win_rate": (deals.is_won.mean(), *wilson(len(won), len(deals)), len(deals))}
        if len(won):
            amount, days = won.amount.dropna(), won.cycle_days.dropna()
            found["mean_won_amount"] = *mean_of(amount), len(amount)
            found["mean_won_cycle_days"] = *mean_of(days), len(days)
            efficiency = deals.is_won.mean() * amount.mean() / days.mean()
            influence = pd.Series(-1 / len(deals), deals.index) + (1 / len(won)) * deals.is_won
            influence = influence.add(amount / amount.sum() - 1 / len(amount), fill_value=0).sub(
                days / days.sum() - 1 / len(days), fill_value=0
            )
            reach = stats.norm.ppf(0.975) * np.sqrt((influence**2).sum())
            end = month + pd.offsets.MonthEnd()
            is_open = (dated.created_date <= end) & ~(dated.closed_date <= end)
            for name, times in (("revenue_efficiency", 1), ("velocity", is_open.sum())):
                values = times * efficiency * np.exp([0, -reach, reach])
                found[name] = *values, len(deals)
        for name, (*values, count) in found.items():
            rows[month, name, "created_cohort"] = *(values if month in mature else [np.nan] * 3), count
    return health(rows)


@figure("rpt_pipeline_health", *MONTH, where="metric = 'late_stage_loss_rate'", needs="stage_history")
def monthly_late_losses(crm):
    late = visits(crm).query("stage == @LATE").index.get_level_values("deal_id")
    closed = crm.closed[crm.closed.index.isin(late) & crm.closed.closed_date.notna()]
    groups = (~closed.is_won).groupby(month_of(closed.closed_date))
    rows = {(m, "late_stage_loss_rate", "closed_date"): (lost.mean(), *wilson(lost.sum(), len(lost)), len(lost)) for m, lost in groups}
    return health(rows)


@figure("rpt_pipeline_health", *MONTH, where="metric = 'pushed_rate'", needs="field_history")
def monthly_pushes(crm):
    """Deals whose expected close was moved later in a month, of those that were open on any day of it, from the first push on."""
    rows = changes(crm)
    rows = rows[rows.field == "expected_close_date"].join(crm.deals[["closed_date"]], on="deal_id")
    is_push = pd.to_datetime(rows.new_value) > pd.to_datetime(rows.old_value)
    pushes = rows[is_push & ~(rows.changed_at.dt.normalize() > rows.closed_date)]
    pushed = pushes.groupby(month_of(pushes.changed_at)).deal_id.nunique()
    deals, found = crm.deals[crm.deals.is_open | crm.deals.closed_date.notna()], {}
    for month in pd.date_range(pushed.index.min(), month_of(pd.Series([crm.as_of]))[0], freq="MS"):
        active = ((deals.created_date < month + pd.offsets.MonthBegin()) & ~(deals.closed_date < month)).sum()
        hits = pushed.get(month, 0)
        found[month, "pushed_rate", "month"] = hits / active, *wilson(hits, active), active
    return health(found)


@figure("rpt_pipeline_health", *MONTH, where="metric in ('stalled_in_stage_rate', 'inactive_rate', 'stale_rate')", needs="stage_history")
def stalled_inactive_and_stale(crm):
    month = month_of(pd.Series([crm.as_of]))[0]
    stages = open_deals_in_their_stages(crm)
    flags = {
        "stalled_in_stage_rate": stages.is_stalled_in_stage.dropna(),
        "inactive_rate": stages.is_inactive,
        "stale_rate": open_deals_and_their_changes(crm).is_stale,
    }
    return health({(month, name, "as_of_date"): (x.mean(), *wilson(x.sum(), len(x)), len(x)) for name, x in flags.items()})


@cache
def shrunk_pairs(crm: Crm, one: str, two: str) -> tuple[pd.Series, float]:
    """Win rates of the pairs of two dimensions, shrunk, and what they are shrunk towards."""
    groups = crm.closed.groupby([one, two]).is_won
    won, count = groups.sum(), groups.size()
    pooled = won.sum() / count.sum()
    between = ((count * (won / count - pooled) ** 2).sum() - (len(count) - 1) * pooled * (1 - pooled)) / (
        count.sum() - (count**2).sum() / count.sum()
    )
    prior = max(0.0, pooled * (1 - pooled) / between - 1) if between > 0 else np.inf
    return (won + pooled * prior) / (count + prior) if np.isfinite(prior) else won * 0 + pooled, pooled


@figure("rpt_segment_win_rates", *PAIR, where="verdict_tier = 'pair'")
def pair_shrunk_rates(crm):
    tables = []
    for one, two in itertools.combinations(DIMENSIONS, 2):
        shrunk, pooled = shrunk_pairs(crm, one, two)
        index = pd.MultiIndex.from_tuples([(f"{one} x {two}", *key) for key in shrunk.index], names=PAIR)
        tables.append(pd.DataFrame({"shrunk_win_rate": shrunk.to_numpy(), "pooled_win_rate": pooled}, index))
    return pd.concat(tables)


@figure("rpt_pipeline_health", *MONTH, where="metric in ('good_segment_share', 'pipeline_quality', 'mix_index')", needs="stage_history")
def quality_of_the_open_mix(crm):
    """By industry and product: open deals where more is won than on average, this x mean / median amount, and what the mix leads to expect."""
    rates, pooled = shrunk_pairs(crm, "industry", "product_type")
    of_open = rates.reindex(pd.MultiIndex.from_frame(crm.open[["industry", "product_type"]])).dropna()
    of_closed = rates.reindex(pd.MultiIndex.from_frame(crm.closed[["industry", "product_type"]]))
    good = (of_open > pooled).mean()
    month, count = month_of(pd.Series([crm.as_of]))[0], len(crm.open)
    values = {
        "good_segment_share": good,
        "pipeline_quality": good * crm.open.amount.mean() / crm.open.amount.median(),
        "mix_index": of_open.mean() / of_closed.mean(),
    }
    return health({(month, name, "as_of_date"): (value, np.nan, np.nan, count) for name, value in values.items()})


# The bridge

MOVEMENTS = ["new", "reopened", "moved_in", "increased", "decreased", "moved_out", "won", "lost", "removed"]


def value_on(rows: list, day: pd.Timestamp, otherwise):
    """Of the changes of a field: the value at the end of a day."""
    until = [row.new_value for row in rows if row.day <= day]
    return until[-1] if until else rows[0].old_value if rows and pd.notna(rows[0].old_value) else otherwise


@cache
def ledger(crm: Crm) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Movements of each deal, and what it counts for from which day on, day by day along its life."""
    by_deal: dict[tuple, list] = {}
    for row in changes(crm).assign(day=lambda table: table.changed_at.dt.normalize()).itertuples():
        by_deal.setdefault((row.deal_id, row.field), []).append(row)
    gaps: dict[str, list] = {}
    for one, other in itertools.pairwise(visits(crm).reset_index().itertuples()):
        if one.deal_id == other.deal_id and one.exited_at.normalize() < other.entered_at.normalize():
            gaps.setdefault(one.deal_id, []).append((one.exited_at.normalize(), other.entered_at.normalize(), one.exit_kind))
    moves, states = [], []
    for deal in crm.deals[crm.deals.is_open | crm.deals.closed_date.notna()].itertuples():
        amounts, owners = (by_deal.get((deal.Index, field), []) for field in ("amount", "sales_rep_id"))
        pauses = gaps.get(deal.Index, [])
        closes = {start: kind for start, _, kind in pauses} | ({} if deal.is_open else {deal.closed_date: "won" if deal.is_won else "lost"})
        days = {deal.created_date, *closes, *(end for _, end, _ in pauses), *(each.day for each in [*amounts, *owners])}
        before, owner_before, has_been = 0.0, None, False
        for day in sorted(each for each in days if each >= deal.created_date and not each > deal.closed_date):
            is_open = not day >= deal.closed_date and not any(start <= day < end for start, end, _ in pauses)
            amount = value_on(amounts, day, deal.amount)
            amount = max(0.0, float(amount)) if pd.notna(amount) and (is_open or day in closes) else 0.0
            owner = value_on(owners, day, deal.sales_rep_id)
            if before and owner != owner_before:
                moves += [(deal.Index, day, "moved_out", before, owner_before), (deal.Index, day, "moved_in", before, owner)]
            if amount != before:
                kind = (
                    ("reopened" if has_been else "new")
                    if not before
                    else "removed"
                    if not amount
                    else "increased"
                    if amount > before
                    else "decreased"
                )
                moves.append((deal.Index, day, kind, abs(amount - before), owner))
            if day in closes and amount:
                moves.append((deal.Index, day, {"closed": "removed"}.get(closes[day], closes[day]), amount, owner))
            before, owner_before, has_been = amount if is_open else 0.0, owner, has_been or amount > 0
            states.append((deal.Index, day, before, owner, is_open))
    return (
        pd.DataFrame(moves, columns=["deal_id", "day", "movement", "amount", "sales_rep_id"]),
        pd.DataFrame(states, columns=["deal_id", "day", "amount", "sales_rep_id", "is_open"]),
    )


def pipeline_on(states: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    now = states[states.day <= day].groupby("deal_id").last()
    return now[now.is_open]


@figure(
    "rpt_pipeline_bridge",
    "period_type",
    "period_start_date",
    "segment_dimension",
    "segment_value",
    where="period_type in ('month', 'quarter') and segment_dimension in ('all', 'sales_rep_id')",
    needs="field_history",
)
def bridge(crm):
    """What was open before, what moved, and what is open at the end, of all and of each rep. Between reps deals move in and out."""
    moves, states = ledger(crm)
    keys, tables = ["period_type", "period_start_date", "segment_dimension", "segment_value"], []
    for period_type, frequency in (("month", "M"), ("quarter", "Q")):
        for period in pd.period_range(crm.deals.created_date.min(), crm.as_of, freq=frequency):
            start, end = period.start_time, min(period.end_time.normalize(), crm.as_of)
            items = [moves[(moves.day >= start) & (moves.day <= end)]]
            items += [pipeline_on(states, day).assign(movement=name) for name, day in (("opening", start - DAY), ("closing", end))]
            everything = pd.concat(items)
            for rep in ("all", "sales_rep_id"):
                rows = everything.assign(all="all")
                rows = rows if rep != "all" else rows[~rows.movement.isin(["moved_in", "moved_out"])]
                some = rows[rows.amount > 0].groupby([rep, "movement"]).amount.agg(["sum", "size"]).unstack(fill_value=0)
                found = pd.DataFrame(index=some.index)
                for name in ("opening", *MOVEMENTS, "closing"):
                    found[f"{name}_amount"] = some["sum"].get(name, 0)
                    found[f"{name}_deal_count"] = some["size"].get(name, 0)
                without = rows[(rows.amount == 0) & (rows.movement == "closing")].groupby(rep).size().reindex(found.index).fillna(0)
                found["no_amount_deal_count"] = without.where(found.closing_deal_count > 0, 0)
                key = {"period_type": period_type, "period_start_date": start, "segment_dimension": rep, "residual_amount": 0.0}
                tables.append(found.rename_axis("segment_value").reset_index().assign(**key))
    return pd.concat(tables).set_index(keys)


# The quality of the input


@figure("rpt_data_quality", "check_name", where="input = 'deals'", some=True)
def quality_of_deals(crm):
    """Rows of the deals file and what became of them, and what is odd in the deals that count."""
    rows, deals = text_of(crm.files["deals"]), crm.deals
    distinct = rows.drop_duplicates()
    stated = distinct[~distinct.deal_id.duplicated(keep=False)].set_index("deal_id")
    counts = {
        "rows_in": len(rows),
        "rows_duplicate": len(rows) - len(distinct),
        "rows_accepted": len(deals),
        "rows_quarantined": len(distinct) - len(deals),
        "row_identity_difference": 0,
    }
    shares = {name: np.nan if name == "rows_in" else count / len(rows) for name, count in counts.items()}
    amount = pd.to_numeric(stated.deal_amount.reindex(deals.index), errors="coerce")
    is_closed_stage = deals.deal_stage.isin(list(CLOSINGS))
    odd = {
        "closed_deals_not_in_a_closed_stage": ~deals.is_open & ~is_closed_stage,
        "won_deals_not_in_a_won_stage": deals.is_won & ~deals.deal_stage.isin(["Closed", "Closed Won"]),
        "open_deals_in_a_closed_stage": deals.is_open & is_closed_stage,
        "deals_without_stage": ~deals.deal_stage.isin([*STAGES, *CLOSINGS]),
        "closed_deals_without_close_date": ~deals.is_open & deals.closed_date.isna(),
        "amounts_missing": amount.isna(),
        "amounts_zero": amount == 0,
        "amounts_negative": amount < 0,
        "amounts_too_large": amount >= 1e9,
        "amount_outliers": deals.amount > np.dot(deals.amount.quantile([0.25, 0.75]), [-1.5, 2.5]),
        "open_deals_overdue": deals.is_open & (deals.expected_close_date < crm.as_of),
        "open_deals_older_than_closed_ones": deals.is_open & (deals.created_date <= mature_until(crm)),
        "deals_with_other_cycle": deals.cycle_days.notna() & (deals.cycle_days != pd.to_numeric(deals.sales_cycle_days)),
    } | {f"unknown_{name}": deals[name] == "Unknown" for name in DIMENSIONS if name != "deal_size_band"}
    counts |= {name: flag.sum() for name, flag in odd.items()}
    shares |= {name: flag.mean() for name, flag in odd.items()}
    found = pd.DataFrame({"check_value": counts, "share_rate": shares}).astype(float)
    return found.rename_axis("check_name")


@figure("rpt_data_quality", "input", "check_name", some=True, needs="stage_history")
def quality_of_companions(crm):
    rows = {}
    for name in ("stage_history", "field_history", "activities", "reps", "quotas"):
        table = text_of(crm.files[name])
        kept = table
        if name == "stage_history":
            moment = pd.to_datetime(table.entered_at, format="%Y-%m-%d %H:%M:%S", errors="coerce")
            kept = table[moment.notna() & table.stage.isin([*STAGES, *CLOSINGS]) & table.deal_id.isin(crm.deals.index)]
        elif "deal_id" in table:
            kept = table[table.deal_id.isin(crm.deals.index)]
        distinct = kept.drop_duplicates()
        counts = {
            "rows_in": len(table),
            "rows_accepted": len(distinct),
            "rows_duplicate": len(kept) - len(distinct),
            "rows_quarantined": len(table) - len(kept),
        }
        for check_name, count in counts.items():
            rows[name, check_name] = {"check_value": count, "share_rate": np.nan if check_name == "rows_in" else count / len(table)}
    return pd.DataFrame.from_dict(rows, orient="index").astype(float)


@figure("rpt_data_quality", "check_name", where="input = 'deals'", some=True, needs="stage_history")
def change_of_volume(crm):
    """Deals created in the newest complete month, against the mean of the twelve before."""
    last = (crm.as_of + DAY).to_period("M") - 1
    counts = crm.deals.created_date.dt.to_period("M").value_counts().reindex(pd.period_range(last - 12, last), fill_value=0)
    change = counts.iloc[-1] / counts.iloc[:-1].mean() - 1
    return pd.DataFrame({"check_value": [change]}, pd.Index(["created_volume_change_rate"], name="check_name"))


# The value of the pipeline

SEGMENT_RATES = ["industry", "product_type", "lead_source", "region"]
OFFSETS = [*SEGMENT_RATES, "deal_size_band"]
AGE_EDGES = {"stage": [-1, 0, 1, 3, 7, 14, 21, 28, np.inf], "age": [-1, 7, 14, 30, 60, 90, 180, np.inf]}
STATED_PROBABILITIES = {"Qualified": 0.1, "Demo": 0.25, "Proposal": 0.5, "Negotiation": 0.75}
PRIOR = 5


@cache
def forecast_days(crm: Crm) -> list[pd.Timestamp]:
    """Month ends from 180 days after the first creation on, and the as-of date."""
    ends = pd.date_range(crm.deals.created_date.min() + pd.Timedelta(days=180), crm.as_of - DAY, freq="ME")
    happened = pd.concat([crm.deals.created_date, crm.deals.closed_date]).dt.to_period("M")
    return [*(day for day in ends if (day + DAY).to_period("M") in set(happened)), crm.as_of]


@cache
def trained_from(crm: Crm) -> dict[pd.Timestamp, pd.Timestamp]:
    """Of each cohort the first of these days on which it was mature."""
    found: dict[pd.Timestamp, pd.Timestamp] = {}
    for day in forecast_days(crm):
        for cohort in mature_cohorts(crm, day):
            found.setdefault(cohort, day)
    return found


def band_of(days: pd.Series, basis: str) -> pd.Series:
    return pd.cut(days, AGE_EDGES[basis], labels=False)


@cache
def lives(crm: Crm, basis: str) -> pd.DataFrame:
    """What trains: the stays in a stage, or the lives, of closed deals of cohorts that were once mature. Each is a spell, with a row for
    every band of age that it was seen in, for so many days; the first day counts as day 0, that of the end doesn't count."""
    closed = crm.closed[crm.closed.closed_date.notna()]
    start = month_of(closed.created_date).map(trained_from(crm))
    closed = closed.assign(trains_from=np.maximum(start, month_of(closed.closed_date)))[start.notna()]
    if basis == "age":
        rows = closed.assign(stage="all", lasted=closed.cycle_days)
    else:
        rows = visits(crm)[["stage", "entered_at", "exited_at", "is_left_truncated"]].reset_index()
        rows = rows[~rows.is_left_truncated].join(closed[[*OFFSETS, "is_won", "cycle_days", "trains_from"]], on="deal_id", how="inner")
        rows["lasted"] = (rows.exited_at.dt.normalize() - rows.entered_at.dt.normalize()).dt.days
    rows = rows[rows.lasted > 0].reset_index(drop=True)[["stage", "lasted", "is_won", "cycle_days", "trains_from", *OFFSETS]]
    spell = rows.index.repeat(rows.lasted).to_series(name="spell").reset_index(drop=True)
    days = pd.DataFrame({"spell": spell, "band": band_of(spell.groupby(spell).cumcount(), basis)}).value_counts().reset_index(name="days")
    return days.join(rows, on="spell")


def spells(crm: Crm, day: pd.Timestamp, basis: str) -> pd.DataFrame:
    rows = lives(crm, basis)
    return rows[rows.trains_from <= day]


def evidence(seen: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Share of days that were those of won deals, and of how many deals they are: (sum of days)^2 / sum of days^2."""
    days = seen.groupby([*keys, "spell", "is_won"]).days.sum().reset_index()
    groups = days.assign(square=days.days**2, won=days.days * days.is_won).groupby(keys)
    total = groups.days.sum()
    return pd.DataFrame({"rate": groups.won.sum() / total, "count": total**2 / groups.square.sum()})


@cache
def cells(crm: Crm, day: pd.Timestamp, basis: str) -> pd.DataFrame | None:
    """Win rates by stage and days in it, or by age, shrunk: of bands to their stage, of stages and ages to the rate of all closed deals."""
    seen = spells(crm, day, basis)
    base = known_closed(crm, day).is_won.mean()
    if seen.empty:
        return None
    stages = STAGES if basis == "stage" else ["all"]
    found, of_bands, of_stages = [], evidence(seen, ["stage", "band"]), evidence(seen, ["stage"])
    for stage in stages:
        parent = base
        if basis == "stage" and stage in of_stages.index:
            own = of_stages.loc[stage]
            parent = (own.rate * own["count"] + base * PRIOR) / (own["count"] + PRIOR)
        bands = of_bands.loc[stage] if stage in of_stages.index else of_bands.iloc[:0].droplevel(0)
        bands = bands.reindex(range(len(AGE_EDGES[basis]) - 1))
        prior: float = PRIOR
        if basis == "age":
            spread = (bands["count"] * (bands.rate - parent) ** 2).sum() - bands.rate.notna().sum() * parent * (1 - parent)
            between = spread / bands["count"].sum()
            prior = (
                PRIOR_DEALS if bands.rate.notna().sum() < 3 else max(0.0, parent * (1 - parent) / between - 1) if between > 0 else np.inf
            )
        count = bands["count"].fillna(0)
        if np.isfinite(prior):
            rate = ((bands.rate.fillna(0) * count + parent * prior) / (count + prior)).where(bands.rate.notna(), parent)
            worth = count + prior
        else:
            rate, worth = bands.rate * 0 + parent, pd.Series(float(len(known_closed(crm, day))), bands.index)
            rate = rate.fillna(parent)
        found.append(
            pd.DataFrame(
                {
                    "stage": stage,
                    "band": bands.index,
                    "cell_rate": rate,
                    "cell_deals": count,
                    "cell_variance": 1 / (worth * rate * (1 - rate)),
                }
            )
        )
    return pd.concat(found).set_index(["stage", "band"])


@cache
def known_closed(crm: Crm, day: pd.Timestamp) -> pd.DataFrame:
    """Deals that had closed; one whose close has no date counts from its creation on."""
    return crm.closed[month_of(crm.closed.closed_date.fillna(crm.closed.created_date)) <= day]


@cache
def offsets(crm: Crm, day: pd.Timestamp, basis: str, dimension: str) -> pd.DataFrame:
    """What segments of a dimension win beyond their cells, in log odds: the share of it that isn't chance."""
    table, seen = cells(crm, day, basis), spells(crm, day, basis)
    rate = table.cell_rate.reindex(pd.MultiIndex.from_frame(seen[["stage", "band"]])).to_numpy()
    parts = {"score": seen.is_won - rate, "information": rate * (1 - rate), "noise": seen.cycle_days * rate * (1 - rate)}
    sums = pd.DataFrame({name: seen.days * each for name, each in parts.items()}).groupby(seen[dimension]).sum()
    sums = sums[sums.information > 0]
    own = sums.score - sums.information * sums.score.sum() / sums.information.sum()
    between = max(0.0, (own**2 - sums.noise).sum() / (sums.information**2).sum())
    certain = between / (between + sums.noise / sums.information**2)
    found = pd.DataFrame({"offset": certain * own / sums.information, "variance": between * (1 - certain)})
    return found.reindex(known_closed(crm, day)[dimension].unique()).fillna({"offset": 0.0, "variance": between})


def known_amounts(crm: Crm, day: pd.Timestamp) -> pd.Series:
    """The last amount above 0 that had been recorded by a day."""
    if "field_history" not in crm.files:
        return crm.deals.amount
    rows = changes(crm)
    rows = rows[rows.field == "amount"]
    rows = rows.assign(new=pd.to_numeric(rows.new_value), old=pd.to_numeric(rows.old_value))
    until = rows[(rows.changed_at < day + DAY) & (rows.new > 0)].groupby("deal_id").new.last()
    first = rows.groupby("deal_id").old.first()
    later = rows[rows.changed_at >= day + DAY].groupby("deal_id").size()
    # Once nothing changes any more it is the amount of the deals file.
    known = until.reindex(crm.deals.index).fillna(first.where(first > 0))
    return known.where(crm.deals.index.isin(later.index)).fillna(crm.deals.amount)


@cache
def forecast(crm: Crm, day: pd.Timestamp) -> pd.DataFrame:
    """Every deal that was open on a day, and what it was worth by each method as far as anybody knew then."""
    dated = crm.deals[crm.deals.is_open | crm.deals.closed_date.notna()]
    rows = dated[(dated.created_date <= day) & ~(dated.closed_date <= day)].copy()
    rows["amount"] = known_amounts(crm, day).reindex(rows.index)
    rows["deal_size_band"] = crm.size_band(rows.amount)
    rows["age"] = (day - rows.created_date).dt.days
    rows["stage"], rows["days_in_stage"] = None, np.nan
    if "stage_history" in crm.files:
        stays = visits(crm).reset_index()
        seen_from = stays.recorded_at.where(stays.is_left_truncated, stays.entered_at).dt.normalize()
        stays = stays[seen_from <= day].groupby("deal_id").last().reindex(rows.index)
        rows["stage"], rows["days_in_stage"] = stays.stage, (day - stays.entered_at.dt.normalize()).dt.days
    by_stage = cells(crm, day, "stage") if "stage_history" in crm.files else None
    by_age = cells(crm, day, "age")
    found = []
    for basis, table, group in (
        ("stage", by_stage, rows[rows.stage.notna()] if by_stage is not None else rows.iloc[:0]),
        ("age", by_age, rows[rows.stage.isna()] if by_stage is not None else rows),
    ):
        if table is None or group.empty:
            found.append(group.assign(basis=basis))
            continue
        place = group.stage if basis == "stage" else "all"
        keys = group.assign(stage_key=place, band=band_of(group.days_in_stage if basis == "stage" else group.age, basis))
        cell = table.reindex(pd.MultiIndex.from_frame(keys[["stage_key", "band"]])).set_axis(group.index)
        tables = {name: offsets(crm, day, basis, name) for name in OFFSETS}
        offset = sum(group[name].map(each.offset).fillna(0) for name, each in tables.items())
        variance = cell.cell_variance + sum(group[name].map(each.variance) for name, each in tables.items())
        log_odds = np.log(cell.cell_rate / (1 - cell.cell_rate)) + offset
        reach = stats.norm.ppf(0.975) * np.sqrt(variance)
        limits = {"rapv_probability": 0, "rapv_probability_lower": -reach, "rapv_probability_upper": reach}
        columns = {name: 1 / (1 + np.exp(-log_odds - each)) for name, each in limits.items()}
        found.append(
            group.assign(basis=basis, cell_win_rate=cell.cell_rate, cell_effective_deals=cell.cell_deals, log_odds_offset=offset, **columns)
        )
    rows = pd.concat(found).reindex(rows.index)
    known = known_closed(crm, day)
    base, middle = known.is_won.mean(), known.cycle_days.median()
    rates, cycles = (
        sum(rows[name].map(known.groupby(name)[column].agg(how)).fillna(everyone) for name in SEGMENT_RATES) / len(SEGMENT_RATES)
        for column, how, everyone in (("is_won", "mean", base), ("cycle_days", "median", middle))
    )
    stated = pd.to_numeric(rows.stage_probability) if day == crm.as_of and "stage_probability" in rows else pd.Series(np.nan, rows.index)
    rows = rows.assign(
        base_win_rate=base,
        segment_win_rate=rates,
        aging_factor=rows.rapv_probability / rates if "rapv_probability" in rows else np.nan,
        aging_factor_published=np.minimum(1, cycles / (rows.age + 1)),
        stage_probability=stated.fillna(rows.stage.map(STATED_PROBABILITIES)).astype(float),
        won_amount=crm.deals.amount.reindex(rows.index).where(rows.is_won, 0),
    )
    values = {
        "raw": 1,
        "stage_weighted": rows.stage_probability,
        "flat": base,
        "segment": rates,
        "rapv": rows.get("rapv_probability", np.nan),
        "published_aging": rates * rows.aging_factor_published,
    }
    return rows.assign(**{f"{name}_amount": rows.amount * value for name, value in values.items()})


@figure("fct_deal_values", "deal_id", needs="stage_history")
def deal_values(crm):
    """RAPV: the win rate of deals as long in their stage, moved by what their segments win beyond that; and what it is compared with."""
    rows = forecast(crm, crm.as_of)
    names = ["cell_win_rate", "cell_effective_deals", "log_odds_offset", "base_win_rate", "segment_win_rate"]
    names += ["rapv_probability", "rapv_probability_lower", "rapv_probability_upper", "stage_probability"]
    names += ["aging_factor", "aging_factor_published", "raw_amount", "stage_weighted_amount", "flat_amount", "segment_amount"]
    names += ["rapv_amount", "published_aging_amount"]
    return rows[names].assign(deal_amount=rows.amount, revenue_at_risk_amount=rows.raw_amount - rows.rapv_amount)


@figure("rpt_pipeline_value", "segment_dimension", "segment_value", needs="stage_history")
def values_by_segment(crm):
    rows = forecast(crm, crm.as_of)
    month = rows.expected_close_date.dt.to_period("M").dt.start_time.dt.strftime("%Y-%m-%d")
    stage = rows.stage.fillna(rows.deal_stage.where(rows.deal_stage.isin([*STAGES, *CLOSINGS])))
    rows = rows.assign(all="all", deal_stage=stage.fillna("Unknown"), expected_close_month=month.fillna("Unknown"))
    rows["variance"] = rows.raw_amount * (rows.raw_amount - rows.rapv_amount) * rows.rapv_probability
    found = {}
    for dimension in ["all", *DIMENSIONS, "deal_stage", "expected_close_month"]:
        for value, deals in rows.groupby(dimension):
            sums = {f"{name}_amount": deals[f"{name}_amount"].sum(min_count=1) for name in METHODS}
            largest = deals.sort_values("raw_amount", ascending=False, kind="stable").variance.iloc[:5]
            found[dimension, value] = sums | {
                "raw_amount": deals.raw_amount.sum(),
                "open_deal_count": len(deals),
                "no_amount_deal_count": int(deals.amount.isna().sum()),
                "stage_weighted_deal_count": int(deals.stage_weighted_amount.notna().sum()),
                "revenue_at_risk_amount": (deals.raw_amount - deals.rapv_amount).sum(min_count=1),
                "optimism_gap": 1 - deals.rapv_amount.sum() / deals.raw_amount.sum() if deals.raw_amount.sum() else np.nan,
                "largest_five_variance_rate": share(largest.sum(), deals.variance.sum()),
            }
    return pd.DataFrame.from_dict(found, orient="index")


METHODS = ["raw", "stage_weighted", "flat", "segment", "rapv", "published_aging"]


@cache
def backtest(crm: Crm) -> pd.DataFrame:
    found = {}
    for day in forecast_days(crm)[:-1]:
        rows = forecast(crm, day)
        if rows.empty:
            continue
        is_evaluable = rows.is_open.mean() <= 0.01
        for method in METHODS:
            values = rows[f"{method}_amount"]
            valued = rows[values.notna()]
            forecasted, realised = values.sum(min_count=1), valued.won_amount.sum() if len(valued) else np.nan
            found[day, method] = {
                "open_deal_count": len(rows),
                "still_open_deal_count": int(rows.is_open.sum()),
                "valued_deal_count": len(valued),
                "raw_amount": valued.amount.sum() if len(valued) else np.nan,
                "forecast_amount": forecasted,
                "realised_amount": realised,
                "is_evaluable": bool(is_evaluable),
                "error_amount": forecasted - realised if is_evaluable else np.nan,
                "error_rate": share(forecasted - realised, realised) if is_evaluable else np.nan,
            }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis(["forecast_date", "method"])


@figure("rpt_pipeline_value_backtest", "forecast_date", "method", where="method <> 'model'")
def forecasts_of_past_pipelines(crm):
    return backtest(crm)


@figure("rpt_pipeline_value_methods", "method", where="method <> 'model'")
def errors_of_methods(crm):
    """On the days on which the most methods gave a forecast."""
    rows = backtest(crm).dropna(subset=["error_rate"])
    model = crm.mart("rpt_pipeline_value_backtest", "method = 'model' and error_rate is not null").forecast_date
    count = rows.groupby("forecast_date").size().add(model.value_counts(), fill_value=0)
    rows = rows[rows.index.get_level_values(0).isin(count.index[count == count.max()])]
    groups = rows.groupby("method")
    found = {
        "evaluated_date_count": groups.size(),
        "forecast_amount": groups.forecast_amount.sum(),
        "realised_amount": groups.realised_amount.sum(),
        "mean_absolute_error_rate": groups.error_rate.apply(lambda errors: errors.abs().mean()),
        "mean_error_rate": groups.error_rate.mean(),
    }
    table = pd.DataFrame(found).reindex(METHODS).rename_axis("method").fillna({"evaluated_date_count": 0})
    return table.assign(forecast_to_realised_ratio=table.forecast_amount / table.realised_amount)


# Deal scores

FACTORS = [
    *["industry", "region", "product_type", "lead_source", "sales_rep_id", "deal_size_band", "deal_age_band", "stage", "stage_age_band"],
    *["regression_band", "push_band", "amount_increase_band", "amount_decrease_band", "activity_age_band"],
]
TABLE_FACTORS = ["stage_age_band", "deal_age_band", "lead_source"]
COUNT_BANDS, ACTIVITY_BANDS = ([-1, 0, 1, 2, np.inf], ["0", "1", "2", "3+"]), ([-1, 7, 14, 30, np.inf], ["0-7", "8-14", "15-30", "31+"])
STAGE_AGES = (AGE_EDGES["stage"], ["0", "1", "2-3", "4-7", "8-14", "15-21", "22-28", "29+"])
DEAL_AGES = (AGE_EDGES["age"], ["0-7", "8-14", "15-30", "31-60", "61-90", "91-180", "181+"])


def banded(values: pd.Series, bands: tuple[list, list]) -> pd.Series:
    return pd.cut(values, bands[0], labels=bands[1]).astype(object)


def last_before(rows: pd.DataFrame, events: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Of each observation, what the newest of the deal's events up to that day says."""
    ordered = events.sort_values("day", kind="stable")[["deal_id", "day", *columns]]
    found = pd.merge_asof(rows.sort_values("day", kind="stable"), ordered, on="day", by="deal_id")
    return found.set_index(["deal_id", "day"]).reindex(pd.MultiIndex.from_frame(rows[["deal_id", "day"]]))[columns].set_axis(rows.index)


@cache
def observations(crm: Crm, purpose: str) -> pd.DataFrame:
    """Those of a purpose, a deal weighing 1; when nothing had happened to a deal for 30 days it trains nothing."""
    rows = every_observation(crm, purpose)
    rows = rows[~rows.is_stale].reset_index(drop=True) if purpose == "training" and len(rows) else rows
    return rows.assign(weight=1 / rows.groupby("deal_id").deal_id.transform("size")) if len(rows) else rows


@cache
def every_observation(crm: Crm, purpose: str = "training") -> pd.DataFrame:
    """Deals on days on which they were open, with what was known then. `training`: closed deals of mature cohorts, every week back from the
    as-of date; `score`: the open deals; `backtest`: past month ends."""
    deals = crm.deals[crm.deals.is_open | crm.deals.closed_date.notna()]
    if purpose == "training":
        deals = deals[~deals.is_open & month_of(deals.created_date).isin(mature_cohorts(crm, crm.as_of))]
        days = pd.date_range(deals.created_date.min(), crm.as_of)[::-1][::7] if len(deals) else []
    else:
        days = [crm.as_of] if purpose == "score" else forecast_days(crm)[:-1]
    parts = [deals[(deals.created_date <= day) & ~(deals.closed_date <= day)].assign(day=day) for day in days]
    rows = pd.concat([part for part in parts if len(part)]).reset_index() if any(len(part) for part in parts) else pd.DataFrame()
    if rows.empty:
        return rows
    stays = visits(crm).reset_index()
    stays["day"] = stays.recorded_at.where(stays.is_left_truncated, stays.entered_at).dt.normalize()
    stays["regressions"] = stays.groupby("deal_id").is_regression.cumsum()
    stays["since"] = stays.entered_at.dt.normalize().where(~stays.is_left_truncated)
    stays["stage_seen"] = stays.day
    history = changes(crm).assign(day=lambda table: table.changed_at.dt.normalize())
    active = crm.events("activities", "occurred_at").assign(
        day=lambda table: table.occurred_at.dt.normalize(), active=lambda table: table.day
    )
    close, amount = (history[history.field == name].copy() for name in ("expected_close_date", "amount"))
    close["move"] = (pd.to_datetime(close.new_value) > pd.to_datetime(close.old_value)).astype(int)
    amount["move"] = np.sign(pd.to_numeric(amount.new_value) - pd.to_numeric(amount.old_value))
    counts = {"pushes": (close, 1), "increases": (amount, 1), "decreases": (amount, -1)}
    stay = last_before(rows, stays, ["stage", "since", "regressions", "stage_seen"])
    for name, (table, sign) in counts.items():
        table[name] = (table.move == sign).groupby(table.deal_id).cumsum()
        rows[name] = last_before(rows, table, [name])[name].fillna(0)
    edited = pd.concat([close, amount]).assign(edited=lambda table: table.day)
    edited, active_on = last_before(rows, edited, ["edited"]).edited, last_before(rows, active, ["active"]).active
    touched = pd.concat([rows.created_date, stay.stage_seen, edited, active_on], axis=1).max(axis=1)
    first = {name: crm.events(name, moment)[moment].min().normalize() for name, moment in COMPANIONS.items()}
    rows["is_stale"] = ((rows.day - touched).dt.days >= 30) & (rows.day >= first["field_history"])
    amounts = {day: known_amounts(crm, day) for day in rows.day.unique()}
    owners = history[(history.field == "sales_rep_id") & history.new_value.notna()]
    rows["sales_rep_id"] = last_before(rows, owners, ["new_value"]).new_value.fillna(rows.sales_rep_id)
    rows["deal_size_band"] = crm.size_band(
        pd.Series([amounts[row.day].get(row.deal_id) for row in rows.itertuples()], rows.index, dtype=float)
    )
    rows["age_days"] = (rows.day - rows.created_date).dt.days
    rows["deal_age_band"] = banded(rows.age_days, DEAL_AGES)
    rows["stage"] = stay.stage
    rows["stage_age_band"] = stay.stage + ", " + banded((rows.day - stay.since).dt.days, STAGE_AGES)
    rows["regression_band"] = banded(stay.regressions.fillna(0), COUNT_BANDS).where(rows.day >= first["stage_history"])
    for name, column in (("push_band", "pushes"), ("amount_increase_band", "increases"), ("amount_decrease_band", "decreases")):
        rows[name] = banded(rows[column], COUNT_BANDS).where(rows.day >= first["field_history"])
    idle = (rows.day - active_on).dt.days.fillna(rows.age_days)
    rows["activity_age_band"] = banded(idle, ACTIVITY_BANDS).where(rows.day >= first["activities"])
    rows[FACTORS] = rows[FACTORS].fillna("Unknown")
    return rows.reset_index(drop=True)


COMPANIONS = {"stage_history": "entered_at", "field_history": "changed_at", "activities": "occurred_at"}


def log_odds(rate):
    return np.log(rate / (1 - rate))


def chance(odds):
    return 1 / (1 + np.exp(-odds))


def by_level(rows: pd.DataFrame, factor: str) -> pd.Series:
    return rows.groupby(factor).deal_id.nunique()


@dataclass(frozen=True)
class Score:
    """An average and what each level of each factor adds to it, in log odds; levels that it doesn't know add nothing."""

    average: float
    terms: dict[str, pd.Series]

    def of(self, rows: pd.DataFrame) -> np.ndarray:
        parts = [key_of(rows, factor).map(levels).fillna(0.0) for factor, levels in self.terms.items()]
        return self.average + np.sum([part.to_numpy(float) for part in parts], axis=0)


def key_of(rows: pd.DataFrame, factor: str) -> pd.Series:
    names = factor.split(" x ")
    return rows[names[0]] if len(names) == 1 else rows[names].agg(" | ".join, axis=1)


def ridge(rows: pd.DataFrame, penalty: float) -> Score:
    """A logistic regression with a coefficient for each level seen in 20 deals or more, a deal weighing 1, by scipy's minimiser."""
    levels = {name: by_level(rows, name) for name in FACTORS}
    kept = {name: list(deals.index[deals >= 20]) for name, deals in levels.items() if len(deals) > 1 and (deals >= 20).any()}
    blocks = [np.ones((len(rows), 1)), *(np.stack([rows[name] == level for level in each], 1).astype(float) for name, each in kept.items())]
    design, won, weight = np.hstack(blocks), rows.is_won.to_numpy(float), rows.weight.to_numpy()
    free = np.append(0.0, np.full(design.shape[1] - 1, penalty))

    def loss(beta):
        odds = design @ beta
        return weight @ (np.logaddexp(0, odds) - won * odds) + (free * beta**2).sum() / 2

    def slope(beta):
        return design.T @ (weight * (chance(design @ beta) - won)) + free * beta

    def bend(beta):
        p = chance(design @ beta)
        return (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(free)

    found = optimize.minimize(loss, np.zeros(design.shape[1]), jac=slope, hess=bend, method="trust-exact", options={"gtol": 1e-9})
    share, beta, terms, start = weight @ design / weight.sum(), found.x, {}, 1
    for name, each in kept.items():
        columns = slice(start, start + len(each))
        terms[name] = pd.Series(beta[columns] - share[columns] @ beta[columns], each)
        start += len(each)
    return Score(share @ beta, terms)


def table_score(rows: pd.DataFrame) -> Score:
    """Shares won by stage and days in it, inside each by age, inside each by lead source, each shrunk to the one around it by 50 deals."""
    around, average, terms = pd.Series(np.average(rows.is_won, weights=rows.weight), rows.index), 0.0, {}
    average = log_odds(around.iloc[0])
    for depth in range(1, len(TABLE_FACTORS) + 1):
        name = " x ".join(TABLE_FACTORS[:depth])
        cell = key_of(rows, name)
        weight, won = rows.weight.groupby(cell).sum(), (rows.weight * rows.is_won).groupby(cell).sum()
        outer = around.groupby(cell).first()
        rate = (won + PRIOR_DEALS * outer) / (weight + PRIOR_DEALS)
        step = log_odds(rate) - log_odds(outer)
        mean = (step * weight).sum() / rows.weight.sum()
        average += mean
        terms[name] = step - mean
        around = cell.map(rate)
    return Score(average, terms)


def trainable(crm: Crm, rows: pd.DataFrame, day: pd.Timestamp) -> pd.Series:
    """Has the deal closed by the day, and was it created longer before it than deals live?"""
    known = [each for each in forecast_days(crm) if each <= day and not np.isnan(longest_life(crm, each))]
    return (rows.closed_date <= day) & ((day - rows.created_date).dt.days > longest_life(crm, known[-1]))


@cache
def folds(crm: Crm) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Last day of training and of creation of the tested deals: from the first forecast date by which 30 % of the deals can train, four tests of
    equally many deals."""
    rows = observations(crm, "training")
    deals = rows.drop_duplicates("deal_id") if len(rows) else rows
    for day in forecast_days(crm) if len(rows) else []:
        if not np.isnan(longest_life(crm, day)) and trainable(crm, deals, day).sum() >= max(50, 0.3 * len(deals)):
            later = deals.created_date[deals.created_date > day].sort_values()
            if len(later) >= 4 * 50:
                ends = [later.iloc[len(later) * fold // 4 - 1] for fold in range(1, 5)]
                return list(zip([day, *ends[:-1]], ends, strict=True))
            break
    return []


@cache
def deals_tested(crm: Crm) -> pd.DataFrame:
    """Test observations of all folds, scored by fits on the deals before."""
    rows, parts = observations(crm, "training"), []
    penalties = crm.mart("rpt_score_quality").set_index("fold").penalty
    for number, (day, until) in enumerate(folds(crm), 1):
        training, test = rows[trainable(crm, rows, day)], rows[(rows.created_date > day) & (rows.created_date <= until)]
        base = training.drop_duplicates("deal_id").is_won.mean()
        odds = {
            "model": ridge(training, penalties[f"fold {number}"]).of(test),
            "table": table_score(training).of(test),
            "base": log_odds(base),
        }
        parts.append(test.assign(fold=f"fold {number}", base_rate=base, trained=training.deal_id.nunique(), **odds))
    return pd.concat(parts)


def area(rows: pd.DataFrame) -> tuple[float, float]:
    """Over all pairs of a won and a lost observation, ties counting half; with the variance by what each deal adds to it."""
    odds, weight = rows.model.round(7).to_numpy(), rows.weight.to_numpy()
    won = rows.is_won.to_numpy()
    wins, losses = (rows[rows.is_won == each].deal_id.nunique() for each in (True, False))
    lost_odds, lost_weight, won_odds, won_weight = odds[~won], weight[~won], odds[won], weight[won]
    above = np.concatenate([(each[:, None] > lost_odds) + 0.5 * (each[:, None] == lost_odds) for each in np.array_split(won_odds, 50)])
    of_won, of_lost = above @ lost_weight / losses, won_weight @ above / wins
    parts = [
        pd.Series(w * x).groupby(rows.deal_id[rows.is_won == s].to_numpy()).sum()
        for s, w, x in ((1, won_weight, of_won), (0, lost_weight, of_lost))
    ]
    return parts[0].mean(), parts[0].var() / wins + parts[1].var() / losses


def calibrated(rows: pd.DataFrame) -> dict[str, float]:
    """Slope and intercept of the outcome on the predicted log odds, by statsmodels, clustered by deal."""
    found = {}
    designs = {"slope": (np.column_stack([rows.model, np.ones(len(rows))]), None), "intercept": (np.ones((len(rows), 1)), rows.model)}
    for name, (design, offset) in designs.items():
        fit = sm.GLM(rows.is_won.astype(float), design, sm.families.Binomial(), offset=offset, var_weights=rows.weight)
        clusters = {"groups": pd.factorize(rows.deal_id)[0], "use_correction": False}
        with warnings.catch_warnings(action="ignore"):  # weights and clusters together are little tested there
            fit = fit.fit(cov_type="cluster", cov_kwds=clusters, tol=1e-12, maxiter=100)
        lower, upper = np.asarray(fit.conf_int(0.05))[0]
        found |= {f"calibration_{name}": fit.params.iloc[0], f"calibration_{name}_lower": lower, f"calibration_{name}_upper": upper}
    return found


@figure("rpt_score_quality", "fold", within=1e-5, needs="stage_history")
@cache
def score_gate(crm):
    """Fits of past dates on deals created later: the ridge with the penalty that the mart names, the table, and the base rate."""
    if not folds(crm):
        row = {"deal_count": 0, "auc": np.nan, "brier": np.nan, "calibration_slope": np.nan, "is_gate_passed": False}
        return pd.DataFrame([row], pd.Index(["all"], name="fold"))
    rows, found = deals_tested(crm), {}
    areas = {fold: area(group) for fold, group in rows.groupby("fold")}
    for fold, group in [*rows.groupby("fold"), ("all", rows)]:
        deals = group.drop_duplicates("deal_id")
        errors = {}
        for method in ("model", "table", "base"):
            errors[method] = (group.weight * (chance(group[method]) - group.is_won) ** 2).groupby(group.deal_id).sum()
        gain = errors["base"] - errors["model"]
        if fold == "all":
            sizes = rows.groupby("fold").deal_id.nunique()
            auc = sum(sizes[each] * areas[each][0] for each in areas) / sizes.sum()
            error = np.sqrt(sum(sizes[each] ** 2 * areas[each][1] for each in areas)) / sizes.sum()
        else:
            auc, error = areas[fold][0], np.sqrt(areas[fold][1])
        t_value = stats.ttest_1samp(gain, 0).statistic
        lower, upper = np.clip(auc + stats.norm.ppf([0.025, 0.975]) * error, 0, 1)
        bound = np.clip(auc + stats.norm.ppf(0.005) * error, 0, 1)
        found[fold] = {
            "deal_count": len(deals),
            "observation_count": len(group),
            "won_deal_count": deals.is_won.sum(),
            "win_rate": deals.is_won.mean(),
            "auc": auc,
            "auc_lower": lower,
            "auc_upper": upper,
            "auc_gate_lower": bound,
            "brier": errors["model"].mean(),
            "brier_table": errors["table"].mean(),
            "brier_base": errors["base"].mean(),
            "brier_skill": 1 - errors["model"].mean() / errors["base"].mean(),
            "brier_t_value": t_value,
            "gate_p_value": max(stats.norm.sf((auc - 0.5) / error), stats.t.sf(t_value, len(deals) - 1)),
            "is_gate_passed": bool(bound > 0.5 and t_value > 1.645),
        } | calibrated(group)
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("fold")


@figure("rpt_score_calibration", "method", "bin_number", within=1e-5, needs="stage_history")
def score_calibration(crm):
    """Test observations in ten bins of the predicted chance, each part of a deal weighing what it is."""
    found = {}
    if not folds(crm):
        return pd.DataFrame(index=pd.MultiIndex.from_arrays([[], []], names=["method", "bin_number"]))
    for method in ("model", "table", "base"):
        rows = deals_tested(crm).assign(p=lambda table, method=method: chance(table[method]))
        bins = np.maximum(1, np.ceil((10 * rows.p).round(6))).astype(int)
        for number, group in rows.groupby(bins):
            parts = group.groupby("deal_id").weight.sum()
            weight, won = parts.sum(), (group.weight * group.is_won).sum()
            worth = weight**2 / (parts**2).sum()
            found[method, number] = {
                "deal_count": len(parts),
                "observation_count": len(group),
                "weighted_deal_count": weight,
                "effective_deal_count": worth,
                "predicted_win_rate": np.average(group.p, weights=group.weight),
                "win_rate": won / weight,
                "win_rate_lower": wilson(won / weight * worth, worth)[0],
                "win_rate_upper": wilson(won / weight * worth, worth)[1],
            }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis(["method", "bin_number"])


@cache
def final_score(crm: Crm) -> Score | None:
    """What the open deals are scored by: the model, or the table where its errors are smaller, if the gate is open."""
    quality = score_gate(crm).loc["all"]
    if not quality.is_gate_passed:
        return None
    rows = observations(crm, "training")
    penalty = crm.mart("rpt_score_quality", "fold = 'all'").penalty.iloc[0]
    return table_score(rows) if quality.brier_table < quality.brier else ridge(rows, penalty)


@figure("fct_deal_scores", "deal_id", within=1e-5, needs="stage_history")
def deal_scores(crm):
    score, rows = final_score(crm), observations(crm, "score").set_index("deal_id")
    training = observations(crm, "training").drop_duplicates("deal_id") if len(observations(crm, "training")) else crm.closed
    rate = training.is_won.mean()
    odds = pd.Series(score.of(rows) if score else log_odds(rate), rows.index)
    risk = np.floor(100 * (1 - chance(odds)) + 0.5)
    found = {
        "win_probability": chance(odds),
        "base_win_rate": rate,
        "lift": chance(odds) / rate,
        "training_deal_count": len(training),
        "risk_score": risk,
    }
    table = pd.DataFrame(found, rows.index)
    return table.assign(risk_category=pd.cut(risk, [-1, 25, 50, 75, 100], labels=["low", "medium", "high", "critical"]).astype(object))


@figure("fct_deal_score_reasons", "deal_id", "factor", within=1e-5, needs="stage_history")
def score_reasons(crm):
    """What each factor adds to the average deal's log odds; and in points, so that these too sum to the difference from the average deal."""
    score, rows = final_score(crm), observations(crm, "score").set_index("deal_id")
    if not score:
        return pd.DataFrame(index=pd.MultiIndex.from_arrays([[], []], names=["deal_id", "factor"]))
    parts = pd.DataFrame({name: key_of(rows, name).map(levels).fillna(0.0) for name, levels in score.terms.items()}, rows.index)
    total = parts.sum(axis=1)
    assert np.allclose(score.average + total, score.of(rows))
    slope = (chance(score.average + total) - chance(score.average)) / total
    table = pd.DataFrame({"contribution": parts.stack(), "contribution_pp": parts.mul(100 * slope, axis=0).stack()})
    return table.rename_axis(["deal_id", "factor"])


@cache
def shares_in_time(crm: Crm) -> pd.DataFrame:
    """Of deals of the same stage and age that were won, or lost, the share whose end came within as many days as the quarter of the day
    after the as-of date has left; cells shrunk to their stage, stages to all, by five deals."""
    rows, end = every_observation(crm).copy(), (crm.as_of + DAY).to_period("Q").end_time.normalize()
    if rows.empty:
        unknown = {"won": np.nan, "lost": np.nan, "period_end_date": end}
        return pd.DataFrame(unknown, observations(crm, "score").deal_id)
    rows["in_time"] = (rows.closed_date - rows.day).dt.days <= (end - crm.as_of).days
    now = observations(crm, "score").set_index("deal_id")
    found = {}
    for name, group in (("won", rows[rows.is_won]), ("lost", rows[~rows.is_won])):
        shrunk = pd.Series(group.in_time.mean() if len(group) else 0.0, now.index)
        for keys in (["stage"], ["stage", "deal_age_band"]):
            cells_of = group.groupby(keys).agg(rate=("in_time", "mean"), deals=("deal_id", "nunique"))
            own = now[keys].join(cells_of, on=keys)[["rate", "deals"]].fillna(0.0)
            shrunk = (own.rate * own.deals + PRIOR * shrunk) / (own.deals + PRIOR)
        found[name] = shrunk
    return pd.DataFrame(found).assign(period_end_date=end)


@figure("fct_deal_scores", "deal_id", within=1e-5, needs="stage_history")
def ends_by_the_end_of_the_quarter(crm):
    shares, p = shares_in_time(crm), deal_scores(crm).win_probability
    won, lost = p * shares.won, (1 - p) * shares.lost
    return pd.DataFrame(
        {
            "period_end_date": shares.period_end_date,
            "win_by_period_end_probability": won,
            "lose_by_period_end_probability": lost,
            "slip_probability": 1 - won - lost,
        }
    )


@figure("fct_deal_scores", "deal_id", within=1e-4, needs="stage_history")
def deal_health(crm):
    """Points for the chance to win, the pace in the stage, activity and pushes, weighed .40, .25, .20 and .15 as far as they are known."""
    stages, edits, scores = open_deals_in_their_stages(crm), open_deals_and_their_changes(crm), deal_scores(crm)
    parts = pd.DataFrame(
        {
            "win_health": 50 * scores.win_probability / scores.base_win_rate,
            "pace_health": 100 - 50 * stages.days_in_stage / stages.stall_threshold_days,
            "activity_health": 100 - 50 * stages.days_since_last_activity / 14,
            "schedule_health": (100 / (1 + edits.push_count)).where(~edits.is_overdue.fillna(False).astype(bool), 0),
        }
    ).clip(0, 100)
    weights = parts.notna() * [0.40, 0.25, 0.20, 0.15]
    return parts.assign(health_score=np.floor((parts * weights).sum(axis=1) / weights.sum(axis=1) + 0.5))


@figure("rpt_pipeline_health", *MONTH, where="metric in ('coverage', 'coverage_needed')", within=1e-5, needs="quotas")
def coverage_of_quotas(crm):
    """Of the quarter of the day after the as-of date: what is missing of the quotas / expected yield of a unit of open amount by its end."""
    quotas = text_of(crm.files["quotas"])
    quarter = (crm.as_of + DAY).to_period("Q")
    quota = pd.to_numeric(quotas.amount)[pd.to_datetime(quotas.period_start).dt.to_period("Q") == quarter]
    won = crm.deals.amount[crm.deals.is_won & (crm.deals.closed_date >= quarter.start_time)].sum()
    missing = max(0.0, quota.sum() - won)
    expected = (crm.open.amount * deal_scores(crm).win_probability * shares_in_time(crm).won).sum(min_count=1)
    month, count = month_of(pd.Series([crm.as_of]))[0], len(crm.open)
    values = {}
    if len(quota):
        values = {"coverage_needed": missing * crm.open.amount.sum() / expected, "coverage": expected / missing}
    return health({(month, name, "as_of_date"): (value, np.nan, np.nan, count) for name, value in values.items()})


@figure("rpt_score_drift", "factor", where="factor <> 'score' and psi is not null", within=1e-9, some=True, needs="stage_history")
def drift_of_factors(crm):
    """The open deals against those open at the last twelve month ends; levels expected in fewer than five deals stand together."""
    now, then = observations(crm, "score"), observations(crm, "backtest")
    then = then[then.day.isin(forecast_days(crm)[-13:-1])]
    found = {}
    for name in FACTORS:
        counts = pd.concat([now[name].value_counts(), then[name].value_counts()], axis=1, keys=["now", "then"]).fillna(0.0)
        size = min(len(now), then.deal_id.nunique())
        share_of = (counts / counts.sum()).mean(axis=1)
        rare = share_of * size < 5
        if rare.any() and share_of[rare].sum() * size < 5:
            rare[share_of[~rare].idxmin()] = True
        counts = pd.concat([counts[~rare], counts[rare].sum().to_frame("other").T]) if rare.any() else counts
        if len(counts) < 2 or size < MIN_DEALS:
            continue
        one, other = (np.maximum(counts[each], 0.5) / counts[each].sum() for each in ("now", "then"))
        found[name] = {
            "open_deal_count": len(now),
            "reference_deal_count": then.deal_id.nunique(),
            "reference_observation_count": len(then),
            "psi": ((one - other) * np.log(one / other)).sum(),
        }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("factor")


# Effects of actions

PLAYS = {  # what flags a deal, and for which action
    ("days_since_last_activity", None): (14, "book_next_step"),
    ("days_in_stage", "Qualified"): (21, "confirm_need"),
    ("days_in_stage", "Demo"): (21, "repeat_demo"),
    ("days_in_stage", "Proposal"): (21, "call_sponsor"),
    ("days_in_stage", "Negotiation"): (21, "involve_executive"),
    ("days_over_stall_limit", None): (1, "agree_close_plan"),
    ("days_overdue", None): (1, "confirm_close_date"),
    ("push_count", None): (2, "confirm_close_date"),
    ("days_since_last_update", None): (30, "update_deal"),
}


def by_deal(rows: pd.DataFrame) -> dict[str, list]:
    return {deal_id: list(group) for deal_id, group in itertools.groupby(rows.itertuples(), lambda row: row.deal_id)}


@cache
def flagged(crm: Crm) -> pd.DataFrame:
    """Closed deals of mature cohorts, followed day by day until a fact of the playbook flags them: for which actions, whether by hash they are
    held out, and whether somebody acted on them, from then on or before. Actions that nobody has ever taken flag nobody."""
    deals = crm.closed[month_of(crm.closed.created_date).isin(mature_cohorts(crm, crm.as_of)) & (crm.closed.closed_date.notna())]
    actions = {action for _, action in PLAYS.values()}
    taken = crm.events("interventions", "taken_at")
    taken["day"] = taken.taken_at.dt.normalize()
    taken = taken[taken.action_id.isin(actions) & taken.deal_id.isin(deals.index)]
    taken = taken[taken.day <= deals.closed_date.reindex(taken.deal_id).to_numpy()]
    plays = {key: play for key, play in PLAYS.items() if play[1] in set(taken.action_id)}
    limits = stall_limits(crm)
    stays = (
        visits(crm).reset_index().assign(day=lambda rows: rows.recorded_at.where(rows.is_left_truncated, rows.entered_at).dt.normalize())
    )
    history = changes(crm).assign(day=lambda rows: rows.changed_at.dt.normalize())
    activities = crm.events("activities", "occurred_at").assign(day=lambda rows: rows.occurred_at.dt.normalize())
    stays_of, edits_of, active_of, taken_of = (by_deal(rows) for rows in (stays, history, activities, taken.sort_values("deal_id")))
    found = []
    for deal in deals.itertuples():
        own_stays, edits = stays_of.get(deal.Index, []), edits_of.get(deal.Index, [])
        active = sorted({deal.created_date, *(row.day for row in active_of.get(deal.Index, []))})
        dates = [row for row in edits if row.field == "expected_close_date"]
        counted = [row.day for row in edits if row.field in ("expected_close_date", "amount")]
        updated = sorted({*active, *counted, *(row.day for row in own_stays)})
        pauses = [
            (one.exited_at.normalize(), other.entered_at.normalize())
            for one, other in itertools.pairwise(own_stays)
            if one.exited_at.normalize() < other.entered_at.normalize()
        ]
        pushes = [row.day for row in dates if pd.notna(row.old_value) and row.new_value > row.old_value]
        flag, day = set(), deal.created_date
        while day < deal.closed_date and not flag:
            stay = next((row for row in reversed(own_stays) if row.day <= day), None)
            since = None if stay is None else deal.created_date if stay.is_left_truncated else stay.entered_at.normalize()
            expected = value_on(dates, day, None)
            expected = deal.expected_close_date if expected is None else pd.Timestamp(expected)
            facts = {
                ("days_since_last_activity", None): (day - max(each for each in active if each <= day)).days,
                ("days_since_last_update", None): (day - max(each for each in updated if each <= day)).days,
                ("push_count", None): sum(each <= day for each in pushes),
                ("days_overdue", None): (day - expected).days,
            }
            if stay is not None:
                facts["days_in_stage", stay.stage] = (day - since).days
                facts["days_over_stall_limit", None] = (day - since).days - limits.get(stay.stage, np.nan)
            if not any(start <= day < end for start, end in pauses):
                flag = {plays[key][1] for key, value in facts.items() if key in plays and value >= plays[key][0]}
            day += DAY
        acted = [row.day for row in taken_of.get(deal.Index, [])]
        day -= DAY
        found.append(
            {
                "deal_id": deal.Index,
                "actions": flag,
                "day": day if flag else pd.NaT,
                "is_held_out": int(hashlib.md5(deal.Index.encode()).hexdigest()[:8], 16) % 100 < 20,
                "is_acted": bool(flag) and any(each >= day for each in acted),
                "is_acted_before": any(not flag or each < day for each in acted),
                "is_won": deal.is_won,
            }
        )
    rows = pd.DataFrame(found)
    return rows[~(rows.day < taken.day.min())]


@cache
def stall_limits(crm: Crm) -> dict[str, float]:
    """By stage the 95 % quantile of what visits of won deals lasted."""
    table = visits(crm).reset_index("visit_number")
    winning = table[table.index.isin(crm.deals.index[crm.deals.is_won]) & ~table.is_censored & ~table.is_left_truncated]
    groups = winning.groupby("stage").days_in_stage
    return {stage: np.sort(days)[int(np.ceil(0.95 * len(days) - 1e-9)) - 1] if len(days) >= MIN_DEALS else np.nan for stage, days in groups}


@figure("rpt_intervention_effects", "action_id", within=1e-5, needs="interventions")
def effects_of_actions(crm):
    """Offered against held-out deals inside bands of the score that they had, each band weighing its deals, by a mixture of normal distributions
    that may be read after every deal."""
    rows = flagged(crm)
    early, acted = rows.is_acted_before.sum(), (rows.is_acted | rows.is_acted_before).sum()
    rows = rows[rows.day.notna()].copy()
    scores = deals_tested(crm).assign(p=lambda table: chance(table.model))[["deal_id", "day", "p"]]
    p = last_before(rows[["deal_id", "day"]], scores, ["p"]).p
    rows["band"] = pd.cut(np.floor(100 * (1 - p) + 0.5), [-1, 25, 50, 75, 100]).astype(object).fillna("not scored")
    names = sorted({action for each in rows.actions for action in each})
    count_of_actions, found = len({action for _, action in PLAYS.values()}), {}
    for action in ["all", *names]:
        own = rows if action == "all" else rows[[action in each for each in rows.actions]]
        arms = {side: own[own.is_held_out == side] for side in (False, True)}
        both = set(arms[False].band) & set(arms[True].band)
        compared = own[own.band.isin(both)]
        row = {
            f"{name}_{count}": value
            for side, name in ((False, "offered"), (True, "holdout"))
            for count, value in (
                ("deal_count", len(arms[side])),
                ("won_deal_count", arms[side].is_won.sum()),
                ("acted_deal_count", arms[side].is_acted.sum()),
                ("win_rate", arms[side].is_won.mean()),
            )
        }
        sums = {"is_won": [0.0, 0.0], "is_acted": [0.0, 0.0]}
        for _, stratum in compared.groupby("band"):
            weight = len(stratum) / len(compared)
            for fact, (difference, variance) in sums.items():
                sides = [stratum[fact][stratum.is_held_out == side] for side in (False, True)]
                smoothed = [(each.sum() + 1) / (len(each) + 2) for each in sides]
                noise = sum(q * (1 - q) / len(each) for q, each in zip(smoothed, sides, strict=True))
                sums[fact] = [difference + weight * (sides[0].mean() - sides[1].mean()), variance + weight**2 * noise]
        (difference, variance), (acted_difference, acted_variance) = sums.values()
        level = 0.05 if action == "all" else 0.05 / count_of_actions
        tightest = (-2 * np.log(level) + np.log(1 - 2 * np.log(level))) / 300
        ratio = len(compared) * tightest
        reach = np.sqrt((1 + 1 / ratio) * (np.log1p(ratio) - 2 * np.log(level)) * variance)
        p_value = min(1.0, np.sqrt(1 + ratio) * np.exp(-(difference**2) / variance / 2 * ratio / (1 + ratio)))
        is_enough = min((compared.is_held_out == side).sum() for side in (False, True)) >= 25
        limits = [difference - reach, difference + reach] if is_enough else [np.nan] * 2
        per_act = acted_difference if acted_difference > 5 * np.sqrt(acted_variance) else np.nan
        found[action] = row | {
            "compared_deal_count": len(compared),
            "left_out_deal_count": len(own) - len(compared),
            "difference": difference,
            "difference_lower": limits[0],
            "difference_upper": limits[1],
            "effect_per_acted_deal": difference / per_act if is_enough else np.nan,
            "p_value": p_value if is_enough else np.nan,
            "q_value": min(1.0, p_value * (1 if action == "all" else count_of_actions)) if is_enough else np.nan,
            "acted_unflagged_deal_count": early,
        }
    assert early <= 0.05 * acted
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("action_id")


# Alerts

RULES = pd.DataFrame(
    [
        ("large_deal_at_risk", "risk_score", 70, 50_000, 4, "immediate"),
        ("large_deal_stalled", "days_over_stall_limit", 0, 50_000, 4, "immediate"),
        ("risk_crossed_75", "risk_score", 75, None, 3, "immediate"),
        ("deal_stalled", "days_over_stall_limit", 3, 10_000, 2, "daily"),
        ("risk_above_60", "risk_score", 60, None, 2, "daily"),
        ("no_activity", "days_since_last_activity", 21, None, 1, "daily"),
        ("overdue", "days_overdue", 0, None, 1, "daily"),
    ],
    columns=["alert_rule_id", "metric", "above", "above_amount", "gravity", "cadence"],
)


@cache
def rules_of_deals(crm: Crm) -> pd.DataFrame:
    """Every open deal by every rule: the value, and whether it is beyond the limits. A closed gate shows no risk score."""
    stages, amounts = open_deals_in_their_stages(crm), crm.open.amount
    values = {
        "risk_score": deal_scores(crm).risk_score if final_score(crm) else pd.Series(np.nan, amounts.index),
        "days_over_stall_limit": stages.days_over_stall_limit,
        "days_since_last_activity": stages.days_since_last_activity,
        "days_overdue": (crm.as_of - crm.open.expected_close_date).dt.days,
    }
    tables = []
    for rule in RULES.itertuples():
        value = values[rule.metric].dropna()
        large = amounts.reindex(value.index) > rule.above_amount if pd.notna(rule.above_amount) else True
        met = (value > rule.above) & large
        tables.append(
            pd.DataFrame(
                {"alert_rule_id": rule.alert_rule_id, "value": value, "is_met": met, "gravity": rule.gravity, "cadence": rule.cadence}
            )
        )
    return pd.concat(tables).rename_axis("subject_id").reset_index().set_index(["alert_rule_id", "subject_id"])


@figure("fct_alert_checks", "alert_rule_id", "subject_id", where="subject_type = 'deal'", within=1e-5, needs="stage_history")
def conditions_of_alerts(crm):
    return rules_of_deals(crm)[["value", "is_met"]]


@figure("fct_alerts", "alert_rule_id", "subject_id", where="subject_type = 'deal'", within=1e-5, needs="stage_history")
def first_alerts(crm):
    """On the first day a deal has one alert, of the gravest rule; nothing has crossed a threshold yet. Ten go out at once, the company's own
    before those of deals; the others wait for those of the day."""
    met = rules_of_deals(crm).query("is_met and alert_rule_id != 'risk_crossed_75'").reset_index()
    one = met.sort_values(["gravity", "alert_rule_id"], ascending=[False, True]).drop_duplicates("subject_id")
    one = one.assign(amount=crm.open.amount.reindex(one.subject_id).to_numpy()).sort_values(
        ["gravity", "amount", "subject_id"], ascending=[False, False, True]
    )
    of_company = crm.mart("fct_alerts", "subject_type <> 'deal' and cadence = 'immediate'")
    at_once = one[one.cadence == "immediate"].index[: 10 - len(of_company)]
    delivery = one.cadence.where((one.cadence != "immediate") | one.index.isin(at_once), "daily")
    return one.assign(delivery=delivery, state="new").set_index(["alert_rule_id", "subject_id"])[["value", "cadence", "delivery", "state"]]


# The inputs

# Deals, seed and presets of `python -m tools generate --kind process`.
KINDS = {
    "seasons": (600, 13, "seasonal,heavy_tails"),
    "accounts": (1_500, 11, "accounts,territories"),
    "late losses": (2_000, 12, "late_losses,never_closed,growing"),
}


@pytest.fixture(scope="module")
def crms(request, tmp_path_factory) -> Callable[[str], Crm]:
    @cache
    def crm(name: str) -> Crm:
        if name == "demo":
            files = (PROJECT / "seeds" / "demo").glob("*.csv")
            return Crm(request.getfixturevalue("demo"), {path.stem.removeprefix("demo_"): path for path in files})
        if name == "real":
            file = request.getfixturevalue("reference_folder") / "skygeni_sales_data.csv"
            return Crm(request.getfixturevalue("real_build"), {"deals": file}, [5_000, 15_000, 30_000])
        build = made_once(tmp_path_factory, f"oracles_{name.replace(' ', '_')}", lambda folder: generated(folder, *KINDS[name]))
        return Crm(build, files_of(build.database.parent))

    return crm


def files_of(folder: Path) -> dict[str, Path]:
    return {path.stem.removeprefix("process_"): path for path in folder.glob("process_*.csv")}


def generated(folder: Path, deals: int, seed: int, presets: str) -> Build:
    generate.generate(folder, deals, seed, "csv", process.Settings(**process.with_presets(presets.split(","))))
    return run_dbt(folder / "sales.duckdb", {f"{name}_file": path for name, path in files_of(folder).items()}, with_tests=False)


PROCESS = {"deals", "stage_history", "field_history", "activities", "reps", "quotas"}
TABLES = {"demo": PROCESS | {"interventions"}, "real": {"deals"}} | dict.fromkeys(KINDS, PROCESS)

# Where a mart is known to be wrong: a fix makes the test fail, so that the row goes.
WRONG = {
    (
        "late losses",
        "ends_by_the_end_of_the_quarter",
    ): "without a mature cohort nobody knows, but the mart says 0 %, 0 % and 100 % still open",
    ("late losses", "coverage_of_quotas"): "without a mature cohort nobody knows, but the mart says that nothing is covered",
}


def cases() -> Iterator:
    for name in ["demo", "real", *KINDS]:
        marks = [pytest.mark.campaign] if name in KINDS else []
        for each in FIGURES:
            figure = each.compute.__name__
            wrong = [pytest.mark.xfail(reason=WRONG[name, figure], strict=True)] if (name, figure) in WRONG else []
            if each.needs in TABLES[name]:
                yield pytest.param(name, each, id=f"{name}: {figure}", marks=[*marks, *wrong])


@pytest.mark.parametrize(("name", "figure"), list(cases()))
def test_a_figure_is_what_the_files_say(crms, name, figure):
    check(figure, crms(name))

"""A CRM of another kind than the demo's: deals go through stages that they leave by competing exits, and nothing is planted unless asked.

**Stages.** From each stage a deal moves on, moves back (at most once), is won (from Proposal and Negotiation) or is lost. `EXIT_SHARES` says how
often, `EXIT_DAYS` after how many days on average, by the exit: losses take longer to come than moves do. A share p and a density f of
days are a hazard p f(t) / S(t) of that exit at age t in the stage, S being the share of visits that last longer; so the chance to win falls with
age. Days are log-normal about their mean, with `EXIT_SPREADS` on the log scale.

**Outcome.** The chance to win is `win_rate`, plus what is planted, in points. Won or lost is drawn first with exactly that chance, then the path
by the exits' shares given the outcome, which is the same process (Bayes' rule), so that the truth is known. Days to a loss are stretched so
that lost deals take `loss_length` times as long as won ones on average. A season moves the win rate of what closes by a cosine of a year, its peak
at the end of November; a fall lowers it between two days. Both are wins that turn into losses at the moment of the close.

**Company.** Deals of an account share industry, region and rep, and the account's own log odds of winning (normal, `account_sd`), about which
the average stays as it is. Product and lead source are the deal's. With territories each rep sells in one region.

**Amounts** are log-normal about a median of 12,000, the top 5 % with a Pareto tail, whole units between 500 and 10 million.
**Creations** fall on working days, differing from day to day about as Poisson counts do, growing by `growth` a year, with a season of their own.
**Closes** fall on working days; `quarter_end` of those in the last 30 days of a quarter wait for one of its last five working days.
**Never closed.** Of all deals, whatever would become of them, this share ends as others do but for the close: nobody writes it down.
**Rewritten at the close**, when asked for: half of the won deals get the lead source Referral, 40 % of the lost ones the owner `R00`,
the house; or the industry of 40 % of deals is blank until they are won. Field history dates the new owner; sources and industries have no date.

Amounts, edits, pushes and changes of owner are drawn as in `tools/crm.py`; of activities there is one every two weeks or so, up to twenty.
Lost reasons and competitors say nothing about the outcome, and nobody takes an action.

A random number is a hash of the seed and of the deal, account or day it is about, so that the chunk in which a deal is made makes no difference.
Exponentials differ between machines in their last bit, and what is made of them is rounded to whole seconds and units, so that files don't.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cache
from statistics import NormalDist
from typing import ClassVar

import numpy as np
from numpy import ndarray as Array

from tools import crm
from tools.crm import DAY, NEVER, Lives, Staff, days, pick, weekday

INDUSTRIES = ("Banking", "Energy", "Health", "Logistics", "Machinery", "Media", "Public sector", "Trade")
REGIONS = ("Americas", "Central Europe", "Nordics", "Asia Pacific")
PRODUCTS = ("Core", "Plus", "Suite")
LEAD_SOURCES = ("Website", "Event", "Partner", "Outbound", "Referral", "Advertising")
HOUSE = "R00"
SHARES = {
    "industry": (0.22, 0.18, 0.15, 0.12, 0.11, 0.09, 0.08, 0.05),
    "region": (0.36, 0.30, 0.20, 0.14),
    "product_type": (0.50, 0.32, 0.18),
    "lead_source": (0.28, 0.22, 0.18, 0.14, 0.11, 0.07),
}

# By stage (Qualified, Demo, Proposal, Negotiation): shares of the exits on, back, won and lost, and mean days by exit. Days to a loss
# are stretched to what `loss_length` asks for; these are about those of 1.5.
ON, BACK, EXIT_WON, EXIT_LOST = range(4)
EXIT_SHARES = np.array([[0.84, 0.00, 0.00, 0.16], [0.78, 0.05, 0.00, 0.17], [0.66, 0.06, 0.06, 0.22], [0.00, 0.06, 0.62, 0.32]])
EXIT_DAYS = np.array([[8.0, 0.0, 0.0, 40.0], [9.0, 8.0, 0.0, 48.0], [12.0, 12.0, 16.0, 55.0], [0.0, 14.0, 14.0, 63.0]])
EXIT_SPREADS = np.array([0.7, 0.7, 0.6, 0.6])
VISITS = 6  # four stages, and two more of a deal that moves back
EVENTS = 8  # as many columns as in tools/crm.py
ACTIVITIES = 20

MEDIAN_AMOUNT, LEAST_AMOUNT, MOST_AMOUNT, TAIL_SHARE = 12_000, 500, 10_000_000, 0.05
QUARTER_END_DAYS, LAST_WORKDAYS = 30, 5
PEAK = days(date(2024, 11, 30))
REWRITES = ("lead_source", "sales_rep_id", "industry")
REWRITTEN_SOURCE, REWRITTEN_SHARE, HOUSE_SHARE, BLANK_SHARE = "Referral", 0.5, 0.4, 0.4
FAR_DAY = days(date(9999, 12, 31))

LEVELS = np.linspace(0, 1, 2001)
NORMAL = np.array([NormalDist().inv_cdf(min(max(level, 0.0002), 0.9998)) for level in LEVELS])


def setting(default: float | int | bool, meaning: str):
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """The properties of a CRM. `planted` holds (column, value, difference in win rate to all other deals), `falls` (first day, last day, what
    the win rate of what closes then falls by): 0.1 is 10 points. `rewritten` names columns."""

    win_rate: float = setting(0.40, "share of deals won")
    loss_length: float = setting(1.5, "mean length of lost deals over that of won ones")
    growth: float = setting(1.0, "deals created in a year over those of the year before")
    season: float = setting(0.0, "what the win rate of closes rises and falls by over a year, 0.1 being 10 points")
    volume_season: float = setting(0.0, "what creations rise and fall by over a year, as a share of the average")
    quarter_end: float = setting(0.0, "share of the closes of a quarter's last 30 days that wait for its last five working days")
    account_deals: float = setting(2.0, "deals of an account on average; at 1 each deal has its own")
    account_sd: float = setting(0.0, "standard deviation of accounts' own log odds of winning")
    reps: int = setting(12, "number of reps")
    territories: bool = setting(False, "1: each rep sells in one region, 0: in all")
    never_closed: float = setting(0.0, "share of deals that nobody ever closes")
    amount_spread: float = setting(1.0, "standard deviation of the log of amounts")
    amount_tail: float = setting(1.8, "exponent of the tail of amounts; 1 is the heaviest")
    planted: tuple[tuple[str, str, float], ...] = ()
    falls: tuple[tuple[date, date, float], ...] = ()
    rewritten: tuple[str, ...] = ()

    kind: ClassVar[str] = "process"

    def __post_init__(self) -> None:
        for problem in self.problems():
            raise ValueError(problem)

    def problems(self) -> Iterator[str]:
        """What can't be; the first is all that is looked at, and later checks rely on the earlier ones."""
        columns = {name: self.words()[name] for name in SHARES} | {"sales_rep_id": self.rep_ids()}
        shares = ("win_rate", "season", "volume_season", "quarter_end", "never_closed")
        yield from (f"{name} is a share: 0 or more, and below 1." for name in shares if not 0 <= getattr(self, name) < 1)
        yield from (f"{name} must be above 0." for name in ("growth", "amount_spread") if getattr(self, name) <= 0)
        yield from (f"{name} must be 1 or more." for name in ("account_deals", "amount_tail") if getattr(self, name) < 1)
        if self.account_sd < 0:
            yield "account_sd can't be below 0."
        if not (len(REGIONS) if self.territories else 1) <= self.reps <= 99:
            yield f"reps must be 1 to 99, and with territories at least {len(REGIONS)}: one for each region."
        for name in set(self.rewritten) - set(REWRITES):
            yield f"{name} can't be rewritten. There are {', '.join(REWRITES)}."
        for name, value, _ in self.planted:
            if value not in columns.get(name, ()):
                there = ", ".join(columns.get(name, columns))
                yield f"Nothing can be planted in {name} {value}. There are {there}."
        least, most = self.range_of_chances()
        if least <= 0 or most >= 1:
            yield f"Together these make chances to win from {least:.2f} to {most:.2f}, which must be above 0 and below 1."
        if loss_stretch(self) <= 0:
            yield f"Losses can't be as short as loss_length {self.loss_length:g} asks for."

    def range_of_chances(self) -> tuple[float, float]:
        """The least and the greatest chance to win that a deal can have, before accounts."""
        planted = {name: [0.0, *(each[2] for each in self.planted if each[0] == name)] for name, _, _ in self.planted}
        falls = sum(abs(points) for *_, points in self.falls)
        least = self.win_rate + sum(map(min, planted.values())) - self.season - falls
        return least, self.win_rate + sum(map(max, planted.values())) + self.season

    def rep_ids(self) -> tuple[str, ...]:
        return tuple(f"R{rep:02d}" for rep in range(1, self.reps + 1))

    def words(self) -> dict[str, tuple]:
        house = (HOUSE,) if "sales_rep_id" in self.rewritten else ()
        blank = (None,) if "industry" in self.rewritten else ()
        return {
            "industry": INDUSTRIES + blank,
            "region": REGIONS,
            "product_type": PRODUCTS,
            "lead_source": LEAD_SOURCES,
            "sales_rep": self.rep_ids() + house,
            "lost_reason": crm.LOST_REASONS,
            "competitor": crm.COMPETITORS,
        }

    def draw_lives(self, seed: int, deals: int, start: int, stop: int, years: int) -> Lives:
        return draw_lives(seed, deals, start, stop, self, years)

    def staff(self) -> Staff:
        """Reps in the order of their ids, as many to each region or team, but for one."""
        team = np.arange(self.reps) * len(REGIONS) // self.reps
        reps = self.words()["sales_rep"]
        return Staff(reps, REGIONS if self.territories else crm.TEAMS, np.append(team, len(REGIONS))[: len(reps)])

    def won_amount(self, deals: int) -> float:
        """About what so many deals bring in."""
        return deals * self.win_rate * float(draw_amounts((np.arange(100_000) + 0.5) / 100_000, self).mean())


Plan = crm.Effects | Settings  # what a CRM of either kind is made of

NUMBERS = {each.name: each for each in fields(Settings) if each.metadata}
PRESETS = {
    "steady": ("as many deals all along; losses take 1.5 times as long as wins", {}),
    "growing": ("each year twice as many deals as in the year before", {"growth": 2.0}),
    "shrinking": ("each year half as many deals as in the year before", {"growth": 0.5}),
    "seasonal": (
        "a season of 12 points in the win rate and of 30 % in creations, 60 % of closes wait for the end of the quarter",
        {"season": 0.12, "volume_season": 0.3, "quarter_end": 0.6},
    ),
    "late_losses": ("losses take 2.5 times as long as wins", {"loss_length": 2.5}),
    "very_late_losses": ("losses take 4 times as long as wins", {"loss_length": 4.0}),
    "accounts": ("8 deals an account, which differ in their log odds of winning by 1", {"account_deals": 8.0, "account_sd": 1.0}),
    "territories": ("each rep sells in one region", {"territories": True}),
    "heavy_tails": ("a few deals are most of the money", {"amount_spread": 1.3, "amount_tail": 1.2}),
    "never_closed": ("5 % of deals are never closed", {"never_closed": 0.05}),
    "rewritten": ("lead source and owner are overwritten at the close of many deals", {"rewritten": ("lead_source", "sales_rep_id")}),
    "filled_in": ("the industry of many deals is blank until they are won", {"rewritten": ("industry",)}),
}


def with_presets(names: list[str]) -> dict[str, object]:
    """The settings of several presets together; each further one adds to what is rewritten."""
    chosen: dict[str, object] = {}
    for name in names:
        given = PRESETS[name][1]
        rewritten = (*chosen.get("rewritten", ()), *given.get("rewritten", ()))
        chosen |= given | ({"rewritten": rewritten} if rewritten else {})
    return chosen


# Random numbers


def mixed(word: Array) -> Array:
    """SplitMix64's last step: 64 bits of which each depends on all of `word`."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


class Draws:
    """Random numbers of the things of one kind that `number` counts. Each call takes the next columns of an endless table with a row a thing."""

    def __init__(self, seed: int, kind: str, number: Array) -> None:
        key = hashlib.md5(f"{kind} of {seed}".encode()).digest()[:8]
        self.row = np.uint64(int.from_bytes(key, "little")) + number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        self.column = 0

    def random(self, size: int | tuple[int, ...]) -> Array:
        """Uniform numbers from 0 to below 1; `size` is the number of rows, or that and the number of columns."""
        width = size[1] if isinstance(size, tuple) else 1
        column = np.arange(self.column, self.column + width, dtype=np.uint64) << np.uint64(40)
        self.column += width
        word = self.row[:, None] + column * np.uint64(0x9E3779B97F4A7C15)
        found = (mixed(word) >> np.uint64(11)) * 2.0**-53
        return found if isinstance(size, tuple) else found[:, 0]


# What is drawn


@dataclass(frozen=True)
class Deals:
    """Whole lives of deals without their histories, arrays as in `Lives`. A deal that is never closed has `closed_day` at the end of the year 9999,
    and wasn't won. `chance` is the true chance to win of the deal's segments, over all accounts, a whole year and no fall."""

    number: Array
    account: Array
    segments: dict[str, Array]
    chance: Array
    won: Array
    created_day: Array
    created_at: Array
    ended_at: Array  # when nothing more happens: the close, or what would have been the close
    closed_day: Array
    entered_at: Array  # n x VISITS
    stage: Array
    while_open: dict[str, Array]
    once_closed: dict[str, Array]


def draw_deals(seed: int, deals: int, settings: Settings, years: int = 2, start: int = 0, stop: int | None = None) -> Deals:
    """Deals `start` to `stop` (from 0; all of them) of a CRM of `deals`, created in the `years` up to the as-of date."""
    number = np.arange(start, deals if stop is None else stop)
    n = len(number)
    draws = Draws(seed, "deal", number)
    created_day = creation_days(seed, (number + draws.random(n)) / deals, deals, settings, years)
    created_at = created_day * DAY + (draws.random(n) * DAY).astype(np.int64)
    accounts = round(deals / settings.account_deals)
    account = (draws.random(n) * accounts).astype(np.int64) if accounts < deals else number
    segments, account_effect = draw_account(Draws(seed, "account", account), settings)
    segments |= {name: pick(draws.random(n), SHARES[name]) for name in ("product_type", "lead_source")}
    segments["amount"] = draw_amounts(draws.random(n), settings)

    chance = win_chances(segments, settings)
    won = draws.random(n) < chance_of_account(chance + settings.season, account_effect, settings.account_sd)
    entered_at, stage, ended_at = draw_path(draws, created_at, won, loss_stretch(settings))
    ended_at = draw_close(draws, ended_at, settings.quarter_end)
    won &= draws.random(n) >= points_lost(ended_at // DAY, settings) / (chance + settings.season)
    is_closed = draws.random(n) >= settings.never_closed
    while_open, once_closed = draw_rewritten(draws, segments, won & is_closed, settings)
    return Deals(
        number=number + 1,
        account=account + 1,
        segments=segments,
        chance=chance,
        won=won & is_closed,
        created_day=created_day,
        created_at=created_at,
        ended_at=ended_at,
        closed_day=np.where(is_closed, ended_at // DAY, FAR_DAY),
        entered_at=entered_at,
        stage=stage,
        while_open=while_open,
        once_closed=once_closed,
    )


def deals_as_of(deals: Deals, day: int) -> dict[str, Array]:
    """The deals created by a day as a file of that day has them, an array a column: segments are indices into `Settings.words()`, days count
    from 1970-01-01, of an open deal `closed_day` is -1 and `won` false. `chance` is the truth, which no file has."""
    known = deals.created_day <= day
    closed = known & (deals.closed_day <= day)
    table = {
        "deal": deals.number,
        "account": deals.account,
        "created_day": deals.created_day,
        "closed_day": np.where(closed, deals.closed_day, -1),
        "won": deals.won & closed,
        "chance": deals.chance,
    }
    for name in deals.segments:
        table[name] = crm.recorded(name, closed, deals.segments, deals.while_open, deals.once_closed)
    return {name: column[known] for name, column in table.items()}


def season(day: Array) -> Array:
    """1 at the end of November, -1 half a year from there, 0 on average."""
    return np.cos(2 * np.pi * (day - PEAK) / 365.25)


def creation_days(seed: int, position: Array, deals: int, settings: Settings, years: int) -> Array:
    """The working day at each position, from 0 to 1, in the CRM's creations. Days differ by about as much as Poisson counts do."""
    workdays = np.arange(days(date(crm.AS_OF.year - years + 1, 1, 1)), days(crm.AS_OF) + 1)
    workdays = workdays[weekday(workdays) < 5]
    spread = (len(workdays) / deals) ** 0.5
    weight = settings.growth ** ((workdays - workdays[0]) / 365.25) * (1 + settings.volume_season * season(workdays))
    weight *= np.maximum(1 + spread * normal(Draws(seed, "day", workdays).random(len(workdays))), 0)
    upper = np.cumsum(weight)
    return workdays[np.minimum(np.searchsorted(upper / upper[-1], position, side="right"), len(workdays) - 1)]


def territory(region: Array, settings: Settings) -> tuple[Array, Array]:
    """First rep, and number of reps, that sell to each deal's region."""
    if not settings.territories:
        return np.zeros(len(region), np.int64), np.full(len(region), settings.reps)
    count = np.bincount(settings.staff().team[: settings.reps], minlength=len(REGIONS))
    return (np.cumsum(count) - count)[region], count[region]


def draw_account(draws: Draws, settings: Settings) -> tuple[dict[str, Array], Array]:
    """What the deals of an account share: industry, region and rep, and its own log odds in standard deviations."""
    n = len(draws.row)
    segments = {name: pick(draws.random(n), SHARES[name]) for name in ("industry", "region")}
    first, count = territory(segments["region"], settings)
    segments["sales_rep"] = first + (draws.random(n) * count).astype(np.int64)
    return segments, normal(draws.random(n))


def normal(uniform: Array) -> Array:
    return np.interp(uniform, LEVELS, NORMAL)


def draw_amounts(uniform: Array, settings: Settings) -> Array:
    body = MEDIAN_AMOUNT * np.exp(settings.amount_spread * normal(np.minimum(uniform, 1 - TAIL_SHARE)))
    tail = (TAIL_SHARE / np.minimum(1 - uniform, TAIL_SHARE)) ** (1 / settings.amount_tail)
    return np.clip(np.rint(body * tail), LEAST_AMOUNT, MOST_AMOUNT).astype(np.int64)


def win_chances(segments: dict[str, Array], settings: Settings) -> Array:
    """The true chance of each deal to be won. A planted segment differs by its points from all other deals."""
    chance = np.full(len(segments["amount"]), settings.win_rate)
    for column, value, points in settings.planted:
        name = "sales_rep" if column == "sales_rep_id" else column
        chance += points * (segments[name] == settings.words()[name].index(value))
    return chance


@cache
def average_chances(account_sd: float) -> tuple[Array, Array]:
    """Log odds, and the average chance over accounts that differ by `account_sd` about them."""
    log_odds = np.linspace(-8 - 3 * account_sd, 8 + 3 * account_sd, 801)
    return log_odds, (1 / (1 + np.exp(-log_odds[:, None] - account_sd * NORMAL[5::10]))).mean(axis=1)


def chance_of_account(chance: Array, effect: Array, account_sd: float) -> Array:
    """The chance in an account of this effect, which over all accounts is `chance` on average."""
    if not account_sd:
        return chance
    log_odds, average = average_chances(account_sd)
    return 1 / (1 + np.exp(-np.interp(chance, average, log_odds) - account_sd * effect))


@cache
def exit_shares() -> Array:
    """Shares of the exits given the outcome: has moved back before or not x lost or won x stage x exit."""
    returned = np.where(np.arange(4) == BACK, 0, EXIT_SHARES)
    returned /= returned.sum(axis=1, keepdims=True)
    wins = np.zeros((2, len(EXIT_SHARES) + 1))  # the chance to win on entry of a stage
    for moved_back, shares in ((1, returned), (0, EXIT_SHARES)):
        for stage in reversed(range(len(EXIT_SHARES))):
            wins[moved_back, stage] = shares[stage] @ [wins[moved_back, stage + 1], wins[1, stage - 1], 1, 0]
    found = np.empty((2, 2, *EXIT_SHARES.shape))
    for moved_back, shares in enumerate((EXIT_SHARES, returned)):
        now, on, back = wins[moved_back, :-1], wins[moved_back, 1:], wins[1, np.arange(4) - 1]
        then = np.stack([on, back, np.ones(4), np.zeros(4)], axis=1)
        found[moved_back, 0] = shares * (1 - then) / (1 - now[:, None])
        found[moved_back, 1] = shares * then / now[:, None]
    return np.round(found, 12)


@cache
def mean_days(won: bool) -> Array:
    """Days that deals of an outcome spend on average in visits that end by each exit."""
    shares = exit_shares()[:, int(won)]
    visits = np.zeros((2, len(EXIT_SHARES)))
    visits[0, 0] = 1
    total = np.zeros(4)
    for _ in range(VISITS):
        left = visits[:, :, None] * shares
        total += (left * EXIT_DAYS).sum(axis=(0, 1))
        visits = np.zeros_like(visits)
        visits[:, 1:] += left[:, :-1, ON]
        visits[1, :-1] += left[:, 1:, BACK].sum(axis=0)
    return total


def loss_stretch(settings: Settings) -> float:
    """What the days to a loss are multiplied by, so that lost deals take `loss_length` times as long as won ones: those, too, that would have
    been won but for the season, and take as long as won ones."""
    turned = settings.season / (1 - settings.win_rate)
    ratio = (settings.loss_length - turned) / (1 - turned)
    *before, _, loss = mean_days(False)
    return float((ratio * mean_days(True).sum() - sum(before)) / loss)


def draw_path(draws: Draws, created_at: Array, won: Array, stretch: float) -> tuple[Array, Array, Array]:
    """Moments at which stages are entered, the stages, n x VISITS, and the end of the last one."""
    n, outcome = len(won), won.astype(np.int64)
    upper = np.cumsum(exit_shares(), axis=-1).round(12)[..., :-1]
    mean = EXIT_DAYS * np.where(np.arange(4) == EXIT_LOST, stretch, 1) * DAY * np.exp(-(EXIT_SPREADS**2) / 2)
    entered_at, stages = np.full((n, VISITS), NEVER), np.zeros((n, VISITS), np.int64)
    at, stage, moved_back, inside = created_at.copy(), np.zeros(n, np.int64), np.zeros(n, np.int64), np.ones(n, bool)
    for visit in range(VISITS):
        entered_at[inside, visit], stages[:, visit] = at[inside], stage
        way = (draws.random(n)[:, None] >= upper[moved_back, outcome, stage]).sum(axis=1)
        stay = mean[stage, way] * np.exp(EXIT_SPREADS[way] * normal(draws.random(n)))
        at += np.where(inside, stay, 0).astype(np.int64)
        inside &= way <= BACK
        stage = stage + (inside & (way == ON)) - (inside & (way == BACK))
        moved_back |= inside & (way == BACK)
    return entered_at, stages, at


def quarter_end(day: Array) -> Array:
    quarter = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) // 3
    return ((quarter + 1) * 3).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) - 1


def draw_close(draws: Draws, at: Array, waiting: float) -> Array:
    """The close on a working day, that of a waiting deal on one of the last five of the quarter. It never comes earlier."""
    n = len(at)
    day = at // DAY
    day += np.where(weekday(day) > 4, 7 - weekday(day), 0)
    last = quarter_end(day)
    waits = (last - day < QUARTER_END_DAYS) & (draws.random(n) < waiting)
    last -= np.maximum(weekday(last) - 4, 0)
    back = (draws.random(n) * LAST_WORKDAYS).astype(np.int64)
    target = last - back - 2 * (weekday(last) < back)
    return np.where(waits, np.maximum(day, target), day) * DAY + at % DAY


def points_lost(day: Array, settings: Settings) -> Array:
    """By how much deals that close on a day win less than at the peak of the season."""
    points = settings.season * (1 - season(day))
    for first, last, fall in settings.falls:
        points += fall * ((day >= days(first)) & (day <= days(last)))
    return points


def draw_rewritten(draws: Draws, segments: dict[str, Array], won: Array, settings: Settings) -> tuple[dict[str, Array], dict[str, Array]]:
    """Segments as the file has them while a deal is open, and once it is closed, where they are otherwise than in truth."""
    uniform = draws.random((len(won), len(REWRITES)))
    while_open, once_closed = {}, {}
    if "lead_source" in settings.rewritten:
        rewrites = won & (uniform[:, 0] < REWRITTEN_SHARE)
        once_closed["lead_source"] = np.where(rewrites, LEAD_SOURCES.index(REWRITTEN_SOURCE), segments["lead_source"])
    if "sales_rep_id" in settings.rewritten:
        once_closed["sales_rep"] = np.where(~won & (uniform[:, 1] < HOUSE_SHARE), settings.reps, segments["sales_rep"])
    if "industry" in settings.rewritten:
        blank = uniform[:, 2] < BLANK_SHARE
        while_open["industry"] = np.where(blank, len(INDUSTRIES), segments["industry"])
        once_closed["industry"] = np.where(blank & ~won, len(INDUSTRIES), segments["industry"])
    return while_open, once_closed


def draw_lives(seed: int, deals: int, start: int, stop: int, settings: Settings, years: int) -> Lives:
    """Deals `start` to `stop` (from 0) of a CRM of `deals`, with their histories."""
    drawn = draw_deals(seed, deals, settings, years, start, stop)
    n = len(drawn.number)
    draws = Draws(seed, "history", drawn.number)
    closed_at = np.where(drawn.closed_day < FAR_DAY, drawn.ended_at, NEVER)
    life = drawn.ended_at - drawn.created_at
    event_at, event_stage = np.full((n, EVENTS), NEVER), np.zeros((n, EVENTS), np.int64)
    event_at[:, :VISITS], event_stage[:, :VISITS] = drawn.entered_at, drawn.stage
    event_at[:, VISITS], event_stage[:, VISITS] = closed_at, np.where(drawn.won, crm.WON, crm.LOST)
    event_at, event_stage = crm.in_order(event_at, event_stage)
    amount_at, amount = crm.draw_edits(draws, drawn.created_at, life, drawn.segments["amount"])
    expected_at, expected_day = crm.draw_pushes(draws, drawn.created_day, drawn.created_at, drawn.ended_at // DAY)
    owner_at, owner = draw_owners(draws, drawn, closed_at, life, settings)
    gaps = (4 + 20 * draws.random((n, ACTIVITIES))) * DAY
    activity_at = drawn.created_at[:, None] + np.cumsum(gaps, axis=1).astype(np.int64)
    return Lives(
        words=settings.words(),
        number=drawn.number,
        account=drawn.account,
        created_day=drawn.created_day,
        closed_day=drawn.closed_day,
        created_at=drawn.created_at,
        closed_at=np.minimum(closed_at, FAR_DAY * DAY),
        segments=drawn.segments,
        won=drawn.won,
        event_at=event_at,
        event_stage=event_stage,
        amount_at=amount_at,
        amount=amount,
        expected_at=expected_at,
        expected_day=expected_day,
        owner_at=owner_at,
        owner=owner,
        activity_at=np.where(activity_at < drawn.ended_at[:, None], activity_at, NEVER),
        activity=pick(draws.random((n, ACTIVITIES)), crm.SHARES["activity"]),
        has_history=np.ones(n, bool),
        starts_late=np.zeros(n, bool),
        lost_reason=pick(draws.random(n), crm.SHARES["lost_reason"]),
        competitor=pick(draws.random(n), crm.SHARES["competitor"]),
        while_open=drawn.while_open,
        once_closed=drawn.once_closed,
    )


def draw_owners(draws: Draws, drawn: Deals, closed_at: Array, life: Array, settings: Settings) -> tuple[Array, Array]:
    """As in `tools/crm.py`, within the territory; at the close the house may take over: n x 3."""
    owner = drawn.segments["sales_rep"]
    at, owners = crm.draw_owners(draws, drawn.created_at, life, owner, *territory(drawn.segments["region"], settings))
    last = drawn.once_closed.get("sales_rep", owner)
    return np.column_stack([at, np.where(last == owner, NEVER, closed_at)]), np.column_stack([owners, last])

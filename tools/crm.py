"""A CRM that never was: the lives of deals, with effects planted on purpose so that every mart has something true to find.

A deal is created on a working day. Its segments, its amount and its length (5 to 177 days, 60 on average) are drawn apart
from each other. Whether it is won is drawn with a chance that is a plain sum of points, then the path through the stages is laid
inside its length. So each effect below is a difference between true win rates, and the length of a deal says next to nothing about
its outcome (but for the one planted cycle gap): the first and last months are not odd.

What `PLANTED` holds, in points of win rate unless it says otherwise:
- `lead_source`: Referral wins 14 points more than any other source.
- `size_band`: deals of more than 15,000 and up to 30,000 win 13 points more than the others.
- `reps`: R07 wins 20 points less and R14 20 points more than the other eighteen. They share a team, so teams do not differ.
- `bad_quarter`: what closes in the second quarter of the last year wins 15 points less. It is execution: the losses come
  late, in Negotiation, and every segment has the same share of them.
- `lost_in`: where deals are lost. Proposal leaks: of the deals that reach it, it loses at least `leak_points` (12) more than any other
  stage loses of its own.
- `arrival_of_lost`: aging hurts. A deal that will be lost reaches its last stage in 55 % of the usual time and then sits
  there. In every stage a visit of more than `AGING_DAYS` (21) wins at least `aging_points` (12) less than a shorter one.
- `lingering_days`: a lost deal runs 3 days longer, an Enterprise one 17. As actions save deals that have run long, the median
  lost deal takes `cycle_gap_days` (14) longer than the won one in Enterprise, and as long in the other products.
- `competitor`: Cobalt is met in 15 % of the deals, and they win 15 points less. Who competes is recorded when the deal closes.
- `growing_reason`: of what is lost from the first day of the last year on, Price is the reason of 12 points more than before.
- `rescue`: a deal that has sat in one stage for 21 days is offered an action, unless it is in the hold-out (the first eight hex digits
  of the md5 of its id, modulo 100, below `HOLDOUT_PERCENT`) or has moved back before. Seven in ten offers are taken up, if the
  deal lives four more days. A taken action turns 25 % of the deals that would have been lost: about 17 points.
- `uptake`: the share of offers taken up in deals that would be lost, and that would be won. Here the same; where they differ, reps act on what
  no score knows, and deals acted on differ from others by more than the action.

`NO_EFFECTS` is the null CRM: every deal wins with the same chance, whatever its segment, amount, stage, age, length, quarter or
actions. There deals are won and lost from any stage alike.

Neither planted nor hidden: skipped stages, moves back, repeated rows, reopenings, pushes, edits of the amount, changes of owner, and activities
are drawn apart from the outcome. All draws are uniform numbers looked up in tables, so that a seed gives the same
lives on every machine and with every numpy.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import date
from statistics import NormalDist
from typing import ClassVar, Protocol

import numpy as np
from numpy import ndarray as Array

DAY = 86_400
AS_OF = date(2025, 12, 31)
AGING_DAYS = 21
HOLDOUT_PERCENT = 20
NEVER = np.iinfo(np.int64).max

STAGES = ("Qualified", "Demo", "Proposal", "Negotiation", "Closed Won", "Closed Lost")
LAST_OPEN, WON, LOST = 3, 4, 5
STAGE_TIME = (0.18, 0.17, 0.30, 0.35)
INDUSTRIES = ("Software", "Manufacturing", "Healthcare", "Retail", "Finance")
REGIONS = ("North America", "EMEA", "APAC", "LATAM")
PRODUCTS = ("Starter", "Team", "Enterprise")
LEAD_SOURCES = ("Inbound", "Outbound", "Partner", "Referral")
REPS = tuple(f"R{number:02d}" for number in range(1, 21))
TEAMS = ("North", "East", "South", "West")
LOST_REASONS = ("Price", "Competitor", "No decision", "Timing")
COMPETITORS = ("Bluebird", "Cobalt", "Heron", None)
ACTIONS = ("confirm_need", "repeat_demo", "call_sponsor", "involve_executive")
SHARES = {
    "industry": (0.28, 0.22, 0.20, 0.17, 0.13),
    "region": (0.36, 0.30, 0.20, 0.14),
    "product_type": (0.40, 0.35, 0.25),
    "lead_source": (0.35, 0.27, 0.18, 0.20),
    "sales_rep": (0.05,) * 20,
    "edits": (0.81, 0.15, 0.04),
    "activity": (0.45, 0.35, 0.20),
    "lost_reason": (0.30, 0.25, 0.28, 0.17),
    "competitor": (0.20, 0.15, 0.10, 0.55),
}
LENGTH_DAYS = (5, 160)
MEDIAN_AMOUNT, AMOUNT_SPREAD, LEAST_AMOUNT, MOST_AMOUNT = 11_000, 0.85, 2_000, 120_000
# Of the deals that would be lost, the share in which an action is taken, by product. Measured over 5 million deals; with it the
# planted points hold after the actions.
ACTED_SHARE_OF_LOST = np.array([0.444, 0.444, 0.510])


@dataclass(frozen=True)
class Effects:
    """What is planted; the docstring of this module says what each means."""

    base_rate: float
    lead_source: tuple[str, float]
    size_band: tuple[int, int, float]
    reps: dict[str, float]
    bad_quarter: tuple[date, date, float]
    lost_in: tuple[float, ...]
    won_in: tuple[float, ...]
    leak_points: float
    arrival_of_lost: float
    aging_points: float
    lingering_days: tuple[int, ...]
    cycle_gap_days: tuple[int, ...]
    rescue: float
    uptake: tuple[float, float]
    competitor: tuple[str, float]
    growing_reason: tuple[str, date, float]

    kind: ClassVar[str] = "demo"

    def words(self) -> dict[str, tuple]:
        return WORDS

    def draw_lives(self, seed: int, deals: int, start: int, stop: int, years: int) -> "Lives":
        return draw_lives(seed, deals, start, stop, self, years)

    def staff(self) -> "Staff":
        """Five reps a team, in the order of their ids: R06 to R10 are one team. The two who differ are made colleagues."""
        team = np.arange(len(REPS)) // 5
        team[[REPS.index("R09"), REPS.index("R14")]] = team[[REPS.index("R14"), REPS.index("R09")]]
        return Staff(REPS, TEAMS, team)

    def won_amount(self, deals: int) -> float:
        """About what so many deals bring in."""
        return deals * NO_EFFECTS.base_rate * 16_000


PLANTED = Effects(
    base_rate=0.38,
    lead_source=("Referral", 0.14),
    size_band=(15_000, 30_000, 0.13),
    reps={"R07": -0.20, "R14": 0.20},
    bad_quarter=(date(2025, 4, 1), date(2025, 6, 30), -0.15),
    lost_in=(0.30, 0.15, 0.41, 0.14),
    won_in=(0.0, 0.0, 0.0, 1.0),
    leak_points=0.12,
    arrival_of_lost=0.55,
    aging_points=0.12,
    lingering_days=(3, 3, 17),
    cycle_gap_days=(0, 0, 14),
    rescue=0.25,
    uptake=(0.7, 0.7),
    competitor=("Cobalt", -0.15),
    growing_reason=("Price", date(2025, 1, 1), 0.12),
)
NO_EFFECTS = Effects(
    base_rate=0.42,
    lead_source=("Referral", 0.0),
    size_band=(15_000, 30_000, 0.0),
    reps={},
    bad_quarter=(date(2025, 4, 1), date(2025, 6, 30), 0.0),
    lost_in=(0.17, 0.09, 0.24, 0.50),
    won_in=(0.17, 0.09, 0.24, 0.50),
    leak_points=0.0,
    arrival_of_lost=1.0,
    aging_points=0.0,
    lingering_days=(0, 0, 0),
    cycle_gap_days=(0, 0, 0),
    rescue=0.0,
    uptake=(0.7, 0.7),
    competitor=("Cobalt", 0.0),
    growing_reason=("Price", date(2025, 1, 1), 0.0),
)


WORDS = {
    "industry": INDUSTRIES,
    "region": REGIONS,
    "product_type": PRODUCTS,
    "lead_source": LEAD_SOURCES,
    "sales_rep": REPS,
    "lost_reason": LOST_REASONS,
    "competitor": COMPETITORS,
}


class Random(Protocol):
    """What a random generator of numpy is asked for here."""

    def random(self, size: int | tuple[int, ...]) -> Array: ...


@dataclass(frozen=True)
class Staff:
    """The reps of a CRM; `team` holds an index into `teams` of each, and one past the end for a rep without a team."""

    reps: tuple[str, ...]
    teams: tuple[str, ...]
    team: Array


@dataclass(frozen=True)
class Lives:
    """The whole lives of `n` deals, beyond the as-of date too. Days count from 1970-01-01, times are seconds from then on a clock of
    24 hours, text is an index into `words`; matrices have one row a deal, and their unused cells hold `NEVER`."""

    words: dict[str, tuple]
    number: Array  # 1, 2, ... in order of creation
    account: Array
    created_day: Array
    closed_day: Array
    created_at: Array
    closed_at: Array
    segments: dict[str, Array]
    won: Array
    event_at: Array  # n x 8, in order of time: stages entered, the close last
    event_stage: Array
    amount_at: Array  # n x 3: creation, then edits
    amount: Array
    expected_at: Array  # n x 5: creation, then pushes
    expected_day: Array
    owner_at: Array  # creation, then changes of owner
    owner: Array
    activity_at: Array  # n x the most activities of a deal
    activity: Array
    has_history: Array
    starts_late: Array
    lost_reason: Array
    competitor: Array
    # Of a kind with actions:
    flagged_at: Array | None = None  # the first 21 days in one stage, of held-out deals too
    action_at: Array | None = None
    action: Array | None = None
    rescued: Array | None = None  # won, and lost without the action
    # Segments that the file holds otherwise than they are:
    while_open: dict[str, Array] = field(default_factory=dict)
    once_closed: dict[str, Array] = field(default_factory=dict)


def recorded(name: str, closed: Array, segments: dict[str, Array], while_open: dict[str, Array], once_closed: dict[str, Array]) -> Array:
    """A segment as the file holds it, of deals that are closed or not."""
    value = segments[name]
    return np.where(closed, once_closed.get(name, value), while_open.get(name, value))


def days(day: date) -> int:
    return (day - date(1970, 1, 1)).days


CUT = days(AS_OF) * DAY + DAY - 1  # the last second that is known


def weekday(day: Array) -> Array:
    """0 is Monday; day 0, 1970-01-01, was a Thursday."""
    return (day + 3) % 7


def pick(uniform: Array, shares: tuple[float, ...]) -> Array:
    return np.searchsorted(np.cumsum(shares)[:-1], uniform, side="right")


def draw_lengths(uniform: Array) -> Array:
    """Days from creation to close: a Beta(2, 4) shape over `LENGTH_DAYS`, so that there is a longest deal."""
    length = np.arange(LENGTH_DAYS[0], LENGTH_DAYS[1] + 1)
    x = (length - LENGTH_DAYS[0] + 0.5) / len(length)
    shape = x * (1 - x) ** 3
    return length[pick(uniform, tuple(shape / shape.sum()))]


def draw_amounts(uniform: Array) -> Array:
    """Whole units of currency: log-normal between the least and the most amount, by its quantile table."""
    normal = NormalDist(np.log(MEDIAN_AMOUNT), AMOUNT_SPREAD)
    low, high = normal.cdf(np.log(LEAST_AMOUNT)), normal.cdf(np.log(MOST_AMOUNT))
    level = np.linspace(0, 1, 2001)
    quantile = np.exp([normal.inv_cdf(low + (high - low) * at) for at in level])
    return np.rint(np.interp(uniform, level, quantile)).astype(np.int64)


def in_holdout(deal_ids: list[str]) -> Array:
    """Whether the deal is never offered an action; the same in SQL: ('0x' || substr(md5(deal_id), 1, 8))::bigint % 100 < 20."""
    return np.array([int(hashlib.md5(each.encode()).hexdigest()[:8], 16) % 100 < HOLDOUT_PERCENT for each in deal_ids], dtype=bool)


def win_chances(segments: dict[str, Array], effects: Effects) -> Array:
    """The true chance of each deal to be won, actions included, outside the bad quarter."""
    low, high, points = effects.size_band
    chance = np.full(len(segments["amount"]), effects.base_rate)
    chance += points * ((segments["amount"] > low) & (segments["amount"] <= high))
    chance += effects.lead_source[1] * (segments["lead_source"] == LEAD_SOURCES.index(effects.lead_source[0]))
    for rep, rep_points in effects.reps.items():
        chance += rep_points * (segments["sales_rep"] == REPS.index(rep))
    return chance


def deal_id_width(deals: int) -> int:
    return max(7, len(str(deals)))


def draw_lives(seed: int, deals: int, start: int, stop: int, effects: Effects, years: int) -> Lives:
    """Deals `start` to `stop` (from 0) of a CRM of `deals`. The stream of random numbers is that of the seed and of `start`."""
    rng = np.random.Generator(np.random.PCG64([seed, start]))
    n = stop - start

    def uniform(*columns: int) -> Array:
        return rng.random((n, *columns))

    segments = {name: pick(uniform(), SHARES[name]) for name in ("industry", "region", "product_type", "lead_source", "sales_rep")}
    segments["amount"] = draw_amounts(uniform())
    chance = win_chances(segments, effects)

    # The fate before any action, and the stage the deal closes from.
    rescued_share = effects.rescue * ACTED_SHARE_OF_LOST[segments["product_type"]]
    won = uniform() < (chance - rescued_share) / (1 - rescued_share)
    exit_draw = uniform()
    last_stage = np.where(won, pick(exit_draw, effects.won_in), pick(exit_draw, effects.lost_in))

    # From the first to the last moment: evenly over the working days, closed on a working day too (the Friday before).
    workdays = np.arange(days(date(AS_OF.year - years + 1, 1, 1)), days(AS_OF) + 1)
    workdays = workdays[weekday(workdays) < 5]
    position = (np.arange(start, stop) + uniform()) / deals * len(workdays)
    created_day = workdays[np.minimum(position.astype(np.int64), len(workdays) - 1)]
    closed_day = created_day + draw_lengths(uniform()) + np.array(effects.lingering_days)[segments["product_type"]] * ~won
    closed_day -= np.maximum(weekday(closed_day) - 4, 0)
    created_at = created_day * DAY + (uniform() * DAY).astype(np.int64)
    closed_at = closed_day * DAY + (uniform() * DAY).astype(np.int64)
    life = closed_at - created_at

    # When each stage is entered: shares of the life, the skipped stage (Demo or Proposal, in 8 % of deals) taking none.
    weight = np.array(STAGE_TIME) * (0.4 + 1.2 * uniform(4))
    skip_draw = uniform()
    skipped = np.where(skip_draw < 0.05, 1, np.where(skip_draw < 0.08, 2, -1))
    skipped = np.where(skipped < last_stage, skipped, -1)
    weight[np.arange(4) == skipped[:, None]] = 0
    begin = np.cumsum(weight, axis=1)
    begin = np.hstack([np.zeros((n, 1)), begin[:, :3] / begin[:, 3:]])
    begin[~won] *= effects.arrival_of_lost
    entered_at = created_at[:, None] + (begin * life[:, None]).astype(np.int64)

    # Actions: offered once a deal has sat in a stage for 21 days.
    moves_back = (uniform() < 0.06) & (last_stage > 0)
    reopens = (uniform() < 0.015) & ~moves_back
    uptake = np.array(effects.uptake)[won.astype(int)]
    flagged_at, action_at, action, taken = draw_actions(rng, entered_at, closed_at, last_stage, moves_back | reopens, uptake, start, deals)
    rescued = taken & ~won & (uniform() < effects.rescue)
    later = np.arange(4) > action[:, None]
    restart = (np.arange(4) - action[:, None] - 0.5 * uniform(4)) / (4 - action[:, None])
    restart = action_at[:, None] + (restart * (closed_at - action_at)[:, None]).astype(np.int64)
    entered_at = np.where(rescued[:, None] & later, restart, entered_at)
    last_stage = np.where(rescued, LAST_OPEN, last_stage)
    skipped = np.where(rescued & (skipped > action), -1, skipped)
    won |= rescued

    first_day, last_day, points = effects.bad_quarter
    in_bad_quarter = (closed_day >= days(first_day)) & (closed_day <= days(last_day))
    won &= ~(in_bad_quarter & (uniform() < -points / chance))

    event_at, event_stage = draw_events(rng, entered_at, closed_at, last_stage, skipped, won, moves_back, reopens)
    amount_at, amount = draw_edits(rng, created_at, life, segments["amount"])
    expected_at, expected_day = draw_pushes(rng, created_day, created_at, closed_day)
    owner_at, owner = draw_owners(rng, created_at, life, segments["sales_rep"], 0, len(REPS))

    # One to five activities, spread over the life.
    count = 1 + (5 * uniform()).astype(np.int64)[:, None]
    share = (np.arange(5) + uniform(5)) / count
    activity_at = np.where(np.arange(5) < count, created_at[:, None] + (share * life[:, None]).astype(np.int64), NEVER)

    has_history = uniform() >= 0.01
    number = np.arange(start + 1, stop + 1)
    return Lives(
        words=WORDS,
        number=number,
        account=number * 7_919 % max(1, n // 2) + 1,
        created_day=created_day,
        closed_day=closed_day,
        created_at=created_at,
        closed_at=closed_at,
        segments=segments,
        won=won,
        event_at=event_at,
        event_stage=event_stage,
        amount_at=amount_at,
        amount=amount,
        expected_at=expected_at,
        expected_day=expected_day,
        owner_at=owner_at,
        owner=owner,
        flagged_at=flagged_at,
        action_at=np.where(taken, action_at, NEVER),
        action=action,
        rescued=rescued & won,
        activity_at=activity_at,
        activity=pick(uniform(5), SHARES["activity"]),
        has_history=has_history,
        starts_late=uniform() < 0.02,
        lost_reason=draw_lost_reasons(uniform(), closed_day, effects),
        competitor=draw_competitors(uniform(), won, effects),
    )


def draw_lost_reasons(uniform: Array, closed_day: Array, effects: Effects) -> Array:
    """What grows takes from the other reasons in proportion."""
    reason, since, points = effects.growing_reason
    before = np.array(SHARES["lost_reason"])
    grown = np.arange(len(before)) == LOST_REASONS.index(reason)
    share = before[grown][0]
    after = np.where(grown, share + points, before * (1 - share - points) / (1 - share))
    return np.where(closed_day >= days(since), pick(uniform, tuple(after)), pick(uniform, tuple(before)))


def draw_competitors(uniform: Array, won: Array, effects: Effects) -> Array:
    """Drawn after the outcome, by Bayes' rule, so that deals with the competitor win so many points less than all others."""
    competitor, points = effects.competitor
    shares = np.array(SHARES["competitor"])
    met = np.arange(len(shares)) == COMPETITORS.index(competitor)
    share, rate = shares[met][0], NO_EFFECTS.base_rate

    def shares_if(points_per_rate: float) -> tuple[float, ...]:
        met_share = share * (1 + (1 - share) * points_per_rate)
        return tuple(np.where(met, met_share, shares * (1 - met_share) / (1 - share)))

    return np.where(won, pick(uniform, shares_if(points / rate)), pick(uniform, shares_if(-points / (1 - rate))))


def draw_actions(
    rng: Random, entered_at: Array, closed_at: Array, last_stage: Array, moved_back: Array, uptake: Array, start: int, deals: int
) -> tuple[Array, Array, Array, Array]:
    """The moment of 21 days in one stage, the moment an action would be taken, the stage it is taken in, and whether it is: not held out,
    taken up."""
    n = len(closed_at)
    stage = np.arange(4)
    left_at = np.where(stage < last_stage[:, None], np.hstack([entered_at[:, 1:], closed_at[:, None]]), closed_at[:, None])
    sits = (left_at - entered_at > AGING_DAYS * DAY) & (stage <= last_stage[:, None])
    where = np.argmax(sits, axis=1)
    flagged_at = entered_at[np.arange(n), where] + AGING_DAYS * DAY
    is_flagged = sits.any(axis=1)
    offered = is_flagged & ~moved_back
    flagged = np.flatnonzero(offered)
    width = deal_id_width(deals)
    offered[flagged] = ~in_holdout([f"D{number:0{width}d}" for number in flagged + start + 1])
    taken = offered & (rng.random(n) < uptake) & (closed_at - flagged_at >= 4 * DAY)
    return np.where(is_flagged, flagged_at, NEVER), flagged_at + (2 * DAY * rng.random(n)).astype(np.int64), where, taken


def draw_events(
    rng: Random, entered_at: Array, closed_at: Array, last_stage: Array, skipped: Array, won: Array, moves_back: Array, reopens: Array
) -> tuple[Array, Array]:
    """Stages entered and the close, in order: n x 8. 6 % go back a stage and return, 1.5 % are closed as lost and reopened, 6 % have
    a repeated row, all inside the visit of the last stage."""
    n = len(closed_at)
    row = np.arange(n)
    stage = np.arange(4)
    at = np.full((n, 8), NEVER)
    to = np.zeros((n, 8), dtype=np.int64)
    at[:, :4] = np.where((stage <= last_stage[:, None]) & (stage != skipped[:, None]), entered_at, NEVER)
    to[:, :4] = stage
    begin = entered_at[row, last_stage]
    stay = closed_at - begin
    turns = moves_back | reopens
    at[:, 4] = np.where(turns, begin + (stay * 0.35).astype(np.int64), NEVER)
    to[:, 4] = np.where(reopens, LOST, last_stage - 1)
    at[:, 5] = np.where(turns, begin + (stay * 0.6).astype(np.int64), NEVER)
    to[:, 5] = last_stage
    # Lost before the as-of date and reopened after it would be a closed deal of the export: such a deal has no turn.
    at[reopens & (at[:, 4] <= CUT) & (at[:, 5] > CUT), 4:6] = NEVER
    at[:, 6] = np.where(rng.random(n) < 0.06, begin + (stay * 0.2).astype(np.int64), NEVER)
    to[:, 6] = last_stage
    at[:, 7] = closed_at
    to[:, 7] = np.where(won, WON, LOST)
    return in_order(at, to)


def in_order(at: Array, to: Array) -> tuple[Array, Array]:
    """Each row's moments from the first to the last, unused cells at the end, and what came at each."""
    order = np.argsort(at, axis=1, kind="stable")
    return np.take_along_axis(at, order, axis=1), np.take_along_axis(to, order, axis=1)


def draw_edits(rng: Random, created_at: Array, life: Array, amount: Array) -> tuple[Array, Array]:
    """Up to two edits of the amount, which ends at `amount`: moments and values, n x 3."""
    n = len(amount)
    count = pick(rng.random(n), SHARES["edits"])[:, None]
    at = created_at[:, None] + ((np.array([0.15, 0.55]) + 0.3 * rng.random((n, 2))) * life[:, None]).astype(np.int64)
    before = np.rint(amount[:, None] * (0.8 + 0.4 * rng.random((n, 2)))).astype(np.int64)
    before += before == amount[:, None]
    at = np.where(np.arange(2) < count, at, NEVER)
    first = np.where(count[:, 0] == 0, amount, before[:, 0])
    second = np.where(count[:, 0] == 2, before[:, 1], amount)
    second += (second == first) & (count[:, 0] == 2)
    return np.column_stack([created_at, at]), np.column_stack([first, second, amount])


def draw_pushes(rng: Random, created_day: Array, created_at: Array, closed_day: Array) -> tuple[Array, Array]:
    """The expected close date: 30 to 74 days ahead at first, pushed up to four times by 14 to 41 days when it comes near: n x 5."""
    n = len(created_day)
    at, expected = [created_at], [created_day + 30 + (45 * rng.random(n)).astype(np.int64)]
    pushed = np.ones(n, dtype=bool)
    for _ in range(4):
        day = expected[-1] - (5 * rng.random(n)).astype(np.int64)
        pushed &= (day < closed_day) & (rng.random(n) < 0.85)
        at.append(np.where(pushed, day * DAY + (rng.random(n) * DAY).astype(np.int64), NEVER))
        expected.append(expected[-1] + np.where(pushed, 14 + (28 * rng.random(n)).astype(np.int64), 0))
    return np.column_stack(at), np.column_stack(expected)


def draw_owners(rng: Random, created_at: Array, life: Array, owner: Array, first: int | Array, count: int | Array) -> tuple[Array, Array]:
    """The rep at creation and after the one change that 3 % of deals see, n x 2; a deal passes between `count` reps from `first` on."""
    n = len(owner)
    changes = (rng.random(n) < 0.03) & (np.asarray(count) > 1)
    before = first + (owner - first + 1 + (count - 1) * rng.random(n)).astype(np.int64) % count
    at = np.where(changes, created_at + ((0.1 + 0.8 * rng.random(n)) * life).astype(np.int64), NEVER)
    return np.column_stack([created_at, at]), np.column_stack([np.where(changes, before, owner), owner])

"""Columns that are rewritten at the close, on generated CRMs: are they found, and are honest ones left alone?

Files of the second generator in which lead sources and owners are overwritten at the close, or industries filled in at the win; honest ones with each of
its other presets, and with segments that win far more and less than the others; and files of the demo's kind. No column has a dated history.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from models.deals import int_rewritten_dimensions as tests
from tools import crm, process
from tools.simulations.settings import model_settings

SETTINGS = model_settings("int_rewritten_dimensions")
SIZES, YEARS = (1_350, 4_500), 2
# As int_deal_sightings and int_dimension_level_counts have them.
LIFE_QUANTILE, LIVES_AGO, DECADE_CELLS = 0.95, (1, 2, 3), 50
DIMENSIONS = ("industry", "region", "product_type", "lead_source", "sales_rep_id")


@dataclass(frozen=True)
class Kind:
    """CRMs of a process, or of the demo's kind, and the columns in them that are rewritten."""

    given: dict | None = field(default_factory=dict)
    rewritten: tuple[str, ...] = ()

    def draw(self, seed: int, deals: int) -> dict[str, np.ndarray]:
        """The deals as a file of the as-of date has them; see `process.deals_as_of`."""
        as_of = crm.days(crm.AS_OF)
        if self.given is not None:
            return process.deals_as_of(process.draw_deals(seed, deals, process.Settings(**self.given), YEARS), as_of)
        lives = crm.draw_lives(seed, deals, 0, deals, crm.PLANTED, YEARS)
        closed = lives.closed_day <= as_of
        columns = {"created_day": lives.created_day, "closed_day": np.where(closed, lives.closed_day, -1), "won": lives.won & closed}
        return {name: column[lives.created_day <= as_of] for name, column in (columns | lives.segments).items()}


STRONG = {"planted": (("lead_source", "Partner", 0.4), ("lead_source", "Outbound", -0.3))}
STRONG_REPS = {"planted": (("sales_rep_id", "R03", -0.32), ("sales_rep_id", "R05", 0.4))}
PRESETS = {name: given for name, (_, given) in process.PRESETS.items()}
KINDS = {name: Kind(given, given.get("rewritten", ())) for name, given in PRESETS.items()} | {
    "a source at 80 %, one at 10 % wins": Kind(STRONG),
    "the same, growing, late losses": Kind(STRONG | PRESETS["growing"] | PRESETS["late_losses"]),
    "a rep at 80 %, one at 8 % wins": Kind(STRONG_REPS),
    "the same, territories, accounts": Kind(STRONG_REPS | PRESETS["territories"] | PRESETS["accounts"]),
    "the demo's kind": Kind(None),
}


def count_cells(deals: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """What int_dimension_level_counts has of these deals: cells, counts and totals as in `judge`."""
    closed, created = deals["closed_day"] >= 0, deals["created_day"]
    life = np.quantile((deals["closed_day"] - created)[closed], LIFE_QUANTILE, method="inverted_cdf")
    until = np.where(closed, deals["closed_day"], np.inf)
    days = [crm.days(crm.AS_OF) - times * life for times in LIVES_AGO]
    then = np.any([(created <= day) & (until > day) for day in days], axis=0)
    groups = (then, ~closed, closed & deals["won"], closed & ~deals["won"])
    parts = [(name, deals["sales_rep" if name == "sales_rep_id" else name], False) for name in DIMENSIONS]
    parts.append(("deal_size_band", np.rint(DECADE_CELLS * np.log10(deals["amount"])).astype(int), True))
    cells: dict[str, list] = {"dimension": [], "level": [], "cell_order": []}
    counts = []
    for name, values, is_ordered in parts:
        levels, place = np.unique(values, return_inverse=True)
        cells["dimension"].append(np.full(len(levels), name, object))
        cells["level"].append(levels.astype(object))
        cells["cell_order"].append(levels.astype(float) if is_ordered else np.full(len(levels), np.nan))
        counts.append(np.column_stack([np.bincount(place, group, len(levels)) for group in groups]))
    totals = np.array([group.sum() for group in groups], float)
    return {name: np.concatenate(each) for name, each in cells.items()}, np.concatenate(counts), np.tile(totals, (sum(map(len, counts)), 1))


def flagged(seed: int, kind: Kind, deals: int) -> tuple[int, set[str]]:
    """Open deals of a file, and names of the dimensions that are flagged in it."""
    drawn = kind.draw(seed, deals)
    rows = tests.judge(*count_cells(drawn), SETTINGS)
    return int((drawn["closed_day"] < 0).sum()), {row["dimension"] for row in rows if row["may_be_rewritten_at_close"]}


def shares(files: int, seed: int, kind: Kind, deals: int, processes: int = 1) -> dict:
    """`found`, the share of files in which each rewritten column is; `others`, in which any other is flagged; `open_deals`, on average."""
    one = partial(flagged, kind=kind, deals=deals)
    seeds = range(seed + 1, seed + 1 + files)
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            rows = list(pool.map(one, seeds))
    else:
        rows = [one(each) for each in seeds]
    found = {column: float(np.mean([column in names for _, names in rows])) for column in kind.rewritten}
    others = float(np.mean([bool(names - set(kind.rewritten)) for _, names in rows]))
    return {"found": found, "others": others, "open_deals": float(np.mean([count for count, _ in rows]))}


def run(crms: int, seed: int, processes: int) -> str:
    """A Markdown table with a row per kind of CRM and size: `crms` files of each, seeds from `seed` on."""
    lines = [f"| {crms} files of each | deals | open deals | rewritten columns found | another column flagged |", f"|{' --- |' * 5}"]
    honest = []
    for name, kind in KINDS.items():
        for deals in SIZES:
            found = shares(crms, seed, kind, deals, processes)
            listed = ", ".join(f"{column} {100 * share:.0f} %" for column, share in found["found"].items())
            lines.append(f"| {name} | {deals:,} | {found['open_deals']:.0f} | {listed} | {100 * found['others']:.1f} % |")
            print(lines[-1], file=sys.stderr)
            honest += [] if kind.rewritten else [found["others"]]
    return "\n".join([*lines, f"| all honest files | | | | {100 * np.mean(honest):.1f} % |"])

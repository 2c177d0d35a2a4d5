"""Write a generated CRM of any size as CSV or Parquet: deals, stage and field history, activities, interventions, reps, quotas.

Of two kinds. The demo in `seeds/demo/` is seed 1 of the kind `demo` with 3,000 deals; the effects planted in it, and how a deal lives, are
in `tools/crm.py`. The kind `process` is different in kind, and nothing is planted in it unless asked for: `tools/process.py`. Deals
are made in chunks of 250,000, so that memory is bounded; the same seed, number of deals and years give the same bytes.

What every demo has, beside clean lives: 1 % of the deals have no stage history, 2 % have one that starts late (its first row is missing).

Dirty rows of a demo, left out with `--clean` and below 300 deals: one set for every 3,000 deals, at least one and at most six. A set holds
- accepted, and folded or completed: industries in capitals (3), regions in lower case (3), lead sources with spaces around them (3), blank
  product types (3): changed in place, in deals spread over the first chunk;
- at the end of the deals, quarantined or removed: two identical repeats of a deal, two rows of one new id that disagree about the
  amount, two blank ids, an unknown stage, a negative amount, an absurd amount (5,000,000,000), a close before the creation, an unknown
  outcome, a closed date without an outcome, a closed date in 2099; in CSV only, as no typed column can hold them, an unparsable date
  (2024-13-45) and a day-first date (31/12/2024);
- at the end of the stage history: two rows of a deal that does not exist, a row with an unknown stage; in CSV only, an unparsable moment.
No dirty row touches a real deal, so that the file without them is the clean file.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from tools import crm, process
from tools.crm import CUT, DAY, Lives, Staff
from tools.process import Plan, Settings

CHUNK = 250_000
MONEY, MOMENT = pa.decimal128(18, 2), pa.timestamp("us")

# As in the pipeline_stages seed.
STAGE_PROBABILITY = (0.10, 0.25, 0.50, 0.75, 1.0, 0.0)
FORECAST_CATEGORY = ("pipeline", "pipeline", "best_case", "commit", "closed", "omitted")
ACTIVITY_TYPES = ("email", "call", "meeting")
MANAGERS = ("Ines Alder", "Tomas Birk", "Ruth Cedar", "Omar Dorn")
FIRST_NAMES = "Ada Ben Cleo Dina Emil Fay Gus Hana Ivo Jana Kit Lea Max Nora Otto Pia Quin Rosa Sam Tess".split()
LAST_NAMES = "Ash Brook Croft Dale Field".split()

SCHEMAS = {
    "deals": {
        "deal_id": pa.string(),
        "deal_name": pa.string(),
        "account_id": pa.string(),
        "created_date": pa.date32(),
        "closed_date": pa.date32(),
        "sales_rep_id": pa.string(),
        "industry": pa.string(),
        "region": pa.string(),
        "product_type": pa.string(),
        "lead_source": pa.string(),
        "deal_stage": pa.string(),
        "deal_amount": MONEY,
        "sales_cycle_days": pa.int32(),
        "outcome": pa.string(),
        "expected_close_date": pa.date32(),
        "stage_probability": pa.float64(),
        "forecast_category": pa.string(),
        "lost_reason": pa.string(),
        "competitor": pa.string(),
        "updated_at": MOMENT,
    },
    "stage_history": {"deal_id": pa.string(), "stage": pa.string(), "entered_at": MOMENT},
    "field_history": {
        "deal_id": pa.string(),
        "field": pa.string(),
        "old_value": pa.string(),
        "new_value": pa.string(),
        "changed_at": MOMENT,
    },
    "activities": {"deal_id": pa.string(), "activity_type": pa.string(), "occurred_at": MOMENT, "sales_rep_id": pa.string()},
    "interventions": {"deal_id": pa.string(), "action_id": pa.string(), "taken_at": MOMENT, "taken_by": pa.string()},
    "reps": {"sales_rep_id": pa.string(), "name": pa.string(), "team": pa.string(), "manager": pa.string()},
    "quotas": {"sales_rep_id": pa.string(), "period_start": pa.date32(), "amount": MONEY},
}
SCHEMAS = {name: pa.schema(columns.items()) for name, columns in SCHEMAS.items()}


# Columns


def numbered(prefix: str, number: np.ndarray, width: int) -> pa.Array:
    """Text like D0000012, built as bytes: a string a row of Python would take most of the time."""
    size = width + 1
    text = np.empty((len(number), size), dtype=np.uint8)
    text[:, 0] = ord(prefix)
    text[:, 1:] = number[:, None] // 10 ** np.arange(width - 1, -1, -1) % 10 + ord("0")
    offsets = np.arange(len(number) + 1, dtype=np.int32) * size
    return pa.StringArray.from_buffers(len(number), pa.py_buffer(offsets), pa.py_buffer(text.tobytes()))


def words(values: tuple, index: np.ndarray) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(index))


def known_words(values: tuple, index: np.ndarray, known: np.ndarray) -> pa.Array:
    return words((*values, None), np.where(known, index, len(values)))


def dates(day: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
    return pa.array(day.astype(np.int32), pa.int32(), mask=None if known is None else ~known).view(pa.date32())


def office_seconds(at: np.ndarray) -> np.ndarray:
    """The clock of 24 hours squeezed into 8:00 to 18:00 of the same day, order kept."""
    return at - at % DAY + 8 * 3_600 + at % DAY * 5 // 12


def moments(at: np.ndarray) -> pa.Array:
    return pa.array(office_seconds(at) * 1_000_000, pa.int64()).view(MOMENT)


def money(amount: np.ndarray) -> pa.Array:
    return pa.array(amount, pa.int64()).cast(pa.decimal128(21, 2)).cast(MONEY)


def last_known(at: np.ndarray) -> np.ndarray:
    """Column of the last moment of each row that is known as of the cut; every row's first is."""
    return np.where(at <= CUT, np.arange(at.shape[1]), 0).max(axis=1)


def chosen(matrix: np.ndarray, column: np.ndarray) -> np.ndarray:
    return np.take_along_axis(matrix, column[:, None], axis=1)[:, 0]


# Tables, each of one chunk


def segment(lives: Lives, name: str, closed: np.ndarray) -> pa.Array:
    """As the file holds it, which may be otherwise while a deal is open, or once it is closed."""
    return words(lives.words[name], crm.recorded(name, closed, lives.segments, lives.while_open, lives.once_closed))


def deals_table(lives: Lives, deal_ids: pa.Array) -> pa.Table:
    closed = lives.closed_day <= crm.days(crm.AS_OF)
    stage = chosen(lives.event_stage, last_known(lives.event_at))
    known_moments = [lives.event_at, lives.amount_at, lives.expected_at, lives.owner_at, lives.activity_at]
    updated_at = np.max([np.where(at <= CUT, at, 0).max(axis=1) for at in known_moments], axis=0)
    account_ids = numbered("A", lives.account, crm.deal_id_width(0))
    products = segment(lives, "product_type", closed)
    lost = stage == crm.LOST
    columns = {
        "deal_id": deal_ids,
        "deal_name": pc.binary_join_element_wise(products, account_ids, " for "),
        "account_id": account_ids,
        "created_date": dates(lives.created_day),
        "closed_date": dates(lives.closed_day, closed),
        "sales_rep_id": words(lives.words["sales_rep"], chosen(lives.owner, last_known(lives.owner_at))),
        "industry": segment(lives, "industry", closed),
        "region": segment(lives, "region", closed),
        "product_type": products,
        "lead_source": segment(lives, "lead_source", closed),
        "deal_stage": words(crm.STAGES, stage),
        "deal_amount": money(chosen(lives.amount, last_known(lives.amount_at))),
        "sales_cycle_days": pa.array((lives.closed_day - lives.created_day).astype(np.int32), mask=~closed),
        "outcome": words(("Won", "Lost", None), np.where(closed, np.where(lives.won, 0, 1), 2)),
        "expected_close_date": dates(chosen(lives.expected_day, last_known(lives.expected_at))),
        "stage_probability": pa.array(np.array(STAGE_PROBABILITY)[stage]),
        "forecast_category": words(FORECAST_CATEGORY, stage),
        "lost_reason": known_words(lives.words["lost_reason"], lives.lost_reason, lost),
        "competitor": known_words(lives.words["competitor"], lives.competitor, closed),
        "updated_at": moments(updated_at),
    }
    return pa.table(columns, schema=SCHEMAS["deals"])


def stage_history_table(lives: Lives, deal_ids: pa.Array) -> pa.Table:
    known = lives.event_at <= CUT
    late = lives.starts_late & (known.sum(axis=1) > 1)
    known[late, 0] = False
    known[~lives.has_history] = False
    deal = np.nonzero(known)[0]
    columns = [deal_ids.take(pa.array(deal)), words(crm.STAGES, lives.event_stage[known]), moments(lives.event_at[known])]
    return pa.table(columns, schema=SCHEMAS["stage_history"])


def field_history_table(lives: Lives, deal_ids: pa.Array) -> pa.Table:
    """By deal, field and time. Values are looked up in one pool of text: amounts, then days, then reps. An unused cell holds what the one
    before it does."""
    amounts, amount = np.unique(lives.amount, return_inverse=True)
    first_day = int(lives.expected_day.min())
    day_text = [str(date(1970, 1, 1) + timedelta(day)) for day in range(first_day, int(lives.expected_day.max()) + 1)]
    pool = pa.concat_arrays([pa.array(amounts).cast(pa.string()), pa.array(day_text), pa.array(lives.words["sales_rep"])])
    moments_of = {"amount": lives.amount_at, "expected_close_date": lives.expected_at, "sales_rep_id": lives.owner_at}
    names = [name for name, at in moments_of.items() for _ in range(at.shape[1])]
    at = np.hstack(list(moments_of.values()))
    value = np.hstack([amount, lives.expected_day - first_day + len(amounts), lives.owner + len(amounts) + len(day_text)])
    creation = np.array([names.index(name) == column for column, name in enumerate(names)])
    previous = np.hstack([np.zeros((len(at), 1), dtype=np.int64), value[:, :-1]])
    known = at <= CUT
    deal, column = np.nonzero(known)
    columns = [
        deal_ids.take(pa.array(deal)),
        words(tuple(names), column),
        pool.take(pa.array(previous[known], mask=creation[column])),
        pool.take(pa.array(value[known])),
        moments(at[known]),
    ]
    return pa.table(columns, schema=SCHEMAS["field_history"])


def owner_at(lives: Lives, deal: np.ndarray, at: np.ndarray) -> pa.Array:
    return words(lives.words["sales_rep"], np.where(at >= lives.owner_at[deal, 1], lives.owner[deal, 1], lives.owner[deal, 0]))


def activities_table(lives: Lives, deal_ids: pa.Array) -> pa.Table:
    known = lives.activity_at <= CUT
    deal = np.nonzero(known)[0]
    at = lives.activity_at[known]
    columns = [deal_ids.take(pa.array(deal)), words(ACTIVITY_TYPES, lives.activity[known]), moments(at), owner_at(lives, deal, at)]
    return pa.table(columns, schema=SCHEMAS["activities"])


def interventions_table(lives: Lives, deal_ids: pa.Array) -> pa.Table:
    deal = np.flatnonzero(lives.action_at <= CUT)
    at = lives.action_at[deal]
    columns = [deal_ids.take(pa.array(deal)), words(crm.ACTIONS, lives.action[deal]), moments(at), owner_at(lives, deal, at)]
    return pa.table(columns, schema=SCHEMAS["interventions"])


def reps_table(staff: Staff) -> pa.Table:
    """A rep without a team is the house."""
    first, last = len(FIRST_NAMES), len(LAST_NAMES)
    names = [f"{FIRST_NAMES[index % first]} {LAST_NAMES[(index + index // first) % last]}" for index in range(len(staff.reps))]
    names = [name if team < len(staff.teams) else "House" for name, team in zip(names, staff.team, strict=True)]
    team, manager = (words((*values, None), staff.team) for values in (staff.teams, MANAGERS))
    return pa.table([pa.array(staff.reps), pa.array(names), team, manager], schema=SCHEMAS["reps"])


def quotas_table(staff: Staff, won_amount: float, years: int) -> pa.Table:
    """One quota for all reps in every quarter, the one after the as-of date too: a tenth more than a rep is likely to win."""
    quarters = [date(crm.AS_OF.year - years + 1 + number // 4, number % 4 * 3 + 1, 1) for number in range(4 * years + 1)]
    reps = [rep for rep, team in zip(staff.reps, staff.team, strict=True) if team < len(staff.teams)]
    quota = int(round(1.1 * won_amount / (len(reps) * 4 * years) / 1_000) * 1_000)
    rows = [(rep, quarter) for rep in reps for quarter in quarters]
    columns = [pa.array([rep for rep, _ in rows]), pa.array([quarter for _, quarter in rows]), money(np.full(len(rows), quota))]
    return pa.table(columns, schema=SCHEMAS["quotas"])


# Made chunk by chunk.
TABLES = {
    "deals": deals_table,
    "stage_history": stage_history_table,
    "field_history": field_history_table,
    "activities": activities_table,
    "interventions": interventions_table,
}


def tables_of(kind: str) -> tuple[str, ...]:
    """In a process nobody takes an action."""
    return tuple(name for name in SCHEMAS if kind == "demo" or name != "interventions")


# Dirty rows


def misspell(deals: pa.Table, sets: int) -> pa.Table:
    """Other spellings and blanks in deals spread over the first chunk, no deal twice."""
    changes = [
        ("industry", pc.utf8_upper),
        ("region", pc.utf8_lower),
        ("lead_source", lambda column: pc.binary_join_element_wise(" ", column, "  ", "")),
        ("product_type", lambda column: pa.nulls(len(column), pa.string())),
    ]
    place = np.linspace(0, len(deals), 3 * sets * len(changes), endpoint=False).astype(np.int64)
    for turn, (name, change) in enumerate(changes):
        dirty = np.isin(np.arange(len(deals)), place[turn :: len(changes)])
        column = deals[name].combine_chunks()
        deals = deals.set_column(deals.column_names.index(name), name, pc.if_else(pa.array(dirty), change(column), column))
    return deals


def dirty_deals(clean: pa.Table, sets: int, deals: int) -> tuple[list[dict], list[dict]]:
    """Rows that any file can hold, and rows that only text can. They are made from the first
    closed deals but one, which `misspell` leaves as they are."""
    models = clean.filter(pc.is_valid(clean["outcome"])).slice(1, 3 * sets).to_pylist()
    width = crm.deal_id_width(deals)
    typed, text = [], []
    for number in range(sets):
        model = models[number]
        new = [model | {"deal_id": f"D{deals + 20 * number + step:0{width}d}"} for step in range(1, 11)]
        twice = models[number + sets], models[number + 2 * sets]
        typed += [
            *twice,
            new[0],
            new[0] | {"deal_amount": model["deal_amount"] * 2},
            model | {"deal_id": None},
            model | {"deal_id": None, "deal_amount": model["deal_amount"] + 1},
            new[1] | {"deal_stage": "Legal Review"},
            new[2] | {"deal_amount": -model["deal_amount"]},
            new[3] | {"deal_amount": 5_000_000_000},
            new[4] | {"closed_date": model["created_date"] - timedelta(30)},
            new[5] | {"outcome": "Maybe"},
            new[6] | {"deal_stage": "Negotiation", "outcome": None},
            new[7] | {"closed_date": date(2099, 3, 15)},
        ]
        text += [new[8] | {"created_date": "2024-13-45"}, new[9] | {"closed_date": "31/12/2024"}]
    return typed, text


def dirty_stage_rows(clean: pa.Table, sets: int, deals: int) -> tuple[list[dict], list[dict]]:
    typed, text = [], []
    for number in range(sets):
        stranger = f"D{deals + 20 * number + 19:0{crm.deal_id_width(deals)}d}"
        row = clean.slice(number, 1).to_pylist()[0]
        later = row["entered_at"] + timedelta(days=1)
        typed += [
            row | {"deal_id": stranger},
            row | {"deal_id": stranger, "stage": "Demo", "entered_at": later},
            row | {"stage": "Legal Review"},
        ]
        text.append(row | {"entered_at": "yesterday"})
    return typed, text


# Files


class Writer:
    """One table, written chunk by chunk. In CSV amounts are whole numbers and moments whole seconds."""

    def __init__(self, folder: Path, kind: str, name: str, file_format: str) -> None:
        self.schema = SCHEMAS[name]
        self.path = folder / f"{kind}_{name}.{file_format}"
        self.is_csv = file_format == "csv"
        self.rows = 0
        if self.is_csv:
            self.file = self.path.open("wb")
            self.file.write((",".join(self.schema.names) + "\n").encode())
        else:
            self.file = pyarrow.parquet.ParquetWriter(self.path, self.schema, compression="zstd")

    def write(self, table: pa.Table) -> None:
        self.rows += len(table)
        if not self.is_csv:
            self.file.write_table(table)
            return
        plain = {MONEY: pa.int64(), MOMENT: pa.timestamp("s")}
        table = table.cast(pa.schema([(field.name, plain.get(field.type, field.type)) for field in table.schema]))
        options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
        pyarrow.csv.write_csv(table, self.file, options)

    def write_rows(self, rows: list[dict]) -> None:
        self.write(pa.Table.from_pylist(rows, schema=self.schema))

    def write_text(self, rows: list[dict]) -> None:
        """Rows of which a value does not fit its column's type: only a CSV can hold them."""
        if self.is_csv:
            lines = [",".join("" if row[name] is None else plain_text(row[name]) for name in self.schema.names) for row in rows]
            self.file.write("".join(f"{line}\n" for line in lines).encode())
            self.rows += len(rows)

    def close(self) -> None:
        self.file.close()


def plain_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return f"{float(value):.12g}" if isinstance(value, (float, Decimal)) else str(value)


def chunk(seed: int, deals: int, start: int, effects: Plan, years: int, tables: tuple[str, ...]) -> Iterator[tuple[str, pa.Table]]:
    """Tables of the deals from `start` on, one after the other; nothing of them is kept when the last is taken."""
    lives = effects.draw_lives(seed, deals, start, min(start + CHUNK, deals), years)
    deal_ids = numbered("D", lives.number, crm.deal_id_width(deals))
    for name in tables:
        if name in TABLES:
            yield name, TABLES[name](lives, deal_ids)


def generate(
    out: Path,
    deals: int,
    seed: int,
    file_format: str,
    effects: Plan = crm.PLANTED,
    clean: bool = False,
    years: int = 2,
    tables: tuple[str, ...] | None = None,
) -> dict[str, int]:
    """Writes `<kind>_<table>.<format>` into `out` and returns the number of rows of each table."""
    out.mkdir(parents=True, exist_ok=True)
    tables = tables or tables_of(effects.kind)
    writers = {name: Writer(out, effects.kind, name, file_format) for name in tables}
    sets = 0 if clean or effects.kind != "demo" or deals < 300 else min(6, max(1, deals // 3_000))
    first = {}
    for start in range(0, deals, CHUNK):
        for name, table in chunk(seed, deals, start, effects, years, tables):
            if sets and name not in first:
                first[name] = table
                table = misspell(table, sets) if name == "deals" else table
            writers[name].write(table)
        print(f"{min(start + CHUNK, deals):,} of {deals:,} deals", file=sys.stderr)
    for name, dirty in (("deals", dirty_deals), ("stage_history", dirty_stage_rows)):
        if sets and name in tables:
            typed, text = dirty(first[name], sets, deals)
            writers[name].write_rows(typed)
            writers[name].write_text(text)
    staff = effects.staff()
    for name, table in (("reps", reps_table(staff)), ("quotas", quotas_table(staff, effects.won_amount(deals), years))):
        if name in tables:
            writers[name].write(table)
    for writer in writers.values():
        writer.close()
    return {name: writer.rows for name, writer in writers.items()}


# Command


def at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def with_commas(text: str) -> list[str]:
    return text.split(",")


def preset(text: str) -> list[str]:
    names = with_commas(text)
    if unknown := set(names) - set(process.PRESETS):
        raise argparse.ArgumentTypeError(f"no preset {', '.join(sorted(unknown))}; there are {', '.join(process.PRESETS)}")
    return names


def property_value(text: str) -> tuple[str, float]:
    """A name and a number of `Settings`, written `name=number`."""
    name, _, value = text.partition("=")
    if name not in process.NUMBERS:
        raise argparse.ArgumentTypeError(f"no property {name}; there are {', '.join(process.NUMBERS)}")
    try:
        return name, type(process.NUMBERS[name].default)(float(value))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not {name}=NUMBER") from None


def difference(text: str) -> tuple[str, str, float]:
    """Column, value and points, written `column=value:points`; the points as a share."""
    found = re.fullmatch(r"(\w+)=(.+):([-+.\d]+)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is not COLUMN=VALUE:POINTS")
    return found[1], found[2], float(found[3]) / 100


def fall(text: str) -> tuple[date, date, float]:
    """Two days and points, written `first..last:points`; the points as a share."""
    found = re.fullmatch(r"([-\d]+)\.\.([-\d]+):([.\d]+)", text)
    try:
        return date.fromisoformat(found[1]), date.fromisoformat(found[2]), float(found[3]) / 100
    except (TypeError, ValueError):
        raise argparse.ArgumentTypeError(f"{text} is not DAY..DAY:POINTS, with days as {crm.AS_OF}") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=("demo", "process"), default="demo", help="which generator, see above (demo)")
    parser.add_argument("--deals", type=at_least_one, default=3_000, help="number of deals (3000)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same bytes (1)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv", help="csv (default) or parquet")
    parser.add_argument("--tables", type=with_commas, help="only these, with commas between (all)")
    parser.add_argument("--years", type=at_least_one, default=2, help=f"years of creation up to {crm.AS_OF} (2)")
    demo = parser.add_argument_group("the kind demo")
    demo.add_argument("--no-effects", action="store_true", help="the null CRM: every deal wins with the same chance")
    demo.add_argument("--clean", action="store_true", help="without dirty rows")
    of_process = parser.add_argument_group(
        "the kind process",
        "A CRM is `steady` but for what presets, properties and planted differences say.\n\npresets:\n"
        + "\n".join(f"  {name:<18}{meaning}" for name, (meaning, _) in process.PRESETS.items())
        + "\n\nproperties, and what they are without a preset:\n"
        + "\n".join(f"  {name:<18}{each.metadata['meaning']} ({each.default:g})" for name, each in process.NUMBERS.items()),
    )
    of_process.add_argument("--preset", type=preset, default=[], metavar="NAMES", help="one or more, with commas between: growing,accounts")
    of_process.add_argument(
        "--set", type=property_value, action="append", default=[], metavar="NAME=NUMBER", help="a property, after presets: loss_length=3"
    )
    of_process.add_argument(
        "--plant",
        type=difference,
        action="append",
        default=[],
        metavar="COLUMN=VALUE:POINTS",
        help="a segment wins so many points more than other deals: lead_source=Referral:-10",
    )
    of_process.add_argument(
        "--fall",
        type=fall,
        action="append",
        default=[],
        metavar="DAY..DAY:POINTS",
        help="the win rate of what closes from one day to another is so many points lower: 2025-04-01..2025-06-30:15",
    )


def effects_of(arguments: argparse.Namespace) -> Plan:
    of_process = arguments.preset or arguments.set or arguments.plant or arguments.fall
    if arguments.kind == "demo" and of_process:
        raise SystemExit("--preset, --set, --plant and --fall are for --kind process.")
    if arguments.kind == "process" and (arguments.no_effects or arguments.clean):
        raise SystemExit("--no-effects and --clean are for --kind demo: the kind process has neither effects nor dirty rows of itself.")
    if arguments.kind == "demo":
        return crm.NO_EFFECTS if arguments.no_effects else crm.PLANTED
    try:
        chosen = process.with_presets(arguments.preset) | dict(arguments.set)
        return Settings(**chosen, planted=tuple(arguments.plant), falls=tuple(arguments.fall))
    except ValueError as error:
        raise SystemExit(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    effects = effects_of(arguments)
    tables = tables_of(effects.kind)
    unknown = set(arguments.tables or ()) - set(tables)
    if unknown:
        raise SystemExit(f"No such table: {', '.join(sorted(unknown))}. There are {', '.join(tables)}.")
    chosen = tuple(arguments.tables or tables)
    rows = generate(arguments.out, arguments.deals, arguments.seed, arguments.format, effects, arguments.clean, arguments.years, chosen)
    for name, count in rows.items():
        print(f"{arguments.out / f'{effects.kind}_{name}.{arguments.format}'}: {count:,} rows")
    return 0

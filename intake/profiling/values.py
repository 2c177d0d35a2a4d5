"""How dates, numbers and states are written, each with the evidence."""

import dataclasses
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import duckdb

from intake.contract import month_names

# What stands for nothing. `na` is North America.
BLANKS = ("n/a", "#n/a", "null", "none", "-", "--", "unknown", "(blank)", "nil", "nan", "not available", "not specified", "keine angabe")
PROBE = 2_000
DAYS = (
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%m-%d-%y",
    "%d-%m-%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%d. %B %Y", "%d. %b %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%b-%d-%Y", "%m.%d.%Y",
    "%a %b %d %Y", "%A, %B %d, %Y", "%d %b, %Y",
)  # fmt: skip
TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    ", %H:%M",
    ", %I:%M %p",
    ", %H:%M:%S",
    " at %I:%M %p",
    " %I:%M%p",
    " %H:%M:%S %z",
    " %H:%M %z",
)
ISO = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|UTC|GMT|[+-]\d\d(:?\d\d)?))?)?", re.I)
OFFSET = re.compile(r"\d\d:\d\d(:\d\d([.,]\d+)?)? ?(Z|UTC|GMT|[+-]\d\d(:?\d\d)?)$", re.I)
MONTH_FIRST = {"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y", "%d/%m/%y": "%m/%d/%y", "%d-%m-%y": "%m-%d-%y", "%d.%m.%Y": "%m.%d.%Y"}
DAY_FIRST = {value: key for key, value in MONTH_FIRST.items()}
AMOUNT = re.compile(r"[-+(]?\s*(?:[^\d\s.,()+-]{1,4}\s*)?[-+]?\s*(\d[\d.,'\u2019\s\u00a0\u202f]*)\s*(?:[^\d\s.,()+-]{1,4})?\s*[-)]?")
GROUPS = re.compile(r"\d{1,3}([.,'\u2019\s\u00a0\u202f])\d{3}(\1\d{3})*")
WON = (
    "выигран|успешно реализовано|gewonnen deal|ganhos|won|win|closed won|closedwon|close won|deal won|gewonnen|auftrag|abgeschlossen gewonnen|gagne|gagné|gagnée|ganado|ganada|cerrado ganado|cerrada ganada|vinto|"
    "chiuso vinto|ganho|ganha|fechado ganho|vunnen|vundet|vunnet|wygrana|wygrane|fechado|выиграна|сделка успешна|成交|赢单|受注|contract signed|signed|success|successful|"
    "successful deal|renewed|closed - won|closed (won)|closed/won|geschlossen und gewonnen|gewonnen abgeschlossen|fermé gagné|fermée gagnée|conclusion"
)
LOST = (
    "проигран|закрыто и не реализовано|perdidos|lost|loss|closed lost|closedlost|close lost|deal lost|verloren|absage|abgesagt|abgeschlossen verloren|perdu|perdue|perdido|perdida|cerrado perdido|cerrada perdida|"
    "perso|chiuso perso|fechado perdido|förlorad|tabt|tapt|przegrana|przegrane|проиграна|сделка провалена|丢单|失注|unsuccessful|failed|dead|disqualified|"
    "no decision|cancelled|canceled|churned|abandoned|closed - lost|closed (lost)|closed/lost|geschlossen und verloren|fermé perdu|fermée perdue|closed lost to competition|"
    "closed-lost to competition|junk|lost deal|analyze failure|rejected|not won|no sale"
)
OPEN = "в работе|открыта|w toku|otwarta|öppen|lopend|em aberto|open|in progress|in process|offen|in arbeit|laufend|en cours|ouvert|abierto|abierta|en curso|aperto|in corso|aberto|aberta|em andamento|öppen|åben|active|pending|ongoing|in work|pipeline|进行中"
TRUE, FALSE = (
    ("true", "1", "yes", "y", "t", "wahr", "ja", "vrai", "oui", "si", "sí", "x"),
    ("false", "0", "no", "n", "f", "falsch", "nein", "faux", "non"),
)


@dataclasses.dataclass(frozen=True)
class DateFormats:
    """Formats that read a column's dates, the share that they read, and how the order of day and month is known.

    `is_written`: the values look like dates, not like numbers that could be days. `swapped`: formats with day and month the other way round that
    read as much, none where the values rule them out.
    """

    formats: tuple[str, ...]
    share: float
    evidence: str
    is_written: bool = True
    swapped: tuple[str, ...] = ()
    has_offsets: bool = False


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Share of values that are numbers, the decimal mark that they show (none where they show none), a percent sign, and the greatest plain value."""

    share: float
    decimal_mark: str | None
    evidence: str
    has_percent: bool
    greatest: float


def date_formats(connection: duckdb.DuckDBPyConnection, top: Sequence[tuple[str, int]]) -> DateFormats | None:
    values = [value for value, _ in top]
    if not values or not any(any(letter.isdigit() for letter in value) for value in values[:50]):
        return None
    probe = values if len(values) <= PROBE else values[:: len(values) // PROBE + 1]
    iso = [value for value in probe if ISO.fullmatch(value)]
    if len(iso) >= 0.8 * len(probe):
        offsets = any(OFFSET.search(value) for value in iso)
        return DateFormats(("iso",), len(iso) / len(probe), f"ISO dates such as {iso[0]}", has_offsets=offsets)
    if number := numbered_days(probe):
        return number
    if max(map(len, probe)) > 40 or sum(map(may_be_date, probe)) < 0.5 * len(probe):
        return None
    connection.execute(
        "create or replace temp table probed as select unnest(?) as value, unnest(?) as english",
        [probe, [in_english(value) for value in probe]],
    )
    kinds = {value: re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", value)) for value in probe}
    if len(set(kinds.values())) > 40:
        return None
    found, left = [], len(probe)
    patterns = [day + time for time in TIMES for day in DAYS if not time or any(":" in value for value in probe[:200])]
    fits = dict(
        zip(
            patterns,
            connection.execute(
                "select "
                + ", ".join(
                    f"list(value) filter (where try_strptime(english, '{pattern}') between '1970-01-01' and '2100-01-01')"
                    for pattern in patterns
                )
                + " from probed"
            ).fetchall()[0],
            strict=True,
        )
    )
    unread = set(probe)
    if iso:
        found, unread = ["iso"], unread - set(iso)
    while unread:
        pattern = max(patterns, key=lambda each: (len(unread & set(fits[each] or ())), -patterns.index(each)))
        read = unread & set(fits[pattern] or ())
        if len(read) < max(1, 0.005 * left):
            break
        found.append(pattern)
        unread -= read
    share = 1 - len(unread) / left
    if share < 0.5:
        return None
    return ordered(tuple(found), share, fits, probe)


def may_be_date(value: str) -> bool:
    """Has it two groups of digits, and more than a mark between them, or six digits? All patterns need as much, and trying them takes long."""
    return bool(re.search(r"\d[^\d]+\d|\d{6}", value)) and not re.fullmatch(r"\D*\d*[.,]\d+\D*", value)


@cache
def month_patterns() -> list[re.Pattern]:
    return [re.compile(rf"(?<![^\W\d_])(?:{names})[.]?(?![^\W\d_])", re.I) for names in month_names()]


def in_english(value: str) -> str:
    """The text with the name of its month in English and in short, as the build reads other languages too."""
    if not re.search(r"[^\W\d_]{3}", value):
        return value
    for pattern, name in zip(
        month_patterns(), ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), strict=True
    ):
        replaced = pattern.sub(name, value)
        if replaced != value:
            return replaced
    return value


def ordered(found: tuple[str, ...], share: float, fits: dict[str, list[str] | None], probe: Sequence[str]) -> DateFormats:
    """Say how the order of day and month is known: a value that only one order reads, or none."""
    swapped = []
    for pattern in found:
        day, _, time = pattern.partition(" ") if not pattern.startswith(("%d ", "%b", "%B", "%a", "%A", "%d.")) else (pattern, "", "")
        other = MONTH_FIRST.get(day) or DAY_FIRST.get(day)
        swap = other + pattern[len(day) :] if other else None
        if swap and set(fits.get(swap) or ()) >= set(fits[pattern] or ()):
            swapped.append(swap)
    if not any(day in pattern for pattern in found for day in (*MONTH_FIRST, *DAY_FIRST)):
        return DateFormats(found, share, f"dates such as {probe[0]}")
    if swapped:
        return DateFormats(found, share, f"dates such as {probe[0]}: no value tells day from month", swapped=tuple(swapped))
    telling = next((value for value in probe if re.match(r"\d+", value) and telling_number(value)), probe[0])
    return DateFormats(found, share, f"dates such as {telling}, where {telling_number(telling)} can't be a month")


def telling_number(value: str) -> str | None:
    return next((number for number in re.findall(r"\d+", value)[:2] if 12 < int(number) < 32), None)


def numbered_days(probe: Sequence[str]) -> DateFormats | None:
    if not all(re.fullmatch(r"\d{5,13}([.,]\d+)?", value) for value in probe):
        return None
    least, greatest = min(float(value.replace(",", ".")) for value in probe), max(float(value.replace(",", ".")) for value in probe)
    for name, one_day, first in (("epoch_ms", 86_400_000, 0), ("epoch_s", 86_400, 0), ("excel", 1, 25_569)):
        # 1995 to 2040
        if first * (name == "excel") + 9_131 * one_day <= least and greatest <= first * (name == "excel") + 25_567 * one_day:
            return DateFormats((name,), 1.0, f"numbers such as {probe[0]} are days of 1995 to 2040 as {name}", is_written=name != "excel")
    return None


def numbers(top: Sequence[tuple[str, int]]) -> Numbers | None:
    if not top:
        return None
    read, marks, ends_in_three, has_percent, greatest = 0, {".": 0, ",": 0}, {".": 0, ",": 0}, False, 0.0
    both = repeated = None
    for value, _ in top:
        text = value.strip()
        if text.endswith("%"):
            has_percent, text = True, text[:-1]
        match = AMOUNT.fullmatch(text)
        if not match:
            continue
        read += 1
        digits = match[1].strip()
        found = [mark for mark in ".," if mark in digits]
        if len(found) == 2:
            both = max(found, key=digits.rindex)
        elif found:
            mark = found[0]
            marks[mark] += 1
            if GROUPS.fullmatch(digits) and not digits.startswith("0"):
                ends_in_three[mark] += 1
                repeated = repeated or (mark if digits.count(mark) > 1 else None)
        greatest = max(greatest, plain(digits))
    share = read / len(top)
    if share < 0.5:
        return None
    if both:
        return Numbers(share, both, f"amounts hold both marks, the last is '{both}'", has_percent, greatest)
    if repeated:
        return Numbers(
            share, "," if repeated == "." else ".", f"'{repeated}' stands twice in one amount: it parts thousands", has_percent, greatest
        )
    for mark, other in ((",", "."), (".", ",")):
        if marks[mark] and ends_in_three[mark] == marks[mark] and (mark == "," or marks[mark] > 3):
            return Numbers(
                share,
                other,
                f"'{mark}' stands before three digits in all {marks[mark]} values that hold one: it parts thousands",
                has_percent,
                greatest,
            )
    for mark in (",", "."):
        if marks[mark]:
            return Numbers(
                share,
                mark,
                f"'{mark}' stands before other than three digits in {marks[mark] - ends_in_three[mark]} values: decimals",
                has_percent,
                greatest,
            )
    return Numbers(share, None, "whole numbers", has_percent, greatest)


def plain(digits: str) -> float:
    parts = re.split(r"[.,]", re.sub(r"[\s\u00a0\u202f'\u2019]", "", digits))
    whole = "".join(parts[:-1]) + "." + parts[-1] if len(parts) > 1 and len(parts[-1]) != 3 else "".join(parts)
    return float(whole or 0)


@cache
def words(kind: str) -> frozenset[str]:
    return frozenset({"Won": WON, "Lost": LOST, "Open": OPEN}[kind].split("|"))


def state_words(value: str) -> str | None:
    """Won, Lost or Open where the text says so, true or false where it is one of those words, else none."""
    text = re.sub(r"\s+", " ", re.sub(r"[^\w\s/()-]", "", value.casefold())).strip()
    for kind in ("Won", "Lost", "Open"):
        if text in words(kind):
            return kind
    if text in TRUE:
        return "true"
    return "false" if text in FALSE else None


def stage_state(value: str) -> str | None:
    """Won or Lost where a stage's name says that deals end there, else none: the whole name, or one word of it."""
    found = state_words(value)
    if found in ("Won", "Lost"):
        return found
    text = value.casefold()
    lost = re.search(r"\b(lost|verloren|perdue?|perdid[oa]|perso|przegran[ae]|förlorad|no decision|dead deal|not won)\b", text)
    won = re.search(r"\b(won|gewonnen|gagn[ée]e?|ganad[oa]|vinto|ganho|ganha|wygran[ae]|vunn[ae]t)\b", text)
    if lost:
        return "Lost" if not won or "not won" in text else None
    return "Won" if won else None


def seed_stages() -> list[str]:
    path = Path(__file__).parents[2] / "seeds" / "reference" / "pipeline_stages.csv"
    return [line.split(",")[0].strip().casefold() for line in path.read_text(encoding="utf-8").splitlines()[1:] if line.strip()]

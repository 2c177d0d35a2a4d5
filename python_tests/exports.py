"""The same deals as five CRMs export them, each with its quirks: headers, dates, marks, one close date, percent, footers."""

import csv
import dataclasses
import datetime
import random
from collections.abc import Callable, Iterable
from pathlib import Path

STAGES = {"Qualification": 10, "Proposal": 50, "Negotiation": 75, "Closed Won": 100, "Closed Lost": 0}
FIRST = datetime.date(2023, 1, 2)
AS_OF = datetime.date(2024, 12, 30)


@dataclasses.dataclass(frozen=True)
class Deal:
    number: int
    created: datetime.date
    closed: datetime.date | None
    expected: datetime.date
    stage: str
    amount: float | None
    owner: str
    source: str
    industry: str

    @property
    def state(self) -> str:
        return {"Closed Won": "Won", "Closed Lost": "Lost"}.get(self.stage, "Open")


def deals(count: int = 400, seed: int = 7) -> list[Deal]:
    draw = random.Random(seed)
    found = []
    for number in range(count):
        created = FIRST + datetime.timedelta(days=draw.randrange(700))
        closed = created + datetime.timedelta(days=draw.randrange(5, 120))
        stage = "Closed Won" if draw.random() < 0.4 else "Closed Lost"
        if closed > AS_OF:
            stage, closed = draw.choice(["Qualification", "Proposal", "Negotiation"]), None
        expected = closed or AS_OF + datetime.timedelta(days=draw.randrange(1, 90))
        amount = None if draw.random() < 0.04 else round(draw.lognormvariate(9, 0.8), 2)
        owner, source = draw.choice(["Zoë Élan", "Jürgen Müller", "Ann Lee"]), draw.choice(["Web", "Partner", "Outbound"])
        found.append(Deal(number, created, closed, expected, stage, amount, owner, source, draw.choice(["Health", "Tech", "Retail"])))
    return found


def totals(found: Iterable[Deal]) -> tuple[int, int, int, int, float]:
    """Deals, won, lost, open, and the sum of the amounts."""
    found = list(found)
    states = [deal.state for deal in found]
    return len(found), states.count("Won"), states.count("Lost"), states.count("Open"), round(sum(deal.amount or 0 for deal in found), 2)


def write(path: Path, rows: list[list[str]], delimiter: str = ",", encoding: str = "utf-8", before: str = "", after: str = "") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        file.write(before)
        csv.writer(file, delimiter=delimiter).writerows(rows)
        file.write(after)
    return path


def hubspot(path: Path, found: list[Deal]) -> Path:
    """One close date, also of open deals; Is Closed Won is true or false for all; times to the minute."""
    header = [
        "Record ID",
        "Deal Name",
        "Deal Stage",
        "Pipeline",
        "Amount",
        "Create Date",
        "Close Date",
        "Deal owner",
        "Is Closed Won",
        "Original Traffic Source",
    ]
    stages = {"Closed Won": "Closed Won (Sales Pipeline)", "Closed Lost": "Closed Lost (Sales Pipeline)"}
    rows = [
        [
            str(9_000_000_000 + deal.number),
            f"Deal, no. {deal.number}",
            stages.get(deal.stage, f"{deal.stage} (Sales Pipeline)"),
            "Sales Pipeline",
            "" if deal.amount is None else f"{deal.amount}",
            f"{deal.created} 09:{deal.number % 60:02}",
            f"{deal.expected} 17:30",
            deal.owner,
            str(deal.state == "Won").lower(),
            deal.source,
        ]  # fmt: skip
        for deal in found
    ]
    return write(path, [header, *rows])


def salesforce(path: Path, found: list[Deal]) -> Path:
    """A report: US dates, percent, 18-character ids, a thousands mark, and lines of copyright below it."""
    header = [
        "Opportunity ID",
        "Opportunity Name",
        "Stage",
        "Amount",
        "Probability (%)",
        "Created Date",
        "Close Date",
        "Opportunity Owner",
        "Lead Source",
        "Industry",
    ]
    rows = [
        [
            f"0065g00000{deal.number:05}AAB",
            f"Opp {deal.number}",
            deal.stage,
            "" if deal.amount is None else f"${deal.amount:,.2f}",
            str(STAGES[deal.stage]),
            f"{deal.created:%m/%d/%Y}",
            f"{deal.expected:%m/%d/%Y}",
            deal.owner,
            deal.source,
            deal.industry,
        ]  # fmt: skip
        for deal in found
    ]
    after = '\r\n\r\n"Opportunities of all years"\r\n"Copyright (c) 2025 salesforce.com, inc. All rights reserved."\r\n"Confidential Information - Do Not Distribute"\r\n'
    return write(path, [header, *rows], after=after)


def pipedrive(path: Path, found: list[Deal]) -> Path:
    """Status in words, a time of the won and one of the lost deals beside the day of the close."""
    header = [
        "Deal - ID",
        "Deal - Title",
        "Deal - Status",
        "Deal - Stage",
        "Deal - Value",
        "Deal - Currency of Value",
        "Deal - Owner",
        "Deal - Deal created",
        "Deal - Deal closed on",
        "Deal - Expected close date",
        "Deal - Lost reason",
        "Deal - Source channel",
    ]
    rows = [
        [
            str(deal.number + 1),
            f"Deal {deal.number}",
            deal.state,
            "Negotiation" if deal.closed else deal.stage,
            "" if deal.amount is None else f"{deal.amount}",
            "EUR",
            deal.owner,
            f"{deal.created} 08:00:00",
            f"{deal.closed} 16:00:00" if deal.closed else "",
            str(deal.expected),
            "Price" if deal.state == "Lost" else "",
            deal.source,
        ]  # fmt: skip
        for deal in found
    ]
    return write(path, [header, *rows])


def zoho(path: Path, found: list[Deal]) -> Path:
    """Ids that spreadsheets would round, months by name, Zoho's own stage names, a mark of the order of bytes."""
    header = [
        "Record Id",
        "Deal Name",
        "Stage",
        "Amount",
        "Closing Date",
        "Created Time",
        "Deal Owner",
        "Lead Source",
        "Type",
        "Probability",
    ]
    stages = {
        "Closed Lost": "Closed Lost to Competition",
        "Qualification": "Needs Analysis",
        "Proposal": "Proposal/Price Quote",
        "Negotiation": "Negotiation/Review",
    }
    rows = [
        [
            f"zcrm_5543210000{deal.number:06}",
            f"Deal {deal.number}",
            stages.get(deal.stage, deal.stage),
            "" if deal.amount is None else f"{deal.amount:,.2f}",
            f"{deal.expected:%b %d, %Y}",
            f"{deal.created:%b %d, %Y} 10:15 AM",
            deal.owner,
            deal.source,
            "New Business",
            str(STAGES[deal.stage]),
        ]  # fmt: skip
        for deal in found
    ]
    return write(path, [header, *rows], encoding="utf-8-sig")


def bitrix(path: Path, found: list[Deal]) -> Path:
    """Semicolons, days first, a comma before decimals, German headers and stages, one close date."""
    header = ["ID", "Bezeichnung", "Phase", "Betrag", "Währung", "Erstellt am", "Abschlussdatum", "Verantwortlich", "Quelle"]
    stages = {
        "Closed Won": "Auftrag gewonnen",
        "Closed Lost": "Auftrag verloren",
        "Qualification": "Qualifizierung",
        "Proposal": "Angebot",
        "Negotiation": "Verhandlung",
    }
    rows = [
        [
            str(deal.number + 1),
            f"Auftrag {deal.number}",
            stages[deal.stage],
            "" if deal.amount is None else f"{deal.amount:,.2f}".translate(str.maketrans(",.", ".,")),
            "EUR",
            f"{deal.created:%d.%m.%Y} 11:20:00",
            f"{deal.expected:%d.%m.%Y}",
            deal.owner,
            deal.source,
        ]  # fmt: skip
        for deal in found
    ]
    return write(path, [header, *rows], delimiter=";", encoding="cp1252")


EXPORTS: dict[str, Callable[[Path, list[Deal]], Path]] = {
    "hubspot": hubspot, "salesforce": salesforce, "pipedrive": pipedrive, "zoho": zoho, "bitrix": bitrix,
}  # fmt: skip

"""The SQL path from stage history to marts against plain Python on nasty random histories, through whole builds."""

import csv
import datetime
import random
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
from conftest import run_dbt
from statsmodels.duration.survfunc import SurvfuncRight

MARTS = ["fct_deal_stage_visits", "rpt_stage_durations", "rpt_stage_conversion", "fct_open_deals"]
TESTS = [
    "visits_of_a_deal_tile_its_life",
    "visits_of_a_reopened_deal_follow_each_other",
    "deals_that_reached_a_stage_are_advanced_lost_or_open",
    "every_open_deal_is_in_fct_open_deals",
]
OPEN = {"Qualified": 1, "Demo": 2, "Proposal": 3, "Negotiation": 4}
CLOSED = {"Closed": (5, "closed"), "Closed Won": (6, "won"), "Closed Lost": (7, "lost")}
START = datetime.datetime(2024, 3, 1)
AS_OF = datetime.date(2024, 8, 15)
DAY = datetime.timedelta(days=1)
DEAL_COLUMNS = (
    "deal_id,created_date,closed_date,sales_rep_id,industry,region,product_type,lead_source,deal_stage,deal_amount,outcome,"
    "expected_close_date,updated_at"
).split(",")


# Nasty histories


def moment(at: datetime.datetime, chance: random.Random, date_only: float) -> datetime.datetime:
    """The moment, or its day only; both are written so that they read back."""
    return at.replace(hour=0, minute=0, second=0) if chance.random() < date_only else at


def text(at: datetime.datetime | datetime.date | None) -> str:
    if at is None:
        return ""
    whole_day = not isinstance(at, datetime.datetime) or at.time() == datetime.time()
    return at.strftime("%Y-%m-%d") if whole_day else at.strftime("%Y-%m-%d %H:%M:%S")


def random_deal(number: int, chance: random.Random) -> dict:
    created = moment(START + datetime.timedelta(seconds=chance.randrange(150 * 86_400)), chance, 0.3)
    closed = None
    if chance.random() < 0.7:
        closed = moment(created + datetime.timedelta(seconds=int(chance.expovariate(1 / 40) * 86_400)), chance, 0.6)
        closed = max(closed, created.replace(hour=0, minute=0, second=0))
    return {
        "deal_id": f"D{number}",
        "created": created,
        "closed": closed,
        "outcome": chance.choice(["Won", "Lost"]) if closed else None,
        "sales_rep_id": chance.choice(["R1", "R2", "R3", ""]),
        "region": chance.choice(["North", "South"]),
        "product_type": "Tiny" if chance.random() < 0.02 else "Basic",
        "amount": chance.choice([4_000, 9_000, 20_000, 50_000]),
        "deal_stage": chance.choice(["", "Demo", "Closed Lost"]),
        "expected_close_date": (created + chance.randrange(10, 90) * DAY).date() if chance.random() < 0.8 else None,
        "updated": created + chance.randrange(0, 60) * DAY if chance.random() < 0.5 else None,
    }


def random_history(deal: dict, chance: random.Random) -> list[tuple[str, str, str]]:
    """Rows of one deal: walks with ties at a second, repeats, jumps, steps back, closings and reopenings, and rows that are wrong."""
    end = deal["closed"] or START + 200 * DAY
    begin = deal["created"].replace(hour=0, minute=0, second=0) if chance.random() < 0.3 else deal["created"]
    if chance.random() < 0.15:
        begin += chance.randrange(0, 20) * DAY
    last = max((end.replace(hour=0, minute=0, second=0) + DAY - begin).total_seconds(), 1)
    moments = sorted(begin + datetime.timedelta(seconds=chance.randrange(int(last))) for _ in range(chance.randrange(0, 8)))
    rows, stage = [], chance.choice(["Qualified", "Qualified", "Demo", "Proposal"])
    for at in moments:
        draw = chance.random()
        if draw < 0.15:
            stage = chance.choice(list(CLOSED))
        elif draw < 0.35:
            stage = chance.choice(list(OPEN))
        elif draw < 0.9:
            later = [name for name in OPEN if OPEN[name] > OPEN.get(stage, 0)]
            stage = later[0] if later else "Closed Won"
        rows.append((deal["deal_id"], stage, text(moment(at, chance, 0.15))))
        if chance.random() < 0.15:
            rows.append((deal["deal_id"], chance.choice([*OPEN, *CLOSED]), rows[-1][2]))
    if moments and deal["closed"] and chance.random() < 0.7:
        rows.append((deal["deal_id"], f"Closed {deal['outcome']}", text(deal["closed"])))
    if chance.random() < 0.1:
        rows += chance.sample(rows, min(len(rows), 2))
    rows += [
        wrong
        for wrong in [
            (deal["deal_id"], "Legal", text(begin)),
            (deal["deal_id"], "", text(begin)),
            ("", "Demo", text(begin)),
            (deal["deal_id"], "Demo", "yesterday"),
            (deal["deal_id"], "Demo", ""),
            (deal["deal_id"], "Demo", text(deal["created"] - 2 * DAY)),
            (deal["deal_id"] + "x", "Demo", text(begin)),
            *([(deal["deal_id"], "Demo", text(deal["closed"] + 2 * DAY))] if deal["closed"] else []),
        ]
        if chance.random() < 0.02
    ]
    return rows


def bulk_rows(deals: list[dict], chance: random.Random) -> list[tuple[str, str, str]]:
    """Minutes in which R1 moves a list of deals: some of enough deals, some of one too few, one at midnight."""
    rows = []
    for step, size in enumerate([9, 10, 25, 12, 9]):
        at = START + (30 + 25 * step) * DAY + datetime.timedelta(hours=0 if step == 3 else 9, minutes=0 if step == 3 else 17)
        alive = [
            deal
            for deal in deals
            if deal["sales_rep_id"] == "R1" and deal["created"] < at and (deal["closed"] is None or deal["closed"] > at + DAY)
        ]
        for place, deal in enumerate([*alive[:size], *alive[:2]]):  # two of them move twice
            stage = "Closed Lost" if step == 1 and place == 0 else chance.choice(list(OPEN))
            rows.append((deal["deal_id"], stage, text(at + datetime.timedelta(seconds=chance.randrange(0, 60) if step != 3 else 0))))
    return rows


def random_crm(seed: int, deals: int) -> tuple[list[dict], list[tuple], list[tuple], list[tuple]]:
    chance = random.Random(seed)
    crm = [random_deal(number, chance) for number in range(deals)]
    history = [row for deal in crm for row in random_history(deal, chance)] + bulk_rows(crm, chance)
    activities, changes = [], []
    for deal in crm:
        end = min(deal["closed"] or START + 200 * DAY, START + 200 * DAY)
        span = max(int((end - deal["created"]).total_seconds()), 1)
        times = sorted(deal["created"] + datetime.timedelta(seconds=chance.randrange(span)) for _ in range(chance.randrange(0, 5)))
        activities += [(deal["deal_id"], chance.choice(["call", "meeting"]), text(at), "R1") for at in times if chance.random() < 0.6]
        expected, amount = deal["expected_close_date"], deal["amount"]
        for at in sorted(set(times)):
            if chance.random() < 0.5 and expected:
                new = expected + chance.choice([-20, 0, 5, 40, 95]) * DAY
                changes.append(
                    (deal["deal_id"], "expected_close_date", text(expected) if chance.random() < 0.6 else "", text(new), text(at))
                )
                expected = new
            else:
                new = amount + chance.choice([-500, 0, 700])
                changes.append((deal["deal_id"], "Amount", str(amount), str(new), text(at)))
                amount = new
    chance.shuffle(history)
    return crm, history, activities, changes


def write(path, columns: list[str], rows: list) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return str(path)


def write_crm(folder, crm: tuple) -> dict:
    deals, history, activities, changes = crm
    deal_rows = [
        (
            deal["deal_id"],
            text(deal["created"]),
            text(deal["closed"]),
            deal["sales_rep_id"],
            "Retail",
            deal["region"],
            deal["product_type"],
            "Web",
            deal["deal_stage"],
            deal["amount"],
            # A closed stage closes a deal that no outcome says to be open.
            deal["outcome"] or ("Open" if deal["deal_stage"] == "Closed Lost" else ""),
            text(deal["expected_close_date"]),
            text(deal["updated"]),
        )
        for deal in deals
    ]
    return {
        "deals_file": write(folder / "deals.csv", DEAL_COLUMNS, deal_rows),
        "stage_history_file": write(folder / "stage_history.csv", ["deal_id", "stage", "entered_at"], history),
        "activities_file": write(folder / "activities.csv", ["deal_id", "activity_type", "occurred_at", "sales_rep_id"], activities),
        "field_history_file": write(folder / "field_history.csv", ["deal_id", "field", "old_value", "new_value", "changed_at"], changes),
    }


# The same in plain Python


def read(value: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(value)
    except ValueError:
        return None


def known_deals(crm: list[dict]) -> dict[str, dict]:
    deals = {}
    for deal in crm:
        if deal["created"].date() <= AS_OF:
            is_closed = deal["closed"] is not None and deal["closed"].date() <= AS_OF
            deals[deal["deal_id"]] = deal | {
                "closed": deal["closed"] if is_closed else None,
                "outcome": deal["outcome"] if is_closed else "Open",
                # Of a deal that closes later the file says the last stage, which nobody knew.
                "deal_stage": "" if deal["closed"] and not is_closed else deal["deal_stage"],
            }
    return deals


def check_row(row: tuple, deals: dict[str, dict]) -> set[str]:
    deal_id, stage, at = row[0], row[1], read(row[2])
    codes = set()
    if not deal_id:
        codes.add("deal_id_missing")
    elif deal_id not in deals:
        codes.add("deal_not_accepted")
    if not stage:
        codes.add("stage_missing")
    elif stage not in OPEN and stage not in CLOSED:
        codes.add("stage_unknown")
    if at is None:
        codes.add("entered_at_unreadable" if row[2] else "entered_at_missing")
    elif deal_id in deals:
        deal = deals[deal_id]
        if at.date() < deal["created"].date():
            codes.add("entered_before_created")
        if deal["closed"] and at.date() > deal["closed"].date():
            codes.add("entered_after_closed")
    return codes


def walk(deal: dict, rows: list[tuple[datetime.datetime, str]]) -> list[dict]:
    """Visits of one deal: a walk through its rows in order of time, open stages before closed ones within a second."""
    visits, current, spell, changed_at = [], None, 0, None
    for at, stage in sorted(rows, key=lambda row: (row[0], row[1] in CLOSED, OPEN.get(row[1]) or CLOSED[row[1]][0])):
        if stage in CLOSED:
            if current:
                current.update(end=at, exit_kind=CLOSED[stage][1])
                current, changed_at = None, at
            continue
        if current and current["stage"] == stage:
            continue
        if current:
            current.update(end=at, exit_kind="advanced" if OPEN[stage] > OPEN[current["stage"]] else "regressed")
        else:
            spell += 1
        seen = {visit["stage"] for visit in visits}
        highest = max((OPEN[visit["stage"]] for visit in visits), default=0)
        current = {
            "deal_id": deal["deal_id"],
            "stage": stage,
            "visit_number": len(visits) + 1,
            "spell_number": spell,
            "recorded": at,
            "start": at,
            "is_reentry": stage in seen,
            "is_regression": OPEN[stage] < highest,
            "skipped": max(OPEN[stage] - highest - 1, 0),
            "is_left_truncated": False,
        }
        visits.append(current)
        changed_at = at
    if not visits:
        return []
    created = deal["created"]
    if deal["closed"]:
        visits[-1].update(end=max(deal["closed"], created, changed_at), exit_kind=deal["outcome"].lower())
    else:
        visits[-1].update(end=None, exit_kind="open")
    first = visits[0]
    if first["recorded"].date() > created.date():
        first.update(is_left_truncated=True, skipped=0)
    first["start"] = created
    spent = Counter()
    for visit in visits:
        visit["start"] = max(visit["start"], created)
        end = datetime.datetime.combine(AS_OF, datetime.time()) + DAY if visit["end"] is None else max(visit["end"], created)
        visit["seconds"] = int((end - visit["start"]).total_seconds())
        visit["days"] = ((AS_OF if visit["end"] is None else end.date()) - visit["start"].date()).days
        visit["end"] = None if visit["end"] is None else end
        spent[visit["stage"]] += visit["days"]
        visit["cumulative"] = spent[visit["stage"]]
        visit["is_latest"] = all(other["stage"] != visit["stage"] for other in visits[visit["visit_number"] :])
        visit["is_furthest"] = OPEN[visit["stage"]] == max(OPEN[other["stage"]] for other in visits)
    return visits


def minute(at: datetime.datetime) -> datetime.datetime:
    return at.replace(second=0)


def mark_bulk(visits: list[dict], accepted: dict[str, list], deals: dict[str, dict]) -> None:
    moved = defaultdict(set)
    for deal_id, rows in accepted.items():
        for at, _ in rows:
            if deals[deal_id]["sales_rep_id"] and at.time() != datetime.time():
                moved[deals[deal_id]["sales_rep_id"], minute(at)].add(deal_id)
    for visit in visits:
        visit["is_bulk"] = len(moved.get((deals[visit["deal_id"]]["sales_rep_id"], minute(visit["recorded"])), ())) >= 10


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """One build on a nasty CRM, with the singular tests of its marts, and what plain Python makes of the same CRM."""
    folder = tmp_path_factory.mktemp("nasty")
    crm = random_crm(seed=7, deals=1_500)
    build = run_dbt(
        folder / "nasty.duckdb",
        {**write_crm(folder, crm), "as_of_date": str(AS_OF), "segment_dimensions": ["region", "product_type", "sales_rep_id"]},
        select=" ".join([f"+{mart}" for mart in MARTS] + TESTS),
        DBT_INDIRECT_SELECTION="empty",
    ).check()
    deals = known_deals(crm[0])
    accepted, quarantined = defaultdict(list), Counter()
    for row in crm[1]:
        if read(row[2]) and read(row[2]).date() > AS_OF:
            continue
        codes = check_row(row, deals)
        if codes:
            quarantined.update(codes)
        else:
            accepted[row[0]].append((read(row[2]), row[1]))
    visits = {deal_id: walk(deals[deal_id], rows) for deal_id, rows in accepted.items()}
    mark_bulk([visit for found in visits.values() for visit in found], accepted, deals)
    return build, crm, deals, accepted, quarantined, visits


def test_rows_are_accepted_or_quarantined_for_the_same_reasons(nasty):
    build, crm, deals, accepted, quarantined, visits = nasty
    rows = build.query("select reason_codes, raw_values, is_duplicate, is_stage_change from intermediate.int_stage_history")
    found = Counter(code for codes, *_ in rows if codes for code in codes.split(", "))
    assert found == quarantined and len(quarantined) == 8
    kept = [row for row in rows if row[0] is None]
    assert len(kept) == sum(map(len, accepted.values()))
    assert sum(row[2] for row in kept) == sum(len(rows) - len(set(rows)) for rows in accepted.values())
    assert all((raw is None) == (codes is None) for codes, raw, *_ in rows)
    assert not any(row[2] or row[3] for row in rows if row[0])
    (counts,) = build.query(
        "select row_count, accepted_count, quarantined_count, duplicate_count, not_yet_known_count from intermediate.int_input_row_counts "
        "where input = 'stage_history'"
    )
    assert counts[0] == len(crm[1]) == sum(counts[1:]) and counts[4] > 0


def test_visits_are_those_of_a_walk_through_the_history(nasty):
    build, _, deals, _, _, visits = nasty
    columns = (
        "deal_id, visit_number, spell_number, stage, entered_at, exited_at, visit_seconds, days_in_stage, cumulative_days_in_stage, is_latest, "
        "is_reentry, is_regression, skipped_stage_count, exit_kind, is_left_truncated, observed_from_at, is_bulk_update, is_censored, stage_order"
    )
    found = build.query(f"select {columns} from marts.fct_deal_stage_visits order by deal_id, visit_number")
    expected = [
        (
            visit["deal_id"],
            visit["visit_number"],
            visit["spell_number"],
            visit["stage"],
            visit["start"],
            visit["end"],
            visit["seconds"],
            visit["days"],
            visit["cumulative"],
            visit["is_latest"],
            visit["is_reentry"],
            visit["is_regression"],
            visit["skipped"],
            visit["exit_kind"],
            visit["is_left_truncated"],
            visit["recorded"] if visit["is_left_truncated"] else None,
            visit["is_bulk"],
            visit["end"] is None,
            OPEN[visit["stage"]],
        )
        for deal_id in sorted(visits)
        for visit in visits[deal_id]
    ]
    assert found == expected
    # The CRM is nasty enough for this to say something.
    kinds = Counter(row[13] for row in found)
    assert set(kinds) == {"advanced", "regressed", "won", "lost", "closed", "open"} and min(kinds.values()) > 20
    for place in (9, 10, 11, 14, 16, 17):
        assert 0 < sum(row[place] for row in found) < len(found), columns.split(", ")[place]
    assert any(row[2] > 2 for row in found) and any(row[12] > 1 for row in found) and any(row[6] == 0 for row in found)


def segments(deal: dict) -> list[tuple[str, str]]:
    return [
        ("all", "all"),
        ("region", deal["region"]),
        ("product_type", deal["product_type"]),
        ("sales_rep_id", deal["sales_rep_id"] or "Unknown"),
    ]


def survival(days, ended, entry):
    """Survival after each day on which something ended, or None where a day leaves nobody before the last."""
    oracle = SurvfuncRight(days, ended, entry=entry)
    empty = oracle.surv_times[oracle.surv_prob == 0]
    return None if len(empty) and days.max() > empty[0] else oracle


@pytest.mark.filterwarnings("ignore::RuntimeWarning:statsmodels")
def test_stage_durations_are_those_of_statsmodels(nasty):
    build, _, deals, _, _, visits = nasty
    cases = defaultdict(list)
    for found in visits.values():
        for visit in found:
            delay = (visit["recorded"].date() - visit["start"].date()).days if visit["is_left_truncated"] else 0
            for segment in segments(deals[visit["deal_id"]]):
                cases[*segment, visit["stage"]].append((visit["days"], visit["end"] is not None, delay))
    rows = build.query(
        "select segment_dimension, segment_value, stage, completed_visit_count, open_visit_count, left_truncated_visit_count, "
        "median_days, p75_days, p90_days, median_status from marts.rpt_stage_durations"
    )
    assert {row[:3] for row in rows} == set(cases)
    for row in rows:
        days, ended, delay = map(np.array, zip(*cases[row[:3]], strict=False))
        assert row[3:6] == (ended.sum(), len(ended) - ended.sum(), (delay > 0).sum())
        keep = (delay == 0) | (days > delay)
        entry = np.where(delay == 0, -1, delay)
        curve = survival(days[keep], ended[keep], entry[keep]) if ended[keep].any() else None
        for value, share in zip(row[6:9], (0.5, 0.75, 0.9), strict=False):
            below = np.flatnonzero(curve.surv_prob <= 1 - share + 1e-12) if curve else []
            assert value == (curve.surv_times[below[0]] if len(below) else None), row
    assert sum(row[6] is not None for row in rows) > 20


@pytest.mark.filterwarnings("ignore::RuntimeWarning:statsmodels")
def test_stage_conversion_is_that_of_statsmodels(nasty):
    build, _, deals, _, _, visits = nasty
    cases, late, furthest_losses = defaultdict(list), defaultdict(list), Counter()
    for deal_id, found in visits.items():
        deal = deals[deal_id]
        end = deal["closed"].date() if deal["closed"] else AS_OF
        for segment in segments(deal) if found else []:
            if any(visit["stage"] == "Negotiation" for visit in found) and deal["closed"]:
                late[segment].append(deal["outcome"] == "Lost")
            furthest_losses[segment] += deal["outcome"] == "Lost"
            for visit in found:
                if not visit["is_reentry"]:
                    delay = (visit["recorded"].date() - visit["start"].date()).days if visit["is_left_truncated"] else 0
                    cases[*segment, visit["stage"]].append(
                        ((end - visit["start"].date()).days, delay, deal["outcome"], visit["is_furthest"])
                    )
    rows = build.frame("select * from marts.rpt_stage_conversion").to_dict("records")
    assert {(row["segment_dimension"], row["segment_value"], row["stage"]) for row in rows} == set(cases)
    compared = 0
    for row in rows:
        segment = row["segment_dimension"], row["segment_value"]
        days, delay, outcome, furthest = map(np.array, zip(*cases[*segment, row["stage"]], strict=False))
        lost_here = ((outcome == "Lost") & furthest).sum()
        open_here = ((outcome == "Open") & furthest).sum()
        assert (row["reached_deal_count"], row["lost_here_deal_count"], row["open_here_deal_count"]) == (len(days), lost_here, open_here)
        assert row["advanced_deal_count"] == len(days) - lost_here - open_here
        for name in ("Won", "Lost", "Open"):
            assert row[f"{name.lower()}_deal_count"] == (outcome == name).sum()
        assert row["late_stage_closed_deal_count"] == len(late[segment]) and row["late_stage_lost_deal_count"] == sum(late[segment])
        if late[segment]:
            assert row["late_stage_loss_rate"] == pytest.approx(np.mean(late[segment]), abs=1e-12)
            assert row["late_stage_loss_rate_lower"] <= row["late_stage_loss_rate"] <= row["late_stage_loss_rate_upper"]
        assert row["loss_rate"] == pytest.approx(lost_here / (len(days) - open_here), abs=1e-12, nan_ok=True)
        assert row["loss_share_rate"] == pytest.approx(lost_here / furthest_losses[segment], abs=1e-12, nan_ok=True)
        keep = (delay == 0) | (days > delay)
        days, entry, cause = days[keep], np.where(delay == 0, -1, delay)[keep], outcome[keep]
        everything = survival(days, cause != "Open", entry) if (cause != "Open").any() else None
        if everything is None:
            assert pd.isna(row["stage_win_probability"]) and row["probability_status"] in ("no_case", "nobody_at_risk")
            continue
        assert row["open_probability"] == pytest.approx(everything.surv_prob[-1], abs=1e-9)
        for name, column in (("Won", "stage_win_probability"), ("Lost", "loss_probability")):
            expected = 0.0
            if (cause == name).any():
                hazard = SurvfuncRight(days, cause == name, entry=entry)
                before = np.concatenate([[1], everything.surv_prob])[np.searchsorted(everything.surv_times, hazard.surv_times)]
                expected = (before * hazard.n_events / hazard.n_risk).sum()
            assert row[column] == pytest.approx(expected, abs=1e-9)
            assert 0 <= row[f"{column}_lower"] <= row[column] <= row[f"{column}_upper"] <= 1
            compared += 1
    assert compared > 40


def quarter(day: datetime.date) -> tuple[int, int]:
    return day.year, (day.month - 1) // 3


def test_open_deals_are_those_of_plain_python(nasty):
    build, (_, _, activities, changes), deals, _, _, visits = nasty
    happened, changed = defaultdict(list), defaultdict(list)
    for deal_id, _, at, _ in set(activities):
        if deal_id in deals and read(at).date() <= AS_OF:
            happened[deal_id].append(read(at))
    for deal_id, field, old, new, at in set(changes):
        if deal_id in deals and read(at).date() <= AS_OF:
            changed[deal_id].append((read(at), field.lower(), old, new))
    winning = defaultdict(list)
    for deal_id, found in visits.items():
        for visit in found:
            if deals[deal_id]["outcome"] == "Won" and not visit["is_left_truncated"]:
                winning[visit["stage"]].append(visit["days"])
    threshold = {stage: sorted(days)[int(np.ceil(0.95 * len(days) - 1e-9)) - 1] for stage, days in winning.items() if len(days) >= 30}
    rows = {row["deal_id"]: row for row in build.frame("select * from marts.fct_open_deals").to_dict("records")}
    assert set(rows) == {deal_id for deal_id, deal in deals.items() if deal["outcome"] == "Open"}
    moved = 0
    for deal_id, row in rows.items():
        deal, visit = deals[deal_id], (visits.get(deal_id) or [None])[-1]
        # The newer of file and history counts, the file on a tie; a file's day lasts to its end.
        updated = deal["updated"] if deal["updated"] and deal["updated"].date() <= AS_OF else None
        if updated and updated.time() == datetime.time():
            updated += DAY - datetime.timedelta(microseconds=1)
        is_moved = bool(
            visit and updated and deal["deal_stage"] in OPEN and deal["deal_stage"] != visit["stage"] and updated >= visit["recorded"]
        )
        moved += is_moved
        if is_moved:
            assert (row["stage"], row["stage_source"]) == (deal["deal_stage"], "deals_file")
        if visit and not is_moved:
            assert (row["stage"], row["stage_source"], row["days_in_stage"]) == (visit["stage"], "stage_history", visit["days"])
            assert row["stall_threshold_days"] == pytest.approx(threshold.get(visit["stage"], np.nan), nan_ok=True)
        else:
            assert pd.isna(row["days_in_stage"]) and pd.isna(row["stall_threshold_days"])
        if visit:
            assert row["regression_count"] == sum(each["is_regression"] for each in visits[deal_id])
        else:
            assert pd.isna(row["regression_count"])
        last = max(happened[deal_id], default=None)
        idle = (AS_OF - (last or deal["created"]).date()).days
        assert row["days_since_last_activity"] == idle and (last is None) == pd.isna(row["last_activity_date"])
        limit = threshold.get(visit["stage"]) if visit and not is_moved else None
        if limit is None:
            assert pd.isna(row["is_stalled_in_stage"]) and pd.isna(row["days_over_stall_limit"])
        else:
            assert (row["is_stalled_in_stage"], row["days_over_stall_limit"]) == (visit["days"] > limit, max(0, visit["days"] - limit))
        assert (row["is_inactive"], row["days_over_inactivity_limit"]) == (idle >= 14, max(0, idle - 14))
        updates = [deal["created"], *happened[deal_id], *(at for at, *_ in changed[deal_id])]
        updates += [visit["recorded"]] if visit else []
        updates += [deal["updated"]] if deal["updated"] and deal["updated"].date() <= AS_OF else []
        assert row["days_since_last_update"] == (AS_OF - max(updates).date()).days
        assert row["is_stale"] == (row["days_since_last_update"] >= 30)
        pushes, push_days, across, amounts, before, dated = 0, 0, 0, 0, "", None
        for at, field, old, new in sorted(changed[deal_id], key=lambda change: (change[0], change[3])):
            if field == "amount":
                amounts += old != new
                continue
            old, before, dated = old or before, new, at
            if old and new > old:
                old_day, new_day = datetime.date.fromisoformat(old), datetime.date.fromisoformat(new)
                pushes, push_days, across = pushes + 1, push_days + (new_day - old_day).days, across + (quarter(new_day) > quarter(old_day))
        assert (row["push_count"], row["push_days"], row["quarter_push_count"], row["amount_change_count"]) == (
            pushes,
            push_days,
            across,
            amounts,
        )
        is_file_newer = not before or (updated and updated >= dated and deal["expected_close_date"])
        expected = deal["expected_close_date"] if is_file_newer else datetime.date.fromisoformat(before)
        assert pd.isna(row["is_overdue"]) if expected is None else row["is_overdue"] == (expected < AS_OF)
    assert len(threshold) == 4 and moved
    for column in ("is_stalled_in_stage", "is_inactive", "is_stale", "is_overdue"):
        assert {row[column] for row in rows.values()} >= {True, False}, column


# Hardly anything to go by


def small_deal(number: int, outcome: str | None) -> dict:
    """Created on the first day, closed after nine if it has an outcome."""
    closed = START + 9 * DAY if outcome else None
    return random_deal(number, random.Random(number)) | {"created": START, "closed": closed, "outcome": outcome, "updated": None}


@pytest.mark.parametrize(
    ("deals", "history", "rows"),
    [
        pytest.param([small_deal(1, None), small_deal(2, "Won")], None, [0, 0, 0, 1], marks=pytest.mark.campaign, id="no_history"),
        pytest.param([small_deal(1, None)], [("D1", "Demo", text(START))], [1, 4, 4, 1], id="one_open_visit"),
    ],
)
def test_little_data_gives_no_numbers_that_are_not_there(deals, history, rows, tmp_path):
    variables = write_crm(tmp_path, (deals, history or [], [], []))
    for name in ("activities_file", "field_history_file", *([] if history else ["stage_history_file"])):
        del variables[name]
    build = run_dbt(
        tmp_path / "small.duckdb",
        {**variables, "segment_dimensions": ["region", "product_type", "sales_rep_id"]},
        select=" ".join(f"+{mart}" for mart in MARTS),
        DBT_INDIRECT_SELECTION="empty",
    ).check()
    assert [build.query(f"select count(*) from marts.{mart}")[0][0] for mart in MARTS] == rows
    for mart in MARTS:
        doubles = build.query(
            f"select column_name from information_schema.columns where table_name = '{mart}' and data_type = 'DOUBLE' and table_schema = 'marts'"
        )
        for (column,) in doubles:
            assert build.query(f"select count(*) from marts.{mart} where isnan({column}) or isinf({column})") == [(0,)], column
    if history:
        assert build.query("select distinct median_status, median_days, p90_upper_days from marts.rpt_stage_durations") == [
            ("not_reached", None, None)
        ]
        assert build.query(
            "select distinct probability_status, stage_win_probability, loss_rate, late_stage_loss_rate from marts.rpt_stage_conversion"
        ) == [("no_case", None, None, None)]

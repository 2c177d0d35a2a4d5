"""Values in declared formats: what the macros make of them, as dbt compiles them, in DuckDB. Right, or unreadable, never another value."""

import datetime
import random
import re
from decimal import Decimal

import duckdb
import pytest
from conftest import run_dbt

# The formats of one compiled project: an input each, whatever it holds.
DATE_FORMATS = {
    "deals": "iso",
    "stage_history": "%d.%m.%Y",
    "field_history": ["%m/%d/%y", "%m/%d/%Y %I:%M %p"],
    "activities": "%d-%b-%Y %H:%M",
    "interventions": "epoch_ms",
    "reps": "excel",
    "quotas": "epoch_s",
    "stages": "%d. %B %Y",
    "alert_rules": "%Y%m%d",
    "playbook": "%d.%m.%Y %H:%M %z",
}
MARKS = {"stage_history": ",", "reps": ","}
ZONES = {"playbook": "America/Los_Angeles", "interventions": "Asia/Tokyo"}
AS_OF_DATE = datetime.date(2025, 1, 31)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """`read(name, *values)`: what the expression of that name makes of each value."""
    expressions = {f"date of {name}": f'to_timestamp("x", "{name}")' for name in DATE_FORMATS}
    expressions |= {"amount": 'to_amount("x")', "amount with comma": 'to_amount("x", "stage_history")', "text": 'to_text("x")'}
    expressions |= {
        "percent": 'to_percent("x", "stage_history")',
        "boolean": 'to_boolean("x")',
        "plausible": f"""is_plausible_date("x", "date '{AS_OF_DATE}'")""",
    }
    sql = compiled(tmp_path_factory, expressions, {"date_format": DATE_FORMATS, "decimal_mark": MARKS})
    local = {"local date of deals": 'to_timestamp("x")'} | {f"local date of {name}": f'to_timestamp("x", "{name}")' for name in ZONES}
    sql |= compiled(tmp_path_factory, local, {"date_format": DATE_FORMATS, "time_zone": {**ZONES, "deals": "America/Los_Angeles"}})

    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")

        def values(name: str, *given: object, kind: str = "varchar") -> list:
            query = f"select {sql[name]} from (select unnest(range(len($given))) as n, unnest(cast($given as {kind}[])) as x) order by n"
            return [value for (value,) in connection.execute(query, {"given": list(given)}).fetchall()]

        yield values


def compiled(tmp_path_factory, expressions: dict[str, str], variables: dict) -> dict[str, str]:
    inline = "\n".join(f"@{name}@ {{{{ {expression} }}}}" for name, expression in expressions.items()) + "\n@"
    files = {f"{name}_file": "any.csv" for name in DATE_FORMATS}
    folder = tmp_path_factory.mktemp("compiled")
    build = run_dbt(folder / "none.duckdb", {**files, **variables}, command=["compile", "--quiet", "--inline", inline]).check()
    return {name: re.search(rf"^@{name}@ (.*?)\n@", build.output, re.DOTALL | re.MULTILINE)[1] for name in expressions}


def at(*parts: int) -> datetime.datetime:
    return datetime.datetime(*parts)


ISO = {
    "2024-01-05": at(2024, 1, 5),
    "\t2024-01-05 \n": at(2024, 1, 5),
    "2024-01-05 10:20:30": at(2024, 1, 5, 10, 20, 30),
    "2024-01-05T10:20": at(2024, 1, 5, 10, 20),
    "2024-01-05T10:20:30.5": at(2024, 1, 5, 10, 20, 30, 500000),
    "2024-01-05T10:20:30Z": at(2024, 1, 5, 10, 20, 30),
    "2024-01-05t10:20z": at(2024, 1, 5, 10, 20),
    "2024-01-05T10:20:30.000+0000": at(2024, 1, 5, 10, 20, 30),
    "2024-01-05 10:20:30+02": at(2024, 1, 5, 8, 20, 30),
    "2024-01-05T10:20-05:30": at(2024, 1, 5, 15, 50),
    "2024-01-05 10:20:30 UTC": at(2024, 1, 5, 10, 20, 30),
    "infinity": at(9999, 12, 31),
    "-infinity": at(1, 1, 1),
    "9999-12-31": at(9999, 12, 31),
}
NOT_ISO = [
    "01/04/24", "25-01-05", "1/2/2024", "2024/01/05", "2024-1-5", "20240105", "05.01.2024", "2024-02-30", "2024-13-01", "2024-01-05T", "2024-01-05 9:05",
    "2024-01-05 (BC)", "2024-01-05 10:20:30 America/New_York", "2024-01-05 25:00", "2024-01-05x", "45292", "soon", " ", None,
]  # fmt: skip


def test_iso_is_read_strictly(read):
    assert dict(zip(ISO, read("date of deals", *ISO), strict=True)) == ISO
    assert [value for value in NOT_ISO if read("date of deals", value) != [None]] == []


def test_a_typed_column_is_read_as_it_is(read):
    assert read("date of deals", datetime.date(2024, 1, 5), kind="date") == [at(2024, 1, 5)]
    assert read("date of stage_history", at(2024, 1, 5, 10), kind="timestamp") == [at(2024, 1, 5, 10)]
    assert read("date of deals", "infinity", "-infinity", "0044-03-15 (BC)", kind="timestamp") == [
        at(9999, 12, 31),
        at(1, 1, 1),
        at(1, 1, 1),
    ]
    assert read("date of interventions", 1704449700000, kind="bigint") == [at(2024, 1, 5, 10, 15)]
    assert read("date of reps", 45296.5, kind="double") == [at(2024, 1, 5, 12)]
    assert read("date of deals", 45296, kind="bigint") == [None]
    assert read("amount with comma", 12.345, kind="double") == [Decimal("12.35")]


@pytest.mark.parametrize(
    "name, right, unreadable",
    [
        (
            "stage_history",
            ["05.01.2024", "5.1.2024"],
            ["05.01.24", "05.01.2024 10:00", "2024-01-05", "01/05/2024", "31.02.2024", "05.01.20244"],
        ),
        (
            "field_history",
            ["01/05/24", "1/5/24", "1/5/2024 12:00 am"],
            ["13/01/24", "1/5/2024", "01/05/24 10:00", "2024-01-05", "1/5/2024 13:00 PM"],
        ),
        (
            "activities",
            ["5-Jan-2024 00:00", "05-JAN-2024 0:00", "05-jän-2024 00:00"],
            ["05-Jan-2024", "05-Foo-2024 00:00", "05-01-2024 00:00"],
        ),
        ("interventions", ["1704412800000", "1704412800000.0"], ["1.7044E+12", "999999999999999", "05.01.2024"]),
        ("quotas", ["1704412800"], ["1704412800000", "1,704,412,800"]),
        ("reps", ["45296", "45296,0"], ["45.296", "45296.0", "0", "9999999", "2024-01-05"]),
        (
            "stages",
            ["5. January 2024", "05. Januar 2024", "5. janv. 2024", "5. enero 2024"],
            ["5. Jan 24", "5 January 2024", "5. Smarch 2024"],
        ),
        ("alert_rules", ["20240105"], ["2024015", "202401055", "240105", "2024-01-05"]),
        ("playbook", ["05.01.2024 00:00 +0000", "05.01.2024 02:00 +02:00"], ["05.01.2024 00:00", "05.01.2024"]),
    ],
)
def test_a_declared_format_is_read_whole_or_not_at_all(read, name, right, unreadable):
    assert read(f"date of {name}", *right) == [at(2024, 1, 5)] * len(right)
    assert [value for value in unreadable if read(f"date of {name}", value) != [None]] == []


def test_a_day_or_moment_written_in_any_way_is_that_day_or_unreadable(read):
    """Random moments in each way of writing, read in each format: what is read is the moment, to the precision that was written."""
    draw = random.Random(14)
    ways = [
        "%Y-%m-%d",
        "%Y-%m-%d %H:%M:%S",
        "%d.%m.%Y",
        "%m/%d/%y",
        "%m/%d/%Y %I:%M %p",
        "%d-%b-%Y %H:%M",
        "%d. %B %Y",
        "%Y%m%d",
        "%Y/%m/%d",
        "%d%m%Y",
    ]
    own = set(
        zip(
            ["deals", "deals", "stage_history", "field_history", "field_history", "activities", "stages", "alert_rules"], ways, strict=False
        )
    )
    moments = [at(1990, 1, 1) + datetime.timedelta(seconds=draw.randrange(45 * 365 * 86400)) for _ in range(300)]
    for way in ways:
        texts = [moment.strftime(way) for moment in moments]
        meant = [datetime.datetime.strptime(text, way) for text in texts]
        for name in ("deals", "stage_history", "field_history", "activities", "stages", "alert_rules"):
            found = read(f"date of {name}", *texts)
            assert [text for text, value, right in zip(texts, found, meant, strict=True) if value not in (None, right)] == [], name
            if (name, way) in own:
                assert found == meant, (name, way)


def test_a_moment_with_an_offset_becomes_local_once_and_a_day_stays(read):
    january = ["2025-01-31T23:30:00-08:00", "2025-02-01T07:30:00Z", "2025-01-31 23:30:00", "2025-01-31T23:30"]
    assert read("local date of deals", *january) == [at(2025, 1, 31, 23, 30)] * 4
    assert read("local date of deals", "2025-02-01", "2025-07-01T00:00Z") == [at(2025, 2, 1), at(2025, 6, 30, 17)]
    assert read("local date of deals", "2025-02-01 07:30:00+00", kind="timestamptz") == [at(2025, 1, 31, 23, 30)]
    assert read("local date of deals", at(2025, 2, 1, 7, 30), kind="timestamp") == [at(2025, 2, 1, 7, 30)]
    assert read("local date of interventions", "1740784200000") == [at(2025, 3, 1, 8, 10)]
    assert read("local date of playbook", "01.02.2025 09:30 +0200") == [at(2025, 1, 31, 23, 30)]


AMOUNTS = {
    "1234.5": "1234.50", " 1234.50 ": "1234.50", "1,234.5": "1234.50", "$1,234.50": "1234.50", "1 234.50": "1234.50", "1\u202f234.50": "1234.50",
    "1'234.50": "1234.50", "1’234’567": "1234567", "12,34,567": "1234567", "USD 12": "12", "12 EUR": "12", "US$ 12": "12", "500 kr.": "500", "Rs. 500": "500",
    "-5": "-5", "5-": "-5", "−5": "-5", "(5)": "-5", "$(1,234.50)": "-1234.50", "-$5": "-5", "$-5": "-5", "+5": "5", "1e3": "1000", "1.234": "1.23",
}  # fmt: skip
AMOUNTS_WITH_COMMA = {
    "1234,5": "1234.50", "31.729": "31729", "31.729,88": "31729.88", "31.729,88 €": "31729.88", "€ 31 729,88": "31729.88", "1.234.567,8": "1234567.80",
    "-1.234,50": "-1234.50", "(12,50)": "-12.50", "1234": "1234", "CHF 1’234,50": "1234.50", "1,2E+05": "120000",
}  # fmt: skip
NO_AMOUNTS = [
    "1,23",
    "1,234,56",
    "0,500",
    "1,2e3",
    "1.234,50",
    "1 23",
    "--5",
    "-5-",
    "(5",
    "5)",
    "5k",
    "12 MIO",
    "5%",
    "$",
    "nan",
    "1.2.3",
    "1,234 567",
]
NO_AMOUNTS_WITH_COMMA = ["1.23", "1234.5", "0.500", "12.34.567", "1,234,567", "1,234.50", "31.12.2023", "1.2345", "12 Mio", "5 %"]


def test_an_amount_is_read_whole_or_not_at_all(read):
    assert read("amount", *AMOUNTS) == [Decimal(value) for value in AMOUNTS.values()]
    assert read("amount with comma", *AMOUNTS_WITH_COMMA) == [Decimal(value) for value in AMOUNTS_WITH_COMMA.values()]
    assert [value for value in NO_AMOUNTS if read("amount", value) != [None]] == []
    assert [value for value in NO_AMOUNTS_WITH_COMMA if read("amount with comma", value) != [None]] == []


def test_an_amount_written_in_any_way_is_that_amount_or_unreadable(read):
    """Random amounts with thousands and decimals marked in each way, and a currency somewhere; the other mark reads none of the mixed ones."""
    draw = random.Random(14)
    amounts = [Decimal(draw.randrange(10 ** draw.randint(6, 11))) / 100 * draw.choice([1, -1]) for _ in range(300)]
    for marks, right, other in [
        (",.", "amount", "amount with comma"), ("’.", "amount", "amount with comma"), (" .", "amount", "amount with comma"),
        (".,", "amount with comma", "amount"), ("\u00a0,", "amount with comma", "amount"), ("\u202f,", "amount with comma", "amount"),
    ]:  # fmt: skip
        texts = [written(amount, *marks, draw) for amount in amounts]
        assert list(zip(texts, read(right, *texts), strict=True)) == list(zip(texts, amounts, strict=True))
        assert [text for text, value in zip(texts, read(other, *texts), strict=True) if value is not None] == []


def written(amount: Decimal, group: str, mark: str, draw: random.Random) -> str:
    digits = f"{abs(amount):,.2f}".replace(",", "G").replace(".", mark).replace("G", group)
    currency = draw.choice(["{}", "€{}", "{} €", "EUR {}", "{} USD", "$ {}"]).format(digits)
    return draw.choice(["-{}", "({})", "{}-"]).format(currency) if amount < 0 else currency


def test_a_percent_sign_is_a_hundredth(read):
    assert read("percent", "75%", "7,5 %", "%", "75", " 20\u00a0% ", None) == [75, 7.5, None, None, 20, None]


def test_text_has_no_white_space_around_it_and_one_form(read):
    spaces = ["\t", "\n", "\r\n", "\v", "\u00a0", "\u200b", "\u2009", "\u3000", "\ufeff", " \u2060"]
    assert read("text", *(f"{space}EMEA{space}" for space in spaces)) == ["EMEA"] * len(spaces)
    assert read("text", *spaces, "", None) == [None] * (len(spaces) + 2)
    assert read("text", "e\u0301", "Zoe\u0308 B", "00042", "a  b", "ß ", "-") == ["é", "Zoë B", "00042", "a  b", "ß", "-"]


def test_true_and_false_have_many_words(read):
    assert read("boolean", "TRUE", " yes", "1", "Ja", "f", "No", "0", "perhaps", "", None) == [True] * 4 + [False] * 3 + [None] * 3


def test_a_plausible_date_is_from_1990_to_ten_years_ahead(read):
    days = ["1989-12-31", "1990-01-01", "2035-01-31", "2035-02-01", "0001-01-01", "9999-12-31", "infinity", "-infinity", None]
    assert read("plausible", *days, kind="date") == [False, True, True, False, False, False, False, False, None]


def test_a_file_with_everything_declared_is_read_right(tmp_path):
    """Semicolons, cp1252, days first, commas, euros, percents, local time, words for nothing, white space, a total row: 4 deals, and why not the rest."""
    header = "deal_id;created_date;closed_date;sales_rep_id;industry;region;product_type;lead_source;deal_stage;deal_amount;outcome;stage_probability;"
    rows = [
        "0001;01.02.2024;05.03.2024;Zoë;SaaS;EMEA;Core;n/a;Closed;1.234,50 €;Won;100 %;",
        "0002;01.02.2024;N/A;Zoë;SaaS;\u00a0EMEA\t;Core;Unknown;Demo;€ 12;;75;",
        "0003;1.2.2024;31.3.2024 23:30 -0700;Zoë;SaaS;EMEA;Core;-;Closed;12;Lost;1;",
        "0004;02/28/2024;;Zoë;SaaS;EMEA;Core;Web;Demo;12;;;",
        "0005;01.01.1901;;Zoë;SaaS;EMEA;Core;Web;Demo;12;;;",
        "0006;1.2.2024;;Zoë;SaaS;EMEA;Core;Web;Demo;1.23;;;",
        "Summe;;;;;;;;;1.258,50;;;",
    ]
    (tmp_path / "deals.csv").write_text("\n".join(["sep=;", header, *rows]), encoding="cp1252")
    formats = {"delimiter": ";", "encoding": "cp1252", "decimal_mark": ",", "date_format": ["%d.%m.%Y", "%d.%m.%Y %H:%M %z"]}
    build = run_dbt(
        tmp_path / "formats.duckdb",
        {"deals_file": tmp_path / "deals.csv", **formats, "time_zone": "America/Los_Angeles", "as_of_date": "2024-12-31"},
        select="+int_input_row_counts int_segment_spellings int_probability_scales",
        with_tests=False,
    ).check()
    february, march = datetime.date(2024, 2, 1), datetime.date(2024, 3, 31)
    assert build.query(
        "select deal_id, created_date, closed_date, sales_rep_id, region, lead_source, deal_amount, stage_probability from intermediate.int_deals order by 1"
    ) == [
        ("0001", february, datetime.date(2024, 3, 5), "Zoë", "EMEA", "Unknown", Decimal("1234.50"), 1.0),
        ("0002", february, None, "Zoë", "EMEA", "Unknown", Decimal(12), 0.75),
        ("0003", february, march, "Zoë", "EMEA", "Unknown", Decimal(12), 0.01),
        ("0006", february, None, "Zoë", "EMEA", "Web", None, None),
    ]
    assert build.query("select amount_problem from intermediate.int_deals where deal_id = '0006'") == [("unreadable",)]
    [(rows_in, accepted, quarantined)] = build.query(
        "select row_count, accepted_count, quarantined_count from intermediate.int_input_row_counts where input = 'deals'"
    )
    assert (rows_in, accepted, quarantined) == (7, 4, 3)
    reasons = dict(build.query("select deal_id, reason_codes from intermediate.int_rejected_rows"))
    assert reasons == {"0004": "created_date_unreadable", "0005": "created_date_implausible", "Summe": "created_date_missing"}

"""The vars of the project against their schema: names, types and ranges, all that is wrong at once.

`vars.schema.json` is a JSON Schema, so that an editor can check and complete a vars file too; the defaults stand in dbt_project.yml.
"""

import datetime
import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import jsonschema

SCHEMA = Path(__file__).with_name("vars.schema.json")
DATE_WORDS = ("iso", "epoch_ms", "epoch_s", "excel")
DATE_PARTS = {"year": ("%Y", "%y"), "month": ("%m", "%-m", "%b", "%B"), "day": ("%d", "%-d")}
NOUNS = {
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "a mapping",
}


@cache
def schema() -> dict:
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def problems(values: Mapping[str, Any], given: Iterable[str], is_own_project: bool = True) -> list[str]:
    """What is wrong with the vars, a clause each, in the order of the schema.

    Parameters
    ----------
    values : value of each var that the project has.
    given : names that were given on the command line, where a misspelt one would be ignored.
    is_own_project : in another project's build the host's own vars are none of ours: there only a name near one of ours is a problem.
    """
    found = [clause for name in given if (clause := unknown_name(str(name), is_own_project))]
    found += wrong_encodings(values.get("encoding")) + wrong_delimiters(values.get("delimiter"))
    found += wrong_formats(values.get("date_format")) + wrong_zones(values.get("time_zone"))
    return found + [
        clause
        for name, rule in schema()["properties"].items()
        if name in values
        for clause in wrong_values(name, plain(values[name]), rule)
    ]


def wrong_encodings(encoding: Any) -> list[str]:
    return [
        f"encoding is {shown(name)}, which is the name of none: utf-8, utf-16 and cp1252 are common"
        for name in each_value(encoding)
        if not is_encoding(name)
    ]


def is_encoding(name: str) -> bool:
    """Is it the name of one for text? Python knows others too, such as base64."""
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def wrong_delimiters(delimiter: Any) -> list[str]:
    return [
        f'delimiter is {shown(mark)}, which can\'t stand between columns: set the one of the file, such as ";"'
        for mark in each_value(delimiter)
        if mark in ('"', "\n", "\r", "\0", "\ufeff")
    ]


def each_value(value: Any) -> list[str]:
    """The texts of a var that is one for all inputs, or a mapping of input to value, each of which may be a list."""
    values = value.values() if isinstance(value, Mapping) else [value]
    return [text for each in values for text in (each if isinstance(each, list | tuple) else [each]) if isinstance(text, str) and text]


def wrong_formats(formats: Any) -> list[str]:
    return [f"date_format is {shown(text)}, {problem}" for text in each_value(formats) if (problem := problem_of_format(text))]


def problem_of_format(text: str) -> str | None:
    """Why a date format can't be used: DuckDB reads patterns, so it is asked."""
    if text in DATE_WORDS:
        return None
    if "%" not in text:
        near = difflib.get_close_matches(text.lower(), DATE_WORDS, n=1)
        remedy = f"did you mean {near[0]}?" if near else 'write one such as "%d.%m.%Y" for 31.12.2024'
        return f"which is none of {', '.join(DATE_WORDS)} and no pattern: {remedy}"
    try:
        with duckdb.connect() as connection:
            connection.execute("select try_strptime('', ?)", [text])
    except duckdb.Error as error:
        return f"which can't be read as a pattern ({str(error).rpartition(': ')[2]}): docs/your_data.md lists what may stand in one"
    lacking = [part for part, directives in DATE_PARTS.items() if not any(each in text for each in directives)]
    return f"which has no {' and no '.join(lacking)}: add {', '.join(DATE_PARTS[part][0] for part in lacking)}" if lacking else None


def wrong_zones(zones: Any) -> list[str]:
    if not each_value(zones):
        return []
    with duckdb.connect() as connection:
        known = [
            name
            for (name,) in connection.execute(
                "select name from pg_timezone_names() where name like '%/%' and name not like 'SystemV%' or name = 'UTC' order by 1"
            ).fetchall()
        ]
    found = []
    for zone in each_value(zones):
        if zone not in known:
            near = difflib.get_close_matches(zone.replace(" ", "_"), known, n=3, cutoff=0.5)
            near += [name for name in known if len(zone) > 2 and zone.lower() in name.lower() and name not in near][: 3 - len(near)]
            remedy = f"did you mean {' or '.join(near)}?" if near else "names look like Europe/Berlin"
            found.append(f"time_zone is {shown(zone)}, which is no zone of the IANA list: {remedy}")
    return found


def unknown_name(name: str, is_own_project: bool) -> str | None:
    if name in schema()["properties"]:
        return None
    near = difflib.get_close_matches(name, schema()["properties"], n=1, cutoff=0.6 if is_own_project else 0.85)
    if name == "vars" and is_own_project:
        return "there is no var vars: leave the line `vars:` out, and begin those below it without blanks"
    if near:
        return f"there is no var {name}: did you mean {near[0]}?"
    return f"there is no var {name}: docs/vars.md lists them" if is_own_project else None


def wrong_values(name: str, value: Any, rule: dict) -> list[str]:
    """All that is wrong with a value, a clause each."""
    validator = jsonschema.Draft202012Validator(
        {**rule, "$defs": schema().get("$defs", {})}, format_checker=jsonschema.FormatChecker(["date"])
    )
    errors = [each for error in validator.iter_errors(value) for each in meant_errors(error)]
    return list(dict.fromkeys(clause for error in errors for clause in clauses(name, error)))


def meant_errors(error: jsonschema.ValidationError) -> list[jsonschema.ValidationError]:
    """Where a value may be one of several kinds: what is wrong with it as the kind that it has, if it has one of them."""
    if error.validator not in ("anyOf", "oneOf"):
        return [error]
    validator = jsonschema.Draft202012Validator({})
    of_kind = [
        number
        for number, alternative in enumerate(error.validator_value)
        if any(validator.is_type(error.instance, kind) for kind in kinds_of(alternative))
    ]
    if len(of_kind) != 1:
        return [error]
    return [each for inner in error.context if inner.schema_path[0] == of_kind[0] for each in meant_errors(inner)]


def clauses(name: str, error: jsonschema.ValidationError) -> list[str]:
    place = name + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    if "propertyNames" in error.schema_path:
        return [unknown_key(place, error.instance, error.validator_value)]
    if error.validator == "additionalProperties":
        allowed = list(error.schema["properties"])
        return [unknown_key(place, key, allowed) for key in error.instance if key not in allowed]
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return [f"{place} lacks {', '.join(missing)}: add it"]
    listed = jsonschema.Draft202012Validator({**error.schema, "$defs": schema().get("$defs", {})})
    is_bare = error.validator == "type" and "array" in kinds_of(error.schema) and listed.is_valid([error.instance])
    remedy = f": write {json.dumps([error.instance], ensure_ascii=False)}" if is_bare else ""
    return [f"{place} is {shown(error.instance)}, but must be {expected(error.schema)}{remedy}"]


def unknown_key(place: str, key: str, allowed: Sequence[str]) -> str:
    near = difflib.get_close_matches(key.lower(), allowed, n=1)
    return f"{place} has {key}, which is none of {', '.join(allowed)}: {f'did you mean {near[0]}?' if near else 'take one of these'}"


def plain(value: Any) -> Any:
    """As JSON has it: a date that YAML made of text is text again, and so is a number without an end, or that is none."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def kinds_of(rule: dict) -> list[str]:
    kinds = rule.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


def expected(rule: dict) -> str:
    """What a schema allows, in words."""
    if "$ref" in rule:
        rule = schema()["$defs"][rule["$ref"].rpartition("/")[2]]
    if "enum" in rule:
        allowed = [str(each) if str(each).isalnum() or "_" in str(each) else shown(each) for each in rule["enum"] if each is not None]
        return "one of " + ", ".join(allowed) + (", or unset" if None in rule["enum"] else "")
    if "anyOf" in rule or "oneOf" in rule:
        return ", or ".join(expected(each) for each in rule.get("anyOf", rule.get("oneOf")))
    kinds = kinds_of(rule)
    nouns = [NOUNS[kind] for kind in kinds if kind != "null"]
    if rule.get("format") == "date":
        nouns = ["a date, written as YYYY-MM-DD"]
    low, high = rule.get("minimum", rule.get("exclusiveMinimum")), rule.get("maximum", rule.get("exclusiveMaximum"))
    if low is not None and high is not None:
        nouns[-1] += (
            f" {'between' if 'exclusiveMinimum' in rule else 'from'} {low:g} {'and' if 'exclusiveMinimum' in rule else 'to'} {high:g}"
        )
    elif low is not None:
        nouns[-1] += f" of at least {low:g}" if "minimum" in rule else f" above {low:g}"
    if "items" in rule:
        each = expected(rule["items"])
        nouns[-1] += f" of {entries(rule)}{'mappings' if each == NOUNS['object'] and not entries(rule) else each}"
        nouns[-1] += ", none twice" if rule.get("uniqueItems") else ""
    if "propertyNames" in rule:
        nouns[-1] += " of an input to such a value" if "$ref" in rule["propertyNames"] else " of a column to the meaning of its values"
    if rule.get("maxLength") == 1:
        nouns[-1] = "one character"
    elif rule.get("minLength"):
        nouns[-1] += " that isn't blank"
    if rule.get("pattern"):
        nouns[-1] += " of lower-case letters, digits and _, a letter first"
    if rule.get("maxLength", 1) > 1:
        nouns[-1] += f", at most {rule['maxLength']} characters"
    return " or ".join(nouns) + (", or unset" if "null" in kinds else "")


def entries(rule: dict) -> str:
    """How many entries a list must have, where that is said."""
    low = rule.get("minItems")
    if low is None:
        return ""
    number = f"at least {low}"
    return f"{number} {'entry' if low == 1 else 'entries'}, each "

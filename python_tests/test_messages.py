"""docs/messages.md has each message that stops a build, keeps it from being published or ends a tool, and none that no code says."""

import ast
import csv
import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import jinja2
import pytest
import yaml
from conftest import PROJECT
from jinja2 import nodes

PAGE = PROJECT / "docs" / "messages.md"
# What differs from case to case in a message: an expression in the code, <a word> on the page.
HOLE = "\0"
SQL = re.compile(r"\s*(attach|comment|create|describe|drop|from|insert|select) ")
# Parts of messages and other strings of three words that nobody reads by themselves.
NO_MESSAGES = {"the demo CRM", "a date, written as YYYY-MM-DD", "One row: which build this file is."}
# Sections whose tables have names in their first column.
NAMED = ("Warnings at the end of a build", "Why rows are turned away")


def plain(template: str) -> str:
    return re.sub(f"{HOLE}+", HOLE, template).strip(" .")


def is_prose(template: str) -> bool:
    has_words = len(re.findall(r"[A-Za-z]\S*", template)) >= 3 or f"{HOLE} lacks {HOLE}" in template
    return has_words and not SQL.match(template) and template not in NO_MESSAGES


def of_expression(node: ast.expr) -> str:
    """A string of Python with holes for what isn't constant."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return plain_holes(map(of_expression, node.values))
    if isinstance(node, ast.BinOp):
        return plain_holes([of_expression(node.left), of_expression(node.right)])
    return HOLE


def plain_holes(parts: Iterable[str]) -> str:
    return re.sub(f"{HOLE}+", HOLE, "".join(parts))


def whole_strings(node: ast.AST) -> Iterator[str]:
    """Strings below a node that are no part of another one; what a variable of another name than `found` gets is a part, too."""
    if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
        yield of_expression(node)
    elif isinstance(node, ast.Assign | ast.AugAssign) and not isinstance(node.value, ast.Dict):
        target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
        yield from whole_strings(node.value) if ast.unparse(target) == "found" else ()
    elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        for child in ast.iter_child_nodes(node):
            yield from whole_strings(child)


def of_functions(text: str) -> Iterator[str]:
    """Prose in the functions of a module: for modules that say what is wrong and nothing else."""
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef):
            yield from filter(is_prose, (each for statement in function.body for each in whole_strings(statement)))


def of_errors(text: str) -> Iterator[str]:
    """What a module raises as Unusable, or prints as an error: for modules that print what they found, too."""
    for call in ast.walk(ast.parse(text)):
        if isinstance(call, ast.Call) and call.args:
            if ast.unparse(call.func) == "Unusable" or "sys.stderr" in [ast.unparse(each.value) for each in call.keywords]:
                yield from filter(is_prose, [of_expression(call.args[0])])


def of_jinja(node: nodes.Node) -> str:
    if isinstance(node, nodes.Const):
        return node.value if isinstance(node.value, str) else HOLE
    return plain_holes(map(of_jinja, node.nodes)) if isinstance(node, nodes.Concat) else HOLE


def of_macros(text: str) -> Iterator[str]:
    """What macros stop a build with, log, add to `problems`, call a `reason`, or return as one."""
    tree = jinja2.Environment(extensions=["jinja2.ext.do"]).parse(text)
    said: list[nodes.Node] = []
    for call in tree.find_all(nodes.Call):
        name = getattr(call.node, "attr", getattr(call.node, "name", None))
        if name in ("raise_compiler_error", "log") or (name == "append" and getattr(call.node.node, "name", None) == "problems"):
            said.append(call.args[0])
    for macro in tree.find_all(nodes.Macro):
        if macro.name.startswith("why_"):
            said += [call.args[0] for call in macro.find_all(nodes.Call) if getattr(call.node, "name", None) == "return"]
    for reason in tree.find_all(nodes.Assign):
        if getattr(reason.target, "name", None) == "reason":
            said += [reason.node.expr1, reason.node.expr2] if isinstance(reason.node, nodes.CondExpr) else [reason.node]
    yield from (each for each in map(of_jinja, said) if re.search("[a-z]", each))


def of_sql(text: str) -> Iterator[str]:
    """What a query of problems says: the text behind `then`, `else` and `error(`."""
    text = re.sub(r"coalesce\((\w+), '[^']*'\)", r"\1", re.sub(r"\{\{.*?\}\}", HOLE, text, flags=re.DOTALL))
    for said in re.findall(r"(?:then|else|error\()\s*('.*)", text):
        tokens = re.findall(r"'(?:[^']|'')*'|\|\| \w+", said)
        yield "".join(HOLE if token.startswith("||") else token[1:-1].replace("''", "'") for token in tokens)


def of_rules(text: str) -> Iterator[str]:
    """What the generic test rows_are_valid says of a row."""
    for model in yaml.safe_load(text)["models"]:
        for test in model.get("data_tests", []):
            if "rows_are_valid" in test:
                yield from test["rows_are_valid"]["arguments"]["problems"]


@functools.cache
def messages() -> dict[str, Path]:
    """Each message, and a file that says it."""
    intake, tools, tests = PROJECT / "intake", PROJECT / "tools", PROJECT / "tests"
    sources = [
        (of_functions, [*intake.glob("*.py"), tools / "publish.py"]),
        (of_errors, [*(intake / "profiling").glob("*.py"), tools / "check.py", tools / "profile.py"]),
        (of_macros, (PROJECT / "macros").rglob("*.sql")),
        (of_rules, (file for file in (PROJECT / "models").rglob("*.yml") if "rows_are_valid" in file.read_text(encoding="utf-8"))),
        (of_sql, (file for file in tests.glob("*.sql") if "error(" in file.read_text(encoding="utf-8"))),
    ]
    found = {plain(each): file for read, files in sources for file in files for each in read(file.read_text(encoding="utf-8"))}
    playbook = PROJECT / "macros" / "playbook.sql"
    problems = playbook.read_text(encoding="utf-8").split("macro play_problems")[1]
    return found | {plain(each): playbook for each in of_sql(problems)}


def first_cells(section: str) -> list[str]:
    return re.findall(r"^\| (`.*?`) \| ", section, re.MULTILINE)


def sections() -> dict[str, str]:
    return dict(part.split("\n", 1) for part in ("#" + PAGE.read_text(encoding="utf-8")).split("\n## "))


def told() -> list[str]:
    """What stands in the first columns of the page, as the code has it."""
    cells = [cell for title, text in sections().items() if title not in NAMED for cell in first_cells(text)]
    return [plain(re.sub("<[^<>]+>", HOLE, each)) for cell in cells for each in re.findall("`(.+?)`", cell.replace("``", "`"))]


def lacking(said: Iterable[str], on_page: Iterable[str]) -> list[str]:
    """Messages of which the page has nothing."""
    rows = list(on_page)
    return sorted(each.replace(HOLE, "<...>") for each in said if not any(row in each for row in rows))


def test_the_page_has_each_message_of_the_code():
    assert len(messages()) > 100
    assert lacking(messages(), told()) == []


def test_each_row_of_the_page_is_a_message_of_one_file():
    """A row whose words are in no message is out of date; one whose words are in those of two files is too short to be found."""
    found = {row: {file for message, file in messages().items() if row in message} for row in told()}
    assert {row.replace(HOLE, "<...>"): files for row, files in found.items() if len(files) != 1} == {}
    assert len(told()) == len(set(told()))


def test_each_row_says_what_to_do():
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if len(re.findall(r"[^|]{4,} \|", row)) != 3] == []


@pytest.mark.parametrize(
    "read, text, expected",
    [
        (of_functions, "def f(a):\n    'A docstring of words.'\n    return f'{a!r} is no good{a}' + (f': take {a}' if a else '')", ["\0 is no good\0"]),
        (of_functions, "def f():\n    found.append('one two three')\n    found += [f'four five six' for a in b]", ["one two three", "four five six"]),
        (of_functions, "def f():\n    part = 'one two three'\n    g('select one two three')\n    return 'few words'", []),
        (of_errors, "raise Unusable(f'is cut off {a}')\nprint(f'{a} is wrong here.', file=sys.stderr)\nprint('all is well')", ["is cut off \0", "\0 is wrong here."]),
        (of_macros, '{% macro m() %}{% do exceptions.raise_compiler_error("No row of " ~ x | join("a b") ~ " left") %}{% endmacro %}', ["No row of \0 left"]),
        (of_sql, "where error('Play ''' || coalesce(id, '(blank)') || ''' can''t be used: ' || problem) is null", ["Play '\0' can't be used: \0"]),
    ],
    ids=["returned", "listed", "no message", "error", "macro", "query"],
)  # fmt: skip
def test_messages_are_found_in_code(read, text, expected):
    assert list(read(text)) == expected


def test_a_message_that_the_page_lacks_is_named():
    assert lacking(["\0 has a new fault: mend it", "\0 is empty (0 bytes)"], ["is empty (0 bytes)"]) == ["<...> has a new fault: mend it"]


def test_the_warnings_are_those_that_a_build_can_end_with():
    """Names of the seed of grave findings that some check has; those of percentages are made of a column's name."""
    checks = "".join(file.read_text(encoding="utf-8") for file in (PROJECT / "models" / "quality").glob("*.sql"))
    with (PROJECT / "seeds" / "reference" / "grave_findings.csv").open(encoding="utf-8", newline="") as file:
        names = [row["check_name"] for row in csv.DictReader(file)]
    possible = {name for name in names if name in checks or name.endswith("_probability_read_as_percent")}
    described = [name for cell in first_cells(sections()[NAMED[0]]) for name in re.findall(r"`(\w+)`", cell)]
    assert len(possible) >= 13 and sorted(described) == sorted(possible)


def test_the_reasons_of_rejected_rows_are_those_of_the_models():
    """Each code has a row of its own, or one for its ending."""
    codes = {"line_unreadable"}
    for file in [*(PROJECT / "macros").glob("*.sql"), *(PROJECT / "models" / "input").glob("*.sql")]:
        text = file.read_text(encoding="utf-8")
        if re.search(r"(reason_codes|checked_events)\(", text) and file.name != "parse.sql":
            codes |= set(re.findall(r',\s*(?:\w+ ~ )?"(\w+)",?\s*\)', text))
    described = [name for cell in first_cells(sections()[NAMED[1]]) for name in re.findall("`(.+?)`", cell)]
    endings = tuple(name.removeprefix("<column>") for name in described if name.startswith("<column>"))
    assert len(codes) > 40
    assert sorted(code for code in codes if code not in described and not code.endswith(endings)) == []
    assert [
        name for name in described if name not in codes and not any(code.endswith(name.removeprefix("<column>")) for code in codes)
    ] == []

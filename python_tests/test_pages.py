"""README.md, docs/ and the other pages as text: links lead somewhere, README is a door, and each page of reference names all there is."""

import functools
import pathlib
import re

import pytest
import yaml
from conftest import PROJECT

PAGES = [*map(PROJECT.joinpath, ("README.md", "CONTRIBUTING.md", "DECISIONS.md", "CHANGELOG.md")), *sorted((PROJECT / "docs").glob("*.md"))]
CODE_BLOCK = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[((?:[^][]|!\[[^]]*\]\([^)]*\))*)\]\(([^)\s]+)\)")


def readme_section(title: str) -> str:
    return (PROJECT / "README.md").read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


@functools.cache
def anchors(page: pathlib.Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    found: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#+ (.+)$", CODE_BLOCK.sub("", page.read_text()), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", LINK.sub(r"\1", heading).strip().lower()).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if name in found else name)
        found[name] = found.get(name, 0) + 1
    return names


def broken_links(page: pathlib.Path) -> list[str]:
    """Relative links whose file or heading doesn't exist."""
    broken = []
    for _, target in LINK.findall(CODE_BLOCK.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_exist(page):
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One thing\n\n[a](#one-thing) [b](#two) [c](page.md#one-thing) [d](other.md) [e](https://example.com/x)\n\n```\n[f](g.md)\n```\n"
    )
    assert broken_links(page) == ["#two", "other.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_lines_of_prose_fit_on_a_screen(page):
    prose = CODE_BLOCK.sub("", page.read_text()).splitlines()
    assert [line for line in prose if len(line) > 140 and not line.startswith("|")] == []


def test_readme_is_a_door():
    text = (PROJECT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    for page in PAGES[1:]:
        assert f"]({page.relative_to(PROJECT)}" in text, f"README doesn't lead to {page.name}"


def test_readme_has_the_two_commands_of_ci():
    text = (PROJECT / "README.md").read_text()
    commands = dict(re.findall(r"^<!-- command: (\w+) -->\n```sh\n(.+)\n```$", text, re.MULTILINE))
    assert sorted(commands) == ["build", "test"]
    assert commands["build"].endswith("dbt build") and commands["test"].endswith("pytest")


def test_what_is_to_be_changed_stands_in_the_file_to_be_opened():
    rows = [line for line in readme_section("To change X, open Y").splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 12
    for row in rows:
        _, _, where, _ = row.split("|")
        links = [target for _, target in LINK.findall(where)]
        assert links, f"no file to open: {row}"
        texts = "".join(file.read_text() for file in map(PROJECT.joinpath, links) if file.is_file())
        for name in re.findall(r"`([A-Za-z_]+?)_?(?:\.\.\.)?`", LINK.sub("", where)):
            named = name in texts or name in (PROJECT / "dbt_project.yml").read_text()
            assert named, f"{name} is in none of {links}"


def shown(value: object) -> str:
    """A default as docs/vars.md writes it."""
    if value == []:
        return "none"
    if isinstance(value, list):
        return f"{len(value)} factors" if isinstance(value[0], dict) else ", ".join(map(str, value))
    words = {None: "unset", "": "blank", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool | str) and value in words else str(value)


def test_every_var_is_described_with_its_default():
    text = (PROJECT / "docs" / "vars.md").read_text()
    described = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]+?) \|", text, re.MULTILINE))
    variables = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    assert described == {name: shown(value) for name, value in variables.items()}


def test_every_environment_variable_is_described():
    read = re.compile(r"""(?:environ(?:\.get\(|\[)|env_var\()\s*["'](SALES_[A-Z_]+)["']""")
    outside = [
        file
        for folder in ("macros", "tools", "dashboard", "models")
        for kind in ("sql", "py")
        for file in (PROJECT / folder).rglob(f"*.{kind}")
    ]
    used = {name for file in [*outside, PROJECT / "profiles.yml"] for name in read.findall(file.read_text())}
    described = set(re.findall(r"^\| `(SALES_[A-Z_]+)(?:<NAME>)?` \|", (PROJECT / "docs" / "vars.md").read_text(), re.MULTILINE))
    assert {"SALES_DB", "SALES_MARTS_DB"} <= used
    assert used <= described
    tested = {name for file in (PROJECT / "python_tests").glob("*.py") for name in read.findall(file.read_text())}
    assert tested - described <= set(re.findall(r"`(SALES_[A-Z_]+)", (PROJECT / "CONTRIBUTING.md").read_text()))


def test_every_column_of_an_input_is_described():
    contract = (PROJECT / "macros" / "input_columns.sql").read_text().split("macro input_contract()")[1].split("endmacro")[0]
    columns = {
        name for group in re.findall(r'"(?:required|optional)": \[(.*?)\]', contract, re.DOTALL) for name in re.findall(r'"(\w+)"', group)
    }
    assert len(columns) > 40
    page = (PROJECT / "docs" / "your_data.md").read_text()
    seeds = ["pipeline_stages", "alert_rules", "playbook", "bands"]
    described = set(re.findall(r"`(\w+)`", page)).union(
        *((PROJECT / "seeds" / "reference" / f"{seed}.csv").read_text().splitlines()[0].split(",") for seed in seeds)
    )
    assert columns - described == set()


def test_hooks_before_a_commit_download_nothing():
    configuration = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())
    assert {repository["repo"] for repository in configuration["repos"]} == {"local"}
    hooks = [hook for repository in configuration["repos"] for hook in repository["hooks"]]
    assert {hook["id"] for hook in hooks} == {"ruff", "sqlfluff", "dbt-bouncer"}
    assert {hook["language"] for hook in hooks} == {"system"}

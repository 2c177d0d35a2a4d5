"""What a build asks of its inputs: the contract of each, the vars, and what they say of one input."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from intake.landing import Dialect

# Endings that make a path of a name that could be a table's.
FILE_ENDINGS = frozenset(
    "arrow avro bz2 csv dat db duckdb feather gz json jsonl ndjson ods orc parquet pdf pq sqlite tab tsv txt xls xlsm xlsx xz zip zst".split()
)
NAME = r"""(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)"""
TABLE = re.compile(rf"{NAME}(?:\.{NAME}){{1,2}}")
SOURCE = re.compile(r"""\s*source\(\s*(['"])(?P<source>[^'"]+)\1\s*,\s*(['"])(?P<table>[^'"]+)\3\s*\)\s*""")


@dataclasses.dataclass(frozen=True)
class Input:
    """One input as the contract declares it: its name, canonical columns, those that a file must have, and those of which it must have one."""

    name: str
    required: Sequence[str]
    optional: Sequence[str]
    one_of: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        return [*self.required, *self.optional]


@dataclasses.dataclass(frozen=True)
class Request:
    """What a build asks for: the contract, the inputs that the demo may have too, the vars and which of them were given, what the input is called,
    the file that the marts go to, if they are to be published, and the tables of inputs that are dbt sources."""

    inputs: Sequence[Input]
    reference_inputs: Sequence[str]
    variables: Mapping[str, Any]
    given: Sequence[str]
    is_landing: bool = True
    is_own_project: bool = True
    input_name: str = "demo"
    published_file: str | None = None
    source_tables: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Request":
        """From what the macro sends: the same in plain JSON."""
        own = own_columns(request["variables"])
        inputs = [
            Input(name, columns["required"], [*columns["optional"], *(own if name == "deals" else ())], columns.get("one_of", ()))
            for name, columns in request["contract"].items()
        ]
        return cls(inputs, **{name: value for name, value in request.items() if name != "contract"})

    def path(self, name: str) -> str | None:
        return self.variables.get(f"{name}_file") or None

    def table(self, name: str) -> str | None:
        """The table that an input is, quoted; none if it is files."""
        value = self.path(name) or ""
        return self.source_tables.get(name) or (quoted_table(value) if is_table(value) else None)

    def of_input(self, variable: str, name: str, default: Any) -> Any:
        """Value of a var that is one for all inputs, or a mapping of input to value."""
        value = self.variables.get(variable)
        if isinstance(value, Mapping):
            value = value.get(name)
        return default if value is None else value

    def dialect(self, name: str) -> Dialect:
        return Dialect(
            self.of_input("delimiter", name, ","), self.of_input("encoding", name, "utf-8"), int(self.of_input("skip_lines", name, 0))
        )

    def mapping(self, name: str) -> dict[str, str]:
        """The file's name of each canonical column of an input that has another one. Entries that aren't mappings are about the deals."""
        mapping = self.variables.get("column_mapping") or {}
        found = {column: value for column, value in mapping.items() if isinstance(value, str)} if name == "deals" else {}
        if isinstance(mapping.get(name), Mapping):
            found |= mapping[name]
        return found | (own_columns(self.variables) if name == "deals" else {})


def own_columns(variables: Mapping[str, Any]) -> dict[str, str]:
    """The file's name of each column of the deals that is read besides the canonical ones, as the macro of that name lists them."""
    found = {str(each["dimension"]): str(each["column"]) for each in entries(variables.get("own_dimensions")) if "dimension" in each}
    return found | {f"filter_{number}": str(each["column"]) for number, each in enumerate(entries(variables.get("row_filters")), start=1)}


def entries(value: Any) -> list[Mapping]:
    """Entries of a list that name a column: this is asked before anything is checked."""
    return [each for each in value if isinstance(each, Mapping) and "column" in each] if isinstance(value, list | tuple) else []


def is_table(value: str) -> bool:
    """Is a value such as `raw.deals` a table and no path? What is there as a file, or ends as files do, is a path."""
    is_name = TABLE.fullmatch(value) and value.rpartition(".")[2].casefold() not in FILE_ENDINGS
    return bool(is_name) and not Path(value).exists()


def quoted_table(value: str) -> str:
    """
    >>> quoted_table('raw."CRM deals"')
    '"raw"."CRM deals"'
    """
    return ".".join(quoted_name(part.strip('"').replace('""', '"')) for part in re.findall(NAME, value))


def quoted_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

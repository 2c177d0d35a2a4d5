"""From DuckDB's rows to columns, and from what a model has found to a typed Arrow table."""

import datetime
from collections.abc import Mapping, Sequence

import pyarrow as pa

ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), datetime.date: pa.date32()}
Types = Mapping[type, Sequence[str]]


def read_rows(relation, names: Sequence[str], order: Sequence[str]) -> list[dict]:
    """Rows of a relation.

    Parameters
    ----------
    relation : duckdb.DuckDBPyRelation
    names : sequence of str
        Columns.
    order : sequence of str
        Those of `names` by which the rows are ordered.

    Returns
    -------
    list of dict

    Examples
    --------
    >>> import duckdb
    >>> read_rows(duckdb.sql("select * from (values (2, 'b'), (1, 'a')) as t(number, name)"), ["name"], ["name"])
    [{'name': 'a'}, {'name': 'b'}]
    """
    ordered = relation.project(", ".join(names)).order(", ".join(order))
    return [dict(zip(names, row, strict=True)) for row in ordered.fetchall()]


def read_columns(relation, names: Sequence[str], order: Sequence[str]) -> dict[str, list]:
    """As `read_rows`, by column.

    Examples
    --------
    >>> import duckdb
    >>> read_columns(duckdb.sql("select * from (values (2, 'b'), (1, 'a')) as t(number, name)"), ["number", "name"], ["number"])
    {'number': [1, 2], 'name': ['a', 'b']}
    """
    rows = read_rows(relation, names, order)
    return {name: [row[name] for row in rows] for name in names}


def listed(names: Sequence[str], most: int = 4) -> str:
    """The first names of a list, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def from_columns(columns: Mapping[str, Sequence], types: Types) -> pa.Table:
    """A table of columns, each of the type it is listed under.

    Parameters
    ----------
    columns : mapping of str to sequence
        Lists or arrays of one length; None and NaN become null. Columns that `types` doesn't list are left out.
    types : mapping of type to sequence of str
        Columns by their type: str, int, float, bool, or datetime.date (also as days since 1970).

    Returns
    -------
    pyarrow.Table
        Its columns in the order of `types`.

    Raises
    ------
    KeyError
        If a listed column is missing.
    pyarrow.ArrowInvalid
        If a value is not of its column's type, or the columns are not of one length.

    Examples
    --------
    >>> from_columns({"rate": [0.5, float("nan")], "name": ["a", None]}, {str: ["name"], float: ["rate"]}).to_pylist()
    [{'name': 'a', 'rate': 0.5}, {'name': None, 'rate': None}]
    """
    return pa.table({name: pa.array(columns[name], ARROW_TYPES[kind], from_pandas=True) for kind, names in types.items() for name in names})


def from_rows(rows: Sequence[Mapping], types: Types) -> pa.Table:
    """As `from_columns`, of rows; what a row lacks is null.

    Examples
    --------
    >>> from_rows([{"name": "a", "rate": 0.5}, {"name": "b"}], {str: ["name"], float: ["rate"]}).to_pylist()
    [{'name': 'a', 'rate': 0.5}, {'name': 'b', 'rate': None}]
    """
    return from_columns({name: [row.get(name) for row in rows] for names in types.values() for name in names}, types)

"""The dimensions that the user adds to the built-in ones, as the var own_dimensions lists them."""

from collections.abc import Mapping, Sequence


def known_at(dimensions: Sequence[Mapping[str, str]], times: Sequence[str]) -> list[str]:
    """Names of the dimensions whose values are known at one of these times.

    Parameters
    ----------
    dimensions : sequence of mappings
        With `dimension` and, but for those known at the creation, `known`.
    times : sequence of str
        Of creation, changes and close.

    Returns
    -------
    list of str
        In the order of `dimensions`.

    Examples
    --------
    >>> known_at([{"dimension": "tier"}, {"dimension": "loss_code", "known": "close"}], ["creation", "changes"])
    ['tier']
    """
    return [each["dimension"] for each in dimensions if each.get("known", "creation") in times]


def with_own(listed: Sequence[str], dimensions: Sequence[Mapping[str, str]], times: Sequence[str]) -> list[str]:
    """`listed` names, then those of the dimensions known at `times` that aren't among them.

    Examples
    --------
    >>> with_own(["region", "tier"], [{"dimension": "tier"}, {"dimension": "size", "known": "changes"}], ["creation", "changes"])
    ['region', 'tier', 'size']
    """
    return [*listed, *(name for name in known_at(dimensions, times) if name not in listed)]

"""Deals of one account are alike: how many independent deals theirs are worth."""

from dataclasses import dataclass

import numpy as np

from inference.intervals import Proportion, ratio

Array = np.ndarray


@dataclass(frozen=True)
class Accounts:
    """Sums over the accounts of a dimension, each account's residual r being its won deals less those that its segments' rates expect.

    Attributes
    ----------
    account_count : float
    deal_count : float
        Deals of all accounts.
    squared_deal_count : float
        Sum over accounts of deals^2.
    between : float
        Sum over accounts of r^2 / deals.
    total : float
        Sum over deals of (won - rate of its segment)^2.
    """

    account_count: float
    deal_count: float
    squared_deal_count: float
    between: float
    total: float


def within_account_correlation(accounts: Accounts) -> float:
    """How alike two deals of one account are, beyond their segments: the intraclass correlation by analysis of variance.

    Parameters
    ----------
    accounts : Accounts

    Returns
    -------
    float
        0 to 1; 0 where each account has one deal, or there is one account.

    References
    ----------
    Donner (1986), Int. Stat. Rev. 54, 67-82. Ridout, Demetrio and Firth (1999), Biometrics 55, 137-148.

    Examples
    --------
    Fifty accounts of two deals, both won or both lost, and half of each:

    >>> within_account_correlation(Accounts(50, 100, 200, 25.0, 25.0))
    1.0
    """
    groups, deals = accounts.account_count, accounts.deal_count
    if groups < 2 or deals <= groups:
        return 0.0
    size = (deals - accounts.squared_deal_count / deals) / (groups - 1)
    between = accounts.between / (groups - 1)
    within = max(0.0, accounts.total - accounts.between) / (deals - groups)
    spread = between + (size - 1) * within
    return float(np.clip((between - within) / spread, 0.0, 1.0)) if spread > 0 else 0.0


def design_effect(correlation: float, deal_count: Array, squared_deal_count: Array) -> Array:
    """How many deals of a segment stand for one independent deal.

    Parameters
    ----------
    correlation : float
        See `within_account_correlation`.
    deal_count, squared_deal_count : ndarray of float
        Of each segment, the sum over its accounts of deals there, and of deals^2.

    Returns
    -------
    ndarray of float
        1 or more; 1 without deals.

    References
    ----------
    Kish (1965), Survey Sampling, 5.4. Rao and Scott (1992), Biometrics 48, 577-585.

    Examples
    --------
    >>> design_effect(0.1, np.array([100.0, 0.0]), np.array([400.0, 0.0]))
    array([1.3, 1. ])
    """
    return 1 + correlation * np.nan_to_num(np.maximum(0, ratio(squared_deal_count, deal_count) - 1))


def contrast_design_effect(
    correlation: float, deal_count: float, squared_deal_count: float, crossed_deal_count: float, whole: Accounts
) -> float:
    """How many deals stand for one independent deal where a segment is compared with all deals that aren't in it.

    An account that has deals on both sides is no reason to doubt the difference, as one with deals on one side is.

    Parameters
    ----------
    correlation : float
        See `within_account_correlation`.
    deal_count, squared_deal_count, crossed_deal_count : float
        Sums over accounts: of their deals in the segment, of these squared, and of these x all their deals.
    whole : Accounts
        Of all deals.

    Returns
    -------
    float
        1 or more; 1 where the segment or the rest has no deal.

    References
    ----------
    Kish (1965), Survey Sampling, 5.4, for a contrast whose two sides share clusters.

    Examples
    --------
    Ten accounts of four deals, all of them in the segment in five accounts; then two of each account's.

    >>> whole = Accounts(10, 40, 160, 0.0, 10.0)
    >>> contrast_design_effect(0.1, 20, 80, 80, whole), contrast_design_effect(0.1, 20, 40, 80, whole)
    (1.3, 1.0)
    """
    rest = whole.deal_count - deal_count
    if deal_count <= 0 or rest <= 0:
        return 1.0
    rest_squared = whole.squared_deal_count - 2 * crossed_deal_count + squared_deal_count
    both = crossed_deal_count - squared_deal_count
    shared = squared_deal_count / deal_count**2 - 2 * both / (deal_count * rest) + rest_squared / rest**2
    return max(1.0, 1 + correlation * (shared / (1 / deal_count + 1 / rest) - 1))


def effective(proportion: Proportion, effect: Array) -> Proportion:
    """A proportion of as many hits and cases as it is worth.

    Examples
    --------
    >>> effective(Proportion(30, 60), np.array(1.5)).count
    array(40.)
    """
    return Proportion(proportion.hits / effect, proportion.count / effect)

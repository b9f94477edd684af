"""The read-out: contacted and held-out customers compared once the horizon has passed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm, t

from churn_value.campaign.contacts import CONTACT, HOLD_OUT
from churn_value.errors import TooLittleData
from churn_value.monitoring.outcomes import wilson

Floats = npt.NDArray[np.float64]
LEVEL, POWER = 0.95, 0.8
LEAST_PER_GROUP = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean in both groups, and contacted minus held out with its 95 % interval.

    `needed` is how many customers, of both groups together, would show the expected difference with 80 % power;
    None where none was expected.
    """

    measure: str
    contacted: float
    held_out: float
    difference: float
    lower: float
    upper: float
    expected: float
    needed: int | None

    @property
    def shown(self) -> bool:
        """Whether the interval excludes no effect at all."""
        return self.lower > 0 or self.upper < 0


@dataclass(frozen=True, slots=True)
class ReadOut:
    """What a campaign has changed: shares of churn, mean value, profit, and whether the sample was large enough."""

    contacted: int
    held_out: int
    churn: Difference
    value: Difference
    profit: float
    profit_lower: float
    profit_upper: float

    @property
    def needed(self) -> int | None:
        """Customers that would show the expected effect on churn, when there are fewer; else None."""
        wanted = self.churn.needed
        return wanted if wanted is not None and wanted > self.contacted + self.held_out else None


def read_out(rows: pd.DataFrame, *, cost: float) -> ReadOut:
    """Compare contacted and held-out customers.

    Parameters
    ----------
    rows
        The contact list's rows with ``churned`` (0 or 1) and ``actual_value`` [units of `cost`] of their outcome.
    cost
        Of one contact.

    Raises
    ------
    TooLittleData
        ``GROUP_TOO_SMALL`` when a group has fewer than 10 customers with a known outcome.

    Notes
    -----
    Churn: Newcombe's hybrid score interval of a difference of shares. Value: Welch's interval of a difference of means;
    where the list holds ``expected_value``, of what is left of the value after a regression on it over both groups,
    which takes out what was known before (CUPED) and leaves the difference unbiased. Profit: difference of value ×
    contacted - cost × contacted.

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17, 873-890, method 10.
    Deng et al. (2013), WSDM, doi:10.1145/2433396.2433413.
    """
    groups = [rows[rows["group"] == name] for name in (CONTACT, HOLD_OUT)]
    for name, group in zip(("contacted", "held out"), groups, strict=True):
        if len(group) < LEAST_PER_GROUP:
            raise TooLittleData(
                f"a read-out needs at least {LEAST_PER_GROUP} customers {name}",
                code="GROUP_TOO_SMALL",
                received=f"{len(group)} with a known outcome",
                remedy="a larger hold-out share or budget; the next campaign may use both",
            )
    contacted, held = (len(group) for group in groups)
    churn, value = _churn(*groups), _value(rows, *groups)
    spent = cost * contacted
    gained = [contacted * one - spent for one in (value.difference, value.lower, value.upper)]
    return ReadOut(contacted, held, churn, value, *gained)


def _churn(contacted: pd.DataFrame, held: pd.DataFrame) -> Difference:
    one, other = (float(group["churned"].mean()) for group in (contacted, held))
    bounds = [wilson(float(group["churned"].sum()), len(group), LEVEL) for group in (contacted, held)]
    lower = (one - other) - math.hypot(one - bounds[0][0], bounds[1][1] - other)
    upper = (one - other) + math.hypot(bounds[0][1] - one, other - bounds[1][0])
    saved = float((contacted["churn_probability"] * contacted["success_share"]).mean())
    before = float(contacted["churn_probability"].mean())
    needed = sample_for(before - saved, before, len(held) / (len(contacted) + len(held))) if saved > 0 else None
    return Difference("churn", one, other, one - other, lower, upper, -saved, needed)


def sample_for(share: float, other: float, held_share: float) -> int:
    """Customers of both groups that show a difference of shares at 5 %, two-sided, with 80 % power.

    ``N = (z₀.₉₇₅ + z₀.₈)² (p₁(1-p₁)/(1-h) + p₂(1-p₂)/h) / (p₁ - p₂)²`` with h the share held out.

    References
    ----------
    Fleiss, Levin & Paik (2003), Statistical Methods for Rates and Proportions, section 4.2, without continuity term.
    """
    z = float(norm.ppf((1 + LEVEL) / 2) + norm.ppf(POWER))
    variance = share * (1 - share) / (1 - held_share) + other * (1 - other) / held_share
    return math.ceil(z * z * variance / (share - other) ** 2)


def _value(rows: pd.DataFrame, contacted: pd.DataFrame, held: pd.DataFrame) -> Difference:
    left = pd.Series(_unexplained(rows), index=rows.index)
    one, other = (left.loc[group.index].to_numpy(dtype=np.float64) for group in (contacted, held))
    errors = [float(cells.var(ddof=1)) / len(cells) for cells in (one, other)]
    difference, error = float(one.mean() - other.mean()), math.sqrt(sum(errors))
    half = 0.0
    if error > 0:
        freedom = sum(errors) ** 2 / sum(e * e / (n - 1) for e, n in zip(errors, (len(one), len(other)), strict=True))
        half = float(t.ppf((1 + LEVEL) / 2, freedom)) * error
    expected = float((contacted["value_at_risk"] * contacted["success_share"]).mean())
    mean, other_mean = (float(group["actual_value"].mean()) for group in (contacted, held))
    return Difference("value", mean, other_mean, difference, difference - half, difference + half, expected, None)


def _unexplained(rows: pd.DataFrame) -> Floats:
    """Actual value less its regression on the expected value; the value itself where that does not vary."""
    actual = rows["actual_value"].to_numpy(dtype=np.float64)
    if "expected_value" not in rows or float(rows["expected_value"].var()) == 0:
        return actual
    before = rows["expected_value"].to_numpy(dtype=np.float64)
    centred = before - before.mean()
    slope = float((centred * (actual - actual.mean())).sum() / (centred * centred).sum())
    return np.asarray(actual - slope * centred)

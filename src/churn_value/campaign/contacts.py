"""The contact list: customers by expected profit of a contact, until the budget is spent, with a hold-out group.

Contacting customer i costs c and, with probability s_i, keeps a customer who would have left (probability p_i) and
would then be worth v_i: ``profit_i = p_i v_i s_i - c = value_at_risk_i s_i - c``. Only customers with a positive profit
are chosen, best first; all contacts cost the same, so that this order spends a budget best. The value is v_i, given
that the customer stays, and not the expected value ``(1 - p_i) v_i``, which would count leaving twice (Lemmens and
Gupta, 2020, Marketing Science 39(5), weigh a customer's profit if retained by the change of the retention probability
in the same way).

Customers as good as gone, p_i above 0.99, are left out and counted. Hardly anybody of the kind has ever stayed, so the
value head cannot know what they would be worth (it floors 1 - p there), and the success rate is that of keeping
customers, not of winning them back. No profit can be promised of them; a win-back needs a test of its own.

Some of the chosen are held out: not contacted, not paid for, and compared later. Who is held out depends on the names
of campaign and customer alone, so that neither the budget nor the other customers can change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from churn_value.errors import ConfigError, TooLittleData
from churn_value.estimators.value_head import STAYING_FLOOR

Floats = npt.NDArray[np.float64]
CONTACT, HOLD_OUT = "contact", "hold_out"
NEEDED = ("customer_id", "as_of", "tier", "churn_probability", "value_if_retained", "value_upper", "value_at_risk")
MOST_CERTAIN = 1 - STAYING_FLOOR
# Spread of an amount (sigma of its logarithm) where the interval of its prediction tells none.
USUAL_SPREAD, MOST_SPREAD = 1.0, 2.5
DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Campaign:
    """Terms of a campaign; amounts are in the unit of the score table's amounts.

    Parameters
    ----------
    name
        Seeds the hold-out group.
    cost
        Of one contact, above 0.
    budget
        At most spent, at least `cost`.
    success_share
        Probability that a contact keeps a customer who would have left, 0 to 1.
    success_by_tier
        The same for single tiers.
    hold_out_share
        Share of the chosen who are not contacted, 0 to 0.9.

    Raises
    ------
    ConfigError
        ``CAMPAIGN_INVALID`` when a number is outside its range.
    """

    name: str
    cost: float
    budget: float
    success_share: float
    success_by_tier: Mapping[str, float] = field(default_factory=dict)
    hold_out_share: float = 0.1

    def __post_init__(self) -> None:
        """Refuse terms that no list can be made of."""
        shares = [("success", self.success_share), *((f"success of {t}", s) for t, s in self.success_by_tier.items())]
        for name, share in shares:
            _require(0 <= share <= 1, name, share, "a share from 0 to 1")
        _require(0 <= self.hold_out_share <= 0.9, "hold-out", self.hold_out_share, "a share from 0 to 0.9")
        _require(0 < self.cost < np.inf, "cost", self.cost, "above 0")
        _require(self.cost <= self.budget < np.inf, "budget", self.budget, "at least the cost of one contact")
        _require(bool(self.name.strip()), "campaign", self.name, "a name")


def _require(holds: bool, where: str, received: object, rule: str) -> None:
    if not holds:
        raise ConfigError(f"{where} must be {rule}", code="CAMPAIGN_INVALID", where=where, received=str(received))


@dataclass(frozen=True)
class ContactList:
    """Chosen customers and what the campaign is expected to bring.

    Attributes
    ----------
    rows
        Chosen customers, best first: ``campaign``, ``customer_id``, ``as_of``, ``tier``, ``group`` (contact or
        hold_out), ``churn_probability``, ``value_at_risk``, ``success_share``, ``expected_profit``, and
        ``expected_value`` where the scores have it.
    expected_profit
        Of the contacted together.
    lower, upper
        80 % interval of what the campaign may bring by chance; see `profit_interval`.
    spent
        Cost of all contacts.
    left_out
        Customers with a positive expected profit whom the budget does not reach.
    as_good_as_gone
        Customers not considered because their churn probability is above 0.99.
    """

    rows: pd.DataFrame
    expected_profit: float
    lower: float
    upper: float
    spent: float
    left_out: int
    as_good_as_gone: int


def is_held_out(campaign: str, customer_ids: npt.NDArray[np.object_], share: float) -> npt.NDArray[np.bool_]:
    """Whether each customer is held out: ``SHA-256(campaign, NUL, customer_id)``, read as a share, is below `share`."""
    seed = hashlib.sha256(f"{campaign}\0".encode())
    return np.array([_place(seed.copy(), str(one)) < share for one in customer_ids], dtype=np.bool_)


def _place(digest: hashlib._Hash, customer_id: str) -> float:
    digest.update(customer_id.encode())
    return int.from_bytes(digest.digest()[:7], "big") / 2.0**56


def contact_list(scores: pd.DataFrame, campaign: Campaign, *, interval_level: float = 0.8) -> ContactList:
    """Customers worth contacting within the budget, best first; of equals the first by name.

    Parameters
    ----------
    scores
        Score table of one date; rows without scores are left out.
    campaign
        Cost, success and budget in the unit of the table's amounts.
    interval_level
        Level of the table's value intervals.

    Raises
    ------
    TooLittleData
        ``NO_VALUE_AT_RISK`` when the scores have no amounts, ``NOBODY_WORTH_CONTACTING`` when nobody's expected profit
        is above 0.
    """
    rows = scores.dropna(subset=[name for name in NEEDED if name in scores and name != "tier"])
    if not set(NEEDED) <= set(scores.columns) or rows.empty:
        raise TooLittleData(
            "a contact list needs the value at risk of customers",
            code="NO_VALUE_AT_RISK",
            received=f"{len(rows)} rows with amounts of {len(scores)}",
            remedy="score with a model that has a value head",
        )
    there = rows[rows["churn_probability"] <= MOST_CERTAIN]
    worth = _worth_contacting(there, campaign)
    held = is_held_out(campaign.name, worth["customer_id"].to_numpy(dtype=object), campaign.hold_out_share)
    affordable = int(campaign.budget / campaign.cost + 1e-9)
    chosen = np.cumsum(~held) <= affordable
    kept = worth[chosen].assign(group=np.where(held[chosen], HOLD_OUT, CONTACT), campaign=campaign.name)
    contacted = kept[kept["group"] == CONTACT]
    lower, upper = profit_interval(contacted, campaign, value_level=interval_level)
    names = ["campaign", "customer_id", "as_of", "tier", "group", "churn_probability", "value_at_risk", "success_share"]
    names += ["expected_profit", *(["expected_value"] if "expected_value" in kept else [])]
    return ContactList(
        kept[names].reset_index(drop=True),
        float(contacted["expected_profit"].sum()),
        lower,
        upper,
        campaign.cost * len(contacted),
        int((~chosen).sum()),
        len(rows) - len(there),
    )


def _worth_contacting(rows: pd.DataFrame, campaign: Campaign) -> pd.DataFrame:
    """Customers with a positive expected profit, best first; of equals the first by name."""
    success = rows["tier"].map(dict(campaign.success_by_tier)).astype("float64").fillna(campaign.success_share)
    rows = rows.assign(success_share=success, expected_profit=rows["value_at_risk"] * success - campaign.cost)
    rows = rows.sort_values(["expected_profit", "customer_id"], ascending=[False, True], ignore_index=True)
    worth = rows[rows["expected_profit"] > 0]
    if worth.empty:
        best = "nobody" if rows.empty else f"at best {rows['expected_profit'].iloc[0]:.2f}"
        raise TooLittleData(
            "the value at risk × success of somebody not yet gone must be above the cost of a contact",
            code="NOBODY_WORTH_CONTACTING",
            received=best,
            remedy="a cheaper contact, or one that succeeds more often",
        )
    return worth


def spread_of(rows: pd.DataFrame, value_level: float) -> Floats:
    """Sigma of the logarithm of each customer's amount if retained, from the upper end of the value interval.

    Notes
    -----
    The amount is 0 with probability p and else log-normal with mean v, so the upper end u of an interval of level L is
    the q-quantile of the latter with ``q = ((1 + L)/2 - p) / (1 - p)``. With ``z = Φ⁻¹(q)`` and
    ``u = v exp(z σ - σ²/2)``: ``σ = z - sqrt(z² - 2 ln(u/v))``. Where q is below one half, or no such σ exists, the
    median of the others stands in; σ is at most 2.5.
    """
    p, v, upper = (rows[name].to_numpy(dtype=np.float64) for name in NEEDED[3:6])
    with np.errstate(divide="ignore", invalid="ignore"):
        q = ((1 + value_level) / 2 - p) / (1 - p)
        z = norm.ppf(np.where(q > 0.5, q, np.nan))
        sigma = z - np.sqrt(z * z - 2 * np.log(upper / v))
    sigma = np.where((sigma > 0) & (sigma <= MOST_SPREAD), sigma, np.nan)
    usual = float(np.nanmedian(sigma)) if np.isfinite(sigma).any() else USUAL_SPREAD
    return np.where(np.isnan(sigma), usual, sigma)


def profit_interval(
    contacted: pd.DataFrame, campaign: Campaign, *, value_level: float = 0.8, level: float = 0.8
) -> tuple[float, float]:
    """Central interval of the realised total profit, given that all predictions and the success rate are right.

    Notes
    -----
    A contact brings ``B V - c``: B is 1 with probability ``p s`` (would have left, and was kept), V is the amount if
    retained, log-normal with mean v and the spread of `spread_of`. Quantiles of 2,000 simulated totals, seeded by the
    campaign's name. Errors of the predictions and of the assumed success rate are not in it: those are what the
    hold-out group is for.
    """
    if contacted.empty:
        return 0.0, 0.0
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(campaign.name.encode()).digest()[:8], "big"))
    p, v, s = (contacted[name].to_numpy(dtype=np.float64) for name in (*NEEDED[3:5], "success_share"))
    sigma = spread_of(contacted, value_level)
    middle = np.log(v) - sigma**2 / 2
    totals = np.empty(DRAWS)
    for draw in range(DRAWS):
        kept = np.flatnonzero(rng.random(len(p)) < p * s)
        totals[draw] = np.exp(middle[kept] + sigma[kept] * rng.standard_normal(len(kept))).sum()
    lower, upper = np.quantile(totals, [(1 - level) / 2, (1 + level) / 2]) - campaign.cost * len(contacted)
    return float(lower), float(upper)

"""All named quantities of a customer: what policy rules may ask for, made from facts, reference and policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from churn_value.scoring.lifecycle import lifecycle
from churn_value.scoring.matching import first_reached
from churn_value.scoring.policy import Policy
from churn_value.scoring.quantities import Floats
from churn_value.scoring.reference import Reference, Thresholds, percentile_in, value_share_in
from churn_value.scoring.rfm import rfm, segment
from churn_value.scoring.sections import Band
from churn_value.scoring.subscores import rhythm_ratio, sub_scores, typical_gap

Texts = npt.NDArray[np.object_]
_AS_THEY_ARE = (
    "churn_probability",
    "purchase_days",
    "days_since_last_purchase",
    "days_since_last_visit",
    "tenure_days",
    "complaint_count",
    "open_tickets",
    "overdue_share",
    "late_share",
    "days_late_mean",
)
_IN_CURRENCY = {
    "expected_value": "expected_value_minor",
    "value_if_retained": "value_if_retained_minor",
    "value_at_risk": "value_at_risk_minor",
    "spend": "spend_minor",
}


@dataclass(frozen=True, slots=True)
class Frozen:
    """What standing is measured against: fixed by the bundle, the same for every batch."""

    reference: Reference
    policy: Policy
    overall_thresholds: Thresholds
    minor_units: int


def coded(positions: npt.NDArray[np.int64], codes: Sequence[str]) -> Texts:
    """Codes at positions, None where -1. Shape (n,)."""
    return _table(tuple(codes))[positions]


@lru_cache(maxsize=256)
def _table(codes: tuple[str, ...]) -> Texts:
    return np.array([*codes, None], dtype=object)


def band(values: Floats, bands: Sequence[Band]) -> npt.NDArray[np.int64]:
    """Position of the first band that begins at or below each value; -1 where missing. Shape (n,)."""
    return first_reached(values, [one.from_ for one in bands])


def standing(facts: Mapping[str, Floats], frozen: Frozen, previous_lifecycle: Texts) -> dict[str, npt.NDArray[Any]]:
    """Every quantity of `quantities.NUMBERS`, ``r f m``, bands, segment and lifecycle; all but the tier.

    Parameters
    ----------
    facts
        From `quantities.facts`, arrays of shape (n,).
    frozen
        Reference, policy and thresholds.
    previous_lifecycle
        Stage in the customer's previous answer, None where there was none. Shape (n,).
    """
    reference, policy = frozen.reference, frozen.policy
    found: dict[str, npt.NDArray[Any]] = {name: facts[name] for name in _AS_THEY_ARE}
    found |= {name: facts[source] / frozen.minor_units for name, source in _IN_CURRENCY.items()}
    found |= sub_scores(facts, reference, policy)
    found["typical_gap_days"] = typical_gap(facts, reference)
    found["rhythm_ratio"] = rhythm_ratio(facts, reference)
    found["value_percentile"] = reference.percentile("expected_value_minor", facts["expected_value_minor"])
    found["value_share"] = value_share_in(reference.value_thresholds, facts["expected_value_minor"])
    found["churn_percentile"] = reference.percentile("churn_probability", facts["churn_probability"])
    found["overall_percentile"] = percentile_in(frozen.overall_thresholds, found["overall"])
    found |= rfm(facts, reference, policy, frozen.minor_units)
    found["segment"] = coded(segment(found, policy), [one.code for one in policy.rfm.segments])
    value_bands, churn_bands = policy.bands.value, policy.bands.churn
    found["value_band"] = coded(band(found["value_percentile"], value_bands), [one.code for one in value_bands])
    found["churn_band"] = coded(band(found["churn_probability"], churn_bands), [one.code for one in churn_bands])
    found["previous_lifecycle"] = previous_lifecycle
    stages = lifecycle(found, policy, len(previous_lifecycle))
    found["lifecycle"] = coded(stages, [one.code for one in policy.lifecycle])
    return found

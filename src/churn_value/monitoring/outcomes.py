"""Answers held against what happened, once their horizon has passed."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
from scipy.stats import norm

from churn_value.estimators.metrics import auc, brier, calibration_error, coverage, log_loss, total_bias

KEYS = ["customer_id", "as_of"]


def is_mature(as_of: date, horizon_days: int, observed_through: date) -> bool:
    """Whether the outcome window ``[as_of, as_of + horizon)`` lies wholly before the first day not observed."""
    return as_of + timedelta(days=horizon_days) <= observed_through


def matured(scores: pd.DataFrame, outcomes: pd.DataFrame, *, minor_per_major: int = 100) -> pd.DataFrame:
    """Scored rows whose outcome is known, side by side.

    Parameters
    ----------
    scores
        Score table: ``customer_id``, ``as_of``, ``churn_probability`` (null where not scored) and whatever else.
    outcomes
        ``customer_id``, ``as_of``, ``churned`` (0, 1, null while incomplete), ``value_minor`` (may be null).
    minor_per_major
        Minor units in one unit of the currency, since score tables hold major units.

    Returns
    -------
    DataFrame
        The scores' columns, then ``churned`` and ``actual_value`` [major units]; sorted by as_of and customer_id.

    Raises
    ------
    ValueError
        When a (customer_id, as_of) stands twice on either side.
    """
    known = outcomes.loc[outcomes["churned"].notna(), [*KEYS, "churned", "value_minor"]]
    joined = scores[scores["churn_probability"].notna()].merge(known, on=KEYS, how="inner", validate="one_to_one")
    actual = joined.pop("value_minor").astype("float64") / minor_per_major
    joined = joined.assign(churned=joined["churned"].astype("float64"), actual_value=actual)
    return joined.sort_values(["as_of", "customer_id"], ignore_index=True)


def wilson(successes: float, rows: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share, 0 to 1; NaN for no rows.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22(158), doi:10.1080/01621459.1927.10502953.
    """
    if rows == 0:
        return math.nan, math.nan
    z = float(norm.ppf((1 + level) / 2))
    share, scale = successes / rows, 1 + z * z / rows
    centre = (share + z * z / (2 * rows)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(0.0, centre - half), min(1.0, centre + half)


def by_band(rows: pd.DataFrame, band: str) -> pd.DataFrame:
    """Promise and outcome per band or tier.

    Parameters
    ----------
    rows
        From `matured`.
    band
        Column to group by: ``churn_band``, ``value_band`` or ``tier``.

    Returns
    -------
    DataFrame
        band, customers, predicted_churn, realised_churn, realised_low, realised_high (95 % Wilson), within (whether
        the prediction lies in that interval) and, where the scores hold amounts, predicted_value and realised_value
        (means) and value_ratio (predicted over realised total).
    """
    groups = rows.groupby(band, observed=True, sort=True, dropna=False)
    return pd.DataFrame([_band_row(name, group) for name, group in groups])


def _band_row(name: object, rows: pd.DataFrame) -> dict[str, object]:
    low, high = wilson(float(rows["churned"].sum()), len(rows))
    predicted = float(rows["churn_probability"].mean())
    row: dict[str, object] = {
        "band": name,
        "customers": len(rows),
        "predicted_churn": predicted,
        "realised_churn": float(rows["churned"].mean()),
        "realised_low": low,
        "realised_high": high,
        "within": bool(low <= predicted <= high),
    }
    if "expected_value" in rows.columns and bool(rows["actual_value"].notna().all()):
        total = float(rows["actual_value"].sum())
        row["predicted_value"] = float(rows["expected_value"].mean())
        row["realised_value"] = float(rows["actual_value"].mean())
        row["value_ratio"] = float(rows["expected_value"].sum()) / total if total > 0 else math.nan
    return row


def summary(rows: pd.DataFrame) -> dict[str, float]:
    """Measures of all matured rows: rows, churn_rate, auc, log_loss, brier, calibration_error, and for amounts
    total_bias (predicted over actual) and interval_coverage.
    """  # noqa: D205 - the list is the summary
    churned = rows["churned"].to_numpy(dtype=np.float64)
    probability = rows["churn_probability"].to_numpy(dtype=np.float64)
    found = {"rows": float(len(rows))}
    if len(rows) == 0:
        return found
    found |= {
        "churn_rate": float(churned.mean()),
        "auc": auc(churned, probability),
        "log_loss": log_loss(churned, probability),
        "brier": brier(churned, probability),
        "calibration_error": calibration_error(churned, probability),
    }
    return found | _amounts(rows)


def _amounts(rows: pd.DataFrame) -> dict[str, float]:
    needed = ["actual_value", "expected_value", "value_lower", "value_upper"]
    if not set(needed) <= set(rows.columns) or bool(rows[needed].isna().to_numpy().any()):
        return {}
    actual, expected, lower, upper = (rows[name].to_numpy(dtype=np.float64) for name in needed)
    return {"total_bias": total_bias(actual, expected), "interval_coverage": coverage(actual, lower, upper)}

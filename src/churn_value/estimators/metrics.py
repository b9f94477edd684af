"""Measures of two predictions: a probability of churn, and an amount in the horizon.

Every function takes the truth first and the prediction second, both of shape (n,), and returns one float. ``nan`` means
that the measure is not defined on these rows (a ranking of churners without any churner, a share of a total of zero).
Ties among predictions never depend on the order of rows: they are averaged.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from churn_value.estimators import FloatArray

Metric = Callable[[FloatArray, FloatArray], float]

SMALLEST_PROBABILITY = 1e-15
DECILES = 10
TWEEDIE_POWER = 1.5


def _average_ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1; equal values share the mean of theirs. Shape (n,)."""
    from scipy.stats import rankdata  # noqa: PLC0415 - half a second of import, and who scores ranks nothing

    return np.asarray(rankdata(values))


def auc(churned: FloatArray, probability: FloatArray) -> float:
    """Chance that a random churner is given a higher probability than a random stayer; ties count one half.

    Parameters
    ----------
    churned
        (n,) 0 or 1.
    probability
        (n,) any monotone score of churn.

    Returns
    -------
    float
        Share 0 to 1; ``nan`` when only one class is present.

    Notes
    -----
    ``(R - m (m + 1) / 2) / (m (n - m))`` with R the sum of the m churners' average ranks.

    References
    ----------
    Mann & Whitney (1947), Annals of Mathematical Statistics 18(1), doi:10.1214/aoms/1177730491.
    """
    churners = float(churned.sum())
    stayers = len(churned) - churners
    if churners == 0 or stayers == 0:
        return float("nan")
    ranks = _average_ranks(probability)
    return float((ranks[churned > 0].sum() - churners * (churners + 1) / 2) / (churners * stayers))


def average_precision(churned: FloatArray, probability: FloatArray) -> float:
    """Precision averaged over the churners found, walking down the ranking; tied rows are found together.

    Returns
    -------
    float
        Share 0 to 1; ``nan`` without a churner.

    Notes
    -----
    ``sum_k (recall_k - recall_{k-1}) precision_k`` over the distinct thresholds k.
    """
    churners = float(churned.sum())
    if churners == 0:
        return float("nan")
    order = np.argsort(-probability, kind="stable")
    score = probability[order]
    last_of_tie = np.append(score[1:] != score[:-1], True)
    found = np.cumsum(churned[order])[last_of_tie]
    seen = np.flatnonzero(last_of_tie) + 1
    return float(np.sum(np.diff(found, prepend=0.0) * found / seen) / churners)


def log_losses(churned: FloatArray, probability: FloatArray) -> FloatArray:
    """Negative log-likelihood of each outcome, shape (n,) [nats], probabilities clipped to 1e-15 from 0 and 1."""
    p = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    losses: FloatArray = -(churned * np.log(p) + (1 - churned) * np.log1p(-p))
    return losses


def log_loss(churned: FloatArray, probability: FloatArray) -> float:
    """Mean of `log_losses`."""
    return float(np.mean(log_losses(churned, probability)))


def brier(churned: FloatArray, probability: FloatArray) -> float:
    """Mean squared difference of probability and outcome, 0 to 1 (Brier 1950)."""
    return float(np.mean((probability - churned) ** 2))


def calibration_error(churned: FloatArray, probability: FloatArray, bins: int = 15) -> float:
    """Mean distance of probability and churn rate over `bins` equal-width bins, weighted by rows, 0 to 1.

    Notes
    -----
    ``sum_b n_b / n |mean probability_b - mean churned_b|``; a bin is ``[b / bins, (b + 1) / bins)``, the last closed.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), AAAI 29(1), doi:10.1609/aaai.v29i1.9602.
    """
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weights=probability - churned, minlength=bins)
    return float(np.abs(gap).sum() / len(churned))


def mae(actual: FloatArray, predicted: FloatArray) -> float:
    """Mean absolute error, in the unit of the amounts."""
    return float(np.mean(np.abs(predicted - actual)))


def rmse(actual: FloatArray, predicted: FloatArray) -> float:
    """Root of the mean squared error, in the unit of the amounts."""
    return float(np.sqrt(np.mean((predicted - actual) ** 2)))


def spearman(actual: FloatArray, predicted: FloatArray) -> float:
    """Correlation of average ranks, -1 to 1; ``nan`` when either side is constant."""
    a = _average_ranks(actual) - (len(actual) + 1) / 2
    b = _average_ranks(predicted) - (len(predicted) + 1) / 2
    scale = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b) / scale) if scale > 0 else float("nan")


def _gain(actual: FloatArray, ranks: FloatArray) -> float:
    """Area between the cumulative gain in the order of `ranks` and that of a random order, times the total."""
    return float(np.sum(actual * (ranks - (len(actual) + 1) / 2)))


def normalised_gini(actual: FloatArray, predicted: FloatArray) -> float:
    """Gain of ranking by the prediction over the gain of ranking by the truth, ties averaged; at most 1.

    Returns
    -------
    float
        0 for a random order, 1 for the true one, negative when worse than random; ``nan`` when all are worth the same.

    Notes
    -----
    The area under the cumulative gain is ``sum_i actual_i rank_i`` up to constants, with ascending ranks; average ranks
    give every row of a tie the tie's mean gain.
    """
    best = _gain(actual, _average_ranks(actual))
    return _gain(actual, _average_ranks(predicted)) / best if best > 0 else float("nan")


def _by_prediction(actual: FloatArray, predicted: FloatArray) -> FloatArray:
    """Truth from the highest to the lowest prediction; within a tie every row carries the tie's mean."""
    order = np.argsort(-predicted, kind="stable")
    score, truth = predicted[order], actual[order]
    tie = np.cumsum(np.concatenate([[False], score[1:] != score[:-1]]))
    mean: FloatArray = np.bincount(tie, weights=truth) / np.bincount(tie)
    held: FloatArray = mean[tie]
    return held


def top_capture(actual: FloatArray, predicted: FloatArray, share: float = 0.1) -> float:
    """Share of the true total held by the `share` of customers ranked highest; ties averaged, parts of a row counted.

    Returns
    -------
    float
        At most 1 when no amount is negative; ``nan`` when the total is not positive.
    """
    total = float(actual.sum())
    if total <= 0:
        return float("nan")
    held = np.concatenate([[0.0], np.cumsum(_by_prediction(actual, predicted))])
    return float(np.interp(share * len(actual), np.arange(len(held)), held) / total)


def decile_table(actual: FloatArray, predicted: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean prediction and mean truth of ten equal-sized groups, lowest predictions first.

    Returns
    -------
    tuple
        (10,) mean predicted and (10,) mean actual, in the unit of the amounts; fewer than ten rows give as many groups.
    """
    truth = _by_prediction(actual, predicted)[::-1]
    groups = np.array_split(np.arange(len(truth)), min(DECILES, len(truth)))
    ordered = np.sort(predicted)
    means = [(ordered[rows].mean(), truth[rows].mean()) for rows in groups]
    table = np.asarray(means, dtype=np.float64)
    return table[:, 0], table[:, 1]


def decile_error(actual: FloatArray, predicted: FloatArray) -> float:
    """Mean over ten groups by prediction of |mean predicted - mean true| / mean true, groups without value left out.

    Returns
    -------
    float
        0 for a perfectly calibrated amount; ``nan`` when no group has a positive true mean.
    """
    said, true = decile_table(actual, predicted)
    worth = true > 0
    return float(np.mean(np.abs(said[worth] - true[worth]) / true[worth])) if worth.any() else float("nan")


def total_bias(actual: FloatArray, predicted: FloatArray) -> float:
    """Total predicted over total true: 1 is unbiased; ``nan`` when the true total is not positive."""
    total = float(actual.sum())
    return float(predicted.sum() / total) if total > 0 else float("nan")


def tweedie_deviance(actual: FloatArray, predicted: FloatArray, power: float = TWEEDIE_POWER) -> float:
    """Mean of `tweedie_deviances`; lower is better."""
    return float(np.mean(tweedie_deviances(actual, predicted, power)))


def tweedie_deviances(actual: FloatArray, predicted: FloatArray, power: float = TWEEDIE_POWER) -> FloatArray:
    """Unit deviance of a compound Poisson-gamma for each row, ``1 < power < 2``, shape (n,).

    Parameters
    ----------
    actual
        (n,) amounts; negative ones (net returns) count as 0, for the family has none.
    predicted
        (n,) means; raised to 1e-9 of the mean prediction, for a mean of 0 would forbid any amount.
    power
        Of the variance function ``mean ** power``.

    Notes
    -----
    ``2 (y^(2-q) / ((1-q)(2-q)) - y m^(1-q) / (1-q) + m^(2-q) / (2-q))``; scales with the unit as ``unit^(2-q)``.

    References
    ----------
    Jørgensen (1997), The Theory of Dispersion Models, section 4.2.
    """
    y = np.maximum(actual, 0.0)
    m = np.maximum(predicted, max(float(predicted.mean()), 1e-300) * 1e-9)
    one, two = 1 - power, 2 - power
    deviances: FloatArray = 2 * (y**two / (one * two) - y * m**one / one + m**two / two)
    return deviances


def coverage(actual: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """Share of amounts within their interval, ends included; an amount below 0 counts as 0, as intervals do."""
    y = np.maximum(actual, 0.0)
    return float(np.mean((lower <= y) & (y <= upper)))


def mean_width(lower: FloatArray, upper: FloatArray) -> float:
    """Mean width of the intervals, in the unit of the amounts."""
    return float(np.mean(upper - lower))


def top_decile_capture(actual: FloatArray, predicted: FloatArray) -> float:
    """`top_capture` of the highest tenth."""
    return top_capture(actual, predicted, 0.1)


def top_fifth_capture(actual: FloatArray, predicted: FloatArray) -> float:
    """`top_capture` of the highest fifth."""
    return top_capture(actual, predicted, 0.2)


CHURN_METRICS: dict[str, Metric] = {
    "auc": auc,
    "average_precision": average_precision,
    "log_loss": log_loss,
    "brier": brier,
    "calibration_error": calibration_error,
}
VALUE_METRICS: dict[str, Metric] = {
    "mae": mae,
    "rmse": rmse,
    "spearman": spearman,
    "normalised_gini": normalised_gini,
    "top10_capture": top_decile_capture,
    "top20_capture": top_fifth_capture,
    "decile_error": decile_error,
    "total_bias": total_bias,
    "tweedie_deviance": tweedie_deviance,
}


def churn_metrics(churned: FloatArray, probability: FloatArray) -> dict[str, float]:
    """Every measure of `CHURN_METRICS` by name."""
    return {name: metric(churned, probability) for name, metric in CHURN_METRICS.items()}


def value_metrics(actual: FloatArray, predicted: FloatArray) -> dict[str, float]:
    """Every measure of `VALUE_METRICS` by name."""
    return {name: metric(actual, predicted) for name, metric in VALUE_METRICS.items()}

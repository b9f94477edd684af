"""Measures of a ranked list against what was then bought."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def top_places(scores: Floats, top: int) -> npt.NDArray[np.int64]:
    """Items with the highest scores, best first; of equals the first. Shape (customers, top)."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :top]


def recall_at(ranked: npt.NDArray[np.int64], bought: npt.NDArray[np.bool_]) -> Floats:
    """Share of what was bought that the list holds, per customer; NaN for who bought nothing.

    ``hits / bought items``: who bought more items than the list is long cannot reach 1.

    Parameters
    ----------
    ranked
        Items, best first, shape (customers, top).
    bought
        Whether each item was bought, shape (customers, items).
    """
    total = bought.sum(axis=1)
    hits = np.take_along_axis(bought, ranked, axis=1).sum(axis=1)
    shares: Floats = np.divide(hits, total, out=np.full(len(total), np.nan), where=total > 0)
    return shares


def ndcg_at(ranked: npt.NDArray[np.int64], bought: npt.NDArray[np.bool_]) -> Floats:
    """Normalised discounted cumulative gain per customer, 0 to 1; NaN for who bought nothing.

    ``Σ hit_k / log2(k + 1)`` over places k = 1 .. top, over the same sum of a list that holds only hits.

    References
    ----------
    Järvelin & Kekäläinen (2002), ACM TOIS 20(4), doi:10.1145/582415.582418.
    """
    top = ranked.shape[1]
    discounts = 1 / np.log2(np.arange(2, top + 2))
    gain = (np.take_along_axis(bought, ranked, axis=1) * discounts).sum(axis=1)
    best = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(bought.sum(axis=1), top)]
    shares: Floats = np.divide(gain, best, out=np.full(len(gain), np.nan), where=best > 0)
    return shares

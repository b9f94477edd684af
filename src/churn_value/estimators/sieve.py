"""Attributes that say nothing are left out before anything is fitted, so that no reason is ever told by one.

Features made of events are built to mean something; a company's own attributes may be anything, a lucky number among
them. A booster splits on such a column now and then, and its contribution is small, but a manager reads it as a reason.
So each attribute is set beside shadows of itself: its values dealt out to other customers. A booster is fitted with
all of them, and an attribute stays when its total gain is above 1.5 times the largest of any shadow, in the churn
head's loss or in the value head's. The largest of all, not of its own: a column of two values is split on so rarely
that its few shadows may not be at all, and one chance split would look like something. The factor is there because
among many attributes one is always the luckiest.

One row is drawn per customer: on several dates of the same customer a number that is only his would be learned by
heart, and look as if it said something.

Left-out attributes are no features of the model: they are not asked for, take part in nothing, and the contributions of
those that stay add up as ever. Snapshots are not sifted: their columns are all there is, somebody chose them to predict
with, and on `iranian` leaving out one or two of thirteen cost .002 of log-loss.

References
----------
Kursa & Rudnicki (2010), Journal of Statistical Software 36(11), doi:10.18637/jss.v036.i11, for shadows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from churn_value.estimators import FloatArray
from churn_value.estimators.binned import dataset
from churn_value.estimators.design import Design
from churn_value.estimators.rows import Rows
from churn_value.estimators.trees import Objective, TreeParams, lightgbm_gains

ATTRIBUTE = "attr_"
SHADOWS = 5
MARGIN = 1.5
ROUNDS = 100
MOST_CUSTOMERS = 20_000
TWEEDIE = Objective("tweedie", (("tweedie_variance_power", 1.3),))


def sifted(design: Design, rows: Rows, *, with_value: bool, seed: int, threads: int) -> Design:
    """The design without the attributes that say no more than their shadows.

    Parameters
    ----------
    design
        All features; attributes are those whose name begins with ``attr_``.
    rows
        Train rows of this design.
    with_value
        Whether there are amounts.
    seed, threads
        Of the draws; for LightGBM, where it changes nothing.
    """
    places = [place for place, name in enumerate(design.names) if name.startswith(ATTRIBUTE)]
    if len(places) in (0, len(design.names)):
        return design
    few = one_row_a_customer(rows, seed)
    targets = {Objective("binary"): few.churned}
    if with_value and few.amount_minor.max(initial=0.0) > 0:
        targets[TWEEDIE] = np.maximum(few.amount_minor, 0.0) / np.maximum(few.amount_minor, 0.0).mean()
    beside = _with_shadows(few.matrix, places, seed)
    copies = tuple(place for place, of in enumerate(_origins(design, places)) if of in design.category_places)
    says = np.zeros(len(places), dtype=np.bool_)
    for objective, target in targets.items():
        gains = lightgbm_gains(
            dataset(beside, target, copies), TreeParams(), objective, rounds=ROUNDS, seed=seed, threads=threads
        )
        shadows = gains[len(design.names) :].reshape(SHADOWS, len(places))
        says |= above_shadows(gains[places], shadows)
    return _without(design, {design.names[place] for place, kept in zip(places, says, strict=True) if not kept})


def above_shadows(gains: FloatArray, shadows: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether each gain stands out from those of all shadows.

    Parameters
    ----------
    gains
        (a,) total gains, not negative.
    shadows
        (s, a) gains of the shadows of each.
    """
    stands_out: npt.NDArray[np.bool_] = gains > MARGIN * shadows.max()
    return stands_out


def one_row_a_customer(rows: Rows, seed: int) -> Rows:
    """One row drawn for each customer, of at most 20,000 of them."""
    drawn = np.random.default_rng(seed).permutation(len(rows))
    first = np.unique(rows.customers[drawn].astype(str), return_index=True)[1]
    return rows.where(np.sort(drawn[np.sort(first)[:MOST_CUSTOMERS]]))


def _with_shadows(matrix: FloatArray, places: Sequence[int], seed: int) -> FloatArray:
    """The matrix (n, k), and beside it the attributes dealt out anew, shadow by shadow."""
    rng = np.random.default_rng(seed)
    dealt = [rng.permuted(matrix[:, places], axis=0) for _ in range(SHADOWS)]
    return np.column_stack([matrix, *dealt])


def _origins(design: Design, places: Sequence[int]) -> list[int]:
    """Feature that each column of the widened matrix is, or is a shadow of."""
    return [*range(len(design.names)), *list(places) * SHADOWS]


def _without(design: Design, left_out: set[str]) -> Design:
    names = tuple(name for name in design.names if name not in left_out)
    return replace(
        design,
        names=names,
        categories={name: texts for name, texts in design.categories.items() if name in names},
    )

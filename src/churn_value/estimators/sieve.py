"""Attributes that say nothing are left out before anything is fitted, so that no reason is ever told by one.

Features made of events are built to mean something; a company's own attributes may be anything, a lucky number among
them. A booster splits on such a column now and then, and its contribution is small, but a manager reads it as a reason.
So each attribute is asked for what it is worth to customers that the boosters have not seen. With l(x) the loss of such
a customer, and x' the same with the attribute of another of them ::

    worth_i = mean over turns of l(x'_i) - l(x_i),   z = mean(worth) / (sd(worth) / sqrt(n))

An attribute that says nothing has a worth of 0 on average, however often it was split on, whether it is a flag or a
number that each customer has to himself. Where customers are few, all of them take up to four turns, each in other
folds and by another draw: that takes the luck of the boosters out of the worth, so that the bound can be high enough
for the luck of the customers. Those with the lowest z below 2.5 leave, at most a quarter of all at a time, and the rest
are asked again: without the noise around them the telling ones tell more. An attribute is kept that is worth something
to the churn head or to the value head. Beside it stand the twenty features made of events that boosters gain most by:
what these say already, an attribute need not.

One row is drawn per customer: on several dates of the same customer a number that is only his would be learned by
heart, and look as if it said something.

Left-out attributes are no features of the model: they are not asked for, take part in nothing, and the contributions of
those that stay add up as ever. The columns of a snapshot are all there is, and somebody chose them to predict with:
there only those leave without which unseen customers are predicted better, z below 0.

References
----------
Breiman (2001), Machine Learning 45(1), section 10, doi:10.1023/A:1010933404324, for worth by permutation; Gregorutti,
Michel & Saint-Pierre (2017), Statistics and Computing 27(3), doi:10.1007/s11222-016-9646-1, for leaving step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from churn_value.estimators import FloatArray
from churn_value.estimators.binned import dataset
from churn_value.estimators.design import Design
from churn_value.estimators.metrics import log_losses, tweedie_deviances
from churn_value.estimators.rows import Rows
from churn_value.estimators.trees import Growing, Objective, Sample, TreeParams, fit_trees, lightgbm_gains

ATTRIBUTE = "attr_"
FOLDS, ROUNDS = 5, 30
MOST_TURNS, MOST_ASKED = 4, 20_000
MOST_EVENTS = 20
LEAST_Z, LEAST_Z_OF_SNAPSHOTS = 2.5, 0.0
MOST_LEAVING = 0.25
MOST_CUSTOMERS = 20_000
LARGEST_LOG = 25.0


@dataclass(frozen=True)
class Asked:
    """What attributes are asked about: outcomes (n,) of customers, and how raw scores lose on them, row by row."""

    objective: Objective
    target: FloatArray
    losses: Callable[[FloatArray, FloatArray], FloatArray]


def sifted(design: Design, rows: Rows, *, with_value: bool, seed: int, threads: int) -> Design:
    """The design without the attributes that are worth nothing; as it is where nothing would be left.

    Parameters
    ----------
    design
        All features; attributes are those whose name begins with ``attr_``.
    rows
        Train rows of this design.
    with_value
        Whether there are amounts.
    seed, threads
        Of the draws; for the boosters, where it changes nothing.
    """
    attributes = _attributes(design)
    if not attributes:
        return design
    least = LEAST_Z if len(attributes) < len(design.names) else LEAST_Z_OF_SNAPSHOTS
    few = one_row_a_customer(rows, seed)
    kept: set[str] = set()
    for one in _asked(few, with_value=with_value):
        kept |= _telling(design, few.matrix, one, Growing(TreeParams(), (), (seed,), threads), least)
    gone = attributes - kept
    return _without(design, gone) if len(gone) < len(design.names) else design


def _attributes(design: Design) -> set[str]:
    return {name for name in design.names if name.startswith(ATTRIBUTE)}


def _asked(rows: Rows, *, with_value: bool) -> list[Asked]:
    churn = Asked(Objective("binary"), rows.churned, _log_losses)
    if not with_value or rows.amount_minor.max(initial=0.0) <= 0:
        return [churn]
    amounts = np.maximum(rows.amount_minor, 0.0)
    tweedie = Objective("tweedie", (("tweedie_variance_power", 1.3),))
    return [churn, Asked(tweedie, amounts / amounts.mean(), _deviances)]


def one_row_a_customer(rows: Rows, seed: int) -> Rows:
    """One row drawn for each customer, of at most 20,000 of them."""
    drawn = np.random.default_rng(seed).permutation(len(rows))
    first = np.unique(rows.customers[drawn].astype(str), return_index=True)[1]
    return rows.where(np.sort(drawn[np.sort(first)[:MOST_CUSTOMERS]]))


def leaving(worth: dict[str, float], least: float) -> set[str]:
    """Which leave next: the lowest below a bound, a quarter of all at most, but one at least.

    Parameters
    ----------
    worth
        z of each attribute that is left.
    least
        The bound: 2.5 beside features made of events, 0 where attributes are all there is.
    """
    silent = sorted((name for name, z in worth.items() if z < least), key=lambda name: (worth[name], name))
    return set(silent[: int(np.ceil(MOST_LEAVING * len(worth)))])


def _telling(design: Design, matrix: FloatArray, asked: Asked, growing: Growing, least: float) -> set[str]:
    """Attributes that stay when those that are worth nothing have left, step by step."""
    beside = _most_telling(design, matrix, asked, growing)
    left = _attributes(design)
    while left:
        names = [name for name in design.names if name in left or name in beside]
        columns = matrix[:, [design.names.index(name) for name in names]]
        categories = tuple(place for place, name in enumerate(names) if name in design.categories)
        places = [place for place, name in enumerate(names) if name in left]
        growing = replace(growing, categories=categories, seeds=(growing.seeds[0] + 1,))
        z = worth_of(columns, asked, places, growing)
        gone = leaving(dict(zip([names[place] for place in places], z.tolist(), strict=True)), least)
        if not gone:
            break
        left -= gone
    return left


def _most_telling(design: Design, matrix: FloatArray, asked: Asked, growing: Growing) -> set[str]:
    """The features made of events that boosters gain most by: what they do not say, attributes may."""
    events = [place for place, name in enumerate(design.names) if name not in _attributes(design)]
    if not events:
        return set()
    gains = lightgbm_gains(
        dataset(matrix, asked.target, design.category_places),
        growing.params,
        asked.objective,
        rounds=ROUNDS,
        seed=growing.seeds[0],
        threads=growing.threads,
    )
    return {design.names[place] for place in sorted(events, key=lambda place: -gains[place])[:MOST_EVENTS]}


def worth_of(matrix: FloatArray, asked: Asked, places: Sequence[int], growing: Growing) -> FloatArray:
    """How sure it is that columns are worth something to rows that the boosters have not seen: z, shape (places,).

    Parameters
    ----------
    matrix
        (n, k) features, one row a customer.
    asked
        Outcomes of these rows.
    places
        Columns that are asked about.
    growing
        Settings, one seed, threads.

    Returns
    -------
    ndarray
        0 for a column that no row's loss hangs on.
    """
    worth = np.zeros((len(matrix), len(places)))
    rng = np.random.default_rng(growing.seeds[0])
    for _ in range(turns_of(len(matrix))):
        worth += _worth(matrix, asked, places, replace(growing, seeds=(int(rng.integers(2**31)),)))
    spread: FloatArray = worth.std(axis=0) / np.sqrt(len(matrix))
    z: FloatArray = np.divide(worth.mean(axis=0), spread, out=np.zeros(len(places)), where=spread > 0)
    return z


def turns_of(customers: int) -> int:
    """How often each customer is asked: four times, but 20,000 questions in all, and once at least."""
    return max(1, min(MOST_TURNS, MOST_ASKED // customers))


def _worth(matrix: FloatArray, asked: Asked, places: Sequence[int], growing: Growing) -> FloatArray:
    """What each row loses by each column's being dealt out anew among the rows of its fold, shape (rows, places)."""
    worth = np.zeros((len(matrix), len(places)))
    rng = np.random.default_rng(growing.seeds[0])
    for held in _held(len(matrix), rng):
        boosters = fit_trees(Sample(matrix[~held], asked.target[~held]), asked.objective, growing, rounds=(ROUNDS,))
        rows, outcomes = matrix[held].copy(), asked.target[held]
        as_is = asked.losses(outcomes, boosters.raw(rows, threads=growing.threads))
        read = {node.feature for booster in boosters.boosters for tree in booster.trees for node in tree.nodes}
        for at, place in enumerate(places):
            if place not in read:
                continue
            own = rows[:, place].copy()
            rows[:, place] = rng.permutation(own)
            worth[held, at] = asked.losses(outcomes, boosters.raw(rows, threads=growing.threads)) - as_is
            rows[:, place] = own
    return worth


def _held(rows: int, rng: np.random.Generator) -> Iterator[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    fold = rng.permutation(rows) % FOLDS
    return (fold == number for number in range(FOLDS))


def _log_losses(churned: FloatArray, raw: FloatArray) -> FloatArray:
    return log_losses(churned, expit(raw))


def _deviances(amounts: FloatArray, raw: FloatArray) -> FloatArray:
    return tweedie_deviances(amounts, np.exp(np.clip(raw, -LARGEST_LOG, LARGEST_LOG)))


def _without(design: Design, left_out: set[str]) -> Design:
    names = tuple(name for name in design.names if name not in left_out)
    return replace(
        design,
        names=names,
        categories={name: texts for name, texts in design.categories.items() if name in names},
    )

"""Where each customer stands, given the tables: an exact forward filter over states and habits.

Hidden are the state (eight, or gone), the order rate and the visit rate; the filter keeps the joint probability of all
three given everything known at as_of. With a_t the joint probability after day t, T the switches' transition, h the
hazard and L_t the likelihood of the day's events::

    a_t(s', k, j)    = L_t(s', k, j) * sum_s a_(t-1)(s, k, j) * (1 - h(s)) * T(s, s')
    gone_t(k, j)     = L_t(gone)     * (gone_(t-1)(k, j) + sum_s a_(t-1)(s, k, j) * h(s))

(Rabiner 1989, A tutorial on hidden Markov models, eq. 19-20.) L of gone is zero on a day with any sign of life.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churn_value.tables.synthetic.evidence import DailyEvidence, Evidence, Known
from churn_value.tables.synthetic.lives import Ints
from churn_value.tables.synthetic.parameters import GONE, Floats, Parameters

CHUNK = 128
_RESCALE_EVERY = 8  # days; products of so many likelihoods stay far from the smallest double


@dataclass(frozen=True)
class Posterior:
    """Probabilities given the tables known at as_of, customers on the last axis; together they sum to 1.

    Parameters
    ----------
    stayed
        State on the day before as_of and order rate, shape (8, order rates, customers).
    gone
        Having left by then, shape (customers,).
    """

    stayed: Floats
    gone: Floats


def filter_states(evidence: Evidence, calendar: Floats) -> Posterior:
    """Posterior of every known customer; calendar covers at least the days before as_of."""
    count = len(evidence.known)
    chunks = [
        _filter(evidence, evidence.daily(start, stop), _slice(evidence.known, start, stop), calendar)
        for start, stop in ((start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))
    ]
    rates = len(evidence.parameters.order_rates)
    nobody = Posterior(np.empty((GONE, rates, 0)), np.empty(0))
    chunks = chunks or [nobody]
    return Posterior(
        np.concatenate([chunk.stayed for chunk in chunks], axis=2), np.concatenate([chunk.gone for chunk in chunks])
    )


def _slice(known: Known, start: int, stop: int) -> tuple[Ints, Ints, Ints]:
    return known.first_day[start:stop], known.plan[start:stop], known.source[start:stop]


def first_belief(parameters: Parameters, source: Ints) -> Floats:
    """Probabilities before a customer's first day, shape (8, order rates, visit rates, customers)."""
    habit = parameters.rate_share[source].T[:, None, :] * np.array(parameters.visit_share)[None, :, None]
    return np.asarray(parameters.stationary[:, None, None, None] * habit[None])


def _filter(evidence: Evidence, daily: DailyEvidence, known: tuple[Ints, Ints, Ints], calendar: Floats) -> Posterior:
    """Filter some customers through the days; all enter at once and are set back on their own first day."""
    first_day, plan, source = known
    parameters = evidence.parameters
    prior = first_belief(parameters, source)
    hazard = parameters.hazard[plan].T[:, None, None, :]
    belief, gone = prior.copy(), np.zeros(prior.shape[1:])
    visible = evidence.visits_visible(np.arange(evidence.as_of_day))
    chance = parameters.order_chance(calendar)
    for day in range(evidence.as_of_day):
        leaving = belief * hazard
        gone += leaving.sum(axis=0)
        belief -= leaving
        belief = (parameters.transition.T @ belief.reshape(GONE, -1)).reshape(prior.shape)
        enters = np.flatnonzero(first_day == day)
        belief[..., enters], gone[..., enters] = prior[..., enters], 0.0
        visits = _visit_likelihood(parameters, daily.carts[day], daily.others[day], visible[day])
        orders = _order_likelihood(chance[day], daily.order[day])
        _weigh(belief, gone, daily, day, orders[:, :, None, :] * visits[:, None, :, :])
        if day % _RESCALE_EVERY == 0:
            _rescale(belief, gone)
    _rescale(belief, gone)
    return Posterior(belief.sum(axis=2), gone.sum(axis=(0, 1)))


def _order_likelihood(chance: Floats, order: Ints) -> Floats:
    """Of an order or none, shape (2 fading, order rates, customers); chance is (2, order rates)."""
    return np.where(order, chance[:, :, None], 1 - chance[:, :, None])


def _visit_likelihood(parameters: Parameters, carts: Ints, others: Ints, visible: float) -> Floats:
    """Of the Poisson counts of carts and other visits, up to a constant, shape (2 fading, visit rates, customers)."""
    mean = parameters.visit_means[..., None]
    log_mean = np.log(mean)
    return np.asarray(np.exp(carts * log_mean[0] + others * log_mean[1] - visible * (mean[0] + mean[1])))


def _weigh(belief: Floats, gone: Floats, daily: DailyEvidence, day: int, habits: Floats) -> None:
    """Multiply beliefs by the likelihood of a day's events, in place."""
    # The shared factorials of the counts cancel, but only among those who stayed: gone has no visits, so its
    # likelihood exp(0) = 1 is on the same footing whenever it is not zero.
    by_switch = belief.reshape(2, 2, 2, *belief.shape[1:])
    by_switch *= habits
    moods = daily.unhappy[day][:, None] * daily.strained[day][None] * daily.stayed[day]
    by_switch *= moods[:, :, None, None, None, :]
    gone *= daily.gone[day]


def _rescale(belief: Floats, gone: Floats) -> None:
    total = belief.sum(axis=(0, 1, 2)) + gone.sum(axis=(0, 1))
    belief /= total
    gone /= total

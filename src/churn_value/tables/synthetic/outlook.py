"""What a state and a habit promise for the outcome window, and what the tables say a basket is worth.

Backward over the days of the window, with A(s, s') = (1 - h(s)) * T(s, s') and p the chance of an order::

    quiet_d(s)  = h(s) + sum_s' A(s, s') * (1 - p_d(s')) * quiet_(d+1)(s')            no order until the end
    orders_d(s) =        sum_s' A(s, s') * (p_d(s') * kept_d + orders_(d+1)(s'))      orders net of returns in time

Baskets do not depend on the state, so the log-normal order totals have the textbook normal posterior of their mean
(Gelman et al. 2013, Bayesian Data Analysis, eq. 2.11-2.12), and expected value = orders * basket - refunds to come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churn_value.tables.synthetic.lives import Ints
from churn_value.tables.synthetic.parameters import FADING, GONE, Floats, Parameters


@dataclass(frozen=True)
class Outlook:
    """Of a customer by state on the day before as_of, each of shape (plans, 8, order rates).

    Parameters
    ----------
    quiet
        Probability of no order in the outcome window.
    orders
        Expected orders in it, each counted by the share not returned within it.
    """

    quiet: Floats
    orders: Floats


def outlook(parameters: Parameters, calendar: Floats) -> Outlook:
    """Outlook over an outcome window; calendar has one entry per day of it."""
    horizon = len(calendar)
    chance = parameters.order_chance(calendar)[:, FADING, :]
    kept = 1 - parameters.return_share * _back_within(parameters, np.arange(horizon)[::-1])
    hazard = parameters.hazard[:, :, None]
    move = (1 - hazard) * parameters.transition
    shape = (len(parameters.plan_hazard), GONE, len(parameters.order_rates))
    quiet, orders = np.ones(shape), np.zeros(shape)
    for day in reversed(range(horizon)):
        quiet = hazard + move @ ((1 - chance[day]) * quiet)
        orders = move @ (chance[day] * kept[day] + orders)
    return Outlook(quiet, orders)


def _back_within(parameters: Parameters, days: Ints) -> Floats:
    """Probability that a returned order is back within so many days; negative days give 0."""
    cumulative = parameters.return_cumulative
    return np.where(days < 0, 0.0, cumulative[np.clip(days, 0, len(cumulative) - 1)])


def expected_basket(parameters: Parameters, orders: pd.DataFrame, birth_year: Floats) -> Floats:
    """Expected order total in minor units given the orders seen, per customer."""
    customer = orders["customer"].to_numpy()
    count = np.bincount(customer, minlength=len(birth_year))
    log_sum = np.bincount(customer, weights=np.log(orders["total_minor"].to_numpy()), minlength=len(birth_year))
    within, between = parameters.order_log_spread**2, parameters.basket_log_spread**2
    precision = 1 / between + count / within
    mean = (parameters.basket_prior(birth_year) / between + log_sum / within) / precision
    return np.asarray(np.exp(mean + 0.5 / precision + 0.5 * within))


def refunds_to_come(
    parameters: Parameters, orders: pd.DataFrame, customers: int, *, as_of_day: int, horizon: int
) -> Floats:
    """Expected refunds, in the outcome window, of orders placed before it, in minor units per customer.

    An order without a known return may have come back already, unknown to the tables, may come back in the window, or
    later, or never; the chance of the second is taken given that the first is not known.
    """
    open_orders = orders[~orders["returned"]]
    age = as_of_day - 1 - open_orders["day"].to_numpy()
    lags = range(parameters.return_known_days + 1)
    known = np.mean([_back_within(parameters, age - lag) for lag in lags], axis=0)
    in_window = _back_within(parameters, age + horizon) - _back_within(parameters, age)
    share = parameters.return_share
    refund = open_orders["total_minor"].to_numpy() * share * in_window / (1 - share * known)
    refunds = np.bincount(open_orders["customer"].to_numpy(), weights=refund, minlength=customers)
    return np.asarray(refunds, dtype=np.float64)

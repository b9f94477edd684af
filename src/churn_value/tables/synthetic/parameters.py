"""The numbers of the synthetic world, and the probability tables they imply.

A customer who has not left is, on each day, in one of eight *states*: three independent switches, each on or off.

====== ======== ================================================ =======================================
bit    switch   raises the hazard of leaving, and also           is revealed by
====== ======== ================================================ =======================================
4      unhappy  –                                                scores, complaints, tickets, resolution
2      strained –                                                days late, disputes, unpaid bills
1      fading   buys and visits less                             counts of visits and carts, orders
====== ======== ================================================ =======================================

State 8 is *gone*: it never ends, and no event but the end of a contract happens in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GONE = 8
NOT_YET = 255
UNHAPPY, STRAINED, FADING = ((np.arange(GONE) >> bit) & 1 for bit in (2, 1, 0))

PLANS = ("basic", "plus", "premium")
SOURCES = ("advert", "search", "referral")
LONGEST_DELAY = 120


def _switch(on_per_day: float, off_per_day: float) -> Floats:
    """Daily transition matrix of a two-state chain, rows from, columns to."""
    return np.array([[1 - on_per_day, on_per_day], [off_per_day, 1 - off_per_day]])


def _geometric(mean_days: float) -> Floats:
    """Probability of 1, 2, … `LONGEST_DELAY` days; the rest of the tail is 'never'."""
    stay = 1 - 1 / mean_days
    return np.asarray(stay ** np.arange(LONGEST_DELAY) / mean_days, dtype=np.float64)


def _payment_delay(on_time_share: float, mean_days_late: float) -> Floats:
    """Probability of paying -10 … 0 days after the due day (uniform) or 1 … `LONGEST_DELAY` days after it."""
    early = np.full(11, on_time_share / 11)
    return np.concatenate([early, (1 - on_time_share) * _geometric(mean_days_late)])


@dataclass(frozen=True)
class Parameters:
    """Everything the world's inhabitants obey; rates and hazards are per day, shares in 0..1.

    Pairs are (switch off, switch on).
    """

    existing_share: float = 0.55  # customers who signed up before the tables begin
    plan_share: tuple[float, ...] = (0.60, 0.25, 0.15)
    plan_hazard: tuple[float, ...] = (0.00009, 0.00006, 0.000035)  # of leaving, all switches off
    plan_price_minor: tuple[int, ...] = (0, 990, 2490)
    unhappy_hazard: float = 9.0  # factors on the hazard
    strained_hazard: float = 5.0
    fading_hazard: float = 6.0
    unhappy_switch: tuple[float, float] = (1 / 700, 1 / 200)  # on, off
    strained_switch: tuple[float, float] = (1 / 800, 1 / 240)
    fading_switch: tuple[float, float] = (1 / 600, 1 / 180)

    order_rates: tuple[float, ...] = (1 / 120, 1 / 84, 1 / 58, 1 / 40, 1 / 26, 1 / 14)
    source_rate_tilt: tuple[float, ...] = (-0.25, 0.0, 0.35)  # log-odds per step of order rate
    fading_orders: float = 0.65
    season_swing: float = 0.06
    weekend_orders: float = 1.25
    visit_rates: tuple[float, ...] = (0.12, 0.22, 0.4)
    visit_share: tuple[float, ...] = (0.35, 0.40, 0.25)
    fading_visits: float = 0.35
    cart_share: tuple[float, float] = (0.20, 0.10)

    basket_log_mean: float = 8.1  # of the order total in minor units
    basket_log_spread: float = 0.75  # between customers
    order_log_spread: float = 0.55  # between orders of a customer
    age_log_slope: float = 0.2  # per 15 years of age
    return_share: float = 0.07
    return_days: tuple[int, int] = (3, 20)  # uniform, both included
    return_known_days: int = 3  # a return is known 0..3 days after it happened, uniform

    panel_share: float = 0.75  # the others are never asked
    asked_rate: float = 1 / 30  # by e-mail, whether or not they have left
    answer_share: float = 0.75  # of those who have not left
    complaint_rates: tuple[float, float] = (0.0004, 0.0120)
    ticket_rates: tuple[float, float] = (0.0025, 0.0090)
    resolution_days: tuple[float, float] = (3.0, 7.0)
    invoice_share: float = 0.65  # the others pay by card and have no payments
    due_days: int = 14
    on_time_share: tuple[float, float] = (0.92, 0.25)
    days_late: tuple[float, float] = (4.0, 16.0)
    dispute_share: tuple[float, float] = (0.01, 0.08)
    dispute_days: int = 3
    contract_end_rates: tuple[float, float] = (0.0003, 0.06)  # stayed, gone

    late_visit_share: float = 0.05
    late_visit_days: int = 5
    late_feedback_share: float = 0.08
    late_feedback_days: int = 8

    @cached_property
    def switches(self) -> tuple[Floats, Floats, Floats]:
        """Daily transition matrices of unhappy, strained, fading."""
        return (_switch(*self.unhappy_switch), _switch(*self.strained_switch), _switch(*self.fading_switch))

    @cached_property
    def on_shares(self) -> tuple[float, float, float]:
        """Stationary probability of each switch being on: on / (on + off)."""
        first, second, third = (
            on / (on + off) for on, off in (self.unhappy_switch, self.strained_switch, self.fading_switch)
        )
        return (first, second, third)

    @cached_property
    def transition(self) -> Floats:
        """Daily transition among the eight states of those who stay, shape (8 from, 8 to)."""
        unhappy, strained, fading = self.switches
        return np.kron(np.kron(unhappy, strained), fading)

    @cached_property
    def stationary(self) -> Floats:
        """State probabilities on a customer's first day, shape (8,)."""
        unhappy, strained, fading = (np.array([1 - share, share]) for share in self.on_shares)
        return np.kron(np.kron(unhappy, strained), fading)

    @cached_property
    def hazard(self) -> Floats:
        """Probability of having left by the next day, shape (plans, 8)."""
        factor = self.unhappy_hazard**UNHAPPY * self.strained_hazard**STRAINED * self.fading_hazard**FADING
        return np.asarray(np.outer(self.plan_hazard, factor))

    @cached_property
    def rate_share(self) -> Floats:
        """Probability of each order rate, shape (sources, rates)."""
        steps = np.arange(len(self.order_rates)) - (len(self.order_rates) - 1) / 2
        odds = np.exp(np.outer(self.source_rate_tilt, steps) - 0.08 * steps**2)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def calendar(self, first_day: int, days: int) -> Floats:
        """Factor on the order rates of days ``first_day, first_day + 1, …`` (midnights since 1970-01-01)."""
        day = np.arange(first_day, first_day + days)
        year = 1 + self.season_swing * np.sin(2 * np.pi * (day - 244) / 365.25)  # lowest in June, highest in December
        weekend = np.where((day + 3) % 7 >= 5, self.weekend_orders, 1.0)
        return np.asarray(year * weekend)

    def order_chance(self, calendar: Floats) -> Floats:
        """Probability of an order, shape (days, 2 fading, rates)."""
        slowed = np.array([1.0, self.fading_orders])
        return np.asarray(calendar[:, None, None] * slowed[:, None] * np.array(self.order_rates))

    @cached_property
    def visit_means(self) -> Floats:
        """Expected visits a day, shape (2: carts, others; 2 fading; visit rates)."""
        total = np.outer([1.0, self.fading_visits], self.visit_rates)
        cart = np.array(self.cart_share)[:, None]
        return np.stack([total * cart, total * (1 - cart)])

    def score_chance(self, points: int) -> Floats:
        """Probability of each answer on a scale of so many points, shape (2 unhappy, points).

        A Kumaraswamy variable on 0..1, distribution function ``1 - (1 - x**a)**b``, cut into equal bins.
        """
        edges = np.linspace(0, 1, points + 1)
        return np.stack([np.diff(1 - (1 - edges**a) ** b) for a, b in ((4.5, 1.4), (1.2, 2.6))])

    @cached_property
    def payment_chance(self) -> Floats:
        """Probability of each delay from -10 days on; the last column is 'never', shape (2 strained, delays + 1)."""
        pairs = zip(self.on_time_share, self.days_late, strict=True)
        return _with_never(np.stack([_payment_delay(share, late) for share, late in pairs]))

    @cached_property
    def resolution_chance(self) -> Floats:
        """Probability of 1, 2, … days to resolution; the last column is 'never', shape (2 unhappy, delays + 1)."""
        return _with_never(np.stack([_geometric(mean) for mean in self.resolution_days]))

    @cached_property
    def return_cumulative(self) -> Floats:
        """Probability that a returned order is back within 0, 1, … days, up to certainty."""
        first, last = self.return_days
        return np.clip((np.arange(last + 1) - first + 1) / (last - first + 1), 0, 1)

    def basket_prior(self, birth_year: Floats) -> Floats:
        """Expected log order total by year of birth; the middle where it is not known."""
        age_steps = np.nan_to_num((1980.0 - birth_year) / 15.0)
        return np.asarray(self.basket_log_mean + self.age_log_slope * age_steps)


def _with_never(chance: Floats) -> Floats:
    return np.column_stack([chance, np.clip(1 - chance.sum(axis=1), 0, None)])


def visible_share(age_days: npt.NDArray[np.int64], late_share: float, late_days: int) -> Floats:
    """Share of events so many days old that the tables know by now: late ones arrive 1..late_days after the event."""
    arrived = np.clip((age_days - 1) / late_days, 0, 1)
    return np.asarray(1 - late_share + late_share * arrived)


PARAMETERS = Parameters()

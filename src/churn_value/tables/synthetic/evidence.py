"""What the tables of a world say at an as_of, as likelihoods of each day's state.

Only rows whose clock and `known_at` are before as_of count, and what was paid, resolved, disputed or ended at or after
as_of has not happened yet: the law of time that features obey.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.tables.synthetic.frames import DAY_US
from churn_value.tables.synthetic.lives import Bools, Ints
from churn_value.tables.synthetic.parameters import PLANS, SOURCES, Floats, Parameters, visible_share

FIRST_DELAY = -10
FAR = 10**6


@dataclass(frozen=True)
class Known:
    """What is on record of each customer signed up before as_of, one entry per customer."""

    customer_id: npt.NDArray[np.object_]
    first_day: Ints  # sign-up, or the first day of the tables
    plan: Ints
    source: Ints
    birth_year: Floats
    contract_end: Ints  # day; `FAR` while open or without a contract

    def __len__(self) -> int:
        """Number of customers."""
        return len(self.plan)


@dataclass(frozen=True)
class DailyEvidence:
    """Evidence of each day on some customers; first axis days, last axis customers."""

    order: Bools
    carts: Ints
    others: Ints
    unhappy: Floats  # likelihood with the switch off and on, given that they stayed, shape (days, 2, customers)
    strained: Floats
    stayed: Floats  # further likelihood of having stayed, and of being gone
    gone: Floats


class Evidence:
    """The tables as seen at an as_of.

    Parameters
    ----------
    frames
        The seven tables.
    parameters
        The numbers the world obeys.
    origin
        Midnights from 1970-01-01 to the first day of the tables.
    as_of_day
        Days from there to as_of, at least 1.
    """

    def __init__(
        self, frames: Mapping[str, pd.DataFrame], parameters: Parameters, *, origin: int, as_of_day: int
    ) -> None:
        self.parameters = parameters
        self.origin = origin
        self.as_of_day = as_of_day
        self._frames = frames
        self.known = self._read_known()
        self._code = pd.Index(self.known.customer_id)
        self.orders = self._read_orders()
        self._visits = self._read_visits()
        self._feedback = self._read_feedback()
        self._bills = self._read_bills()

    def day(self, stamp: pd.Series) -> Ints:
        """Days from the first day of the tables; `FAR` where null or not yet."""
        micros = stamp.to_numpy(dtype="datetime64[us]")
        day = micros.astype(np.int64) // DAY_US - self.origin
        return np.where(np.isnat(micros) | (day >= self.as_of_day), FAR, day)

    def _read_known(self) -> Known:
        people = self._frames["customers"].drop_duplicates("customer_id")
        signup = self.day(people["signup_at"])
        people, signup = people[signup != FAR], signup[signup != FAR]
        contracts = self._frames["contracts"]
        ends = pd.Series(self.day(contracts["ended_at"]), index=contracts["customer_id"])
        return Known(
            customer_id=people["customer_id"].to_numpy(dtype=object),
            first_day=np.maximum(signup, 0),
            plan=people["plan"].map({name: code for code, name in enumerate(PLANS)}).to_numpy(dtype=np.int64),
            source=people["source"].map({name: code for code, name in enumerate(SOURCES)}).to_numpy(dtype=np.int64),
            birth_year=people["birth_year"].to_numpy(dtype=np.float64),
            contract_end=ends.reindex(people["customer_id"]).fillna(FAR).to_numpy(dtype=np.int64),
        )

    def _seen(self, table: str, clock: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Rows known at as_of, and their customer and day; ordered by customer."""
        rows = self._frames[table]
        day = self.day(rows[clock])
        known = self.day(rows["known_at"]) if "known_at" in rows else day
        seen = (day != FAR) & (known != FAR)
        rows = rows[seen]
        key = pd.DataFrame({"customer": self._code.get_indexer(rows["customer_id"]), "day": day[seen]})
        order = np.argsort(key["customer"].to_numpy(), kind="stable")
        return rows.iloc[order], key.iloc[order].reset_index(drop=True)

    def _read_orders(self) -> pd.DataFrame:
        """One row per order: customer, day, total_minor, and whether its return is known."""
        rows, key = self._seen("purchases", "event_time")
        key["order_id"] = rows["order_id"].to_numpy()
        key["total_minor"] = np.rint(rows["amount"].to_numpy() * 100)
        back = rows["is_return"].to_numpy()
        totals = key[~back].groupby(["customer", "day", "order_id"])["total_minor"].sum().reset_index()
        totals["returned"] = totals["order_id"].isin(key.loc[back, "order_id"].unique())
        return totals.drop(columns="order_id")

    def _read_visits(self) -> pd.DataFrame:
        rows, key = self._seen("visits", "event_time")
        key["cart"] = (rows["kind"] == "cart").to_numpy()
        return key

    def _read_feedback(self) -> pd.DataFrame:
        """Per row: likelihood of the unhappy switch off and on (``off``, ``on``), and of being gone."""
        rows, key = self._seen("feedback", "event_time")
        answered = rows["score"].notna().to_numpy()
        survey = rows["scale_max"].notna().to_numpy()
        likelihood = self._survey_likelihood(rows, answered)
        likelihood[~survey] = self._trouble_likelihood(rows[~survey], key[~survey])
        return key.assign(off=likelihood[:, 0], on=likelihood[:, 1], gone=survey & ~answered)

    def _survey_likelihood(self, rows: pd.DataFrame, answered: Bools) -> Floats:
        share = self.parameters.answer_share
        likelihood = np.full((len(rows), 2), 1 - share)
        points = (rows["scale_max"] - rows["scale_min"]).fillna(0).to_numpy(dtype=np.int64) + 1
        step = (rows["score"] - rows["scale_min"]).fillna(0).to_numpy(dtype=np.int64)
        for scale in np.unique(points[answered]):
            at = answered & (points == scale)
            likelihood[at] = share * self.parameters.score_chance(int(scale))[:, step[at]].T
        return likelihood

    def _trouble_likelihood(self, rows: pd.DataFrame, key: pd.DataFrame) -> Floats:
        """Odds of the row against no such row that day, times the likelihood of its resolution so far."""
        complaint = (rows["kind"] == "complaint").to_numpy()
        day = key["day"].to_numpy()
        rates = np.where(complaint[:, None], self.parameters.complaint_rates, self.parameters.ticket_rates)
        chance = rates * self._feedback_visible(day)[:, None]
        wait = self.day(rows["resolved_at"]) - day
        resolved = _so_far(self.parameters.resolution_chance, wait - 1, self.as_of_day - day - 2)
        return np.asarray(chance / (1 - chance) * resolved)

    def _feedback_visible(self, day: Ints) -> Floats:
        parameters = self.parameters
        return visible_share(self.as_of_day - day, parameters.late_feedback_share, parameters.late_feedback_days)

    def visits_visible(self, day: Ints) -> Floats:
        """Share of a day's visits that the tables know at as_of."""
        return visible_share(self.as_of_day - day, self.parameters.late_visit_share, self.parameters.late_visit_days)

    def _read_bills(self) -> pd.DataFrame:
        """Per bill, on its order's day: likelihood of the strained switch off and on (``off``, ``on``)."""
        rows, key = self._seen("payments", "due_at")
        due = key["day"].to_numpy()
        delay = self.day(rows["paid_at"]) - due
        likelihood = _so_far(
            self.parameters.payment_chance, delay - FIRST_DELAY, self.as_of_day - 1 - due - FIRST_DELAY
        )
        share = np.array(self.parameters.dispute_share)
        disputed = (self.day(rows["disputed_at"]) != FAR)[:, None]
        likelihood *= np.where(disputed, share, np.where(self._dispute_due(due)[:, None], 1 - share, 1.0))
        return key.assign(day=due - self.parameters.due_days, off=likelihood[:, 0], on=likelihood[:, 1])

    def _dispute_due(self, due: Ints) -> Bools:
        return due + self.parameters.dispute_days < self.as_of_day

    def daily(self, start: int, stop: int) -> DailyEvidence:
        """Evidence on the customers at positions ``start .. stop - 1``, a day per entry of the first axis."""
        count, days = stop - start, np.arange(self.as_of_day)
        shape = (self.as_of_day, count)
        orders = _counts(_between(self.orders, start, stop), start, shape)
        visits = _between(self._visits, start, stop)
        carts = _counts(visits[visits["cart"]], start, shape)
        others = _counts(visits[~visits["cart"]], start, shape)
        feedback = _between(self._feedback, start, stop)
        stayed, gone = self._contract(days, self.known.plan[start:stop], self.known.contract_end[start:stop])
        signs = _counts(feedback[~feedback["gone"]], start, shape)
        gone[(orders + carts + others + signs) > 0] = 0.0
        return DailyEvidence(
            order=orders > 0,
            carts=carts,
            others=others,
            unhappy=_multiplied(self._no_trouble(days), feedback, start, count),
            strained=_multiplied(np.ones((len(days), 2)), _between(self._bills, start, stop), start, count),
            stayed=stayed,
            gone=gone,
        )

    def _no_trouble(self, days: Ints) -> Floats:
        """Likelihood of a day without complaint or ticket for those who stayed, shape (days, 2)."""
        visible = self._feedback_visible(days)[:, None]
        calm = 1 - visible * np.array(self.parameters.complaint_rates)
        return np.asarray(calm * (1 - visible * np.array(self.parameters.ticket_rates)))

    def _contract(self, days: Ints, plan: Ints, end: Ints) -> tuple[Floats, Floats]:
        """Likelihood of each day of the contract for those who stayed and those gone, shape (days, customers)."""
        day = days[:, None]
        runs, ends = (day < end) & (plan > 0), day == end
        stayed, gone = (
            np.where(ends, rate, np.where(runs, 1 - rate, 1.0)) for rate in self.parameters.contract_end_rates
        )
        return stayed, gone


def _so_far(chance: Floats, found: Ints, latest: Ints) -> Floats:
    """Likelihood of a delay found at a position, or, where `found` is far off, of none up to position `latest`."""
    delays = chance.shape[1] - 1
    waiting = np.column_stack([np.ones(2), 1 - np.cumsum(chance[:, :-1], axis=1)])
    happened = found < delays
    exact = chance[:, np.where(happened, found, 0)].T
    none_yet = waiting[:, np.clip(latest + 1, 0, delays)].T
    return np.where(happened[:, None], exact, none_yet)


def _between(rows: pd.DataFrame, start: int, stop: int) -> pd.DataFrame:
    """Rows of the customers at positions ``start .. stop - 1``; rows are ordered by customer."""
    first, last = np.searchsorted(rows["customer"].to_numpy(), [start, stop])
    return rows.iloc[first:last]


def _counts(rows: pd.DataFrame, start: int, shape: tuple[int, int]) -> Ints:
    at = rows["day"].to_numpy() * shape[1] + rows["customer"].to_numpy() - start
    return np.bincount(at, minlength=shape[0] * shape[1]).reshape(shape)


def _multiplied(quiet: Floats, rows: pd.DataFrame, start: int, count: int) -> Floats:
    """Likelihood of a quiet day, times that of each row of the day, shape (days, 2, customers)."""
    likelihood = np.repeat(quiet[:, :, None], count, axis=2)
    day, customer = rows["day"].to_numpy(), rows["customer"].to_numpy() - start
    for switch, name in enumerate(("off", "on")):
        np.multiply.at(likelihood[:, switch], (day, customer), rows[name].to_numpy())
    return likelihood

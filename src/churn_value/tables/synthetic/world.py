"""The synthetic world: seven tables, and the truth behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from churn_value.errors import ConfigError
from churn_value.tables.synthetic.evidence import Evidence
from churn_value.tables.synthetic.frames import customer_ids
from churn_value.tables.synthetic.lives import States, Traits
from churn_value.tables.synthetic.outlook import expected_basket, outlook, refunds_to_come
from churn_value.tables.synthetic.parameters import GONE, PARAMETERS, Floats
from churn_value.tables.synthetic.posterior import filter_states
from churn_value.timeline import day_number

TRUTH_COLUMNS = ("customer_id", "churn_probability", "expected_value_minor", "value_if_retained_minor")
SNAPSHOT_HORIZON_DAYS = 90


@dataclass(frozen=True)
class World:
    """A world and what is true in it.

    Parameters
    ----------
    frames
        The seven tables by name, with the contract's column names.
    seed, start, days
        What it was made from; the tables cover ``[start, start + days)``.
    traits, states
        Latent: habits of each customer, and state on each day, shape (days, customers).
    """

    frames: dict[str, pd.DataFrame]
    seed: int
    start: date
    days: int
    traits: Traits = field(repr=False)
    states: States = field(repr=False)

    @property
    def end(self) -> date:
        """First day not observed."""
        return self.start + timedelta(days=self.days)

    @property
    def snapshot_as_of(self) -> date:
        """Day the snapshots describe; their label is complete at the end of the span."""
        return self.end - timedelta(days=self.snapshot_horizon_days)

    @property
    def snapshot_horizon_days(self) -> int:
        """Length of the snapshots' outcome window; shorter than usual in a short world."""
        return min(SNAPSHOT_HORIZON_DAYS, self.days // 4)

    def _calendar(self, from_day: int, days: int) -> Floats:
        return PARAMETERS.calendar(day_number(self.start) + from_day, days)

    def _day(self, as_of: date) -> int:
        """Days from the start to as_of, refused where the tables know nothing or not everything."""
        day = (as_of - self.start).days
        if not 1 <= day <= self.days:
            raise ConfigError(
                "as_of must lie within the world's tables",
                code="AS_OF_OUTSIDE_WORLD",
                where="as_of",
                received=as_of,
                remedy=f"use {self.start + timedelta(days=1)} to {self.end}",
            )
        return day

    def truth(self, as_of: date, horizon_days: int) -> pd.DataFrame:
        """Best possible prediction from the tables: exact probabilities given all rows known before as_of.

        Parameters
        ----------
        as_of
            Day of prediction, after `start` and not after `end`.
        horizon_days
            Length of the outcome window, at least 1; it may reach beyond the span.

        Returns
        -------
        pandas.DataFrame
            One row per customer signed up before as_of. ``churn_probability`` is P(no order in the window | tables);
            ``expected_value_minor`` is E[net amount in the window | tables], slightly negative where only refunds are
            to come; ``value_if_retained_minor`` is E[net amount | tables, an order in the window].

        Raises
        ------
        ConfigError
            When as_of is outside the span.

        Notes
        -----
        The information set is what a feature may use: rows whose clock and known_at are before as_of, with what was
        paid, resolved, disputed or ended at or after as_of unknown; plus the numbers of `parameters`. No function of
        the tables has a lower expected log-loss or squared error.
        """
        evidence = self._evidence(as_of)
        people = filter_states(evidence, self._calendar(0, self._day(as_of)))
        ahead = outlook(PARAMETERS, self._calendar(self._day(as_of), horizon_days))
        plan = evidence.known.plan
        retained = np.einsum("skn,nsk->n", people.stayed, (1 - ahead.quiet)[plan])
        orders = np.einsum("skn,nsk->n", people.stayed, ahead.orders[plan])
        basket = expected_basket(PARAMETERS, evidence.orders, evidence.known.birth_year)
        return self._table(evidence, horizon_days, retained, orders * basket)

    def latent_truth(self, as_of: date, horizon_days: int) -> pd.DataFrame:
        """What would be predicted by someone who also sees each customer's state, order rate and basket mean.

        A bound no model can reach from the tables; columns as in `truth`. A customer who is gone has churn
        probability 1 and value_if_retained_minor 0.
        """
        evidence = self._evidence(as_of)
        ahead = outlook(PARAMETERS, self._calendar(self._day(as_of), horizon_days))
        at = pd.Index(customer_ids(len(self.traits.plan))).get_indexer(pd.Index(evidence.known.customer_id))
        state = self.states[self._day(as_of) - 1, at]
        stays = state < GONE
        where = (evidence.known.plan, np.where(stays, state, 0), self.traits.rate_class[at])
        basket = np.exp(self.traits.basket_log_mean[at] + PARAMETERS.order_log_spread**2 / 2)
        return self._table(
            evidence, horizon_days, stays * (1 - ahead.quiet[where]), stays * ahead.orders[where] * basket
        )

    def _evidence(self, as_of: date) -> Evidence:
        return Evidence(self.frames, PARAMETERS, origin=day_number(self.start), as_of_day=self._day(as_of))

    def _table(self, evidence: Evidence, horizon_days: int, retained: Floats, sales: Floats) -> pd.DataFrame:
        """Truth from P(an order) and E[sales net of their own returns], less refunds of earlier orders."""
        refunds = refunds_to_come(
            PARAMETERS, evidence.orders, len(retained), as_of_day=evidence.as_of_day, horizon=horizon_days
        )
        per_retained = np.divide(sales, retained, out=refunds.copy(), where=retained > 0)
        columns = (evidence.known.customer_id, 1 - retained, sales - refunds, per_retained - refunds)
        return pd.DataFrame(dict(zip(TRUTH_COLUMNS, columns, strict=True))).astype({"customer_id": "str"})

    def outcomes(self, as_of: date, horizon_days: int) -> pd.DataFrame:
        """What did happen: customer_id, churned (0 or 1) and value_minor for the customers of `truth`.

        Raises
        ------
        ConfigError
            When as_of is outside the span, or the outcome window ends after it.
        """
        first = self._day(as_of)
        if first + horizon_days > self.days:
            raise ConfigError(
                "the outcome window must end within the world's tables",
                code="WINDOW_INCOMPLETE",
                where="as_of",
                received=f"{as_of} and {horizon_days} days",
                remedy=f"use {self.end - timedelta(days=horizon_days)} or earlier",
            )
        people, purchases = self.frames["customers"], self.frames["purchases"]
        known = people.loc[people["signup_at"] < pd.Timestamp(as_of, tz="UTC"), "customer_id"].unique()
        time = purchases["event_time"]
        until = as_of + timedelta(days=horizon_days)
        window = purchases[(time >= pd.Timestamp(as_of, tz="UTC")) & (time < pd.Timestamp(until, tz="UTC"))]
        value = (window["amount"] * 100).round().groupby(window["customer_id"]).sum().reindex(known).fillna(0)
        bought = pd.Index(known).isin(window.loc[~window["is_return"], "customer_id"])
        return pd.DataFrame(
            {"customer_id": known, "churned": (~bought).astype(np.int64), "value_minor": value.to_numpy(dtype=np.int64)}
        )

    def write(self, folder: Path) -> list[Path]:
        """Write each table to ``<folder>/<table>.parquet`` and the truth at the snapshots' day to ``<folder>/truth/``.

        Returns
        -------
        list of Path
            The files, tables first.
        """
        as_of, horizon = self.snapshot_as_of, self.snapshot_horizon_days
        frames = {f"{name}.parquet": frame for name, frame in self.frames.items()}
        frames[f"truth/truth_{as_of}_{horizon}d.parquet"] = self.truth(as_of, horizon)
        frames[f"truth/latent_truth_{as_of}_{horizon}d.parquet"] = self.latent_truth(as_of, horizon)
        (folder / "truth").mkdir(parents=True, exist_ok=True)
        for name, frame in frames.items():
            frame.to_parquet(folder / name, index=False)
        return [folder / name for name in frames]

"""What one thing that a business can bring about does to a customer's features, written once per lever.

Each map answers: had this happened on the day before as_of, which features would the feature engine have given? Where a
row determines the answer it is exact (a test appends the event and builds the features again); where it does not, the
map says below what it assumes, and assumes what moves the customer least.

``purchase``
    One order of `size` typical baskets: amount, lines and pieces are `size` times the customer's own means, of
    products, a category and a channel already known. Of windows without own figures (lines of the longest window), the
    mean of the whole history stands in.
``resolved``
    Every open complaint and ticket is closed. All are taken to be as old as the oldest.
``paid``
    Every overdue payment is made; one that fell due the day before was then on time, the others are late by a day less.
``praised``
    A survey is answered with the best score. All earlier answers are taken to be as young as the last one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.scoring.quantities import Floats

Mask = npt.NDArray[np.bool_]
EVER = ""


class Row:
    """Features of some customers while they are being changed; a feature that the table lacks is NaN and stays away."""

    def __init__(self, frame: pd.DataFrame, as_of: Sequence[date | None]) -> None:
        self._frame = frame
        self._changed: dict[str, Floats] = {}
        self.weekend = np.array([day is not None and (day.toordinal() - 2) % 7 >= 5 for day in as_of], dtype=np.float64)

    def __getitem__(self, name: str) -> Floats:
        """Values of a feature as they are now; NaN where the table lacks it."""
        if name in self._changed:
            return self._changed[name]
        if name not in self._frame.columns:
            return np.full(len(self._frame), np.nan)
        return self._frame[name].to_numpy(dtype=np.float64)

    def __setitem__(self, name: str, values: Floats) -> None:
        """Change a feature of the table."""
        if name in self._frame.columns:
            self._changed[name] = values

    def suffixes(self, stem: str) -> list[str]:
        """What follows `stem` in the table's features: ``_28d`` … for windows and half-lives, nothing for all time."""
        found = [re.fullmatch(f"{stem}(|_\\d+d)", str(name)) for name in self._frame.columns]
        return sorted({match[1] for match in found if match}, key=_days)

    def frame(self) -> pd.DataFrame:
        """The table with the changes."""
        return self._frame.assign(**self._changed)


def _days(suffix: str) -> float:
    return float(suffix[1:-1]) if suffix else np.inf


def _or(values: Floats, default: Floats | float) -> Floats:
    return np.where(np.isnan(values), default, values)


def _over(part: Floats, whole: Floats) -> Floats:
    """Quotient, NaN unless the whole is positive."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)


def basket_minor(frame: pd.DataFrame) -> Floats:
    """Typical basket: the mean order, else the net spend per purchase day [minor units]; NaN where neither is known."""
    row = Row(frame, [None] * len(frame))
    return _or(row["mean_order_minor"], _over(row["spend_minor"], row["purchase_days"]))


def purchase(row: Row, size: float) -> None:
    """One order of `size` typical baskets on the day before as_of."""
    frame = row.frame()
    amount = np.round(size * basket_minor(frame))
    lines = size * _or(row["mean_order_lines"], 1.0)
    _kinds(row, lines)
    _order(row, amount, lines, size)
    for suffix in row.suffixes("order_count"):
        row[f"order_count{suffix}"] = _or(row[f"order_count{suffix}"], 0.0) + 1.0
    _spend(row, amount)
    since = row["days_since_last_purchase"]
    _purchase_day(row, since, is_new=np.isnan(since) | (since > 1))
    row["days_since_last_purchase"] = np.ones(len(frame))
    _sign_of_life(row)


def _order(row: Row, amount: Floats, lines: Floats, size: float) -> None:
    """Orders, their means and extremes; the orders of each window must still be those before."""
    for suffix in row.suffixes("mean_order_minor"):
        orders = row[f"order_count{suffix}"]
        mean, share = _or(row[f"mean_order_minor{suffix}"], 0.0), _or(row[f"returned_share{suffix}"], 0.0)
        bought = mean * orders
        row[f"returned_share{suffix}"] = _over(share * bought, bought + amount)
        weekend, all_lines = row[f"weekend_share{suffix}"], _or(row[f"mean_order_lines{suffix}"], 0.0) * orders
        row[f"weekend_share{suffix}"] = _over(_or(weekend, 0.0) * all_lines + lines * row.weekend, all_lines + lines)
        pieces = size * row["mean_order_quantity"]
        for stem, more in (("lines", lines), ("quantity", pieces)):
            before = _or(row[f"mean_order_{stem}{suffix}"], 0.0)
            row[f"mean_order_{stem}{suffix}"] = _over(before * orders + more, orders + 1) + 0.0 * more
        usual = _or(_over(mean, row[f"order_amount_trend{suffix}"]), _or(row["mean_order_minor"], amount))
        row[f"mean_order_minor{suffix}"] = (bought + amount) / (orders + 1)
        longest = row[f"order_count{row.suffixes('order_count')[-2]}"] if suffix else orders
        row[f"order_amount_trend{suffix}"] = _over(
            row[f"mean_order_minor{suffix}"], (usual * longest + amount) / (longest + 1)
        )
    row["max_order_minor"] = np.fmax(row["max_order_minor"], amount)


def _kinds(row: Row, lines: Floats) -> None:
    """Categories, products and channels: the main one gains lines, none is new unless the window had none."""
    for stem in ("category", "product", "channel"):
        for suffix in row.suffixes(f"{stem}_count"):
            orders, mean = row[f"order_count{suffix}"], row[f"mean_order_lines{suffix}"]
            held = _or(mean, row["mean_order_lines"]) * orders
            kinds = np.maximum(1.0, _or(row[f"{stem}_count{suffix}"], 0.0))
            top = _or(row[f"{stem}_top_share{suffix}"], 0.0)
            row[f"{stem}_top_share{suffix}"] = _over(top * held + lines, held + lines)
            row[f"{stem}_repeat_share{suffix}"] = np.clip(1.0 - _over(kinds, held + lines), 0.0, 1.0)
            row[f"{stem}_count{suffix}"] = kinds
            row[f"{stem}_entropy{suffix}"] = _or(row[f"{stem}_entropy{suffix}"], 0.0)


def _spend(row: Row, amount: Floats) -> None:
    _margin(row, amount)
    for suffix in row.suffixes("spend_minor"):
        row[f"spend_minor{suffix}"] = _or(row[f"spend_minor{suffix}"], 0.0) + amount
    for suffix in row.suffixes("spend_decayed_minor"):
        weight = 2.0 ** (-1.0 / _days(suffix))
        row[f"spend_decayed_minor{suffix}"] = _or(row[f"spend_decayed_minor{suffix}"], 0.0) + weight * amount
    _trends(row, "spend_trend", "spend_minor")
    repeats = row["frequency"]
    is_repeat = ~np.isnan(row["days_since_last_purchase"]) & (row["days_since_last_purchase"] > 1)
    spent = _or(row["monetary_value_minor"], 0.0) * repeats + amount
    again = repeats + is_repeat
    counts = is_repeat | (repeats > 0)
    row["monetary_value_minor"] = np.where(counts, _over(spent, again), row["monetary_value_minor"])


def _margin(row: Row, amount: Floats) -> None:
    """Margins of the windows: the order earns what the longest window with a margin earned on the same amount."""
    rate = np.full(len(amount), np.nan)
    for suffix in reversed(row.suffixes("margin_share")):
        rate = _or(rate, row[f"margin_share{suffix}"])
    for suffix in row.suffixes("gross_margin_minor"):
        gross, share = _or(row[f"gross_margin_minor{suffix}"], 0.0), row[f"margin_share{suffix}"]
        based_on = np.where(_or(share, 0.0) != 0, gross / np.where(_or(share, 0.0) != 0, share, 1.0), 0.0)
        earned = gross + np.round(_or(rate, 0.0) * amount)
        row[f"gross_margin_minor{suffix}"] = earned
        row[f"margin_share{suffix}"] = np.where(np.isnan(rate), share, earned / np.maximum(1.0, based_on + amount))


def _trends(row: Row, trend: str, stem: str) -> None:
    """Rates of each window over the rate of the longest, from the sums as they are now."""
    longest = [suffix for suffix in row.suffixes(stem) if suffix][-1:]
    for suffix in row.suffixes(trend):
        recent = row[f"{stem}{suffix}"] * _days(longest[0])
        row[f"{trend}{suffix}"] = _over(recent, row[f"{stem}{longest[0]}"] * _days(suffix))


def _purchase_day(row: Row, since: Floats, is_new: Mask) -> None:
    """Days with a purchase, and the gaps between them: the new one ends a gap of ``since - 1`` days."""
    for suffix in row.suffixes("purchase_days"):
        row[f"purchase_days{suffix}"] = _or(row[f"purchase_days{suffix}"], 0.0) + is_new
    for suffix in row.suffixes("purchase_days_decayed"):
        weight = 2.0 ** (-1.0 / _days(suffix))
        row[f"purchase_days_decayed{suffix}"] = _or(row[f"purchase_days_decayed{suffix}"], 0.0) + weight * is_new
    _trends(row, "purchase_trend", "purchase_days")
    row["T_days"] = _or(row["T_days"], 1.0)
    row["recency_days"] = row["T_days"] - 1.0
    ends_gap = is_new & ~np.isnan(since)
    _gaps(row, np.where(ends_gap, since - 1.0, np.nan), ends_gap)
    row["gap_overdue_ratio"] = _over(np.ones_like(since), row["mean_gap_days"])
    row["gap_record_ratio"] = _over(np.ones_like(since), row["max_gap_days"])


def _gaps(row: Row, gap: Floats, ends_gap: Mask) -> None:
    """Mean, deviation and extremes of gaps, from their sums before."""
    count, mean, deviation = row["frequency"], _or(row["mean_gap_days"], 0.0), _or(row["std_gap_days"], 0.0)
    total = mean * count
    squares = deviation**2 * np.maximum(count - 1, 0.0) + _or(_over(total**2, count), 0.0)
    more = np.where(ends_gap, gap, 0.0)
    n, total, squares = count + ends_gap, total + more, squares + more**2
    row["frequency"] = n
    row["mean_gap_days"] = np.where(ends_gap, _over(total, n), row["mean_gap_days"])
    spread = np.sqrt(np.maximum(0.0, _over(n * squares - total**2, n * (n - 1))))
    row["std_gap_days"] = np.where(ends_gap, spread, row["std_gap_days"])
    row["gap_irregularity"] = _over(row["std_gap_days"], row["mean_gap_days"])
    row["max_gap_days"] = np.fmax(row["max_gap_days"], gap)
    row["last_gap_days"] = np.where(ends_gap, gap, row["last_gap_days"])
    row["last_gap_ratio"] = _over(row["last_gap_days"], row["mean_gap_days"])


def resolved(row: Row) -> None:
    """All open complaints and tickets closed on the day before as_of."""
    cases, oldest = _or(row["open_tickets"], 0.0), row["oldest_open_days"]
    took = oldest - 1.0
    for suffix in row.suffixes("resolution_days_mean"):
        raised = _or(row[f"complaint_count{suffix}"], 0.0) + _or(row[f"ticket_count{suffix}"], 0.0)
        inside = np.where(oldest <= _days(suffix), cases, 0.0)
        closed = np.maximum(0.0, raised - inside)
        mean = row[f"resolution_days_mean{suffix}"]
        added = _over(_or(mean, 0.0) * closed + inside * took, closed + inside)
        row[f"resolution_days_mean{suffix}"] = np.where(inside > 0, added, mean)
    row["resolution_days_max"] = np.where(
        cases > 0, np.fmax(row["resolution_days_max"], took), row["resolution_days_max"]
    )
    row["open_tickets"] = np.where(np.isnan(row["open_tickets"]), np.nan, 0.0)
    row["oldest_open_days"] = np.full(len(cases), np.nan)


def paid(row: Row) -> None:
    """All overdue payments made on the day before as_of."""
    oldest = row["oldest_overdue_days"]
    for suffix in row.suffixes("overdue_share"):
        share = _or(row[f"overdue_share{suffix}"], 0.0)
        row[f"days_late_mean{suffix}"] = row[f"days_late_mean{suffix}"] - share
        on_time = np.where(oldest == 1.0, share, 0.0)
        row[f"late_share{suffix}"] = np.maximum(0.0, row[f"late_share{suffix}"] - on_time)
        most = row[f"days_late_max{suffix}"]
        row[f"days_late_max{suffix}"] = np.where((most == oldest) & (share > 0), most - 1.0, most)
        row[f"overdue_share{suffix}"] = np.where(np.isnan(row[f"overdue_share{suffix}"]), np.nan, 0.0)
    for change, mean in (("days_late_change", "days_late_mean"), ("late_share_change", "late_share")):
        _changes(row, change, mean, "due_count")
    for name in ("overdue_count", "overdue_amount_minor"):
        row[name] = np.where(np.isnan(row[name]), np.nan, 0.0)
    row["oldest_overdue_days"] = np.full(len(oldest), np.nan)


def praised(row: Row) -> None:
    """A survey answered with the best score on the day before as_of."""
    scores, since = _or(row["score_count"], 0.0), row["days_since_last_score"]
    half_life = _days((row.suffixes("satisfaction_mean") or [EVER])[0])
    weight, held = 2.0 ** (-1.0 / half_life), scores * 2.0 ** (-_or(since, 1.0) / half_life)
    level = _or(row["satisfaction_level"], 0.0)
    row["satisfaction_level"] = _over(level * held + weight, held + weight)
    for suffix in row.suffixes("satisfaction_mean"):
        given, mean = _or(row[f"score_count{suffix}"], 0.0), _or(row[f"satisfaction_mean{suffix}"], 0.0)
        row[f"satisfaction_mean{suffix}"] = (mean * given + 1.0) / (given + 1.0)
        row[f"satisfaction_min{suffix}"] = np.fmin(row[f"satisfaction_min{suffix}"], 1.0)
    for suffix in row.suffixes("score_count"):
        row[f"score_count{suffix}"] = _or(row[f"score_count{suffix}"], 0.0) + 1.0
    _changes(row, "satisfaction_change", "satisfaction_mean", "score_count")
    row["satisfaction_last"] = np.ones(len(scores))
    row["satisfaction_last_change"] = 1.0 - row["satisfaction_mean"]
    asked = _or(_over(scores, row["response_share"]), 0.0)
    row["response_share"] = _over(scores + 1.0, asked + 1.0)
    row["days_since_last_score"] = np.ones(len(scores))
    row["never_asked"] = np.zeros(len(scores))
    _sign_of_life(row)


def _sign_of_life(row: Row) -> None:
    """The last sign of life in any table, on the day before as_of, and the gap that it ends."""
    since, days = row["days_since_last_sign"], _or(row["sign_days"], 0.0)
    earlier = _or(np.round(_over(since, row["sign_overdue_ratio"]) * (days - 1.0)), 0.0)
    now = days + (np.isnan(since) | (since > 1))
    row["sign_overdue_ratio"] = _over(now - 1.0, earlier + since - 1.0)
    row["sign_days"] = now
    row["days_since_last_sign"] = np.ones(len(now))
    row["unanswered_since_sign"] = np.zeros(len(now))


def _changes(row: Row, change: str, mean: str, count: str) -> None:
    """Mean of a window minus the mean of all that is older, from means and counts as they are now."""
    for suffix in row.suffixes(change):
        inside, ever = row[f"{count}{suffix}"], row[count]
        older = _over(row[mean] * ever - row[f"{mean}{suffix}"] * inside, ever - inside)
        row[f"{change}{suffix}"] = row[f"{mean}{suffix}"] - older

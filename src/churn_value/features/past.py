"""What the author of a feature receives: reductions over rows that are already past.

A `Past` has no method that reaches a row at or after as_of, because the relation behind it holds none. Its reductions
apply the feature's window themselves, so that every window of a source compiles into one scan.

Sums of floating point numbers depend on the order of rows, and so on threads. Everything here sums integers: minor
units, days, counts and their squares, or fixed point numbers (`stable_sum`).
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

FIXED_POINT_BITS = 20
MEAN_BITS = 32
MONEY_BITS = 8


def stable_sum(
    values: ir.NumericColumn, where: ir.BooleanValue | None = None, bits: int = FIXED_POINT_BITS
) -> ir.Scalar:
    """Sum of fractions that does not depend on the order of rows.

    Parameters
    ----------
    values
        Floating point column; ``|sum| * 2**bits`` must stay below ``2**63``.
    where
        Rows to sum; None sums all.
    bits
        Binary digits kept after the point.

    Notes
    -----
    ``sum(round(x * 2**bits)) / 2**bits``: each term is off by at most ``2**-(bits + 1)``, the sum is exact.
    """
    return (values * 2**bits).round().cast("int64").sum(where=where) / 2**bits


def _all_of(*conditions: ir.BooleanValue | None) -> ir.BooleanValue | None:
    """Conjunction of the conditions that are given."""
    given = [condition for condition in conditions if condition is not None]
    return ibis.and_(*given) if given else None


def _positive(value: ir.NumericValue) -> ir.NumericValue:
    """The value where it is above zero, else null: a denominator."""
    return (value > 0).ifelse(value, ibis.null("int64"))


class Past:
    """Rows of one source and grain that were known before as_of, seen through one window.

    Columns are attributes. At the grain of days a row is one (customer, as_of, day) and ``age_days`` is 1 for the day
    before as_of; at the grain of keys a row is one (customer, as_of, key), and its columns already hold the window's
    own counts, 0 for a key that the window does not touch.

    Parameters
    ----------
    rows
        Relation of past rows.
    dated
        Whether rows carry ``age_days`` (days) or windowed columns (keys).
    window_days
        ``None`` for the whole history, else rows with ``age_days <= window_days``.
    longest_days
        Longest window of the ladder: what trends compare with.
    half_life_days
        Age at which an event weighs half in `decayed`.
    """

    __slots__ = ("_dated", "_half_life_days", "_longest_days", "_rows", "_window_days")

    def __init__(
        self,
        rows: ir.Table,
        *,
        dated: bool = True,
        window_days: int | None = None,
        longest_days: int | None = None,
        half_life_days: int | None = None,
    ) -> None:
        self._rows = rows
        self._dated = dated
        self._window_days = window_days
        self._longest_days = longest_days
        self._half_life_days = half_life_days

    def __getattr__(self, column: str) -> ir.Column:
        """Column of that name, of the window's own counts at the grain of keys."""
        if column.startswith("_"):
            raise AttributeError(column)
        windowed = windowed_name(column, self._window_days)
        return self._rows[windowed if windowed in self._rows.columns else column]

    def profile(self, column: str) -> ir.Column:
        """Column of a customer's profile; companies name theirs as they like, `count` or `age_days` included."""
        return self._rows[profile_name(column)]

    @property
    def longest(self) -> Past:
        """The same rows through the longest window of the ladder."""
        return Past(self._rows, dated=self._dated, window_days=self._longest_days)

    def _within(self, where: ir.BooleanValue | None) -> ir.BooleanValue | None:
        if self._window_days is None or not self._dated:
            return where
        return _all_of(self._rows.age_days <= self._window_days, where)

    def count(self, where: ir.BooleanValue | None = None) -> ir.IntegerScalar:
        """Number of rows."""
        return self._rows.count(where=self._within(where))

    def sum(self, column: ir.NumericColumn, where: ir.BooleanValue | None = None) -> ir.IntegerScalar:
        """Sum of an integer column; 0 when no row is in the window."""
        return column.sum(where=self._within(where)).fill_null(0)

    def min(self, column: ir.Column, where: ir.BooleanValue | None = None) -> ir.Scalar:
        """Least value."""
        return column.min(where=self._within(where))

    def max(self, column: ir.Column, where: ir.BooleanValue | None = None) -> ir.Scalar:
        """Greatest value."""
        return column.max(where=self._within(where))

    def any(self, where: ir.BooleanValue) -> ir.IntegerScalar:
        """1 when a row satisfies the condition, else 0."""
        return (self.count(where) > 0).cast("int64")

    def ratio(
        self, part: ir.NumericColumn, whole: ir.NumericColumn, where: ir.BooleanValue | None = None
    ) -> ir.FloatingScalar:
        """``sum(part) / sum(whole)``; null unless ``sum(whole) > 0``."""
        return self.sum(part, where) / _positive(self.sum(whole, where))

    def mean(self, column: ir.NumericColumn) -> ir.FloatingScalar:
        """Mean of an integer column over rows where it is not null."""
        return self.sum(column) / self.count(column.notnull()).nullif(0)

    def std(self, column: ir.NumericColumn) -> ir.FloatingScalar:
        """Sample standard deviation of an integer column; null below two values.

        ``sqrt((n Σx² - (Σx)²) / (n (n - 1)))``, all sums integers.
        """
        n, total, squares = self.count(column.notnull()), self.sum(column), self.sum(column * column)
        return ((n * squares - total * total) / (n * (n - 1)).nullif(0)).sqrt()

    def last(self, column: ir.Column, where: ir.BooleanValue | None = None) -> ir.Scalar:
        """Value on the most recent day that satisfies `where`."""
        return column.argmax(self._rows.event_day, where=self._within(where))

    def days_since_last(self, where: ir.BooleanValue | None = None) -> ir.IntegerScalar:
        """Age of the most recent row [days]: 1 means the day before as_of."""
        return self._rows.age_days.min(where=self._within(where))

    def days_since_first(self, where: ir.BooleanValue | None = None) -> ir.IntegerScalar:
        """Age of the oldest row [days]."""
        return self._rows.age_days.max(where=self._within(where))

    def _weight(self) -> ir.FloatingColumn:
        """``2 ** (-age / half_life)``: 1 at as_of, 1/2 one half-life before."""
        return ibis.literal(2).cast("float64") ** (-self._rows.age_days / self._half_life_days)

    def decayed(self, column: ir.NumericColumn, *, bits: int = FIXED_POINT_BITS) -> ir.FloatingScalar:
        """Sum of ``column * 2 ** (-age / half_life)`` over the whole history, in fixed point of that many bits."""
        return stable_sum(column * self._weight(), bits=bits)

    def decayed_ratio(self, part: ir.NumericColumn, whole: ir.NumericColumn) -> ir.FloatingScalar:
        """Weighted mean whose weights halve every half-life; null without evidence."""
        weight = self._weight()
        total = stable_sum(whole * weight, bits=MEAN_BITS)
        return stable_sum(part * weight, bits=MEAN_BITS) / (total > 0).ifelse(total, ibis.null("float64"))

    def trend(self, column: ir.NumericColumn) -> ir.FloatingScalar:
        """Rate per day within the window over that within the longest: 1 is steady; null unless the latter is > 0."""
        recent = self.sum(column) * self._longest_days
        return recent / _positive(self.longest.sum(column) * self._window_days)

    def change(self, part: ir.NumericColumn, whole: ir.NumericColumn) -> ir.FloatingScalar:
        """Mean within the window minus the mean of all that is older; null when either has no evidence."""
        older = self._rows.age_days > self._window_days
        return self.ratio(part, whole) - part.sum(where=older) / _positive(whole.sum(where=older))

    def top_share(self, column: ir.NumericColumn) -> ir.FloatingScalar:
        """Share of the greatest key in the sum over all keys."""
        return self.max(column) / _positive(self.sum(column))

    def entropy(self, column: ir.NumericColumn) -> ir.FloatingScalar:
        """Shannon entropy of the keys' shares [nats]: ``ln N - Σ n ln n / N``; 0 for a single key."""
        total = self.sum(column).cast("float64")
        terms = (column > 0).ifelse(column * column.cast("float64").ln(), 0)
        value = total.nullif(0).ln() - stable_sum(terms, bits=MEAN_BITS) / total.nullif(0)
        # Rounding can leave a single key a hair below 0.
        return ((value < 0) & (total > 0)).ifelse(0, value)

    def top(self, key: ir.StringColumn, column: ir.NumericColumn) -> ir.StringScalar:
        """Key with the greatest count; of equals the last by name, so that the answer does not depend on row order."""
        ranked = column.cast("string").lpad(12, "0") + key
        return self.max(ranked, column > 0).substr(12)


def profile_name(column: str) -> str:
    """Name of a profile's column among the engine's own."""
    return f"profile_{column}"


def windowed_name(column: str, window_days: int | None) -> str:
    """Name of a key's count within one window; of the whole history without one."""
    return column if window_days is None else f"{column}_{window_days}d"

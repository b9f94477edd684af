"""What is checked before anything is scored: row by row, so that one bad row never fails its batch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from churn_value.estimators.compiled import compiled
from churn_value.estimators.feature_rows import FeatureRows, Texts
from churn_value.scoring.answer import InputWarning, WarningCode
from churn_value.scoring.offered import Expected, Mask, Offered
from churn_value.scoring.quantities import Floats


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows as they will be scored, and what was found about them. All in the order of the rows offered."""

    ids: tuple[str | None, ...]
    as_of: tuple[date | None, ...]
    rows: FeatureRows
    """The features only, all of them; unreadable ones are null."""
    valid: Mask
    partial: Mask
    warnings: tuple[tuple[InputWarning, ...], ...]


def checked(offered: Offered, expected: Expected, *, undated: date | None = None) -> Inputs:
    """Look at each row that is offered; an as_of of `undated` means that the row has none, rightly.

    ``FEATURE_MISSING``: the feature was not offered, or it is null although its meaning of empty is a number.
    ``UNSEEN_CATEGORY``: a text that the model never met; it is read as missing. ``OUT_OF_RANGE``: further outside the
    reference population's range than half of that range. ``INVALID_INPUT``: no id, no as_of, an infinite number, or a
    text where a number belongs; such a row gets no scores. Ids are opaque: only texts count, nothing is trimmed.
    """
    found = _Findings(len(offered))
    ids = tuple(one if isinstance(one, str) and one else None for one in offered.ids)
    found.invalid("customer_id", np.array([one is None for one in ids], dtype=np.bool_))
    found.invalid("as_of", np.array([day is None for day in offered.days], dtype=np.bool_))
    days = tuple(None if day == undated else day for day in offered.days)
    numbers = _Numbers(offered, expected)
    for name in numbers.notable(offered.there, expected):
        if name not in offered.there:
            found.missing(name, np.ones(len(offered), dtype=np.bool_))
        elif name in expected.places:
            numbers.report(name, found)
        else:
            _report_unseen(name, offered.rows.texts[name], expected, found)
    rows = FeatureRows(expected.names, numbers.cells, offered.rows.texts, expected.places)
    return Inputs(ids, days, rows, found.valid, found.partial, tuple(tuple(row) for row in found.rows))


def _report_unseen(name: str, texts: Texts, expected: Expected, found: _Findings) -> None:
    seen = expected.seen[name]
    found.warn("UNSEEN_CATEGORY", name, np.array([text not in seen for text in texts], dtype=np.bool_))


class _Numbers:
    """Numeric features as one matrix: looked at as a whole, because one row must take microseconds too."""

    def __init__(self, offered: Offered, expected: Expected) -> None:
        self._places = expected.places
        cells, null = offered.rows.block, offered.null
        found = _looked_at(cells, null, expected.null_is_odd, expected.low, expected.high)
        self._unreadable, self._lacking, self._outside, self._odd, is_infinite = found
        self.cells = np.where(np.isinf(cells), np.nan, cells) if is_infinite else cells

    def notable(self, there: frozenset[str], expected: Expected) -> list[str]:
        """Features that something is or may be said about, in the order of the catalog."""
        odd = np.flatnonzero(self._odd).tolist()
        texts = [name for name in expected.seen if name not in expected.unread]
        if len(there) == len(expected.features) and not odd:
            return texts
        names = {expected.names[place] for place in odd}.union(texts, expected.known - there - expected.unread)
        return sorted(names, key=expected.order.__getitem__)

    def report(self, name: str, found: _Findings) -> None:
        """Warn of what is wrong with one feature's cells."""
        place = self._places[name]
        found.invalid(name, self._unreadable[:, place])
        found.missing(name, self._lacking[:, place])
        found.warn("OUT_OF_RANGE", name, self._outside[:, place])


@compiled
def _looked_at(
    cells: Floats, null: Mask, null_is_odd: Mask, low: Floats, high: Floats
) -> tuple[Mask, Mask, Mask, Mask, bool]:
    """Unreadable, lacking and far-off cells, columns that have any of them, and whether a cell is infinite."""
    unreadable, lacking, outside = np.zeros_like(null), np.zeros_like(null), np.zeros_like(null)
    odd, is_infinite = np.zeros_like(null_is_odd), False
    for row in range(cells.shape[0]):
        for place in range(cells.shape[1]):
            cell = cells[row, place]
            if np.isnan(cell):
                lacking[row, place] = null[row, place] and null_is_odd[place]
                unreadable[row, place] = not null[row, place]
            elif np.isinf(cell):
                unreadable[row, place] = is_infinite = True
            else:
                outside[row, place] = cell < low[place] or cell > high[place]
            odd[place] |= unreadable[row, place] or lacking[row, place] or outside[row, place]
    return unreadable, lacking, outside, odd, is_infinite


class _Findings:
    """Collects warnings per row while the columns are read."""

    def __init__(self, rows: int) -> None:
        self.rows: list[list[InputWarning]] = [[] for _ in range(rows)]
        self.valid: Mask = np.ones(rows, dtype=np.bool_)
        self.partial: Mask = np.zeros(rows, dtype=np.bool_)

    def warn(self, code: WarningCode, field: str, where: Mask) -> None:
        """Add a warning to the rows of `where`."""
        if not where.any():
            return
        warning = InputWarning(code, field)
        for row in np.flatnonzero(where).tolist():
            self.rows[row].append(warning)

    def invalid(self, field: str, where: Mask) -> None:
        """Rows that cannot be scored."""
        self.valid &= ~where
        self.warn("INVALID_INPUT", field, where)

    def missing(self, field: str, where: Mask) -> None:
        """Rows that lack a feature."""
        self.partial |= where
        self.warn("FEATURE_MISSING", field, where)

"""The literature's model of silence as a part of the churn head: a Pareto/NBD over three features.

It knows nothing but how often, how lately and for how long a customer has bought, and carries where there is too little
history to learn more from. Its raw score is the log-odds of buying nothing in the horizon. Contributions are exact
Shapley values of the three features against the typical customer, whose score is the base::

    phi_j = sum over subsets S without j of |S|! (2 - |S|)! / 3! (f(S with j) - f(S))

where f(S) takes the features of S from the customer and the others from the typical one.

References
----------
Shapley (1953), A Value for n-Person Games; Sundararajan & Najmi (2020), ICML 119, for a single reference point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Self

import numpy as np
from scipy.special import logit

from churn_value.estimators import FloatArray
from churn_value.estimators.btyd import History, ParetoNbd, fit_pareto_nbd
from churn_value.estimators.compiled import compiled
from churn_value.estimators.rows import Rows

FEATURES = ("frequency", "recency_days", "T_days")
SMALLEST_PROBABILITY = 1e-4
YOUNGEST_DAYS = 1.0
MOST_HISTORIES = 20_000
# Weight |S|! (2 - |S|)! / 3! of a step that finds |S| features taken already.
STEP_WEIGHTS = (1 / 3, 1 / 6, 1 / 3)
_SETS = tuple(taken for size in range(4) for taken in combinations(range(3), size))
# Which features each set takes from the customer, shape (8, 1, 3).
_TAKEN = np.array([[[feature in taken for feature in range(3)]] for taken in _SETS])

# What each set's score counts for each feature: its own step into the set, less the step out of it. Shape (8, 3).
_STEPS = np.array(
    [
        [STEP_WEIGHTS[len(taken) - 1] if feature in taken else -STEP_WEIGHTS[len(taken)] for feature in range(3)]
        for taken in _SETS
    ]
)


def history_of(columns: FloatArray) -> History:
    """Histories of (n, 3) frequency, recency and age [days]; a row's does not depend on the others."""
    read = np.empty((3, len(columns)))
    _read(columns, read)
    return History(read[0], read[1], read[2], np.ones(len(columns)))


@compiled
def _read(columns: FloatArray, read: FloatArray) -> None:
    for row in range(len(columns)):
        frequency, last, age = columns[row]
        frequency = 0.0 if np.isnan(frequency) else max(frequency, 0.0)
        age = YOUNGEST_DAYS if np.isnan(age) else max(age, YOUNGEST_DAYS)
        last = 0.0 if np.isnan(last) else max(last, 0.0)
        read[0, row], read[1, row], read[2, row] = frequency, min(last, age) if frequency > 0 else 0.0, age


@dataclass(frozen=True)
class Silence:
    """P(no purchase in the horizon) of a Pareto/NBD, as log-odds.

    Attributes
    ----------
    model
        Fitted on the newest date's histories [days].
    horizon_days
        Length of the silence.
    places
        Columns of the design that hold `FEATURES`.
    typical
        `FEATURES` of the typical customer.
    """

    model: ParetoNbd
    horizon_days: int
    places: tuple[int, int, int]
    typical: tuple[float, float, float]

    def raw(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Log-odds, shape (n,), within those of 1e-4 and 1 - 1e-4; `threads` changes nothing."""
        del threads
        return self._log_odds(matrix[:, self.places])

    def contributions(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Additive contributions to the log-odds, shape (n, k + 1), base last."""
        del threads
        # All sets in one call: single rows cost one series of the model's terms instead of eight.
        asked = np.where(_TAKEN, matrix[:, self.places], self.typical).reshape(-1, len(FEATURES))
        said = self._log_odds(asked).reshape(len(_SETS), 1, -1)
        total = np.zeros((len(matrix), matrix.shape[1] + 1))
        # Step after step: a matrix product may add in another order for one row than for many.
        steps = np.add.accumulate(_STEPS[:, :, None] * said, axis=0)[-1]
        total[:, list(self.places)] = steps.T
        total[:, -1] = said[0, 0]
        return total

    def _log_odds(self, columns: FloatArray) -> FloatArray:
        p = self.model.no_purchase(history_of(columns), self.horizon_days)
        raw: FloatArray = logit(np.minimum(np.maximum(p, SMALLEST_PROBABILITY), 1 - SMALLEST_PROBABILITY))
        return raw

    def to_json(self) -> dict[str, Any]:
        """Content as JSON values."""
        return {
            "model": vars(self.model),
            "horizon_days": self.horizon_days,
            "places": list(self.places),
            "typical": list(self.typical),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Part that `to_json` described."""
        first, second, third = (int(place) for place in content["places"])
        frequency, recency, age = (float(value) for value in content["typical"])
        model = ParetoNbd(**content["model"])
        return cls(model, int(content["horizon_days"]), (first, second, third), (frequency, recency, age))


def silence_places(names: Sequence[str]) -> tuple[int, int, int] | None:
    """Columns of a design that hold `FEATURES`; null where one is not there."""
    if not set(FEATURES) <= set(names):
        return None
    first, second, third = (names.index(name) for name in FEATURES)
    return first, second, third


def fit_silence(rows: Rows, places: tuple[int, int, int], horizon_days: int) -> Silence:
    """Part fitted on the histories of the newest date, thinned evenly to 20,000 at most.

    Parameters
    ----------
    rows
        Their outcomes are not looked at: a date's histories say all that the model can know.
    places
        See `silence_places`.
    horizon_days
        At least 1.
    """
    columns = rows.matrix[rows.days == rows.days.max()][:, places]
    thinned = columns[:: -(-len(columns) // MOST_HISTORIES)]
    frequency, recency, age = (float(value) for value in np.nan_to_num(np.nanmedian(thinned, axis=0)))
    return Silence(fit_pareto_nbd(history_of(thinned)), horizon_days, places, (frequency, recency, age))

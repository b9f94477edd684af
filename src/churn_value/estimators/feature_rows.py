"""Feature rows as one block of doubles and a few columns of texts: what a single row is scored from.

A data frame of a hundred columns takes ten microseconds for each column that is looked at, which for one row is more
than the model; the block takes a hundred times less. It reads like a frame where one is expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.estimators import FloatArray

Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class FeatureRows:
    """Features of n customers.

    Attributes
    ----------
    names
        Numeric features, in the order of the block.
    block
        Their values, shape (n, k); nan is null.
    texts
        Category features: texts, None is null; each (n,).
    places
        Place of each numeric feature in the block.
    """

    names: tuple[str, ...]
    block: FloatArray
    texts: Mapping[str, Texts]
    places: Mapping[str, int]

    @classmethod
    def of(cls, frame: pd.DataFrame, names: Sequence[str], texts: Sequence[str]) -> Self:
        """Rows of a data frame that has numeric columns `names` and columns of texts `texts`."""
        block = frame[list(names)].to_numpy(dtype=np.float64)
        places = {name: place for place, name in enumerate(names)}
        found = {name: frame[name].to_numpy(dtype=object, copy=True) for name in texts}
        for cells in found.values():
            cells[np.asarray(pd.isna(cells), dtype=np.bool_)] = None
        return cls(tuple(names), block, found, places)

    def __len__(self) -> int:
        """Customers."""
        return len(self.block)

    def __contains__(self, name: str) -> bool:
        """Whether there is such a feature."""
        return name in self.places or name in self.texts

    def __getitem__(self, name: str) -> pd.Series:
        """A feature as a frame has it, for models that read columns."""
        return pd.Series(self.cells(name))

    @property
    def columns(self) -> Self:
        """Features there are: the rows themselves, for asking ``name in rows.columns`` as of a frame."""
        return self

    def cells(self, name: str) -> npt.NDArray[np.float64] | Texts:
        """Values of a feature, shape (n,)."""
        found = self.texts.get(name)
        return self.block[:, self.places[name]] if found is None else found

    def taken(self, rows: npt.NDArray[np.int64]) -> Self:
        """Some of the rows."""
        texts = {name: cells[rows] for name, cells in self.texts.items()}
        return type(self)(self.names, self.block[rows], texts, self.places)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The same as a data frame, numbers first."""
        texts = pd.DataFrame(dict(self.texts), index=pd.RangeIndex(len(self)))
        return pd.concat([pd.DataFrame(self.block, columns=list(self.names)), texts], axis=1)

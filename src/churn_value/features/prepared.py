"""Features of a few customers at once, by statements prepared once for each source and grain of a catalog."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from churn_value.features.asof import scans
from churn_value.features.catalog import Catalog
from churn_value.features.declare import Feature
from churn_value.features.statements import Asked, Columns, Statements
from churn_value.timeline import EPOCH

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]


class PreparedFeatures:
    """Makes a catalog's features for a handful of (customer, as_of), bit by bit those of `asof.build`.

    Parameters
    ----------
    catalog
        The features.
    statements
        Over the catalog's schemas; those of the features are prepared there.
    """

    def __init__(self, catalog: Catalog, statements: Statements) -> None:
        self._scans: dict[str, tuple[Feature, ...]] = {}
        tables = {name: statements.table(name) for name in catalog.schemas}
        for number, (group, table) in enumerate(scans(catalog.features, tables, statements.spine)):
            statements.prepare(f"scan_{number}", table, group[0].grain.tables)
            self._scans[f"scan_{number}"] = group
        self._numbers = [f for f in catalog.features if f.dtype == "number"]
        self._categories = [f for f in catalog.features if f.dtype != "number"]

    def cells(self, answers: Mapping[str, Columns], asked: Asked) -> tuple[Floats, dict[str, Texts]]:
        """Features of the (customer_id, as_of) asked for, in their order.

        Parameters
        ----------
        answers
            Of the statements, for the same `asked`.
        asked
            Each pair once.

        Returns
        -------
        tuple
            Numbers in the order of the catalog, shape (n, k), nan is null; and categories by name, text or None, (n,).
        """
        places = {(customer, (day - EPOCH).days): place for place, (customer, day) in enumerate(asked)}
        empties = [np.nan if f.empty is None else float(f.empty) for f in self._numbers]
        cells: Floats = np.tile(np.array(empties, dtype=np.float64), (len(asked), 1))
        columns = {f.name: place for place, f in enumerate(self._numbers)}
        texts = {f.name: np.full(len(asked), None, dtype=object) for f in self._categories}
        for name, features in self._scans.items():
            table = answers.get(name)
            if table is None:
                continue
            keys = zip(table["customer_id"].tolist(), table["as_of_day"].tolist(), strict=True)
            into = np.array([places[key] for key in keys], dtype=np.int64)
            for f in features:
                if f.dtype == "number":
                    _put(cells[:, columns[f.name]], into, table[f.name])
                else:
                    texts[f.name][into] = np.ma.filled(table[f.name], None)
        return cells, texts


def _put(column: Floats, into: npt.NDArray[np.int64], values: npt.NDArray[np.generic]) -> None:
    """Values at their places; a masked one, which is null, leaves what stands there: the meaning of empty."""
    known = ~np.ma.getmaskarray(values)
    column[into[known]] = np.ma.getdata(values)[known]

"""BentoML as its tutorial shows: a class with the decorator, the model read when it is made, one API method."""

# No postponed annotations: BentoML reads them when the class is made.
from typing import Any

import bentoml
import pandas as pd

from benchmarks.serving_peers.explained import Explained, folder


@bentoml.service
class Scorer:
    """Serves the boosters."""

    def __init__(self) -> None:
        self.model = Explained(folder())

    @bentoml.api  # type: ignore[untyped-decorator]
    def score(self, items: list[dict[str, Any]], explain: bool = True) -> list[dict[str, Any]]:
        """Answers in the order of the items."""
        return self.model.answers(pd.DataFrame(items), explain=explain)

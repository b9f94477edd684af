"""The portrait: life-cycle stage, RFM, rhythm and tags of each customer, in the language asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from churn_value.scoring.answer import Labelled, Portrait, RfmScores, Rhythm
from churn_value.scoring.lifecycle import expected_next_purchase
from churn_value.scoring.policy import Policy
from churn_value.scoring.quantities import Floats
from churn_value.scoring.wording import Language


def whole(value: float) -> int | None:
    """A whole number, or None for NaN."""
    return None if np.isnan(value) else int(value)


def known(value: float) -> float | None:
    """The number, or None for NaN."""
    return None if np.isnan(value) else float(value)


def _rfm(scores: tuple[float, float, float], segment: str | None, labels: Mapping[str, str]) -> RfmScores | None:
    r, f, m = scores
    if segment is None or np.isnan(r) or np.isnan(f):
        return None
    return RfmScores(int(r), int(f), whole(m), segment, labels[segment])


def _rhythm(as_of: date | None, since: float, gap: float, due: float) -> Rhythm | None:
    """Own rhythm; the next purchase is expected only of who has bought on two days at least."""
    if as_of is None or np.isnan(since):
        return None
    if np.isnan(gap):
        return Rhythm(None, int(since), None, None)
    return Rhythm(round(gap, 1), int(since), as_of + timedelta(days=int(due)), max(0, -int(due)))


def portraits(
    facts: Mapping[str, Floats],
    quantities: Mapping[str, npt.NDArray[Any]],
    as_of: Sequence[date | None],
    tags: Sequence[tuple[Labelled, ...]],
    *,
    policy: Policy,
    language: Language,
) -> list[Portrait]:
    """Portrait of each customer, in order."""
    stages = {stage.code: Labelled(stage.code, stage.label.said(language)) for stage in policy.lifecycle}
    segments = {segment.code: segment.label.said(language) for segment in policy.rfm.segments}
    since, gap = facts["days_since_last_purchase"], facts["mean_gap_days"]
    due = expected_next_purchase(since, gap).tolist()
    scores = zip(*(quantities[name].tolist() for name in "rfm"), strict=True)
    rows = zip(as_of, since.tolist(), gap.tolist(), due, strict=True)
    return [
        Portrait(stages[stage], _rfm(cell, segment, segments), _rhythm(*row), worn)
        for stage, cell, segment, row, worn in zip(
            quantities["lifecycle"].tolist(), scores, quantities["segment"].tolist(), rows, tags, strict=True
        )
    ]

"""What a bundle must do before a caller meets it: answer for its own golden rows, whole and in each language.

Hashes prove that a bundle is the one that was written, golden rows that its model predicts as it did then. Neither
looks at the other parts: a reference population without a threshold, a catalog without a feature the model reads, or a
manifest without a name would be met by the first caller, as a fault of ours.
"""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path

from churn_value.errors import BundleError
from churn_value.scoring.bundle import MANIFEST_KEYS, Bundle
from churn_value.scoring.golden import golden_frame
from churn_value.scoring.offered import Offered
from churn_value.scoring.score import score
from churn_value.scoring.wording import LANGUAGES
from churn_value.service.strict_json import dump
from churn_value.timeline import EPOCH

MOST_ROWS = 20
GOLDEN = "golden.json"
SOMEBODY = "golden"
SCORED = frozenset({"ok", "partial"})


def prove(bundle: Bundle, folder: Path) -> None:
    """Make answers with reasons for golden rows and for a customer of whom nothing is known, and write them as JSON.

    What is made by first use (numba's loops, the phrasebook) is made here, so that no caller waits for it.

    Parameters
    ----------
    bundle
        As loaded from `folder`.
    folder
        Where its golden rows are; they have been checked when it was loaded.

    Raises
    ------
    BundleError
        ``BUNDLE_INVALID`` when the manifest lacks a key, a threshold of the reference population is not finite, or no
        golden row can be scored.
    ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError
        Whatever a part of another making leads to.
    """
    absent = sorted(MANIFEST_KEYS - bundle.manifest.keys())
    if absent:
        raise BundleError("a manifest says where a model is from", where=str(folder), received=f"without {absent}")
    if not all(isfinite(place) for places in bundle.reference.thresholds.values() for place in places):
        raise BundleError("thresholds of a reference population are finite", where=str(folder), received="others")
    golden = golden_frame(json.loads((folder / GOLDEN).read_bytes())).head(MOST_ROWS)
    rows = Offered.of(golden.assign(customer_id=SOMEBODY, as_of=EPOCH), bundle.expected)
    nobody = Offered.one(SOMEBODY, EPOCH, {}, bundle.expected)
    for language in LANGUAGES:
        answers = [answer.to_dict() for offered in (rows, nobody) for answer in score(bundle, offered, locale=language)]
        dump(answers)
        if not any(answer["status"] in SCORED for answer in answers[:-1]):
            raise BundleError("a bundle answers for its golden rows", where=str(folder), received=f"{len(rows)} rows")

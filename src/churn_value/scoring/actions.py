"""What to do and what to look at: the policy's playbook (first match), its tags and its disagreements (any)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import compress
from typing import Any

import numpy.typing as npt

from churn_value.scoring.answer import Action, Disagreement
from churn_value.scoring.policy import Policy
from churn_value.scoring.portrait_parts import Labelled
from churn_value.scoring.wording import Language


def plays(policy: Policy, language: Language) -> tuple[tuple[Action, ...], ...]:
    """Actions of each play of the playbook, most urgent first, in `language`."""
    return tuple(
        tuple(_action(policy, code, place, language) for place, code in enumerate(play.actions, start=1))
        for play in policy.playbook
    )


def _action(policy: Policy, code: str, priority: int, language: Language) -> Action:
    written = policy.actions[code]
    return Action(code, priority, written.channel, written.owner, written.sla_days, written.text.said(language))


def actions(
    policy: Policy, quantities: Mapping[str, npt.NDArray[Any]], rows: int, language: Language
) -> list[tuple[Action, ...]]:
    """Actions of each customer: those of the first play whose conditions hold; the last play holds for everybody."""
    said = plays(policy, language)
    return [said[play] for play in policy.rules("playbook").first(quantities, rows).tolist()]


def tags(
    policy: Policy, quantities: Mapping[str, npt.NDArray[Any]], rows: int, language: Language
) -> list[tuple[Labelled, ...]]:
    """Tags of each customer, in the order of the policy."""
    labels = [Labelled(tag.code, tag.label.said(language)) for tag in policy.tags]
    met = policy.rules("tags").met(quantities, rows).tolist()
    return [tuple(compress(labels, own)) for own in met]


def disagreements(
    policy: Policy, quantities: Mapping[str, npt.NDArray[Any]], rows: int, language: Language
) -> list[tuple[Disagreement, ...]]:
    """Judgements of each customer that point apart by the policy's own rules, in its order."""
    said = [Disagreement(one.code, one.text.said(language)) for one in policy.disagreements]
    met = policy.rules("disagreements").met(quantities, rows).tolist()
    return [tuple(compress(said, own)) for own in met]

"""What a policy says to people, in one language: worked out once, since an answer of one customer needs all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from churn_value.scoring.answer import Action, Disagreement
from churn_value.scoring.policy import Policy
from churn_value.scoring.portrait_parts import Labelled
from churn_value.scoring.wording import Language


@dataclass(frozen=True, slots=True)
class PolicyWords:
    """Labels and texts of a policy.

    Attributes
    ----------
    language
        Of all of them.
    tiers
        Labels, the best tier first.
    stages, segments
        Of the lifecycle and of recency, frequency and monetary, by code.
    tags, disagreements
        In the order of the policy.
    plays
        Actions of each play of the playbook, most urgent first.
    name_items
        Codes of actions that name the next best items.
    """

    language: Language
    tiers: tuple[str, ...]
    stages: Mapping[str, Labelled]
    segments: Mapping[str, str]
    tags: tuple[Labelled, ...]
    disagreements: tuple[Disagreement, ...]
    plays: tuple[tuple[Action, ...], ...]
    name_items: frozenset[str]

    @classmethod
    def of(cls, policy: Policy, language: Language) -> Self:
        """Words of a policy in a language."""
        return cls(
            language=language,
            tiers=tuple(level.label.said(language) for level in policy.tiers.levels),
            stages={stage.code: Labelled(stage.code, stage.label.said(language)) for stage in policy.lifecycle},
            segments={segment.code: segment.label.said(language) for segment in policy.rfm.segments},
            tags=tuple(Labelled(tag.code, tag.label.said(language)) for tag in policy.tags),
            disagreements=tuple(Disagreement(one.code, one.text.said(language)) for one in policy.disagreements),
            plays=tuple(
                tuple(_action(policy, code, place, language) for place, code in enumerate(play.actions, start=1))
                for play in policy.playbook
            ),
            name_items=frozenset(code for code, written in policy.actions.items() if written.about == "next_best"),
        )


def _action(policy: Policy, code: str, priority: int, language: Language) -> Action:
    written = policy.actions[code]
    return Action(code, priority, written.channel, written.owner, written.sla_days, written.text.said(language))

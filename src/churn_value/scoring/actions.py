"""What to do and what to look at: the policy's playbook (first match), its tags and its disagreements (any)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress

from churn_value.scoring.answer import Action, Disagreement
from churn_value.scoring.matching import Quantities, first_of
from churn_value.scoring.policy import Policy
from churn_value.scoring.policy_words import PolicyWords
from churn_value.scoring.portrait_parts import Labelled


@dataclass(frozen=True, slots=True)
class Judged:
    """What the policy says of each customer, in its order.

    Attributes
    ----------
    tags, disagreements
        All whose conditions hold; disagreements are judgements that point apart.
    actions
        Those of the first play whose conditions hold; the last play holds for everybody.
    """

    tags: list[tuple[Labelled, ...]]
    disagreements: list[tuple[Disagreement, ...]]
    actions: list[tuple[Action, ...]]

    @classmethod
    def of(cls, policy: Policy, quantities: Quantities, rows: int, words: PolicyWords) -> Judged:
        """Judge `rows` customers by their quantities."""
        met = policy.judgements.met(quantities, rows)
        tags, apart = len(policy.tags), len(policy.tags) + len(policy.disagreements)
        return cls(
            [tuple(compress(words.tags, own)) for own in met[:, :tags].tolist()],
            [tuple(compress(words.disagreements, own)) for own in met[:, tags:apart].tolist()],
            [words.plays[play] for play in first_of(met[:, apart:]).tolist()],
        )

"""What to do and what to look at: the policy's playbook (first match), its tags and its disagreements (any)."""

from __future__ import annotations

from itertools import compress

from churn_value.scoring.answer import Action, Disagreement
from churn_value.scoring.matching import Quantities
from churn_value.scoring.policy import Policy
from churn_value.scoring.policy_words import PolicyWords
from churn_value.scoring.portrait_parts import Labelled


def actions(policy: Policy, quantities: Quantities, rows: int, words: PolicyWords) -> list[tuple[Action, ...]]:
    """Actions of each customer: those of the first play whose conditions hold; the last play holds for everybody."""
    return [words.plays[play] for play in policy.rules("playbook").first(quantities, rows).tolist()]


def tags(policy: Policy, quantities: Quantities, rows: int, words: PolicyWords) -> list[tuple[Labelled, ...]]:
    """Tags of each customer, in the order of the policy."""
    met = policy.rules("tags").met(quantities, rows).tolist()
    return [tuple(compress(words.tags, own)) for own in met]


def disagreements(
    policy: Policy, quantities: Quantities, rows: int, words: PolicyWords
) -> list[tuple[Disagreement, ...]]:
    """Judgements of each customer that point apart by the policy's own rules, in its order."""
    met = policy.rules("disagreements").met(quantities, rows).tolist()
    return [tuple(compress(words.disagreements, own)) for own in met]

"""What the compared systems are called where people read about them."""

from __future__ import annotations

from collections.abc import Iterable

from churn_value.evaluation.results import CHAMPION, MODEL
from churn_value.evaluation.subject import Language

_NAMES: dict[str, tuple[str, str]] = {
    MODEL: ("model", "模型"),
    CHAMPION: ("champion", "冠军"),
    "recency": ("recency", "最近购买"),
    "run_rate": ("run rate", "历史速率"),
    "bg_nbd": ("BG/NBD", "BG/NBD"),
    "pareto_nbd": ("Pareto/NBD", "Pareto/NBD"),
    "base_rate": ("base rate", "基础流失率"),
    "logistic": ("logistic regression", "逻辑回归"),
}


def named(system: str, language: Language = "en") -> str:
    """A system's name for people; one that is not ours is called as it is, without underscores."""
    english, chinese = _NAMES.get(system, (system.replace("_", " "),) * 2)
    return chinese if language == "zh" else english


def listed(systems: Iterable[str], language: Language = "en") -> str:
    """Names of several systems, one after the other."""
    if language == "zh":
        return "、".join(f"“{named(system, language)}”" for system in systems)
    return ", ".join(named(system) for system in systems)

"""Words of the reasons: stable codes and their texts in both languages, read once from the YAML beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import Field

from churn_value.scoring.quantities import Described
from churn_value.scoring.sections import Strict, Text
from churn_value.scoring.wording import Language, measured

Head = Literal["churn", "value"]
Direction = Literal["up", "down"]
# Codes whose features are unlike each other, so that each feature is a reason of its own.
BY_FEATURE = frozenset({"PROFILE"})


class Flag(Strict):
    """Facts of a feature that is 1 or 0."""

    if_one: Text
    if_zero: Text


class ReasonTexts(Strict):
    """The whole file; see its head for how a sentence is put together."""

    codes: dict[Annotated[str, Field(pattern=r"^[A-Z_]{3,30}$")], Text]
    facts: dict[str, Text]
    flags: dict[str, Flag]
    unknown: Text
    typical: Text
    effects: Mapping[Head, Mapping[Direction, Text]]
    sentence: Text
    short: Text


@cache
def reason_texts() -> ReasonTexts:
    """Texts of the package's own YAML."""
    text = files("churn_value.scoring").joinpath("reason_texts.yaml").read_text(encoding="utf-8")
    return ReasonTexts.model_validate(yaml.safe_load(text))


def sentence(
    feature: Described,
    value: float | str | None,
    typical: float | str | None,
    *,
    head: Head,
    direction: Direction,
    currency: str,
    language: Language,
) -> str:
    """What a manager reads about one reason.

    Parameters
    ----------
    feature
        The feature of the group that says most.
    value, typical
        The customer's value and the population's typical one, amounts in minor units; None is not known.
    """
    texts = reason_texts()
    topic = texts.codes[feature.group].said(language)
    effect = texts.effects[head][direction].said(language)
    fact = _fact(feature, value, currency, language)
    if value is None or typical is None or feature.name in texts.flags:
        return texts.short.said(language).format(topic=topic, fact=fact, effect=effect)
    usual = texts.typical.said(language).format(typical=_written(feature, typical, currency, language))
    return texts.sentence.said(language).format(topic=topic, fact=fact, typical=usual, effect=effect)


def _fact(feature: Described, value: float | str | None, currency: str, language: Language) -> str:
    texts = reason_texts()
    what = feature.en if language == "en" else feature.zh
    if value is None:
        return texts.unknown.said(language).format(what=what)
    if feature.name in texts.flags:
        answers = texts.flags[feature.name]
        return (answers.if_one if value else answers.if_zero).said(language)
    window = measured(feature.window_days or 0, name="", unit="days", currency=currency, language=language)
    phrase = texts.facts.get(_family(feature), texts.facts[""])
    written = _written(feature, value, currency, language)
    return phrase.said(language).format(what=what, value=written, window=window)


def _family(feature: Described) -> str:
    """Name without its window; a family over all of history that is also windowed ends in ``_all``."""
    if feature.window_days is not None:
        return feature.name.removesuffix(f"_{feature.window_days}d")
    return f"{feature.name}_all" if f"{feature.name}_all" in reason_texts().facts else feature.name


def _written(feature: Described, value: float | str, currency: str, language: Language) -> str:
    if isinstance(value, str):
        return value
    return measured(value, name=feature.name, unit=feature.unit, currency=currency, language=language)

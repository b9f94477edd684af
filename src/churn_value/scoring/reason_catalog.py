"""Words of the reasons: stable codes and their texts in both languages, read once from the YAML beside this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import Field

from churn_value.scoring.peers import EVERYBODY, ONCE, Peers
from churn_value.scoring.quantities import Described
from churn_value.scoring.sections import Strict, Text
from churn_value.scoring.wording import Language, counted, writer

Head = Literal["churn", "value"]
Direction = Literal["up", "down"]
# Codes whose features are unlike each other, so that each feature is a reason of its own.
BY_FEATURE = frozenset({"PROFILE"})
# Where the customer's value goes; no text has this character before it.
_HOLE = "\0"


class Flag(Strict):
    """Facts of a feature that is 1 or 0."""

    if_one: Text
    if_zero: Text


class ReasonTexts(Strict):
    """The whole file; see its head for how a sentence is put together."""

    codes: dict[Annotated[str, Field(pattern=r"^[A-Z_]{3,30}$")], Text]
    facts: dict[str, Text]
    flags: dict[str, Flag]
    echoes: dict[str, str]
    unknown: Text
    typical: Text
    peers: Mapping[Literal["all", "once", "repeatedly", "fastest", "between", "slowest"], Text]
    effects: Mapping[Head, Mapping[Direction, Text]]
    sentence: Text
    short: Text


@cache
def reason_texts() -> ReasonTexts:
    """Texts of the package's own YAML."""
    text = files("churn_value.scoring").joinpath("reason_texts.yaml").read_text(encoding="utf-8")
    return ReasonTexts.model_validate(yaml.safe_load(text))


@dataclass(frozen=True, slots=True)
class Phrasing:
    """The sentence of one feature for one head and direction, ready but for the customer's value."""

    around: tuple[str, str]
    """What stands before and after the value; the typical value is in it."""
    plain: tuple[str, str]
    """The same without the typical value, for a customer whose own reads the same: it would explain nothing."""
    usual: str | None
    """The typical value as it is written."""
    unknown: str
    """Whole sentence for a value that is not known."""
    flags: tuple[str, str] | None
    """Whole sentences for 0 and 1, where the feature is a flag."""
    write: Callable[[float], str]

    def said(self, value: float | str | None) -> str:
        """The sentence for a value; amounts in minor units, None is not known."""
        if value is None:
            return self.unknown
        if not isinstance(value, str) and self.flags is not None:
            return self.flags[int(value > 0)]
        written = value if isinstance(value, str) else self.write(value)
        before, after = self.plain if written == self.usual else self.around
        return f"{before}{written}{after}"


def phrasing(
    feature: Described,
    typical: float | str | None,
    *,
    head: Head,
    direction: Direction,
    currency: str,
    language: Language,
    peers: str,
) -> Phrasing:
    """What a manager reads when `feature` says most of its group.

    Parameters
    ----------
    feature
        The feature.
    typical
        Value typical of others, amounts in minor units; None leaves it out.
    peers
        Those others, in words.
    """
    texts = reason_texts()
    write = writer(name=feature.name, unit=feature.unit, currency=currency, language=language)
    fact = texts.facts.get(_family(feature))
    what = feature.en if language == "en" else feature.zh
    topic = what if fact is None and feature.name not in texts.flags else texts.codes[feature.group].said(language)
    effect = texts.effects[head][direction].said(language)
    short = partial(texts.short.said(language).format, topic=topic, effect=effect)
    whole, usual = short, None
    if typical is not None:
        usual = typical if isinstance(typical, str) else write(typical)
        beside = texts.typical.said(language).format(typical=usual, peers=peers)
        whole = partial(texts.sentence.said(language).format, topic=topic, effect=effect, typical=beside)
    window = counted(feature.window_days or 0, "days", language)
    said = _HOLE if fact is None else fact.said(language).format(value=_HOLE, window=window)
    flag = texts.flags.get(feature.name)
    return Phrasing(
        around=_parted(whole(fact=said)),
        plain=_parted(short(fact=said)),
        usual=usual,
        unknown=short(fact=texts.unknown.said(language)),
        flags=None
        if flag is None
        else (short(fact=flag.if_zero.said(language)), short(fact=flag.if_one.said(language))),
        write=write,
    )


def _parted(sentence: str) -> tuple[str, str]:
    before, _, after = sentence.partition(_HOLE)
    return before, after


def peers_in_words(peers: Peers, group: int, language: Language) -> str:
    """A group of peers as a sentence names it, as in ``customers who buy every 4 to 9 days``."""
    said = reason_texts().peers
    if group in (EVERYBODY, ONCE):
        return said["all" if group == EVERYBODY else "once"].said(language)
    if not peers.cuts:
        return said["repeatedly"].said(language)
    low, high = peers.ends(group)
    if high is None:
        return said["slowest"].said(language).format(start=counted(low, "days", language))
    text = said["between" if low else "fastest"].said(language)
    return text.format(start=f"{low:g}", end=counted(high, "days", language))


def _family(feature: Described) -> str:
    """Name without its window; a family over all of history that is also windowed ends in ``_all``."""
    if feature.window_days is not None:
        return feature.name.removesuffix(f"_{feature.window_days}d")
    return f"{feature.name}_all" if f"{feature.name}_all" in reason_texts().facts else feature.name

"""The policy: everything a business person may change without retraining, in one YAML.

It is validated when read (a policy with a gap or an unreachable rule is refused), versioned, hashed, carried in the
bundle and named in each answer.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import typing
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator

from churn_value.errors import ConfigError
from churn_value.scoring import quantities as known
from churn_value.scoring.matching import Rules
from churn_value.scoring.reach import check_ordered, check_possible, sources_of
from churn_value.scoring.rules import When, when_of
from churn_value.scoring.sections import (
    Action,
    Bands,
    Code,
    Disagreement,
    PaymentRule,
    Play,
    Rfm,
    Ruled,
    SatisfactionRule,
    Stability,
    Stage,
    Strict,
    Tag,
    Text,
    Tiers,
    Weights,
)
from churn_value.yaml_files import read_yaml

Place = Literal["segments", "lifecycle", "tiers", "tags", "disagreements", "playbook"]
WRITTEN_AT = {"segments": "rfm.segments", "tiers": "tiers.rules"}
# A customer without any percentile or rule has no tier, one without a previous answer no previous stage.
MAY_LACK = frozenset({"tier", "previous_lifecycle"})


class Policy(Strict):
    """A whole policy.

    Raises
    ------
    pydantic.ValidationError
        When a rule names something unknown, leaves a gap or cannot be reached; `load_policy` turns it into a
        `ConfigError` that names the file and the key.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
    version: Annotated[int, Field(ge=1)]
    about: Text
    weights: Weights
    satisfaction: SatisfactionRule = SatisfactionRule()
    payment: PaymentRule = PaymentRule()
    bands: Bands
    tiers: Tiers
    stability: Stability = Stability()
    rfm: Rfm
    lifecycle: tuple[Stage, ...] = Field(min_length=1)
    tags: tuple[Tag, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    actions: dict[Code, Action] = Field(default_factory=dict)
    playbook: tuple[Play, ...] = Field(min_length=1)
    _rules: dict[str, Rules] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        stages = frozenset(stage.code for stage in self.lifecycle)
        before, known_stage = {"previous_lifecycle": stages}, {"lifecycle": stages, "previous_lifecycle": stages}
        self._read("segments", self.rfm.segments, frozenset(), {})
        self._read("lifecycle", self.lifecycle, known.NUMBERS, before)
        self._read("tiers", self.tiers.rules, known.NUMBERS, known_stage, exhaustive=self.tiers.mode == "rule")
        self._check_percentile_reachable()
        numbers = known.NUMBERS | ({known.TIER_STEPS} if self.tiers.mode == "both" else set())
        texts = known_stage | {"tier": frozenset(self.tiers.codes)}
        self._read("tags", self.tags, numbers, texts, ordered=False)
        self._read("disagreements", self.disagreements, numbers, texts, ordered=False)
        self._read("playbook", self.playbook, numbers, texts)
        self._check_actions()
        return self

    def _read(
        self,
        place: Place,
        rules: tuple[Ruled, ...],
        numbers: frozenset[str],
        texts: Mapping[str, frozenset[str]],
        *,
        ordered: bool = True,
        exhaustive: bool = True,
    ) -> None:
        """Read the rules of one list and refuse those that nobody can meet, and a gap."""
        shown = dict(texts)
        if place != "segments":
            shown["segment"] = frozenset(segment.code for segment in self.rfm.segments)
        if place not in ("segments", "lifecycle"):
            shown["value_band"] = frozenset(band.code for band in self.bands.value)
            shown["churn_band"] = frozenset(band.code for band in self.bands.churn)
        whens, written = [], WRITTEN_AT.get(place, place)
        for position, rule in enumerate(rules, start=1):
            try:
                whens.append(when_of(rule.when, numbers | known.CELLS, shown))
            except ValueError as error:
                msg = f"{written}, rule {position}: {error}"
                raise ValueError(msg) from None
        try:
            self._check(place, whens, texts, ordered=ordered, exhaustive=exhaustive)
        except ValueError as error:
            msg = f"{written}: {error}"
            raise ValueError(msg) from None
        self._rules[place] = Rules(tuple(whens))

    def _check(
        self, place: Place, whens: list[When], texts: Mapping[str, frozenset[str]], *, ordered: bool, exhaustive: bool
    ) -> None:
        segments = None
        if place != "segments":
            segments = self.rules("segments").whens, [segment.code for segment in self.rfm.segments]
        optional = {name: [*sorted(codes), *([None] if name in MAY_LACK else [])] for name, codes in texts.items()}
        banded = {"churn_probability": ("churn_band", self.bands.churn)}
        banded["value_percentile"] = ("value_band", self.bands.value)
        sources = sources_of(whens, known.NUMBER_RANGES, optional, banded=banded, segments=segments)
        if ordered:
            check_ordered(whens, sources, exhaustive=exhaustive)
        else:
            check_possible(whens, sources)

    def _check_percentile_reachable(self) -> None:
        """Every tier must be somebody's: by a rule, or because a whole percentile (or percent of value) lies in it."""
        rules = self.rules("tiers").whens
        if self.tiers.mode == "both" and self.tiers.precedence == "rule":
            for position, when in enumerate(rules, start=1):
                if not when.demands:
                    msg = f"tiers.rules: rule {position} catches everybody and percentiles none; use mode `rule`"
                    raise ValueError(msg)
        ruled = {rule.tier for rule in self.tiers.rules}
        for code in (code for code in self.tiers.codes if code not in ruled | self.tiers.by_percentile):
            msg = f"tiers: nobody can get into {code}: no rule leads there and no percentile from 1 to 100 lies in it"
            raise ValueError(msg)

    def _check_actions(self) -> None:
        used = {code for play in self.playbook for code in play.actions}
        for code in sorted(used - set(self.actions)):
            msg = f"playbook: the action {code} is not described under `actions`"
            raise ValueError(msg)
        for code in sorted(set(self.actions) - used):
            msg = f"actions: nobody ever gets {code}; remove it or use it in the playbook"
            raise ValueError(msg)

    def rules(self, place: Place) -> Rules:
        """Rules of one list, read and checked, in their order."""
        return self._rules[place]

    @cached_property
    def judgements(self) -> Rules:
        """Rules of tags, disagreements and plays, in this order, to be asked in one pass."""
        places: tuple[Place, ...] = ("tags", "disagreements", "playbook")
        return Rules(tuple(when for place in places for when in self._rules[place].whens))

    @cached_property
    def sha256(self) -> str:
        """Hash of the canonical JSON of every setting, defaults included."""
        text = json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_yaml(self) -> str:
        """The policy with every default written out; reading it back gives an equal policy."""
        content = self.model_dump(mode="json", by_alias=True)
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def policy_of(content: dict[str, Any], source: str) -> Policy:
    """Policy in a mapping; `source` is what errors call it.

    Raises
    ------
    ConfigError
        Naming the source and the key, what was received and what to do.
    """
    try:
        return Policy.model_validate(content)
    except ValidationError as error:
        raise _described(error, source) from None


def load_policy(path: Path | str) -> Policy:
    """Policy in a YAML file.

    Raises
    ------
    ConfigError
        When the file is absent, is not YAML, or breaks a rule; the message names file and key.
    """
    return policy_of(read_yaml(Path(path)), str(path))


def _described(error: ValidationError, source: str) -> ConfigError:
    faults = error.errors(include_url=False)
    first = faults[0]
    key = ".".join(str(part) for part in first["loc"]) or "(whole policy)"
    received = first["input"]
    if isinstance(received, dict):
        received = f"keys {sorted(map(str, received))}"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return ConfigError(
        first["msg"].removeprefix("Value error, ") + more,
        code="POLICY_INVALID",
        where=f"{source}: {key}",
        received=received if first["loc"] else None,
        remedy=_remedy(first["type"], first["loc"]),
    )


def _remedy(kind: str, place: tuple[int | str, ...]) -> str | None:
    if kind == "missing":
        return "add the key"
    if kind != "extra_forbidden":
        return None
    near = difflib.get_close_matches(str(place[-1]), _keys_at(place[:-1]), n=1)
    return f"did you mean {near[0]}?" if near else "remove the key, or correct its spelling"


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    """Keys the policy allows at a place of the YAML."""
    model: type[BaseModel] = Policy
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation)
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel]:
    """Pydantic model inside ``tuple[Model, ...]``, ``dict[str, Model]`` or a union; the whole policy without one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [_model_in(one) for one in typing.get_args(annotation)]
    return next((model for model in inner if model is not Policy), Policy)

"""The policy: everything a business person may change without retraining, in one YAML.

It is validated when read (a policy with a gap or an unreachable rule is refused), versioned, hashed, carried in the
bundle and named in each answer.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator

from churn_value.config import read_yaml
from churn_value.errors import ConfigError
from churn_value.scoring import quantities as known
from churn_value.scoring.rules import When, check_ordered, when_of
from churn_value.scoring.sections import (
    Action,
    Bands,
    Code,
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
    actions: dict[Code, Action] = Field(default_factory=dict)
    playbook: tuple[Play, ...] = Field(min_length=1)
    _whens: dict[str, tuple[When, ...]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        self._whens["segments"] = self._read("rfm.segments", self.rfm.segments, known.CELLS, {}, exhaustive=True)
        self._check_cells()
        numbers, texts = known.NUMBERS | known.CELLS, self._texts()
        stages = {"previous_lifecycle": texts["lifecycle"]}
        self._whens["lifecycle"] = self._read("lifecycle", self.lifecycle, numbers, stages, exhaustive=True)
        before_tier = {name: codes for name, codes in texts.items() if name != "tier"}
        exhaustive = self.tiers.mode == "rule"
        self._whens["tiers"] = self._read("tiers.rules", self.tiers.rules, numbers, before_tier, exhaustive=exhaustive)
        self._check_percentile_reachable()
        self._whens["tags"] = self._read_freely("tags", self.tags, numbers, texts)
        self._whens["playbook"] = self._read("playbook", self.playbook, numbers, texts, exhaustive=True)
        self._check_actions()
        return self

    def _texts(self) -> dict[str, frozenset[str]]:
        """Values that each text quantity can have under this policy."""
        stages = frozenset(stage.code for stage in self.lifecycle)
        return {
            "value_band": frozenset(band.code for band in self.bands.value),
            "churn_band": frozenset(band.code for band in self.bands.churn),
            "segment": frozenset(segment.code for segment in self.rfm.segments),
            "lifecycle": stages,
            "previous_lifecycle": stages,
            "tier": frozenset(self.tiers.codes),
        }

    @staticmethod
    def _read_freely(
        place: str, rules: tuple[Ruled, ...], numbers: frozenset[str], texts: dict[str, frozenset[str]]
    ) -> tuple[When, ...]:
        whens: list[When] = []
        for position, rule in enumerate(rules, start=1):
            try:
                whens.append(when_of(rule.when, numbers, texts))
            except ValueError as error:
                msg = f"{place}, rule {position}: {error}"
                raise ValueError(msg) from None
        return tuple(whens)

    @classmethod
    def _read(
        cls,
        place: str,
        rules: tuple[Ruled, ...],
        numbers: frozenset[str],
        texts: dict[str, frozenset[str]],
        *,
        exhaustive: bool,
    ) -> tuple[When, ...]:
        whens = cls._read_freely(place, rules, numbers, texts)
        try:
            check_ordered(whens, exhaustive=exhaustive)
        except ValueError as error:
            msg = f"{place}: {error}"
            raise ValueError(msg) from None
        return whens

    def _check_cells(self) -> None:
        """Every segment must own a cell of the 5 × 5 × 5 cube: small enough to look at each."""
        hit = set(known.first_match_of_cells(self._whens["segments"]).tolist())
        for position, segment in enumerate(self.rfm.segments):
            if position not in hit:
                msg = f"rfm.segments: {segment.code} is unreachable, earlier segments take all its cells"
                raise ValueError(msg)

    def _check_percentile_reachable(self) -> None:
        if self.tiers.mode == "both" and self.tiers.precedence == "rule":
            for position, when in enumerate(self._whens["tiers"], start=1):
                if when.is_unconditional:
                    msg = f"tiers.rules: rule {position} catches everybody and percentiles none; use mode `rule`"
                    raise ValueError(msg)

    def _check_actions(self) -> None:
        used = {code for play in self.playbook for code in play.actions}
        for code in sorted(used - set(self.actions)):
            msg = f"playbook: the action {code} is not described under `actions`"
            raise ValueError(msg)
        for code in sorted(set(self.actions) - used):
            msg = f"actions: nobody ever gets {code}; remove it or use it in the playbook"
            raise ValueError(msg)

    def whens(self, place: Literal["segments", "lifecycle", "tiers", "tags", "playbook"]) -> tuple[When, ...]:
        """Rules of one list, read and checked, in their order."""
        return self._whens[place]

    @property
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

"""What an operator can set, with safe defaults; `serve` hands it to the workers through the environment."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from churn_value.errors import ConfigError

_NAME = re.compile("[a-z][a-z0-9_]{1,40}")
PREFIX = "CHURN_VALUE_SERVICE_"


@dataclass(frozen=True, slots=True)
class Options:
    """Limits of one worker process.

    Each field is read from the environment as ``CHURN_VALUE_SERVICE_`` and its name in capitals.

    Parameters
    ----------
    name
        The company whose champion is served: a folder of `models/exported`.
    keys_file
        JSON of hashed API keys; without it only callers on the loopback address are answered.
    workers, threads
        Processes, and requests scored at once in each.
    waiting
        Requests that may wait for a thread of a worker before further ones get 429.
    deadline_s
        Longest wait for a thread [s] before 503.
    body_bytes, body_timeout_s
        Largest body [bytes], and longest time for it to arrive [s].
    items, explained, event_items
        Most items of a request, most when reasons are asked for, and most that carry raw events.
    poll_s
        Time between two looks at the pointer, the feature table and the keys [s].
    cache_bytes
        Memory for row groups of the feature table [bytes].
    drain_s
        Time between readiness turning false on SIGTERM and the socket closing [s].
    traces_to, traced_share
        OTLP address that traces are sent to, None for none; and the share of requests traced, above 0 and up to 1.
    """

    name: str = "completejourney"
    keys_file: Path | None = None
    workers: int = 1
    threads: int = 1
    waiting: int = 32
    deadline_s: float = 5.0
    body_bytes: int = 1_048_576
    body_timeout_s: float = 10.0
    items: int = 1_000
    explained: int = 100
    event_items: int = 20
    poll_s: float = 0.5
    cache_bytes: int = 256 * 1_048_576
    drain_s: float = 1.0
    traces_to: str | None = None
    traced_share: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a name that is no folder name of ours."""
        if not _NAME.fullmatch(self.name):
            rule = "the name must be a configuration's: small letters, digits and _"
            raise ConfigError(rule, where="--name", received=self.name)
        if self.traced_share > 1:
            raise ConfigError("a share is at most 1", where=f"{PREFIX}TRACED_SHARE", received=self.traced_share)

    @classmethod
    def from_environment(cls) -> Options:
        """Options of this process.

        Raises
        ------
        ConfigError
            When a variable does not hold a positive number.
        """
        default = cls()
        keys_file = os.environ.get(f"{PREFIX}KEYS_FILE")
        return cls(
            name=os.environ.get(f"{PREFIX}NAME", default.name),
            keys_file=Path(keys_file) if keys_file else None,
            workers=_whole("workers", default.workers),
            threads=_whole("threads", default.threads),
            waiting=_whole("waiting", default.waiting),
            deadline_s=_number("deadline_s", default.deadline_s),
            body_bytes=_whole("body_bytes", default.body_bytes),
            body_timeout_s=_number("body_timeout_s", default.body_timeout_s),
            items=_whole("items", default.items),
            explained=_whole("explained", default.explained),
            event_items=_whole("event_items", default.event_items),
            poll_s=_number("poll_s", default.poll_s),
            cache_bytes=_whole("cache_bytes", default.cache_bytes),
            drain_s=_number("drain_s", default.drain_s),
            traces_to=os.environ.get(f"{PREFIX}TRACES_TO") or None,
            traced_share=_number("traced_share", default.traced_share),
        )

    def environment(self) -> dict[str, str]:
        """Variables from which `from_environment` gives these options again."""
        values = asdict(self)
        return {PREFIX + field.upper(): str(value) for field, value in values.items() if value is not None}


def _number(field: str, default: float) -> float:
    text = os.environ.get(PREFIX + field.upper())
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError("the variable must hold a positive number", where=PREFIX + field.upper(), received=text)
    return value


def _whole(field: str, default: int) -> int:
    value = _number(field, default)
    if value != int(value):
        raise ConfigError("the variable must hold a whole number", where=PREFIX + field.upper(), received=value)
    return int(value)

"""Who may call what: API keys known by their SHA-256 only, scopes per route, nothing public without keys.

The file of keys is JSON: ``{"keys": [{"name": "crm", "sha256": "<64 hex digits>", "scopes": ["score"]}]}``.
``python -m churn_value.service.auth crm --scope score`` makes a key, prints it once, and prints the entry to add.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import ipaddress
import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from churn_value.errors import ConfigError
from churn_value.service.problems import refusal
from churn_value.service.routes import Scope, plan_of

LONGEST_KEY = 512
LARGEST_FILE_BYTES = 1_048_576


class KeyEntry(BaseModel):
    """One caller: a name for the operator, the hash of the key, what it may do."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=64)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]


class KeyFile(BaseModel):
    """Content of the file of keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    keys: Annotated[tuple[KeyEntry, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Hashes of the known keys with their scopes."""

    entries: tuple[tuple[bytes, frozenset[str]], ...]

    def scopes(self, key: bytes) -> frozenset[str] | None:
        """Scopes of a key, or None when it is not known.

        Every entry is compared, in constant time, whether or not one has matched already.
        """
        digest = hashlib.sha256(key).digest()
        found: frozenset[str] | None = None
        for known, scopes in self.entries:
            if hmac.compare_digest(known, digest):
                found = scopes
        return found


def read_keys(path: Path) -> KeyRing:
    """Key ring in a file.

    Raises
    ------
    ConfigError
        ``KEYS_INVALID`` when the file is absent, too large, or not of the form of this module's docstring.
    """
    try:
        content = path.read_bytes()
        if len(content) > LARGEST_FILE_BYTES:
            raise ConfigError("the file of keys must be smaller than 1 MiB", code="KEYS_INVALID", where=path.name)
        parsed = KeyFile.model_validate_json(content)
    except (OSError, ValidationError) as error:
        raise ConfigError(
            'the file of keys must hold {"keys": [{"name", "sha256", "scopes"}]}',
            code="KEYS_INVALID",
            where=path.name,
            received=type(error).__name__,
        ) from None
    return KeyRing(tuple((bytes.fromhex(entry.sha256), frozenset(entry.scopes)) for entry in parsed.keys))


class KeyStore:
    """Keys of a file, followed while it changes; without a file every local caller is let in.

    Parameters
    ----------
    path
        The file, or None.

    Attributes
    ----------
    fault
        Code of why the file cannot be read now, or None. The keys read last stay in force meanwhile.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._content: bytes | None = None
        self._ring = KeyRing(())
        self.fault: str | None = None

    @property
    def required(self) -> bool:
        """Whether callers need a key."""
        return self._path is not None

    def refresh(self) -> None:
        """Read the file again if its content has changed."""
        if self._path is None:
            return
        try:
            content = self._path.read_bytes()
            if content != self._content:
                self._ring = read_keys(self._path)
                self._content = content
        except (OSError, ConfigError):
            self.fault = "KEYS_UNAVAILABLE"
            return
        self.fault = None

    def scopes(self, key: bytes) -> frozenset[str] | None:
        """Scopes of a key, or None when it is not known."""
        return self._ring.scopes(key)


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own, unreachable from others."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_local(server: tuple[str, int | None] | None, host_headers: Sequence[bytes]) -> None:
    """Without keys: only the loopback address, asked for by name (a web page may rebind a name of its own to it).

    Raises
    ------
    RequestError
        ``KEYS_REQUIRED`` or ``HOST_NOT_LOCAL``.
    """
    if server is None or not is_loopback(server[0]):
        raise refusal("KEYS_REQUIRED")
    if len(host_headers) != 1 or not is_loopback(_host_name(host_headers[0].decode("latin-1"))):
        raise refusal("HOST_NOT_LOCAL")


def _host_name(host: str) -> str:
    """Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0].removeprefix("[")
    return host.partition(":")[0].lower()


def presented_key(headers: Sequence[bytes]) -> bytes:
    """Key in the Authorization headers of a request.

    Raises
    ------
    RequestError
        ``KEY_MISSING`` unless there is exactly one header and it is ``Bearer <key>``; ``KEY_INVALID`` when too long.
    """
    if len(headers) != 1:
        raise refusal("KEY_MISSING")
    scheme, _, key = headers[0].partition(b" ")
    key = key.strip()
    if scheme.lower() != b"bearer" or not key:
        raise refusal("KEY_MISSING")
    if len(key) > LONGEST_KEY:
        raise refusal("KEY_INVALID")
    return key


def check_key(store: KeyStore, path: str, headers: Sequence[bytes]) -> None:
    """Let a caller with a fitting key pass.

    Raises
    ------
    RequestError
        ``KEY_MISSING``, ``KEY_INVALID`` or ``SCOPE_MISSING``.
    """
    scopes = store.scopes(presented_key(headers))
    if scopes is None:
        raise refusal("KEY_INVALID")
    plan = plan_of(path)
    if plan is not None and not scopes & plan.scopes:
        raise refusal("SCOPE_MISSING")


def main() -> None:
    """Make a key; the key itself is shown this once and stored nowhere."""
    parser = argparse.ArgumentParser(prog="python -m churn_value.service.auth", description=main.__doc__)
    parser.add_argument("name", help="who will use the key")
    parser.add_argument("--scope", action="append", choices=get_args(Scope), help="may be given again")
    arguments = parser.parse_args()
    key = secrets.token_urlsafe(32)
    entry = {
        "name": arguments.name,
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
        "scopes": arguments.scope or ["score"],
    }
    sys.stdout.write(f"key (hand it over, keep it nowhere): {key}\nentry for the file of keys: {json.dumps(entry)}\n")


if __name__ == "__main__":
    main()

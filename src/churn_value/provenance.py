"""What a run was made with: versions of the libraries that shape its numbers, and the commit of the code."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SHAPING = ("duckdb", "ibis-framework", "lightgbm", "numpy", "optuna", "pandas", "scikit-learn", "scipy")


def libraries() -> dict[str, str]:
    """Versions by package name, Python's among them; a package that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in SHAPING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit(folder: Path | None = None) -> str | None:
    """Commit of the checkout that `folder` is in, with ``+`` when files differ from it; None outside a checkout."""
    place = folder or Path(__file__).parent
    try:
        answer = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(place), "describe", "--always", "--abbrev=12", "--dirty=+"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def source_sha256() -> str:
    """Hash over this package's source files and the versions of `libraries`: the same code gives the same bits."""
    place, digest = Path(__file__).parent, hashlib.sha256(repr(libraries()).encode())
    for path in sorted(place.rglob("*.py")):
        digest.update(f"{path.relative_to(place).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()

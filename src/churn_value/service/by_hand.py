"""Tiers set by hand, as published by the last scoring of the base and followed while the file changes."""

from __future__ import annotations

from pathlib import Path

from churn_value.errors import DataContractError
from churn_value.scoring.overrides import TierOverrides, read_overrides

Stamp = tuple[int, int, int]


class TiersByHand:
    """Follower of the published table.

    Parameters
    ----------
    path
        The CSV file; without it no tier is set by hand.

    Attributes
    ----------
    current
        The table in use, replaced as a whole: a request reads it once.
    fault
        ``OVERRIDES_REFUSED`` when the newest file cannot be used, or None. The one read last stays in use meanwhile;
        its entries still end on their last day.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self._verdict: str | None = None
        self.current = TierOverrides()
        self.fault: str | None = None

    def refresh(self) -> None:
        """Read the file again if it has been replaced."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._stamp, self.current, self.fault = None, TierOverrides(), None
            return
        except OSError:
            self.fault = "OVERRIDES_REFUSED"
            return
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        if stamp != self._stamp:
            self._stamp, self._verdict = stamp, self._opened()
        self.fault = self._verdict

    def _opened(self) -> str | None:
        """Take the file into use; code of why it cannot be used, or None."""
        try:
            self.current = read_overrides(self._path)
        except (DataContractError, OSError):
            return "OVERRIDES_REFUSED"
        return None

"""What loading a table met: counts that add up, spans and null shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class TableReport:
    """Account of one table; ``accepted + sum(quarantined) == read`` always.

    Parameters
    ----------
    table
        Name in the contract.
    read, accepted
        Rows in the source, and rows that went on.
    quarantined
        Rows set aside, by reason code.
    duplicates
        Rows that repeat another in every column: quarantined where rows are unique, else accepted and only counted.
    future_dated
        Rows quarantined because a stamp is later than the moment of loading.
    late
        Accepted rows that were known more than ``late_after_days`` after they happened.
    null_share
        Share of nulls among accepted rows of each column the source has, 0 to 1.
    first, last
        First and last time among accepted rows, UTC; None without rows or without a time column.
    unread
        Type of each source column that nothing reads: of no column of the contract, and no attribute.
    """

    table: str
    read: int
    accepted: int
    quarantined: Mapping[str, int]
    duplicates: int
    future_dated: int
    late: int
    null_share: Mapping[str, float]
    first: datetime | None
    last: datetime | None
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_balanced(self) -> bool:
        """Whether every row read is accounted for."""
        return self.accepted + sum(self.quarantined.values()) == self.read

    def as_dict(self) -> dict[str, Any]:
        """Account as JSON values."""
        stamps = {name: stamp and stamp.isoformat() for name, stamp in (("first", self.first), ("last", self.last))}
        return asdict(self) | stamps | {"quarantined": dict(self.quarantined), "null_share": dict(self.null_share)}

    def as_table(self) -> list[tuple[str, str]]:
        """Account as rows of name and text, to print."""
        nulls = {name: share for name, share in self.null_share.items() if share > 0}
        return [
            ("rows read", f"{self.read:,}"),
            ("accepted", f"{self.accepted:,}"),
            *((f"quarantined {reason}", f"{count:,}") for reason, count in self.quarantined.items()),
            ("duplicates", f"{self.duplicates:,}"),
            ("future-dated", f"{self.future_dated:,}"),
            ("late", f"{self.late:,}"),
            *((f"null {name}", f"{share:.1%}") for name, share in nulls.items()),
            *((f"unread {name}", kind) for name, kind in self.unread.items()),
            ("first", str(self.first or "-")),
            ("last", str(self.last or "-")),
        ]

"""Tiers set by hand: who, into which tier, why, by whom, until when.

An override is applied visibly (the answer keeps the tier that the policy gave) and ends by itself after its last day. A
row that does not say why, by whom or until when is refused, and with it the table: nobody's tier changes on half of it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pandas as pd

from churn_value.errors import DataContractError

COLUMNS = ("customer_id", "tier", "reason", "owner", "expires")
UNKNOWN_TIER = "OVERRIDE_TIER_UNKNOWN"


@dataclass(frozen=True, slots=True)
class Override:
    """One customer's tier by hand; in force up to and including the day `expires`."""

    customer_id: str
    tier: str
    reason: str
    owner: str
    expires: date

    def in_force(self, day: date) -> bool:
        """Whether it holds on `day`."""
        return day <= self.expires


@dataclass(frozen=True, slots=True)
class TierOverrides:
    """A checked table of overrides, one per customer."""

    by_customer: Mapping[str, Override] = field(default_factory=dict)

    def at(self, customer_id: str | None, day: date | None) -> Override | None:
        """The customer's override on a day; None without one, after its last day, or without a day."""
        found = self.by_customer.get(customer_id or "")
        return found if found is not None and day is not None and found.in_force(day) else None

    def known_to(self, tiers: Iterable[str]) -> TierOverrides:
        """Those whose tier is among `tiers`: what can still be applied when a new policy has dropped one."""
        codes = frozenset(tiers)
        return TierOverrides({one: override for one, override in self.by_customer.items() if override.tier in codes})

    def check(self, tiers: Sequence[str]) -> None:
        """Refuse a tier that the policy does not have.

        Raises
        ------
        DataContractError
            ``OVERRIDE_TIER_UNKNOWN``.
        """
        unknown = sorted({one.tier for one in self.by_customer.values()} - set(tiers))
        if unknown:
            raise _unknown_tier(tiers, ", ".join(unknown), "tier_overrides")

    def to_frame(self) -> pd.DataFrame:
        """The table again, in the order of customers' ids."""
        rows = [self.by_customer[one] for one in sorted(self.by_customer)]
        return pd.DataFrame([[getattr(row, name) for name in COLUMNS] for row in rows], columns=list(COLUMNS))


def overrides_of(table: pd.DataFrame, where: str = "tier_overrides") -> TierOverrides:
    """Overrides in a table whose cells are texts (`expires` may hold dates).

    Raises
    ------
    DataContractError
        Naming the row, counted from 1: ``OVERRIDE_COLUMN_MISSING``, ``OVERRIDE_WITHOUT_CUSTOMER``, ``…_TIER``,
        ``…_REASON``, ``…_OWNER``, ``…_EXPIRES``, ``OVERRIDE_EXPIRES_INVALID``, ``OVERRIDE_REPEATED``.
    """
    found, refused = sorted_out(table, where)
    for error in refused.values():
        raise error
    return TierOverrides(found)


def sorted_out(
    table: pd.DataFrame, where: str, tiers: Collection[str] | None = None
) -> tuple[dict[str, Override], dict[int, DataContractError]]:
    """Rows that can be applied, by customer, and why the others cannot, by row counted from 1; see `overrides_of`.

    Parameters
    ----------
    tiers
        Codes that a row may name; None allows any.

    Raises
    ------
    DataContractError
        ``OVERRIDE_COLUMN_MISSING``.
    """
    absent = [name for name in COLUMNS if name not in table.columns]
    if absent:
        raise DataContractError(
            f"a table of overrides has the columns {', '.join(COLUMNS)}",
            code="OVERRIDE_COLUMN_MISSING",
            where=where,
            received=f"without {', '.join(absent)}",
        )
    found: dict[str, Override] = {}
    refused: dict[int, DataContractError] = {}
    for number, cells in enumerate(zip(*(table[name].tolist() for name in COLUMNS), strict=True), start=1):
        place = f"{where}, row {number}"
        try:
            one = _override(cells, place)
        except DataContractError as error:
            refused[number] = error
            continue
        if one.customer_id in found:
            refused[number] = DataContractError("a customer has one override", code="OVERRIDE_REPEATED", where=place)
        elif tiers is not None and one.tier not in tiers:
            refused[number] = _unknown_tier(tiers, one.tier, place)
        else:
            found[one.customer_id] = one
    return found, refused


def _unknown_tier(tiers: Iterable[str], received: str, where: str) -> DataContractError:
    return DataContractError(
        f"an override names a tier of the policy: {', '.join(tiers)}",
        code=UNKNOWN_TIER,
        where=where,
        received=received,
        remedy="correct the tier, or remove the row",
    )


def _override(cells: Sequence[object], where: str) -> Override:
    given = {name: None if pd.isna(cell) else cell for name, cell in zip(COLUMNS, cells, strict=True)}  # type: ignore[call-overload]
    for name in COLUMNS:
        if given[name] is None or not str(given[name]).strip():
            what = "customer" if name == "customer_id" else name
            raise DataContractError(
                "an override says who, which tier, why, by whom and until when",
                code=f"OVERRIDE_WITHOUT_{what.upper()}",
                where=where,
                received=f"no {name}",
                remedy=f"fill in {name}, or remove the row",
            )
    customer_id, tier, reason, owner = (str(given[name]) for name in COLUMNS[:4])
    return Override(customer_id, tier.strip(), reason.strip(), owner.strip(), _day(given["expires"], where))


def _day(cell: object, where: str) -> date:
    text = cell.isoformat()[:10] if isinstance(cell, date) else str(cell).strip()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DataContractError(
            "the last day of an override is written as in 2026-12-31",
            code="OVERRIDE_EXPIRES_INVALID",
            where=where,
            received=text,
        ) from None


def read_overrides(path: Path) -> TierOverrides:
    """Overrides in a CSV file.

    Raises
    ------
    DataContractError
        See `overrides_table` and `overrides_of`.
    """
    return overrides_of(overrides_table(path), str(path))


def overrides_table(path: Path) -> pd.DataFrame:
    """Rows of a CSV file; every cell is text, an id is not trimmed or parsed.

    Raises
    ------
    DataContractError
        ``OVERRIDES_ABSENT``, or ``OVERRIDES_UNREADABLE``.
    """
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise DataContractError(
            "the table of overrides must exist",
            code="OVERRIDES_ABSENT",
            where=str(path),
            remedy=f"write a CSV with {', '.join(COLUMNS)}, or remove the key tier_overrides",
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataContractError(
            "a table of overrides is a CSV file in UTF-8",
            code="OVERRIDES_UNREADABLE",
            where=str(path),
            received=type(error).__name__,
        ) from None


def overrides_for(data_root: Path, file: str | None, tiers: Sequence[str]) -> TierOverrides:
    """Overrides in a company's file below its data root, checked against the policy's tiers; none without a file.

    Raises
    ------
    DataContractError
        See `read_overrides` and `TierOverrides.check`.
    """
    if file is None:
        return TierOverrides()
    found = read_overrides(data_root / file)
    found.check(tiers)
    return found


def write_overrides(overrides: TierOverrides, path: Path) -> None:
    """Publish a checked table for the service, by atomic rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    overrides.to_frame().to_csv(fresh, index=False)
    fresh.replace(path)

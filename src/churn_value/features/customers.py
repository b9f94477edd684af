"""Features of the customer's profile as it stood before as_of: the newest row valid by then, undated rows always."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import ibis.expr.types as ir

from churn_value.features.declare import Feature, FeatureType, feature
from churn_value.features.grain import Grain
from churn_value.features.past import Past

PROFILE = Grain("customers", "profile", shape="latest")
SNAPSHOT = Grain("snapshots", "profile", shape="latest")
BIRTH_YEAR = "birth_year"


@feature(PROFILE, unit="days", group="TENURE", en="Days since sign-up", zh="注册天数", requires=["signup_at"])
def tenure_days(past: Past) -> ir.Scalar:
    """as_of minus the day of sign-up; null when that is not before as_of."""
    return past.max(past.as_of_day - past.signup_at)


@feature(
    PROFILE,
    unit="years",
    group="PROFILE",
    en="Age in the year of as_of",
    zh="年龄（按预测当年）",
    requires=[BIRTH_YEAR],
)
def age_years(past: Past) -> ir.Scalar:
    """Year of as_of minus year of birth."""
    return past.max(past.as_of_year - past.profile(BIRTH_YEAR))


def _attribute(grain: Grain, column: str, dtype: FeatureType) -> Feature:
    return Feature(
        name=f"attr_{column}",
        grain=grain,
        reduce=lambda past: past.max(past.profile(column)),
        unit="category" if dtype == "category" else "as given",
        group="PROFILE",
        en=f"Attribute {column}",
        zh=f"属性：{column}",
        dtype=dtype,
        requires=frozenset({column}),
    )


def attribute_features(
    present: Mapping[str, frozenset[str]], attributes: Mapping[str, FeatureType]
) -> Iterator[Feature]:
    """One feature per attribute, of `customers` before `snapshots` where both have it.

    Parameters
    ----------
    present
        Columns that each table really has.
    attributes
        Attribute columns and their type. A year of birth that is a number becomes `age_years` instead.
    """
    for column, dtype in attributes.items():
        for grain in (PROFILE, SNAPSHOT):
            if column in present.get(grain.source, ()):
                if (grain, column, dtype) != (PROFILE, BIRTH_YEAR, "number"):
                    yield _attribute(grain, column, dtype)
                break

"""A small invented base: who stays, what they are worth, and systems of differing quality that predict it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd


def described(name, source, group, en, zh, dtype="number"):
    return SimpleNamespace(name=name, dtype=dtype, source=source, group=group, en=en, zh=zh)


FEATURES = [
    described("days_since_last_purchase", "purchases", "RECENCY", "Days since the last purchase", "距上次购买天数"),
    described("spend_minor", "purchases", "SPEND", "Spend in the whole history", "历史消费"),
    described("purchase_days", "purchases", "FREQUENCY", "Days with a purchase", "购买天数"),
    described("attr_region", "customers", "PROFILE", "Region", "地区", "category"),
    described("attr_age", "customers", "PROFILE", "Age", "年龄"),
]


def attribute(name, dtype="number"):
    return described(name, "customers", "PROFILE", name, name, dtype)


def base(n=1_500, seed=5):
    """Rows of three purged folds with honest features: recency alone has an AUC near 0.85."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1.2, 1 / 60, n)
    since = np.ceil(np.minimum(rng.exponential(1 / np.maximum(rate, 1e-3)), 400))
    probability = 1 / (1 + np.exp(-(0.025 * since - 2.2)))
    churned = (rng.uniform(size=n) < probability).astype(float)
    worth = rng.lognormal(8, 0.8, n)
    value = np.where(churned == 1, 0.0, np.round(worth * rng.lognormal(0, 0.5, n)))
    days = np.repeat(pd.to_datetime(["2025-01-01", "2025-04-01", "2025-07-01"]), [n - 2 * (n // 3), n // 3, n // 3])
    return pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in range(n)],
            "as_of": days.astype("datetime64[us]"),
            "fold": days.map(dict(zip(days.unique(), ("train", "calibration", "test"), strict=True))),
            "churned": churned,
            "value_minor": value,
            "days_since_last_purchase": since,
            "spend_minor": np.round(worth * rng.lognormal(1.5, 0.5, n)),
            "purchase_days": rng.poisson(5, n) + 1.0,
            "attr_region": rng.choice(["north", "south", "west"], n),
            "attr_age": np.where(rng.uniform(size=n) < 0.1, np.nan, rng.integers(18, 90, n)),
            "truth": probability,
            "worth": worth,
        }
    )


def prediction(frame, *, skill=1.0, seed=1, with_value=True):
    """A system that knows the truth blurred by noise; skill 1 knows it exactly."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=len(frame)) * (1 - skill) * 2
    logit = np.log(frame["truth"] / (1 - frame["truth"])).to_numpy() * skill
    p = 1 / (1 + np.exp(-(logit + noise)))
    value = (1 - p) * frame["worth"].to_numpy() * 1.13 * np.exp(noise)
    amounts = {"expected_value_minor": value, "value_lower_minor": value * 0.0, "value_upper_minor": value * 3}
    return SimpleNamespace(churn_probability=p, **(amounts if with_value else {}))


def systems(frame, *, with_value=True):
    skills = {"model": 1.0, "recency": 0.5, "run_rate": 0.2, "bg_nbd": 0.7}
    return {
        name: prediction(frame, skill=skill, seed=seed, with_value=with_value)
        for seed, (name, skill) in enumerate(skills.items())
    }

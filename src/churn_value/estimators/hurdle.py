"""One coherent model of leaving and of spending: two heads over the same features, joined by the hurdle's identities.

For every row, with p the calibrated churn probability and R the value if retained::

    expected_value = (1 - p) R        value_at_risk = p R        lower <= expected_value <= upper

What is learned where. Boosters are first grown on the train fold alone and stopped early on the calibration fold, whose
as_of dates are at least one horizon later (the split is purged by construction). These honest boosters' predictions of
the calibration fold are out of sample, so the shape of the calibration map and the interval are learned from them. The
shipped boosters are then grown again on both folds with the same settings and rounds, because the newest rows are the
most like those to be scored, with those of the dates between them, whose outcome windows overlap both; map and total
are recentred for them. The test fold is touched by none of this.

Where the history is too short to learn on the horizon itself, both heads learn on a shorter one, see `stretch`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd

from churn_value.config import Config
from churn_value.errors import TRAIN_AGAIN, BundleError, ConfigError, OutdatedBundle
from churn_value.estimators import FloatArray
from churn_value.estimators.btyd_spend import SpendSettings, spend_places
from churn_value.estimators.churn import ChurnFit, SilenceSettings, fit_churn
from churn_value.estimators.churn_head import ChurnHead
from churn_value.estimators.crossfit import beside
from churn_value.estimators.design import CatalogLike, Design
from churn_value.estimators.feature_rows import FeatureRows
from churn_value.estimators.folds import folds_of
from churn_value.estimators.intervals import Intervals, fit_intervals
from churn_value.estimators.prediction import Prediction
from churn_value.estimators.ranks import newest
from churn_value.estimators.rows import Folds
from churn_value.estimators.silence import SilencePlaces, fit_silence, history_of, silence_places
from churn_value.estimators.stretch import Stretch, fit_stretch
from churn_value.estimators.trees import Growing, TreeParams
from churn_value.estimators.value import ValueSettings, fit_value
from churn_value.estimators.value_head import STAYING_FLOOR, ValueHead
from churn_value.estimators.views import FoldViews

MODEL_FILE = "model.json"
FORMAT = 5
SEED_STEP = 1_000_003


@dataclass(frozen=True)
class HurdleModel:
    """Both heads over one design.

    Attributes
    ----------
    design, churn
        Features, and the churn head.
    value, intervals
        Null where there are no purchases.
    stretch
        From the horizon the heads learned on to a longer one; null where they are the same.
    """

    design: Design
    churn: ChurnHead
    value: ValueHead | None = None
    intervals: Intervals | None = None
    stretch: Stretch | None = None

    def predict(self, frame: pd.DataFrame | FeatureRows, *, threads: int = 1) -> Prediction:
        """Predictions for the rows of a frame of features, in its order; a row's do not depend on the other rows."""
        matrix = self.design.matrix(frame)
        churn_raw = self.churn.raw(matrix, threads=threads)
        learned = self.churn.probability(churn_raw)
        p = learned if self.stretch is None else self.stretch.churn_probability(learned)
        if self.value is None or self.intervals is None:
            return Prediction(churn_raw, p)
        value_raw = self.value.raw(matrix, threads=threads)
        retained = self.value.value_if_retained(value_raw, learned)
        if self.stretch is not None:
            grown = self.stretch.expected_minor((1 - learned) * retained)
            retained = grown / np.maximum(1 - p, STAYING_FLOOR)
        lower, upper = self._bounds(p, retained)
        return Prediction(churn_raw, p, value_raw, retained, (1 - p) * retained, p * retained, lower, upper)

    def _bounds(self, p: FloatArray, retained: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Ends of the interval, each (n,) [minor units]."""
        assert self.intervals is not None  # noqa: S101 - only asked where there is a value head
        lower, upper = self.intervals.bounds(p, retained)
        return (lower, upper) if self.stretch is None else self.stretch.widened(lower, upper)

    def contributions(
        self, frame: pd.DataFrame | FeatureRows, *, threads: int = 1
    ) -> tuple[FloatArray, FloatArray | None]:
        """Additive contributions to `churn_raw` and to `value_raw`.

        Returns
        -------
        tuple
            (n, k + 1) each, columns in the order of ``design.names`` with the base last; a row sums to the raw score
            within 1e-9. The second is null without a value head.
        """
        matrix = self.design.matrix(frame)
        churn = self.churn.contributions(matrix, threads=threads)
        return churn, None if self.value is None else self.value.contributions(matrix, threads=threads)

    def to_files(self) -> dict[str, bytes]:
        """The model as LightGBM texts and one JSON, by file name; the same model gives the same bytes."""
        churn, files = self.churn.to_files()
        content: dict[str, Any] = {"format": FORMAT, "design": self.design.to_json(), "churn": churn}
        if self.value is not None and self.intervals is not None:
            content["value"], texts = self.value.to_files()
            content["intervals"] = self.intervals.to_json()
            files |= texts
        if self.stretch is not None:
            content["stretch"] = self.stretch.to_json()
        files[MODEL_FILE] = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Model that `to_files` described, equal to the bit.

        The boosters' parser trusts its input: check hashes before calling this on files from elsewhere.

        Raises
        ------
        BundleError
            When a file is missing or the JSON is not a model's.
        OutdatedBundle
            When the JSON is of another format.
        """
        try:
            content = json.loads(files[MODEL_FILE])
            if content["format"] != FORMAT:
                raise OutdatedBundle(
                    f"this version of churn_value reads models of format {FORMAT}",
                    where=MODEL_FILE,
                    received=f"format {content['format']}",
                    remedy=TRAIN_AGAIN,
                )
            design = Design.from_json(content["design"])
            churn = ChurnHead.from_files(content["churn"], files)
            stretch = Stretch.from_json(content["stretch"]) if "stretch" in content else None
            if "value" not in content:
                return cls(design, churn, stretch=stretch)
            value = ValueHead.from_files(content["value"], files)
            return cls(design, churn, value, Intervals.from_json(content["intervals"]), stretch)
        except (KeyError, TypeError, ValueError) as error:
            raise _not_readable(f"{type(error).__name__}: {error}") from error


def _not_readable(received: str) -> BundleError:
    return BundleError(
        f"a model is {MODEL_FILE} of format {FORMAT} and the boosters it names",
        where=MODEL_FILE,
        received=received,
        remedy="write the bundle again with this version of churn_value",
    )


def seeds_of(seed: int, number: int) -> tuple[int, ...]:
    """Distinct seeds of the boosters that are averaged."""
    return tuple((seed + SEED_STEP * place) % (2**31 - 1) for place in range(number))


def fit(
    train: pd.DataFrame,
    calibration: pd.DataFrame,
    catalog: CatalogLike,
    config: Config,
    *,
    refit: pd.DataFrame | None = None,
    learned_days: int | None = None,
    churn_params: Mapping[str, Any] | None = None,
    value_params: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> HurdleModel:
    """Both heads, calibrated, debiased and with intervals.

    Parameters
    ----------
    train, calibration
        Rows with customer_id, as_of, churned, value_minor and the catalog's features; every calibration as_of is at
        least a horizon after every train as_of. Rows with an incomplete outcome window are left out.
    catalog
        Features, in the order of the design.
    config
        Gives threads, number of seeds, interval level, and whether there is a value head.
    refit
        Rows of dates between the two folds: only the shipped model is fitted on them too.
    learned_days
        Length of the rows' outcome windows; null: ``config.horizon_days``. A shorter one is stretched.
    churn_params, value_params
        Settings by name (see `TreeParams`; for the value also ``form`` and ``tweedie_power``) over the defaults.
    seed
        Of everything random; null takes ``config.tuning.seed``.

    Raises
    ------
    TooLittleData
        When a fold has no complete row or too few of a class.
    ConfigError
        When the horizon is to be stretched, and churn is not the absence of a purchase.
    """
    seeds = seeds_of(config.tuning.seed if seed is None else seed, config.tuning.seeds_averaged)
    design, folds = folds_of(train, calibration, refit, catalog, config, seed=seeds[0])
    days = config.horizon_days if learned_days is None else learned_days
    places = silence_places(design.names) if config.churn.definition == "no_purchase" else None
    if days != config.horizon_days:
        _refuse_unstretchable(config, days, places)
    silence = None if places is None else SilenceSettings(places, days)
    growing = Growing(TreeParams.of(churn_params), design.category_places, seeds, config.tuning.threads)
    views = FoldViews(folds, design.category_places)
    churn = fit_churn(views, growing, silence, beside=beside(churn_params))
    if not config.has_value:
        return HurdleModel(design, churn.final)
    growing = replace(growing, params=TreeParams.of(value_params))
    spend = _spend_settings(design.names, churn, views, days)
    settings = ValueSettings.of(value_params)
    value, intervals = _fit_amounts(views, churn, growing, settings, spend, level=config.interval.level)
    stretch = None if days == config.horizon_days else _stretch(churn.final, folds, config.horizon_days)
    return HurdleModel(design, churn.final, value, intervals, stretch)


def _refuse_unstretchable(config: Config, days: int, places: SilencePlaces | None) -> None:
    if places is None or days > config.horizon_days:
        raise ConfigError(
            "only the absence of purchases can be carried to a longer horizon than the one learned on",
            code="HORIZON_NOT_STRETCHED",
            where=f"{config.source_file}: horizon_days",
            received=f"{config.horizon_days} days, learned on {days}, churn.definition {config.churn.definition}",
            remedy=f"set horizon_days to {days}, or bring a longer history",
        )


def _stretch(head: ChurnHead, folds: Folds, horizon_days: int) -> Stretch:
    """Lines to the horizon, through the customers of the newest date."""
    assert head.silence is not None  # noqa: S101 - refused before
    rows = newest(folds.calibration)
    return fit_stretch(
        head.silence.model,
        history_of(rows.matrix[:, head.silence.places.read]),
        learned_days=head.silence.horizon_days,
        horizon_days=horizon_days,
        scale_minor=max(float(np.maximum(rows.amount_minor, 0.0).mean()), 1.0),
    )


def _spend_settings(names: Sequence[str], churn: ChurnFit, views: FoldViews, days: int) -> SpendSettings | None:
    """Columns and purchases of the literature's expected spending; the churn head's where it has them."""
    places = spend_places(names)
    if places is None:
        return None
    heads = ((churn.honest, views.train.rows), (churn.final, views.together.rows))
    honest, final = (
        (fit_silence(rows, places.history, days) if head.silence is None else head.silence).model
        for head, rows in heads
    )
    return SpendSettings(places, days, (honest, final))


def _fit_amounts(
    views: FoldViews,
    churn: ChurnFit,
    growing: Growing,
    settings: ValueSettings,
    spend: SpendSettings | None,
    *,
    level: float,
) -> tuple[ValueHead, Intervals]:
    """Value head and interval, given both fits of the churn head."""
    later = views.folds.calibration
    p, final_p = (
        head.probability(head.raw(later.matrix, threads=growing.threads)) for head in (churn.honest, churn.final)
    )
    value = fit_value(views, (p, final_p), growing, settings, spend)
    raw = value.honest.raw(later.matrix, threads=growing.threads)
    retained = value.honest.value_if_retained(raw, p)
    return value.final, fit_intervals(later, p, retained, level=level, seed=growing.seeds[0])

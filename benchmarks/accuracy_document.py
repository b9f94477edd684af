"""The accuracy benchmark's results as Markdown and as terminal tables; everything comes from the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.accuracy_run import DATED_PEERS, OURS, STATIC_PEERS

COLUMNS = {
    "churn_auc": "AUC",
    "churn_average_precision": "AP",
    "churn_log_loss": "log-loss",
    "churn_brier": "Brier",
    "churn_calibration_error": "ECE",
    "value_normalised_gini": "n. Gini",
    "value_tweedie_deviance": "deviance",
    "value_top10_capture": "top 10 %",
    "value_top20_capture": "top 20 %",
    "value_decile_error": "decile err.",
    "value_total_bias": "bias",
    "value_mae": "MAE",
    "value_rmse": "RMSE",
    "value_spearman": "Spearman",
}
RACED = {
    "churn_auc": 1,
    "churn_log_loss": -1,
    "churn_brier": -1,
    "value_normalised_gini": 1,
    "value_tweedie_deviance": -1,
    "value_top10_capture": 1,
    "value_top20_capture": 1,
    "value_rmse": -1,
}
LARGE = {"value_mae", "value_rmse", "value_tweedie_deviance"}
SEARCHING = ("flaml", "autogluon")
NOTHING = "–"
MEANING = (
    "Amounts are gross and in major units. Deviance: Tweedie, power 1.5, of"
    " predictions of at least 0.01. ECE: 15 equal-width bins. Bias: predicted "
    "over true total. Top 10 %, top 20 %: share of the true total held by those ranked highest. Intervals: 500 "
    "resamples of customers, the same for all systems. `+` ours is ahead beyond chance, `−` behind, `=` within the "
    "interval. MAE and Spearman are reported, not raced: where most customers spend nothing, predicting nothing wins "
    "the one, and ties win the other."
)


def cell(measure: str, found: Any) -> str:
    """A figure as text."""
    if found is None or found[0] is None:
        return NOTHING
    if measure in LARGE:
        return f"{found[0]:,.2f}"
    return f"{found[0]:.4f}"


def difference(measure: str, found: Any) -> str:
    """Ours minus a peer with its interval, and a sign: + ahead beyond chance, − behind, = within the interval."""
    if found is None or any(end is None for end in found):
        return NOTHING
    value, lower, upper = found
    better = RACED[measure]
    ahead = lower > 0 if better > 0 else upper < 0
    behind = upper < 0 if better > 0 else lower > 0
    digits = 2 if measure in LARGE else 4
    return f"{'+' if ahead else '−' if behind else '='} {value:+.{digits}f} [{lower:+.{digits}f}, {upper:+.{digits}f}]"


def measures_of(found: Mapping[str, Any], names: Mapping[str, Any]) -> list[str]:
    """Measures that any system of a set has, in their order."""
    having = {name for system in found["systems"].values() for name in system.get("metrics", {})}
    return [name for name in names if name in having]


def figure_rows(found: Mapping[str, Any], head: str = "") -> tuple[list[str], list[list[str]]]:
    """Header and rows: a system per row, ours first, then its measures (of one head), time and memory."""
    measures = [name for name in measures_of(found, COLUMNS) if name.startswith(head)]
    rows = []
    for system, said in found["systems"].items():
        if said["status"] != "done":
            rows.append([system, *([NOTHING] * len(measures)), said["status"], ""])
        elif any(name in said["metrics"] for name in measures):
            figures = [cell(name, said["metrics"].get(name)) for name in measures]
            rows.append([system, *figures, f"{said['wall_s']:,.0f}", f"{said['peak_mib']:,.0f}"])
    if "optimal" in found:
        rows.append(["Bayes-optimal", *(cell(name, [found["optimal"].get(name)]) for name in measures), "", ""])
    return ["system", *(COLUMNS[name] for name in measures), "s", "MiB"], rows


def difference_rows(found: Mapping[str, Any], head: str = "") -> tuple[list[str], list[list[str]]]:
    """Header and rows of ours minus each peer."""
    measures = [name for name in measures_of(found, RACED) if name.startswith(head)]
    rows = [
        [system, *(difference(name, said["ours_minus"].get(name)) for name in measures)]
        for system, said in found["systems"].items()
        if said.get("ours_minus")
    ]
    return ["ours minus", *(COLUMNS[name] for name in measures)], rows


def shift_rows(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of calibration: as measured, and when an oracle has put the base rate right."""
    rows = [
        [
            system,
            f"{said['diagnosis']['mean_probability']:.3f}",
            cell("", said["metrics"]["churn_calibration_error"]),
            f"{said['diagnosis']['calibration_error_at_true_rate']:.4f}",
            cell("", said["metrics"]["churn_log_loss"]),
            f"{said['diagnosis']['log_loss_at_true_rate']:.4f}",
        ]
        for system, said in found["systems"].items()
        if "mean_probability" in said.get("diagnosis", {})
    ]
    return ["system", "mean p", "ECE", "ECE at true rate", "log-loss", "log-loss at true rate"], rows


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """Table of texts."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def interval_text(found: Mapping[str, Any]) -> str:
    """Coverage of our 80 % interval, overall and by group, and its width beside the quantile model's."""
    ours = found["systems"].get(OURS, {}).get("diagnosis", {})
    if "intervals" not in ours:
        return ""
    whole = next(iter(ours["intervals"].values()))
    fifths, tenths = (", ".join(f"{share:.0%}" for share in ours[f"coverage_by_{n}"]) for n in (5, 10))
    text = (
        f"80 % interval: covers {whole['coverage']:.1%}; by fifth of predicted value, lowest first: {fifths}; by "
        f"tenth: {tenths}. Mean width {whole['width']:,.2f}"
    )
    beside = found.get("width")
    if beside is None:
        return text + "."
    other = beside["quantile_width"]
    said = "does not reach that coverage" if other is None else f"is {other:,.2f} wide"
    return f"{text}; a quantile LightGBM of equal coverage {said}."


def _facts(found: Mapping[str, Any]) -> str:
    if not found["as_of"]:
        return (
            f"{found['rows']:,} rows, churn {found['churn']:.3f}; {found['folds']} stratified folds, out of fold, "
            "pooled; intervals by customer."
        )
    windows = ""
    if found["label_days"] != found["horizon_days"]:
        windows = (
            f" No window of {found['horizon_days']} days is complete before as_of: peers learn on windows of "
            f"{found['label_days']} days and are stretched (p to the power k, k times the value, k = "
            f"{found['horizon_days'] / found['label_days']:.0f})."
        )
    return (
        f"{found['rows']:,} customers at {found['as_of']}, {found['horizon_days']} days; churn {found['churn']:.3f}, "
        f"mean spend {found['mean_value']:,.2f}.{windows}"
    )


def _time_given(found: Mapping[str, Any]) -> str:
    """What systems that search for a given time were given."""
    seconds = {found["systems"][one]["means"]["seconds"] for one in SEARCHING if one in found["systems"]}
    if not seconds:
        return ""
    fold = "" if found["as_of"] else " and fold"
    return f" Systems that search had {' or '.join(f'{one:.0f}' for one in sorted(seconds))} s for each target{fold}."


def _set(name: str, found: Mapping[str, Any]) -> list[str]:
    parts = [f"## {name}", _facts(found) + _time_given(found), markdown(*figure_rows(found))]
    header, rows = difference_rows(found)
    if rows:
        parts += ["Ours minus each, with paired 95 % intervals:", markdown(header, rows)]
    parts += [
        "Calibration, and what is left of it when only the base rate is put right:",
        markdown(*shift_rows(found)),
    ]
    notes = [f"- {system}: {said['status']}. {said['note']}" for system, said in _unfinished(found)]
    notes += [
        f"- {system}: predictions that are not finite, taken as the mean of the others: {said['not_finite']}"
        for system, said in found["systems"].items()
        if said.get("not_finite")
    ]
    return [*parts, *filter(None, [interval_text(found), "\n".join(notes)])]


def _unfinished(found: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(system, said) for system, said in found["systems"].items() if said["status"] != "done"]


def written(content: Mapping[str, Any]) -> str:
    """Markdown of all results.

    Parameters
    ----------
    content
        As `benchmarks.accuracy` writes it: ``measured``, ``means``, ``libraries``, ``cores``, ``sets``.
    """
    means = content["means"]
    versions = ", ".join(f"{name} {version}" for name, version in content["libraries"].items())
    peers = {**DATED_PEERS, **STATIC_PEERS}
    used = {system for found in content["sets"].values() for system in found["systems"]}
    how = (
        f"Measured {content['measured']} on {content['cores']} cores, {versions}. Ours: `trials: {means['trials']}`. "
        "Every system ran by itself in a process of its own, on identical customers, with nothing from as_of on; ours "
        "reads the tables and makes the features within its time, peers are handed them."
    )
    parts = [
        "# Accuracy beside other systems",
        "Generated from `benchmarks/results/accuracy.json` by `python -m benchmarks.accuracy --document`.",
        how,
        MEANING,
        markdown(
            ["system", "what it is"],
            [[OURS, "both heads, searched and fitted as `pipelines.train` does"]]
            + [[name, peer.en] for name, peer in peers.items() if name in used],
        ),
    ]
    for name, found in content["sets"].items():
        parts += _set(name, found)
    return "\n\n".join(parts) + "\n"

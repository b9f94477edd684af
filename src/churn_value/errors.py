"""Every error a user can meet, with its code, exit status and HTTP status.

::

    ChurnValueError
    ├── ConfigError            exit 10   the YAML is wrong
    ├── DataContractError      exit 11   a table breaks the contract
    │   ├── SchemaError                  a column is missing or of the wrong type
    │   ├── LeakageError                 something from the future, or the label, is among the features
    │   └── TooLittleData                fewer rows, dates or churners than a model needs
    ├── ModelError             exit 13   a model cannot be used
    │   ├── BundleError                  files missing, altered, or not a bundle
    │   │   └── OutdatedBundle           whole, and written by a version this one does not read
    │   └── FingerprintMismatch          the features are not those the model was fitted on
    ├── GateRefused            exit 12   a result, not a crash: the challenger was not good enough
    ├── RegistryError          exit 14   runs, versions or aliases are not as they should be
    └── RequestError           HTTP 4xx  a caller's request cannot be answered

A message states the rule, then what was received, then what to do.
"""

from __future__ import annotations


class ChurnValueError(Exception):
    """Base of all errors that are shown to a user without a traceback.

    Parameters
    ----------
    rule
        What must hold, as a sentence.
    code
        Stable short name, ``UPPER_SNAKE``; defaults to the class's own.
    where
        File, key, table or column the rule was broken at.
    received
        What was found there; never a customer's id or data in a service.
    remedy
        What to write or do instead.
    """

    default_code = "CHURN_VALUE_ERROR"
    exit_status = 1
    http_status = 500

    def __init__(
        self,
        rule: str,
        *,
        code: str | None = None,
        where: str | None = None,
        received: object = None,
        remedy: str | None = None,
    ) -> None:
        self.rule = rule
        self.code = code or self.default_code
        self.where = where
        self.received = None if received is None else str(received)
        self.remedy = remedy
        super().__init__(self._message())

    def _message(self) -> str:
        parts = [f"{self.where}: {self.rule}" if self.where else self.rule]
        if self.received is not None:
            parts.append(f"received {self.received}")
        if self.remedy:
            parts.append(self.remedy)
        return "; ".join(parts)


class ConfigError(ChurnValueError):
    """A configuration file cannot be used."""

    default_code = "CONFIG_INVALID"
    exit_status = 10
    http_status = 400


class DataContractError(ChurnValueError):
    """A whole table breaks the contract; single bad rows are quarantined instead."""

    default_code = "DATA_CONTRACT"
    exit_status = 11
    http_status = 422


class SchemaError(DataContractError):
    """A column is missing, or its type cannot be read as the contract's."""

    default_code = "SCHEMA"


class LeakageError(DataContractError):
    """A feature knows the future or the label."""

    default_code = "LEAKAGE"


class TooLittleData(DataContractError):  # noqa: N818 - says what it is
    """There are fewer rows, dates or churners than a model needs."""

    default_code = "TOO_LITTLE_DATA"


class ModelError(ChurnValueError):
    """A model cannot be used."""

    default_code = "MODEL"
    exit_status = 13
    http_status = 503


class BundleError(ModelError):
    """A bundle's files are missing, altered or not those of a bundle."""

    default_code = "BUNDLE_INVALID"


class OutdatedBundle(BundleError):  # noqa: N818 - says what it is
    """A bundle is whole, but this version of churn_value or of its libraries cannot use it."""

    default_code = "BUNDLE_OUTDATED"


TRAIN_AGAIN = "use the versions of its manifest, or train and promote again: pipelines.train, pipelines.promote"


class FingerprintMismatch(ModelError):  # noqa: N818 - says what it is
    """The features offered are not those the model was fitted on."""

    default_code = "FEATURE_FINGERPRINT_MISMATCH"


class GateRefused(ChurnValueError):  # noqa: N818 - a result rather than a fault
    """The challenger did not meet the written conditions; the champion stays."""

    default_code = "GATE_REFUSED"
    exit_status = 12
    http_status = 409


class RegistryError(ChurnValueError):
    """A run, version or alias is missing or inconsistent."""

    default_code = "REGISTRY"
    exit_status = 14
    http_status = 503


class RequestError(ChurnValueError):
    """A caller's request cannot be answered as sent."""

    default_code = "REQUEST_INVALID"
    exit_status = 2
    http_status = 422

    def __init__(self, rule: str, *, http_status: int = 422, **detail: str | None) -> None:
        super().__init__(rule, **detail)
        self.http_status = http_status

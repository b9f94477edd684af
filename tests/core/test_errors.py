import inspect

import pytest

from churn_value import errors
from churn_value.errors import ChurnValueError, ConfigError, RequestError

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, ChurnValueError)]


def test_a_message_states_place_rule_what_was_received_and_the_remedy():
    error = ConfigError("must be positive", where="a.yaml: horizon_days", received=-3, remedy="write 90")
    assert str(error) == "a.yaml: horizon_days: must be positive; received -3; write 90"
    assert error.code == "CONFIG_INVALID"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_has_its_own_code_an_exit_status_and_an_http_status(kind):
    assert kind.default_code.isupper()
    assert 1 <= kind.exit_status <= 14
    assert 400 <= kind.http_status < 600
    assert kind.__name__ in errors.__doc__
    assert sum(other.default_code == kind.default_code for other in CLASSES) == 1


def test_a_request_error_carries_its_http_status():
    assert RequestError("too long", http_status=413, code="BODY_TOO_LARGE").http_status == 413

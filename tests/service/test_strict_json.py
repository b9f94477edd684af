import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn_value.errors import RequestError
from churn_value.service import strict_json
from churn_value.service.strict_json import dump, parse


def test_a_document_is_read_as_it_stands():
    assert parse('{"a": [1, -2.5, null, true, "é 客 \\u00e9 \\ud83d\\ude00 \\\\u0000"]}'.encode()) == {
        "a": [1, -2.5, None, True, "é 客 é 😀 \\u0000"]
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "BODY_EMPTY"),
        (b" \n\t", "BODY_EMPTY"),
        (b"\xff\xfe{\x00}\x00", "BODY_NOT_UTF8"),
        ('{"a": "é"}'.encode("latin-1"), "BODY_NOT_UTF8"),
        (b'{"a": "\xed\xa0\x80"}', "BODY_NOT_UTF8"),
        (b"\xef\xbb\xbf{}", "JSON_INVALID"),
        (b"{", "JSON_INVALID"),
        (b"{} {}", "JSON_INVALID"),
        (b"{'a': 1}", "JSON_INVALID"),
        (b'{"a": 01}', "JSON_INVALID"),
        (b'{"a": "\x00"}', "JSON_INVALID"),
        (b'{"a": 1, "b": {"c": 1, "c": 1}}', "JSON_DUPLICATE_KEY"),
        (b'{"a": 1, "\\u0061": 2}', "JSON_DUPLICATE_KEY"),
        (b"[NaN]", "JSON_NOT_FINITE"),
        (b"[-Infinity]", "JSON_NOT_FINITE"),
        (b"[1e400]", "JSON_NOT_FINITE"),
        (b"[1e+400]", "JSON_NOT_FINITE"),
        (b"[-1E400]", "JSON_NOT_FINITE"),
        (b"[1.5E+999]", "JSON_NOT_FINITE"),
        (b"[1234567890123456789]", "JSON_NUMBER_TOO_LONG"),
        (b"[" + b"9" * 100_000 + b"]", "JSON_NUMBER_TOO_LONG"),
        (b"[" * 100_000, "JSON_TOO_DEEP"),
        (b'{"a":' * 50_000, "JSON_TOO_DEEP"),
        (b'["a\\u0000b"]', "TEXT_HAS_NUL"),
        (b'{"a\\u0000b": 1}', "TEXT_HAS_NUL"),
        (b'["\\ud800"]', "TEXT_HAS_SURROGATE"),
        (b'{"x": [{"\\uDFFF": 1}]}', "TEXT_HAS_SURROGATE"),
    ],
)
def test_what_the_standard_leaves_open_is_refused_by_name(body, code):
    with pytest.raises(RequestError) as refused:
        parse(body)
    assert refused.value.code == code
    assert refused.value.http_status == 400


def test_the_longest_whole_number_is_still_one():
    assert parse(b"[-999999999999999999]") == [-999999999999999999]


DIGITS = st.text("0123456789", min_size=1, max_size=45)
NUMBERS = st.builds(
    lambda sign, whole, fraction, exponent: sign + (whole.lstrip("0") or "0") + fraction + exponent,
    st.sampled_from(["", "-"]),
    DIGITS,
    st.just("") | DIGITS.map(lambda one: f".{one}"),
    st.just("") | st.builds("{}{}".format, st.sampled_from(["e", "E+", "e-"]), DIGITS.map(lambda one: one[:4])),
)


def told(body):
    try:
        return parse(body)
    except RequestError as refused:
        return refused.code


@given(st.lists(NUMBERS, min_size=1, max_size=4))
def test_numbers_that_are_not_looked_at_one_by_one_could_not_be_refused(numbers):
    body = f"[{','.join(numbers)}]".encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_json, "_has_odd_numbers", lambda _: True)
        expected = told(body)
    assert repr(told(body)) == repr(expected)


def test_a_fraction_of_many_digits_does_not_hide_a_whole_number_of_as_many():
    assert parse(b"[0.1234567890123456789]") == [0.1234567890123456789]
    assert told(b"[0.1234567890123456789,1234567890123456789]") == "JSON_NUMBER_TOO_LONG"


def test_what_is_written_is_finite_and_a_text_may_look_as_if_it_were_not():
    assert dump({"id": "NaN", "b": [1.5, None, "-Infinity"]}) == b'{"id":"NaN","b":[1.5,null,"-Infinity"]}'
    for number in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(ValueError, match="JSON compliant"):
            dump({"a": [number]})


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_what_is_written_is_what_the_standard_library_reads(content):
    assert json.loads(dump([content, {"k": content}])) == [content, {"k": content}]

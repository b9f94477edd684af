"""One JSON document from bytes, or a named refusal: what RFC 8259 leaves open is closed here.

The standard parser takes NaN, keeps the last of two equal keys, guesses UTF-16, and gives lone surrogates that no
encoder downstream can write. Each of these is a refusal with its own code.
"""

from __future__ import annotations

import json
import math
import re
from string import digits
from typing import Any, NoReturn

from pydantic_core import to_json

from churn_value.service.problems import refusal

LONGEST_INTEGER = 18
# Only a run of many digits that is no fraction, or an exponent of three, can be too long or too large; without them no
# number needs to be looked at by itself. With every digit read as 0 a search for fixed bytes finds them, at a tenth of
# a pattern's time.
_AS_ZEROS = bytes.maketrans(f"E{digits}".encode(), b"e" + b"0" * len(digits))
_MANY_DIGITS = b"0" * (LONGEST_INTEGER + 1)
_LARGE_EXPONENTS = (b"e000", b"e+000")
_POINT = ord(".")
# Raw NUL and raw surrogates cannot get this far (strict JSON, strict UTF-8), so only escapes need the slow walk.
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse(body: bytes, *, nan_is_null: bool = False) -> object:
    """Document in `body`.

    Parameters
    ----------
    body
        UTF-8 without byte order mark.
    nan_is_null
        Whether to read NaN as null instead of refusing it, for clients that write unknown numbers so.

    Raises
    ------
    RequestError
        With a ``BODY_``, ``JSON_`` or ``TEXT_`` code of `problems.PROBLEMS`.
    """
    text = decoded(body)
    suspect = _has_odd_numbers(body.translate(_AS_ZEROS))
    try:
        parsed = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_nan_or_refuse if nan_is_null else _constant,
            parse_float=_finite if suspect else None,
            parse_int=_whole if suspect else None,
        )
    except RecursionError:
        raise refusal("JSON_TOO_DEEP") from None
    except ValueError:
        raise refusal("JSON_INVALID") from None
    if b"\\u" in body and _SUSPECT_ESCAPE.search(text):
        _check_texts(parsed)
    return parsed


def _has_odd_numbers(zeros: bytes) -> bool:
    """Whether some number may be too long or too large; `zeros` is a document with every digit as 0."""
    if any(exponent in zeros for exponent in _LARGE_EXPONENTS):
        return True
    place = zeros.find(_MANY_DIGITS)
    # The first one found is where a run begins. A fraction of any length is a number like others.
    while place > 0 and zeros[place - 1] == _POINT:
        place = zeros.find(_MANY_DIGITS, place + len(_MANY_DIGITS))
    return place >= 0


def dump(content: object) -> bytes:
    """Strict JSON in UTF-8: a number that is not finite is a fault of ours and raises."""
    written = to_json(content, inf_nan_mode="constants")
    if b"NaN" in written or b"Infinity" in written:
        # One that is not finite, or a text that looks like one; the standard library's writer tells them apart.
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return written


def decoded(body: bytes) -> str:
    """Text of a body.

    Raises
    ------
    RequestError
        ``BODY_EMPTY`` or ``BODY_NOT_UTF8``.
    """
    if not body.strip():
        raise refusal("BODY_EMPTY")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise refusal("BODY_NOT_UTF8") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise refusal("JSON_DUPLICATE_KEY")
    return result


def _nan_or_refuse(text: str) -> None:
    if text != "NaN":
        _constant(text)


def _constant(_: str) -> NoReturn:
    raise refusal("JSON_NOT_FINITE")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise refusal("JSON_NOT_FINITE")
    return number


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > LONGEST_INTEGER:
        raise refusal("JSON_NUMBER_TOO_LONG")
    return int(text)


def _check_texts(parsed: object) -> None:
    """Walk every key and text; a list of places instead of recursion, since the depth is the caller's."""
    places = [parsed]
    while places:
        place = places.pop()
        if isinstance(place, dict):
            places.extend(place.keys())
            places.extend(place.values())
        elif isinstance(place, list):
            places.extend(place)
        elif isinstance(place, str):
            _check_text(place)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise refusal("TEXT_HAS_NUL")
    if _SURROGATE.search(text):
        raise refusal("TEXT_HAS_SURROGATE")

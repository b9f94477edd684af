"""Whatever bytes are sent as a body: a named refusal, or answers; never a fault of ours."""

import json

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from recorded import record
from served_company import AS_OF, NAME

from churn_value.service.problems import PROBLEMS

SEEDS = {
    "/v1/score": [
        {"items": [{"customer_id": "0001"}], "explain": False},
        {"items": [{"customer_id": "1", "as_of": AS_OF.isoformat(), "features": {"purchase_days": 3}}]},
        {"locale": "zh", "top": 2, "items": [{"customer_id": "客户 3"}, {"customer_id": "nobody"}]},
    ],
    "/invocations": [{"dataframe_split": {"columns": ["customer_id"], "data": [["0001"], ["nobody"]]}}],
    f"/v2/models/{NAME}/infer": [
        {"inputs": [{"name": "customer_id", "shape": [1], "datatype": "BYTES", "data": ["0001"]}]}
    ],
}
ODD = st.sampled_from(
    [
        *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\xef\xbb\xbf", b"\r\n"),
        *(b"NaN", b"1e999", b"-", b"9" * 400, b"1" * 20, b"1.5", b"null", b"true", b'"as_of":"2024-02-30"'),
        *(b"[" * 3_000, b"{" * 50, b'"', b",", b'{"items":'),
    ]
)


@st.composite
def mutated(draw):
    """A path and a body: a good document cut, flipped, spliced, repeated, or no document at all."""
    path = draw(st.sampled_from(sorted(SEEDS)))
    if draw(st.integers(0, 9)) == 0:
        return path, draw(st.binary(max_size=300))
    body = json.dumps(draw(st.sampled_from(SEEDS[path])), ensure_ascii=draw(st.booleans())).encode()
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(body)))
        end = min(len(body), place + draw(st.integers(0, 12)))
        body = body[:place] + draw(st.one_of(ODD, st.binary(max_size=4), st.just(body[place:end] * 2))) + body[end:]
    return path, body


@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])])
def test_no_body_makes_a_fault_of_ours(client, count):
    statuses = {}

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated())
    def holds(sent):
        path, body = sent
        response = client.post(path, content=body, headers={"Content-Type": "application/json"})
        content = response.json()
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
        assert response.status_code < 500, (path, body)
        assert response.status_code == 200 or PROBLEMS[content["code"]][0] == response.status_code

    holds()
    assert {200, 400, 422} <= statuses.keys()
    record("R1", "bodies mutated byte by byte, three protocols", sum(statuses.values()), "no status of 500 or above")


def test_every_refusal_has_a_test_that_names_it(request):
    folder = request.path.parent
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("test_*.py") if path != request.path)
    assert sorted(code for code in PROBLEMS if code not in text) == []
    assert len(PROBLEMS) >= 25

"""Who may call: keys, scopes, and the loopback address when there are no keys."""

import ast
import hashlib
import json
from pathlib import Path

import pytest
from served_company import NAME

from churn_value.errors import ConfigError
from churn_value.service import auth
from churn_value.service.options import Options
from churn_value.service.routes import PLANS
from churn_value.service.serve import check_bind

PLANNED = [(plan, plan.path.replace("{model}", NAME).replace("{version}", "1")) for plan in PLANS if plan.scopes]
ROUTES = [(plan.method, path) for plan, path in PLANNED] + [
    ("GET", "/nowhere"),
    ("GET", "/docs.json"),
    ("GET", "/v2/x"),
]
BODY = {"items": [{"customer_id": "0001"}], "explain": False}


def entry(name, key, *scopes):
    return {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": list(scopes)}


@pytest.fixture
def keys_file(tmp_path):
    path = tmp_path / "keys.json"
    entries = [entry(scope, f"{scope}-key", scope) for scope in ("score", "events", "admin")]
    path.write_text(json.dumps({"keys": entries}))
    return path


@pytest.fixture
def guarded(company, open_service, keys_file):
    return open_service(company.settings, base_url="http://10.0.0.7:3000", keys_file=keys_file)


def call(caller, method, path, headers):
    return caller.request(method, path, headers=headers, json=BODY if method == "POST" else None)


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer  ")],
        [("Authorization", "Bearer wrong")],
        [("Authorization", "Bearer score-ke")],
        [("Authorization", "Bearer score-key2")],
        [("Authorization", "Basic score-key")],
        [("Authorization", "score-key")],
        [("Authorization", "Bearer " + "k" * 10_000)],
        [("Authorization", "Bearer score-key"), ("Authorization", "Bearer score-key")],
        [("X-Api-Key", "score-key")],
    ],
)
def test_no_route_opens_without_a_known_key(guarded, method, path, headers):
    response = call(guarded[1], method, path, headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["code"] in {"KEY_MISSING", "KEY_INVALID"}
    assert "score-ke" not in response.text


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_health_needs_no_key(guarded, path):
    assert guarded[1].get(path).status_code == 200


@pytest.mark.parametrize("scope", ["score", "events", "admin"])
@pytest.mark.parametrize(("plan", "path"), PLANNED, ids=lambda part: part if isinstance(part, str) else part.method)
def test_a_key_opens_what_its_scope_allows_and_nothing_else(guarded, scope, plan, path):
    response = call(guarded[1], plan.method, path, [("authorization", f"bearer {scope}-key")])
    refused = response.status_code == 403 and response.json()["code"] == "SCOPE_MISSING"
    assert refused == (scope not in plan.scopes)
    assert response.status_code != 401


def test_scoring_sending_events_and_watching_are_three_scopes():
    allowed = {(plan.method, plan.path): plan.scopes for plan in PLANS}
    assert allowed["POST", "/v1/score"] == {"score"}
    assert allowed["POST", "/v1/events"] == {"events"}
    assert allowed["GET", "/metrics"] == {"admin"}
    assert all(plan.scopes == {"score"} for plan in PLANS if plan.path.endswith(("/infer", "/invocations")))


def test_a_known_key_on_no_route_is_told_so(guarded):
    response = call(guarded[1], "GET", "/nowhere", [("authorization", "bearer score-key")])
    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


def test_a_revoked_key_closes_and_a_new_one_opens(guarded, keys_file):
    serving, caller = guarded
    keys_file.write_text(json.dumps({"keys": [entry("crm", "fresh-key", "score")]}))
    serving.refresh()
    assert call(caller, "POST", "/v1/score", {"Authorization": "Bearer score-key"}).status_code == 401
    assert call(caller, "POST", "/v1/score", {"Authorization": "Bearer fresh-key"}).status_code == 200


@pytest.mark.parametrize("content", [None, "", "{}", '{"keys": []}', '{"keys": [{"name": "x", "sha256": "y"}]}'])
def test_a_lost_file_of_keys_makes_the_service_unready_and_opens_nothing(guarded, keys_file, content):
    serving, caller = guarded
    keys_file.unlink() if content is None else keys_file.write_text(content)
    serving.refresh()
    ready = caller.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["faults"] == ["KEYS_UNAVAILABLE"]
    assert call(caller, "GET", "/v1/model", {}).status_code == 401
    assert call(caller, "GET", "/v1/model", {"Authorization": "Bearer score-key"}).status_code == 200


@pytest.mark.parametrize(
    ("base_url", "host", "code"),
    [
        ("http://127.0.0.1:3000", "127.0.0.1:3000", None),
        ("http://127.0.0.1:3000", "localhost", None),
        ("http://127.0.0.1:3000", "[::1]:3000", None),
        ("http://127.0.0.1:3000", "evil.example", "HOST_NOT_LOCAL"),
        ("http://127.0.0.1:3000", "127.0.0.1.evil.example", "HOST_NOT_LOCAL"),
        ("http://10.0.0.7:3000", "127.0.0.1", "KEYS_REQUIRED"),
        ("http://0.0.0.0:3000", "localhost", "KEYS_REQUIRED"),
    ],
)
def test_without_keys_only_this_machine_is_answered(company, open_service, base_url, host, code):
    _, caller = open_service(company.settings, base_url=base_url)
    response = caller.get("/v1/model", headers={"Host": host})
    assert response.status_code == (403 if code else 200)
    assert response.json().get("code") == code


def test_a_public_address_is_bound_only_with_keys(keys_file, tmp_path):
    assert check_bind("localhost", None) == "127.0.0.1"
    assert check_bind("::1", None) == "::1"
    assert check_bind("0.0.0.0", keys_file) == "0.0.0.0"
    for host, file, code in (
        ("0.0.0.0", None, "PUBLIC_BIND_WITHOUT_KEYS"),
        ("192.168.1.5", None, "PUBLIC_BIND_WITHOUT_KEYS"),
        ("0.0.0.0", tmp_path / "absent.json", "KEYS_INVALID"),
        ("example.org", keys_file, "CONFIG_INVALID"),
    ):
        with pytest.raises(ConfigError) as refused:
            check_bind(host, file)
        assert refused.value.code == code


def test_a_made_key_is_shown_once_and_its_entry_opens(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["auth", "crm", "--scope", "score", "--scope", "admin"])
    auth.main()
    key_line, entry_line = capsys.readouterr().out.splitlines()
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [json.loads(entry_line.split(": ", 1)[1])]}))
    key = key_line.split(": ")[1]
    assert key not in path.read_text()
    assert auth.read_keys(path).scopes(key.encode()) == {"score", "admin"}


def test_every_entry_is_compared_in_constant_time(monkeypatch):
    compared = []

    def counting(left, right):
        compared.append(left)
        return left == right

    monkeypatch.setattr(auth.hmac, "compare_digest", counting)
    digests = [hashlib.sha256(name).digest() for name in (b"a", b"b", b"c")]
    ring = auth.KeyRing(tuple((digest, frozenset({"score"})) for digest in digests))
    assert ring.scopes(b"a") == {"score"}
    assert compared == digests


def test_keys_are_never_compared_with_an_operator():
    tree = ast.parse(Path(auth.__file__).read_text(encoding="utf-8"))
    names = {"key", "digest", "known", "sha256"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq | ast.In) for op in node.ops):
            touched = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            assert not touched & names, ast.unparse(node)


def test_the_name_of_the_company_is_never_a_path():
    assert Options(name=NAME).name == NAME
    for name in ("../other", "a/b", "", "A"):
        with pytest.raises(ConfigError):
            Options(name=name)

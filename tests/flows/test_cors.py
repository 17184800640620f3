"""Whose scripts may read which answers: by registered origin, letter by letter (Fetch §3.2)."""

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from keys.errors import NoSigningKey
from realms.models import Realm
from tests.flows.code_flow import App, post, register
from tests.flows.test_service import database_away
from tests.provider import Browser, make_realm
from tokens.endpoints import ENDPOINTS, TOKEN, USERINFO, Endpoint, Scripts
from tokens.models import Client

ORIGIN = "https://app.example.org"
HEADERS = (
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Private-Network",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
)
REGISTERED = [endpoint for endpoint in ENDPOINTS if endpoint.scripts is Scripts.REGISTERED]
PUBLIC = [endpoint for endpoint in ENDPOINTS if endpoint.scripts is Scripts.ANYBODY]
PREFIXES = ["/", "/realms/default/"]
PUBLIC_PATHS = [f"{prefix}{endpoint.path}" for endpoint in PUBLIC for prefix in PREFIXES] + [
    "/jwks",
    "/.well-known/openid-configuration/realms/default",
    "/.well-known/oauth-authorization-server/realms/default",
]


def by_name(endpoint: Endpoint) -> str:
    return endpoint.name


@pytest.fixture
def app(realm: Realm, ana: User, browser: Browser, now: datetime) -> App:
    return register(realm, browser, now, cors_origins=(ORIGIN, "http://127.0.0.1:3000"))


def cors(answer: Any) -> dict[str, str]:
    """What an answer says to browsers about scripts of other origins."""
    return {name: answer[name] for name in HEADERS if name in answer}


def preflight(browser: Browser, path: str, *, origin: str = ORIGIN, method: str = "POST") -> Any:
    asked = {"access-control-request-method": method, "access-control-request-headers": "authorization,content-type"}
    return browser.options(path, headers={"origin": origin, **asked})


def call(browser: Browser, path: str, origin: str | None = ORIGIN, *, method: str = "POST", **headers: str) -> Any:
    given = {**({"origin": origin} if origin is not None else {}), **headers}
    return browser.generic(method, path, b"", "application/x-www-form-urlencoded", headers=given)


@pytest.mark.spec("Fetch §3.2.3: the CORS protocol, preflights")
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("endpoint", REGISTERED, ids=by_name)
def test_a_preflight_of_a_registered_origin_is_answered_without_any_proof(
    endpoint: Endpoint, prefix: str, app: App, browser: Browser
) -> None:
    answer = preflight(browser, prefix + endpoint.path, method=endpoint.methods[0])
    assert (answer.status_code, answer.content) == (200, b"")
    assert cors(answer) == {
        "Access-Control-Allow-Origin": ORIGIN,
        "Access-Control-Allow-Methods": ", ".join(endpoint.methods),
        "Access-Control-Allow-Headers": "authorization, content-type, dpop",
        "Access-Control-Expose-Headers": "WWW-Authenticate, DPoP-Nonce",
        "Access-Control-Max-Age": "3600",
    }
    assert answer["Vary"].lower() == "origin"
    assert not answer.cookies


@pytest.mark.spec("Fetch §3.2, design: endpoints for scripts")
def test_the_endpoints_of_scripts_are_these() -> None:
    assert {endpoint.name for endpoint in REGISTERED} >= {"token", "userinfo", "revoke"}
    assert {endpoint.name for endpoint in PUBLIC} == {"jwks", "openid_configuration", "oauth_authorization_server"}
    others = {endpoint.name for endpoint in ENDPOINTS} - {endpoint.name for endpoint in (*REGISTERED, *PUBLIC)}
    assert others >= {"authorize", "introspect", "end_session", "auth", "refresh", "logout", "connect", "health"}


@pytest.mark.spec("Fetch §3.2.1, RFC 6749 §5.2, RFC 6750 §3")
def test_a_script_of_a_registered_origin_can_read_answers_and_refusals(app: App, browser: Browser) -> None:
    app.sign_in()
    tokens = app.exchange(app.code(scope="openid")).json()
    bearer, own = f"Bearer {tokens['access_token']}", {"origin": ORIGIN}
    answers = {
        200: call(browser, "/userinfo", method="GET", authorization=bearer),
        400: post(browser, "/token", {"grant_type": "x", "client_id": "app", "client_secret": app.secret or ""}, **own),
        401: call(browser, "/userinfo", method="GET"),
        405: call(browser, "/token", method="DELETE"),
        413: post(browser, "/token", {"x": "x" * 200_000}, **own),
        415: browser.post("/token", b"{}", content_type="text/plain", headers=own),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert cors(answer) == {
            "Access-Control-Allow-Origin": ORIGIN,
            "Access-Control-Expose-Headers": "WWW-Authenticate, DPoP-Nonce",
        }
        assert "origin" in answer["Vary"].lower()
        assert "no-store" in answer["Cache-Control"]
    assert answers[200].json()["sub"] == app.browser.get("/userinfo", headers={"authorization": bearer}).json()["sub"]
    assert answers[401]["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.spec("Fetch §3.2.1, RFC 9110 §15.6.4")
def test_a_script_can_read_that_the_keys_are_away(app: App, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: object, **_more: object) -> None:
        raise NoSigningKey("away")

    monkeypatch.setattr("tokens.views.token.token_endpoint.exchange", away)
    answer = call(browser, "/token")
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (503, ORIGIN)


HOSTILE = [
    "null",
    "*",
    "",
    "https://evil.example",
    "https://app.example.org/",
    "https://app.example.org.evil.example",
    "https://evil-app.example.org",
    "https://sub.app.example.org",
    "https://example.org",
    "https://app.example.org:443",
    "https://app.example.org:8443",
    "http://app.example.org",
    "HTTPS://app.example.org",
    "https://App.example.org",
    "https://app.example.org.",
    "https://app_example.org",
    "https://app.example.org@evil.example",
    "https://evil.example@app.example.org",
    "https://app.example.org https://app.example.org",
    "https://app.example.org, https://evil.example",  # two headers, as WSGI servers join them
    "https://app.example.org,https://app.example.org",
    " https://app.example.org",
    "https://app.example.org\t",
    "https://app.example.org%00",
    "https://app.example.org?",
    "https://app.example.org#",
    "https://%61pp.example.org",
    "https://äpp.example.org",
    "https://app.example.org\u2024",
    "https://[",
    "https://app.example.org:99999",
    "http://127.0.0.1:3001",
    "http://127.0.0.1",
    "http://localhost:3000",
    "file://",
    "chrome-extension://app.example.org",
    '"',
    "\\u0000",
    "https://" + "a" * 100_000 + ".example.org",
]


@pytest.mark.spec("RFC 6454 §7, Fetch §3.2.1")
@pytest.mark.parametrize("origin", HOSTILE, ids=lambda origin: ascii(origin[:40]))
def test_any_other_origin_gets_the_same_answer_as_no_script(origin: str, app: App, browser: Browser) -> None:
    for endpoint in REGISTERED:
        path = f"/{endpoint.path}"
        method = endpoint.methods[0]
        with_origin, without = call(browser, path, origin, method=method), call(browser, path, None, method=method)
        assert (with_origin.status_code, with_origin.content) == (without.status_code, without.content)
        assert with_origin.headers == without.headers
        refused, plain = preflight(browser, path, origin=origin, method=method), browser.options(path)
        assert refused.status_code == 405
        assert (refused.content, refused.headers) == (plain.content, plain.headers)


@pytest.mark.spec("RFC 6454 §7")
def test_other_registered_origins_are_as_good(app: App, browser: Browser) -> None:
    origin = "http://127.0.0.1:3000"
    assert call(browser, "/token", origin)["Access-Control-Allow-Origin"] == origin


@pytest.mark.spec("tokens.md: a realm's clients are its own")
def test_an_origin_is_registered_in_its_realm_alone(app: App, browser: Browser, now: datetime) -> None:
    register(make_realm("other"), browser, now, cors_origins=("https://there.example.org",))
    assert cors(call(browser, "/realms/other/token")) == {}
    assert cors(preflight(browser, "/realms/other/token")) == {}
    assert cors(call(browser, "/realms/other/token", "https://there.example.org"))
    assert cors(call(browser, "/token", "https://there.example.org")) == {}
    assert cors(call(browser, "/realms/nowhere/token")) == {}
    Realm.objects.filter(slug="other").update(enabled=False)
    assert cors(call(browser, "/realms/other/token", "https://there.example.org")) == {}


@pytest.mark.spec("design: a client that is switched off is none")
def test_the_origins_of_a_disabled_client_are_nobodys(app: App, browser: Browser, realm: Realm, now: datetime) -> None:
    Client.objects.filter(pk=app.client.pk).update(enabled=False)
    assert cors(call(browser, "/token")) == {}
    assert cors(preflight(browser, "/token")) == {}
    register(realm, browser, now, client_id="another", cors_origins=(ORIGIN,))
    assert cors(call(browser, "/token"))["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.spec("Fetch §3.2, RFC 9700 §4.12: pages and endpoints of servers are not for scripts")
@pytest.mark.parametrize(
    "path",
    [
        *(f"/{endpoint.path}" for endpoint in ENDPOINTS if endpoint.scripts is Scripts.NOBODY),
        "/consent", "/sign-in", "/signed-in", "/", "/livez", "/readyz", "/metrics", "/admin/", "/admin/login/",
        "/static/nowhere.svg", "/nowhere", "/token/", "//token",
        "/realms/default/realms/default/token", "/realms/default/",
    ],
)  # fmt: skip
def test_nothing_else_is_for_scripts(path: str, app: App, browser: Browser) -> None:
    for method in ("GET", "POST"):
        assert cors(call(browser, path, method=method)) == {}
        assert cors(preflight(browser, path, method=method)) == {}


@pytest.mark.spec("RFC 8414 §3, RFC 9111 §4.1: one answer for all")
@pytest.mark.parametrize("path", PUBLIC_PATHS)
def test_public_documents_are_the_same_for_all(path: str, app: App, browser: Browser) -> None:
    answers = [call(browser, path, origin, method="GET") for origin in (None, ORIGIN, "https://evil.example", "null")]
    for answer in answers:
        assert answer.status_code == 200
        assert cors(answer) == {"Access-Control-Allow-Origin": "*"}
        assert "Vary" not in answer
        assert "public" in answer["Cache-Control"]
        assert answer.headers == answers[0].headers
    for origin in (ORIGIN, "https://evil.example", "null"):
        asked = preflight(browser, path, origin=origin, method="GET")
        assert (asked.status_code, asked.content) == (204, b"")
        assert cors(asked) == {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "GET",
            "Access-Control-Allow-Headers": "*",
            "Access-Control-Max-Age": "86400",
        }
        assert "Vary" not in asked
    assert call(browser, path, method="OPTIONS").status_code == 405  # no preflight: nothing is asked for


@pytest.mark.spec("Fetch §3.2.1, RFC 9110 §13")
def test_a_script_that_has_the_keys_can_read_that_they_are_the_same(app: App, browser: Browser) -> None:
    etag = call(browser, "/jwks", method="GET")["ETag"]
    answer = browser.get("/jwks", headers={"origin": ORIGIN, "if-none-match": etag})
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (304, "*")


@pytest.mark.spec("design: at most one query, and only for an origin that could be registered")
def test_an_origin_costs_one_query_and_no_origin_none(app: App, browser: Browser) -> None:
    def queries(origin: str | None, path: str = "/token", *, method: str = "POST") -> int:
        with CaptureQueriesContext(connection) as seen:
            call(browser, path, origin, method=method)
        return sum("cors_origins" in query["sql"] and "tokens_client" in query["sql"] for query in seen)

    assert queries(None) == 0
    assert queries(ORIGIN) == queries("https://evil.example") == 1
    assert queries(ORIGIN, method="DELETE") == queries(ORIGIN, f"/{USERINFO.path}", method="GET") == 1
    assert queries("null") == queries("https://evil.example/") == queries("\\u0000") == 0
    assert queries(ORIGIN, "/jwks", method="GET") == queries(ORIGIN, "/introspect") == queries(ORIGIN, "/auth") == 0
    with CaptureQueriesContext(connection) as seen:
        preflight(browser, f"/{TOKEN.path}")
    assert len(seen) == 1


def test_the_query_goes_by_an_index(app: App) -> None:
    plan = Client.objects.filter(cors_origins__contains=[ORIGIN])
    with connection.cursor() as cursor:
        # A table of one row is read whole, by one way or another; what is left is the index of the origins.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    assert "client_cors_origins" in plan.explain()


@pytest.mark.spec("design: fail closed")
def test_while_the_database_is_away_nobody_reads_anything(
    app: App, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    with database_away():
        answer, asked = call(browser, "/token"), preflight(browser, "/token")
    assert (answer.status_code, cors(answer)) == (503, {})
    assert (asked.status_code, cors(asked)) == (405, {})
    assert "cors.unavailable cause=OperationalError" in caplog.text
    assert ORIGIN not in caplog.text

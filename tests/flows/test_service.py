"""What the service says about itself, and what it says when something is away."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from audit import sealing
from idp_project.views import broken
from keys.algorithms import Purpose
from keys.models import KeyRing
from realms.models import Realm
from tests.flows.test_direct_sign_in import sign_in
from tests.provider import ISSUER, Browser, distrust, make_person, make_realm


@contextmanager
def database_away() -> Iterator[None]:
    """Every statement fails, as when the server is gone."""

    def fail(*_args: object) -> None:
        raise OperationalError("the connection is closed")

    with connection.execute_wrapper(fail):
        yield


@pytest.mark.parametrize("method", ["get", "post"])
def test_connect_lists_where_everything_is(method: str, browser: Browser, realm: Realm) -> None:
    answer = getattr(browser, method)("/connect")
    assert answer.status_code == 200
    assert (answer.json()["service"], answer.json()["status"]) == ("Signet", "ok")
    assert answer.json()["endpoints"]["auth"] == f"{ISSUER}/auth"


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_health_asks_nobody(method: str, browser: Browser, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        answer = getattr(browser, method)("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.spec(
    "RFC 8414 §3.3 same-issuer, OIDC Discovery §4.3 same-issuer, OIDC Discovery §4 path-appended",
    "OIDC Core §16.15 same-issuer",
)
def test_discovery_comes_from_the_realms_row_and_never_from_the_request(browser: Browser, realm: Realm) -> None:
    other = make_realm("other")
    for prefix, issuer in (("", ISSUER), ("/realms/other", other.issuer)):
        answer = browser.get(f"{prefix}/.well-known/openid-configuration", headers={"host": "testserver"})
        found = answer.json()
        assert found["issuer"] == issuer
        addresses = {name: found[name] for name in found if name.endswith(("_endpoint", "_uri"))}
        assert addresses == {
            "jwks_uri": f"{issuer}/.well-known/jwks.json",
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "end_session_endpoint": f"{issuer}/logout",
            "device_authorization_endpoint": f"{issuer}/device_authorization",
            "introspection_endpoint": f"{issuer}/introspect",
            "revocation_endpoint": f"{issuer}/revoke",
        }
        assert answer["Cache-Control"] == "public, max-age=300"
        for address in addresses.values():
            expected = {"jwks.json": 200, "authorize": 400, "userinfo": 401, "logout": 200}.get(
                address.rpartition("/")[2], 405
            )
            assert browser.get(address.removeprefix(ISSUER)).status_code == expected


@pytest.mark.spec(
    "RFC 9700 §2.6 metadata, RFC 9700 §2.5 asymmetric, OIDC Core §9 shared-key, RFC 8414 §2 token-no-none",
)
def test_discovery_offers_what_the_registries_have(browser: Browser, realm: Realm) -> None:
    found = browser.get("/.well-known/openid-configuration").json()
    methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    assert found["grant_types_supported"] == [
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
        "implicit",
    ]
    assert found["response_types_supported"] == [
        "code", "code id_token", "id_token", "code token", "code id_token token", "id_token token",
    ]  # fmt: skip
    assert found["token_endpoint_auth_methods_supported"] == [*methods, "none"]
    assert found["revocation_endpoint_auth_methods_supported"] == [*methods, "none"]
    assert found["introspection_endpoint_auth_methods_supported"] == methods, "a public client may not introspect"
    for endpoint in ("token", "revocation", "introspection"):
        algorithms = found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert {"ES256", "RS256", "PS256", "EdDSA"} <= set(algorithms)
        assert not {"none", "HS256"} & set(algorithms)


@pytest.mark.spec("OpenID Connect Discovery §3, OpenID Connect Core §8, §10.2")
def test_discovery_offers_what_can_be_registered_for_id_tokens_and_userinfo(browser: Browser, realm: Realm) -> None:
    found = browser.get("/.well-known/openid-configuration").json()
    assert found["subject_types_supported"] == ["public", "pairwise"]
    for what in ("id_token", "userinfo"):
        assert found[f"{what}_signing_alg_values_supported"] == ["ES256"]
        algorithms = found[f"{what}_encryption_alg_values_supported"]
        assert set(algorithms) == {"RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"}
        assert set(found[f"{what}_encryption_enc_values_supported"]) == {"A128GCM", "A256GCM"}


def test_a_realms_health_needs_the_realm(browser: Browser, realm: Realm) -> None:
    assert browser.get("/realms/default/health").json() == {"status": "ok"}
    make_realm("other", purposes=())
    assert browser.get("/realms/other/health").json() == {"status": "ok"}
    assert browser.get("/realms/nowhere/health").status_code == 404


@pytest.mark.parametrize("path", ["/nowhere", "/admin/nowhere/"])
def test_a_page_that_there_is_not_looks_like_the_others(path: str, browser: Browser, realm: Realm) -> None:
    browser.force_login(make_person("root", realm=None, is_staff=True, is_superuser=True))
    answer = browser.get(path)
    assert answer.status_code == 404
    assert b"<h1>Not found</h1>" in answer.content
    assert b"signet/pages.css" in answer.content


@pytest.mark.spec("issue 4, Pages: translated")
def test_a_page_that_there_is_not_says_so_in_the_persons_language(browser: Browser, realm: Realm) -> None:
    answer = browser.get("/nowhere", headers={"accept-language": "de-AT,de;q=0.9"})
    assert (answer.status_code, answer["Content-Language"], answer["Vary"]) == (404, "de", "Accept-Language")
    assert '<html lang="de">' in answer.text
    assert "<h1>Nicht gefunden</h1>" in answer.text


def test_the_page_for_a_fault_of_ours_needs_no_database(rf: RequestFactory) -> None:
    answer = broken(rf.get("/authorize"))
    assert answer.status_code == 500
    assert b"<h1>Something went wrong here</h1>" in answer.content
    answer = broken(rf.get("/authorize", headers={"accept-language": "fr"}))
    assert "<h1>Quelque chose s’est mal passé ici</h1>" in answer.text


def test_another_host_is_refused(browser: Browser, realm: Realm) -> None:
    answer = browser.get("/.well-known/openid-configuration", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert b"evil" not in answer.content


class TestReadiness:
    def test_a_live_process_is_live_without_a_database(self, browser: Browser, db: None) -> None:
        with database_away():
            assert browser.get("/livez").json() == {"status": "ok"}

    def test_ready_is_whoever_reaches_the_database_and_can_use_every_ring(self, browser: Browser, realm: Realm) -> None:
        assert (browser.get("/readyz").status_code, browser.get("/readyz").json()) == (200, {"status": "ok"})

    def test_without_the_database_it_is_not(self, browser: Browser, realm: Realm) -> None:
        with database_away():
            answer = browser.get("/readyz")
        assert (answer.status_code, answer.json()["missing"]) == (503, ["database"])

    def test_before_the_first_rings_it_is_not(self, browser: Browser, db: None) -> None:
        assert browser.get("/readyz").json() == {"status": "unavailable", "missing": ["key rings"]}

    def test_a_ring_without_a_usable_key_is_named(self, browser: Browser, realm: Realm) -> None:
        distrust(Purpose.MAC)
        answer = browser.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["missing"] == ["default mac HMAC-SHA256: NoSigningKey"]

    @pytest.mark.spec("issue 5: an overdue step turns /readyz to degraded, still 200, said in the body")
    def test_an_overdue_step_degrades_and_takes_no_worker_out(self, browser: Browser, realm: Realm) -> None:
        now = timezone.now()
        KeyRing.objects.filter(purpose=Purpose.MAC).update(looked_after_at=now - timedelta(hours=23))
        assert browser.get("/readyz").json() == {"status": "ok"}
        KeyRing.objects.filter(purpose=Purpose.MAC).update(looked_after_at=now - timedelta(hours=25))
        answer = browser.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        (said,) = answer.json()["overdue"]
        assert said.startswith("default mac HMAC-SHA256: rotate_keys has not looked after this ring since 20")

    @pytest.mark.spec("issue 6: the audit's hash chain")
    def test_events_that_nobody_seals_for_a_day_degrade_it(
        self, browser: Browser, realm: Realm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        later = timezone.now() + timedelta(hours=25)
        KeyRing.objects.update(looked_after_at=later)
        with time_machine.travel(later, tick=False):
            answer = browser.get("/readyz")
            assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
            (said,) = answer.json()["overdue"]
            assert said.startswith("Security events since 20")
            monkeypatch.setattr(sealing, "_SETTLED", "TRUE")
            sealing.seal_events(now=later)
            assert browser.get("/readyz").json() == {"status": "ok"}

    def test_probes_come_by_plain_http(self, client: Client, realm: Realm) -> None:
        for path in ("/livez", "/readyz", "/health"):
            assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/auth", "/auth/refresh", "/auth/logout"])
def test_an_outage_is_a_503_and_one_line_in_the_log(
    path: str, browser: Browser, ana: User, caplog: pytest.LogCaptureFixture
) -> None:
    with database_away():
        answer = sign_in(browser, path=path)
    if path == "/auth":
        assert sign_in(browser).status_code == 200
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"
    assert answer.json()["error"] == "temporarily_unavailable"
    assert "request.unavailable cause=OperationalError" in caplog.text


class TestFrontPage:
    CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

    @pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html;q=0.1,application/json"])
    def test_a_program_gets_json(self, accept: str, browser: Browser) -> None:
        answer = browser.get("/", headers={"accept": accept} if accept else {})
        assert answer.json()["service"] == "Signet"
        assert "Accept" in answer["Vary"]

    def test_a_browser_gets_a_page_without_any_script(self, browser: Browser) -> None:
        answer = browser.get("/", headers={"accept": self.CHROME})
        assert answer["Content-Type"].startswith("text/html")
        page = answer.content.decode()
        assert ISSUER in page
        assert reverse("admin:index") in page
        assert "<script" not in page
        assert "style=" not in page
        assert "unsafe" not in answer["Content-Security-Policy"]
        assert "default-src 'none'" in answer["Content-Security-Policy"]

"""Signet as the upstream provider of Signet: two realms, of which one signs in the people of the other, over HTTP."""

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.conf import LazySettings
from django.core.wsgi import get_wsgi_application
from django.db import connections

from accounts.models import Session, UpstreamLink
from accounts.services.upstreams import create_provider
from accounts.upstream.http import upstreams
from accounts.upstream.terms import ProviderTerms
from keys.published_set import published_sets
from realms.models import Realm
from tests import provider as provider_module
from tests.flows.code_flow import post, register
from tests.pages import Elements, whose
from tests.provider import PASSWORD, Browser, make_person, make_realm
from tokens.vocabulary import AuthMethod

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.spec("issue 3 of 6: sign in with another OpenID provider"),
]
CALLBACK = "https://id.example.test/upstream/corp/callback"


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Silent(WSGIRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Nothing."""


@pytest.fixture
def base(transactional_db: None, settings: LazySettings) -> Iterator[str]:
    """This provider by plain HTTP on loopback."""
    settings.SECURE_SSL_REDIRECT = False
    settings.IDP_PLAIN_HTTP = True
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    application = get_wsgi_application()

    def served(environ: Any, start: Any) -> Iterable[bytes]:
        try:
            return list(application(environ, start))
        finally:
            connections.close_all()

    with make_server("127.0.0.1", 0, served, Server, Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        upstreams.forget()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        upstreams.forget()
        server.shutdown()
        thread.join(10)


@pytest.fixture
def corp(base: str, monkeypatch: pytest.MonkeyPatch) -> Realm:
    """The realm that signs in the people of the other."""
    monkeypatch.setattr(provider_module, "ISSUER", base)
    realm = make_realm("corp")
    monkeypatch.undo()
    make_person("a.silva", realm=realm, email="a.silva@corp.example", email_verified=True)
    return realm


def through(browser: Browser, address: str) -> Any:
    """What the browser gets at an address, wherever the host says."""
    parts = urlsplit(address)
    return browser.get(f"{parts.path}?{parts.query}")


def test_a_person_of_one_realm_signs_in_at_another(base: str, corp: Realm, now: datetime) -> None:
    here = make_realm()
    ana = make_person(realm=here)
    app = register(
        corp,
        Browser(),
        now,
        client_id="default-realm",
        auth_method=AuthMethod.BASIC,
        redirect_uris=(CALLBACK,),
        scopes=("openid", "email"),
    )
    published_sets.forget()
    create_provider(
        realm=here,
        slug="corp",
        terms=ProviderTerms(
            name="Corp",
            issuer=f"{base}/realms/corp",
            client_id="default-realm",
            allowed_domains=("corp.example",),
            trusts_second_factor=True,
        ),
        secret=app.secret,
        actor="test",
        now=now,
    )
    browser = Browser()

    def away(**fields: str) -> Any:
        """To the other realm, which may ask for the password there, and back."""
        left = post(browser, "/upstream/corp/start", {"next": "", **fields})
        assert str(left["Location"]).startswith(f"{base}/realms/corp/authorize?"), left.content
        there = through(browser, str(left["Location"]))
        asked = there["Location"].startswith("/realms/corp/sign-in")
        if asked:
            form = dict(parse_qsl(urlsplit(there["Location"]).query))
            signed_in = {"username": "a.silva", "password": PASSWORD, "next": form["next"]}
            onward = post(browser, "/realms/corp/sign-in", signed_in)
            there = through(browser, str(onward["Location"]))
        assert str(there["Location"]).startswith(f"{CALLBACK}?"), there["Location"]
        assert dict(parse_qsl(urlsplit(there["Location"]).query))["iss"] == corp.issuer
        return asked, through(browser, str(there["Location"]))

    asked, first = away()
    assert (asked, first["Location"]) == (True, "/account/link")
    assert b"a.silva@corp.example" in browser.get("/account/link").content
    post(browser, "/sign-in", {"username": "ana", "password": PASSWORD})
    assert Elements(browser.get("/account/link").content).one(id="link-confirm")
    assert post(browser, "/account/link", {"decision": "link"}).status_code == 303
    made = UpstreamLink.objects.get()
    assert made.user == ana
    Session.objects.filter(realm=here).delete()
    assert whose(browser) == ""
    asked, second = away()
    assert (asked, second["Location"]) == (False, "/signed-in"), "its session there is enough"
    assert whose(browser) == "ana"
    there, session = Session.objects.get(realm=corp), Session.objects.get(realm=here)
    assert session.auth_time == there.auth_time.replace(microsecond=0)
    asked, third = away(prompt="login")
    assert (asked, third.status_code) == (True, 303)
    assert Session.objects.filter(realm=here).latest("pk").auth_time >= session.auth_time

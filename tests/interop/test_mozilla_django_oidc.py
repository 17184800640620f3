"""mozilla-django-oidc: a site of its own, whose middleware renews sessions in silence."""

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.interop.browser import Browser
from tests.interop.processes import free_port, run_command, running, wait_until
from tests.interop.provider import EMAIL, Provider, kid_of

pytestmark = pytest.mark.interop

SECONDS_UNTIL_RENEWAL = 2


@pytest.fixture
def site(settled: Provider, tmp_path: Path) -> Iterator[str]:
    """The address of the running site."""
    if importlib.util.find_spec("mozilla_django_oidc") is None:
        pytest.skip("mozilla-django-oidc is missing: run make interop")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    client = settled.add_client(
        "mozilla-django-oidc",
        *("--auth-method", "client_secret_post", "--grant-type", "authorization_code"),
        *("--scope", "openid", "--scope", "email"),
        *("--redirect-uri", f"{address}/oidc/callback/", "--post-logout-redirect-uri", f"{address}/"),
    )
    chosen = {"database": str(tmp_path / "site.sqlite3"), "seconds_until_renewal": SECONDS_UNTIL_RENEWAL}
    found = requests.get(settled.discovery, timeout=10).json()
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "tests.interop.mozilla_site.settings",
        "SITE": json.dumps(found | client | chosen),
    }
    run_command([sys.executable, "-m", "django", "migrate", "--verbosity", "0"], environment)
    server = [sys.executable, "-m", "django", "runserver", "--noreload", f"127.0.0.1:{port}"]
    with running(server, environment, log=tmp_path / "site.log", port=port):
        yield address


@pytest.mark.spec(
    "OpenID Connect Core §3.1, OpenID Connect Core §3.1.2.1, prompt=none",
    "OpenID Connect Core §5.3; RP-Initiated Logout §2; keys.md, the promise",
)
def test_a_site_signs_in_renews_in_silence_across_a_rotation_and_signs_out(settled: Provider, site: str) -> None:
    browser = Browser()
    signed_in = browser.sign_in(settled, browser.open(f"{site}/me"))
    assert (signed_in.url, signed_in.status) == (f"{site}/me", 200)
    before = json.loads(signed_in.text)
    assert before["email"] == EMAIL

    kids = settled.rotate()
    seen = [before]

    def is_renewed() -> bool:
        page = browser.open(f"{site}/me")
        assert (page.url, page.status) == (f"{site}/me", 200), page.text
        seen.append(json.loads(page.text))
        return bool(seen[-1]["id_token"] != before["id_token"])

    wait_until(is_renewed, seconds=5 * SECONDS_UNTIL_RENEWAL, what="the middleware renews the session")
    assert kid_of(seen[-1]["id_token"]) == kids["RS256"] != kid_of(before["id_token"])

    signed_out = browser.submit(browser.open(f"{site}/sign-out"), "sign-out")
    assert (signed_out.url, signed_out.text) == (f"{site}/", "signed in: False")
    assert browser.open(f"{site}/me").has_form("login-form")

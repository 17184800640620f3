"""Endpoints whose signing key no longer opens: 503, and the JWKS and discovery stay up."""

from collections.abc import Callable

import pytest

from accounts.models import User
from realms.models import Realm
from tests.flows.code_flow import register
from tests.keys.test_hostile_sealed_values import ALTERATIONS, alter_all_keys
from tests.provider import Browser


@pytest.mark.spec("issue 5: an endpoint that meets a broken sealed value answers 503")
@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_a_key_that_does_not_open_is_a_503(
    alteration: Callable[[bytes], bytes], realm: Realm, ana: User, browser: Browser, now: object
) -> None:
    app = register(realm, browser, now)  # type: ignore[arg-type]
    app.sign_in()
    code = app.code()
    alter_all_keys(alteration)
    refused = app.exchange(code)
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    assert "sealed" not in refused.content.decode()
    assert browser.get("/.well-known/jwks.json").status_code == 200

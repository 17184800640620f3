"""How soon a stop takes hold: whoever was disabled gets nothing more, at every endpoint, at the very next request."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from accounts.models import Membership, User
from realms.models import Realm
from tests.flows.code_flow import App, post, register, sent_back
from tests.flows.device_flow import Device
from tests.provider import Browser
from tokens.models import Client
from tokens.vocabulary import GrantType

API = "https://api.example.test"
STOPS: dict[str, Callable[[], object]] = {
    "person disabled": lambda: User.objects.update(is_active=False),
    "membership ended": lambda: Membership.objects.all().delete(),
    "client disabled": lambda: Client.objects.filter(client_id="app").update(enabled=False),
    "realm disabled": lambda: Realm.objects.update(enabled=False),
}
BACK: dict[str, Callable[[], object]] = {
    "person disabled": lambda: User.objects.update(is_active=True),
    "client disabled": lambda: Client.objects.update(enabled=True),
    "realm disabled": lambda: Realm.objects.update(enabled=True),
}
# Of the answer to a client whose person was stopped, and to one that was stopped itself.
REFUSED, UNKNOWN, NO_REALM = (400, "invalid_grant"), (401, "invalid_client"), (404, "not_found")
AT_THE_TOKEN_ENDPOINT = {
    "person disabled": REFUSED,
    "membership ended": REFUSED,
    "client disabled": UNKNOWN,
    "realm disabled": NO_REALM,
}


@dataclass(frozen=True)
class Before:
    """What a person and a client had before the stop.

    Attributes:
        app: the client, with the browser of a person who is signed in.
        api: a client that introspects.
    """

    app: App
    api: App
    access_token: str
    refresh_token: str
    own_token: str
    code: str
    device_code: str

    def uses(self, way: str) -> Any:
        """The answer to one way of using it."""
        ways: dict[str, Callable[[], Any]] = {
            "refresh": lambda: self.app.refresh(self.refresh_token),
            "code": lambda: self.app.exchange(self.code),
            "device code": lambda: Device(self.app).poll(self.device_code),
            "client credentials": lambda: self.app.token(grant_type="client_credentials"),
            "userinfo": lambda: self.app.browser.get(
                "/userinfo", headers={"authorization": f"Bearer {self.access_token}"}
            ),
            "introspection": lambda: self._introspects(self.access_token),
            "introspection of its own": lambda: self._introspects(self.own_token),
            "authorize": lambda: self.app.authorize(prompt="none"),
        }
        return ways[way]()

    def _introspects(self, token: str) -> Any:
        form = {"client_id": "api", "client_secret": self.api.secret or "", "token": token}
        return post(Browser(), "/introspect", form)


@pytest.fixture
def before(request: pytest.FixtureRequest, realm: Realm, ana: User, browser: Browser, now: datetime) -> Before:
    grants = (
        GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN, GrantType.DEVICE_CODE, GrantType.CLIENT_CREDENTIALS,
    )  # fmt: skip
    opaque = getattr(request, "param", False)
    app = register(realm, browser, now, grant_types=grants, resources=(API,), opaque_access_tokens=opaque)
    api = register(
        realm, Browser(), now, client_id="api", grant_types=(GrantType.CLIENT_CREDENTIALS,), redirect_uris=(),
        introspects=(API,), scopes=(),
    )  # fmt: skip
    app.sign_in()
    tokens = app.exchange(app.code(scope="openid offline_access", resource=API)).json()
    own = app.token(grant_type="client_credentials", resource=API, scope="notes:read").json()["access_token"]
    codes = Device(app).codes(scope="openid offline_access")
    assert Device(app).decide(codes["user_code"]).status_code == 200
    code = app.code(scope="openid offline_access")
    return Before(app, api, tokens["access_token"], tokens["refresh_token"], own, code, codes["device_code"])


def outcome(answer: Any) -> tuple[int, str]:
    """The status, and what an error is called."""
    if "json" not in answer["Content-Type"]:
        return answer.status_code, ""
    found = answer.json()
    return answer.status_code, found.get("error", "") or ("active" if found.get("active") else "inactive")


@pytest.mark.spec("tokens.md: how soon a stop takes hold", "issue: a disabled person or client is stopped")
@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("way", ["refresh", "code", "device code"])
def test_nobody_gets_tokens_after_a_stop(way: str, stop: str, before: Before) -> None:
    STOPS[stop]()
    assert outcome(before.uses(way)) == AT_THE_TOKEN_ENDPOINT[stop]
    if stop in BACK:  # nothing was spent, so it was the stop that refused
        BACK[stop]()
        assert before.uses(way).status_code == 200


@pytest.mark.spec("tokens.md: how soon a stop takes hold", "issue: a disabled person or client is stopped")
@pytest.mark.parametrize("before", [False, True], ids=["jwt", "opaque"], indirect=True)
@pytest.mark.parametrize("stop", STOPS)
def test_userinfo_and_introspection_know_a_stop(stop: str, before: Before) -> None:
    ways = ("userinfo", "introspection")
    assert [outcome(before.uses(way))[0] for way in ways] == [200, 200]
    assert outcome(before.uses("introspection")) == (200, "active")
    STOPS[stop]()
    told, looked_at = (outcome(before.uses(way)) for way in ways)
    assert told[0] == (404 if stop == "realm disabled" else 401)
    assert looked_at[0] == 404 if stop == "realm disabled" else looked_at == (200, "inactive")


@pytest.mark.spec("tokens.md: how soon a stop takes hold", "issue: a disabled person or client is stopped")
@pytest.mark.parametrize("before", [False, True], ids=["jwt", "opaque"], indirect=True)
@pytest.mark.parametrize("stop", STOPS)
def test_a_client_on_its_own_is_stopped_with_itself_and_its_realm(stop: str, before: Before) -> None:
    STOPS[stop]()
    asked = outcome(before.uses("client credentials"))[0]
    looked_at = before.uses("introspection of its own")
    if stop == "realm disabled":
        assert (asked, looked_at.status_code) == (404, 404)
    else:
        stopped = stop == "client disabled"
        assert (asked, outcome(looked_at)[1]) == ((401, "inactive") if stopped else (200, "active"))


@pytest.mark.spec("tokens.md: how soon a stop takes hold", "issue: a disabled person or client is stopped")
@pytest.mark.parametrize("stop", STOPS)
def test_a_live_session_is_worth_nothing_after_a_stop(stop: str, before: Before) -> None:
    assert "code" in sent_back(before.uses("authorize"))
    STOPS[stop]()
    answer = before.uses("authorize")
    if stop in ("person disabled", "membership ended"):
        assert sent_back(answer)["error"] == "login_required"
    else:
        assert answer.status_code == (404 if stop == "realm disabled" else 400)
        assert "Location" not in answer

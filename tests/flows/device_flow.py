"""The device grant as a device and its person go it: what the tests of `/device` and its codes share."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from realms.models import Realm
from tests.flows.code_flow import App, post, register
from tests.provider import Browser
from tokens.vocabulary import AuthMethod, GrantType

DEVICE_GRANT = (GrantType.DEVICE_CODE, GrantType.REFRESH_TOKEN)


@dataclass
class Device:
    """A television: it asks and polls, while its person has a browser elsewhere."""

    app: App

    def ask(self, **changes: str | None) -> Any:
        """Ask for codes with the client's own authentication."""
        app = self.app
        form = {
            "client_id": app.client.client_id,
            **({"client_secret": app.secret} if app.secret else {}),
            "scope": "openid",
            **changes,
        }
        kept = {name: value for name, value in form.items() if value is not None}
        return post(Browser(), f"{app.base}/device_authorization", kept)

    def codes(self, **changes: str | None) -> dict[str, Any]:
        """The codes."""
        answer = self.ask(**changes)
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def poll(self, device_code: str, **changes: str | None) -> Any:
        """Ask for the tokens."""
        return self.app.token(**{"grant_type": GrantType.DEVICE_CODE.value, "device_code": device_code, **changes})

    def error(self, device_code: str, **changes: str | None) -> str:
        """Why there are no tokens."""
        answer = self.poll(device_code, **changes)
        assert answer.status_code == 400, answer.content
        return str(answer.json()["error"])

    def page(self, **fields: str) -> Any:
        """What the person's page answers to a form."""
        return post(self.app.browser, f"{self.app.base}/device", fields)

    def decide(self, user_code: str, decision: str = "allow", browser: Browser | None = None) -> Any:
        """What the person's page answers to a decision."""
        fields = {"user_code": user_code, "decision": decision}
        return post(browser or self.app.browser, f"{self.app.base}/device", fields)


def register_device(realm: Realm, browser: Browser, now: datetime, **changes: Any) -> Device:
    """A public client with the device grant."""
    values = {
        "client_id": "tv",
        "auth_method": AuthMethod.NONE,
        "grant_types": DEVICE_GRANT,
        "redirect_uris": (),
        **changes,
    }
    return Device(register(realm, browser, now, **values))

"""The code flow as a client goes it: what the tests of `/authorize`, `/token` and `/userinfo` share."""

import base64
import hashlib
import html
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from realms.models import Realm
from tests.provider import PASSWORD, Browser
from tokens.client_metadata import ClientMetadata
from tokens.models import Client
from tokens.services.clients import create_client
from tokens.vocabulary import AuthMethod, GrantType

CALLBACK = "https://app.example.org/cb"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPES = ("openid", "profile", "email", "offline_access", "notes:read")

# What browsers say of a form that opens a page (Fetch Metadata §2). With the first they send no cookie of ours.
OTHER_SITE = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", "sec-fetch-mode": "navigate"}
OUR_SITE = {**OTHER_SITE, "sec-fetch-site": "same-origin"}


@dataclass
class App:
    """A registered client, and the browser of a person in front of it."""

    client: Client
    secret: str | None
    browser: Browser
    base: str = ""
    asked: dict[str, str] = field(default_factory=dict)

    def authorize(self, **changes: str | None) -> Any:
        """Send the person to the authorization endpoint."""
        parameters = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "state": "s1",
            "nonce": "n1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        kept = {name: value for name, value in parameters.items() if value is not None}
        return self.browser.get(f"{self.base}/authorize?{urlencode(kept)}")

    def sign_in(self, username: str = "ana", password: str = PASSWORD, **more: str) -> Any:
        """Sign the person in."""
        return post(self.browser, f"{self.base}/sign-in", {"username": username, "password": password, **more})

    def code(self, **changes: str | None) -> str:
        """A code, from a person who is signed in."""
        return sent_back(self.authorize(**changes))["code"]

    def token(self, **changes: str | None) -> Any:
        """Ask for tokens with the client's own authentication."""
        form = {
            "client_id": self.client.client_id,
            **({"client_secret": self.secret} if self.secret else {}),
            **changes,
        }
        return post(self.browser, f"{self.base}/token", {k: v for k, v in form.items() if v is not None})

    def exchange(self, code: str, **changes: str | None) -> Any:
        """Redeem a code."""
        return self.token(
            **{
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": CALLBACK,
                "code_verifier": VERIFIER,
                **changes,
            }
        )

    def refresh(self, refresh_token: str, **changes: str | None) -> Any:
        """The next tokens."""
        return self.token(**{"grant_type": "refresh_token", "refresh_token": refresh_token, **changes})


def post(browser: Browser, path: str, form: dict[str, str], **headers: str) -> Any:
    """Post a form as browsers and clients do."""
    return browser.post(path, urlencode(form), content_type="application/x-www-form-urlencoded", headers=headers)


def register(realm: Realm, browser: Browser, now: datetime, **changes: Any) -> App:
    """A client of a realm; first-party unless a test is about consent."""
    values: dict[str, Any] = {
        "auth_method": AuthMethod.POST,
        "grant_types": (GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN),
        "redirect_uris": (CALLBACK,),
        "scopes": SCOPES,
        "first_party": True,
        "id_token_alg": "ES256",
        **changes,
    }
    client_id = values.pop("client_id", "app")
    client, secret = create_client(
        realm=realm, client_id=client_id, name="Notes", metadata=ClientMetadata(**values), actor="test", now=now
    )
    base = "" if realm.slug == "default" else f"/realms/{realm.slug}"
    return App(client, secret, browser, base)


def sent_back(response: Any) -> dict[str, str]:
    """What the client gets in its callback, each parameter once."""
    target = _target(response)
    assert not target.fragment
    return _each_once(target.query)


def sent_by_fragment(response: Any) -> dict[str, str]:
    """What the client's page gets behind the number sign, which no server sees."""
    target = _target(response)
    assert not target.query
    return _each_once(target.fragment)


def posted_back(response: Any) -> dict[str, str]:
    """What the form that sends itself brings to the client."""
    assert response.status_code == 200, response.content
    page = response.content.decode()
    assert f'<form method="post" action="{CALLBACK}"' in page
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    assert len(dict(found)) == len(found)
    return {name: html.unescape(value) for name, value in found}


def resent(page: Any) -> dict[str, str]:
    """What the form sends once more that came from another site."""
    text = page.content.decode()
    assert '<form method="post" id="form-post">' in text
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', text)
    assert len(dict(found)) == len(found)
    return {html.unescape(name): html.unescape(value) for name, value in found}


def _target(response: Any) -> SplitResult:
    assert response.status_code == 303, response.content
    target = urlsplit(str(response["Location"]))
    assert f"{target.scheme}://{target.netloc}{target.path}" == CALLBACK, response["Location"]
    return target


def _each_once(text: str) -> dict[str, str]:
    found = parse_qs(text, keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}

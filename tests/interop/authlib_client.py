"""A web application that signs people in with Authlib's client for Django, as Authlib's documentation shows it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.django_client import OAuth
from django.http import HttpRequest, QueryDict

from tests.interop.browser import Browser
from tests.interop.provider import Provider

CALLBACK = "http://127.0.0.1:9/authlib/callback"  # nobody listens there: tests hand over what arrives
SIGNED_OUT = "http://127.0.0.1:9/authlib/signed-out"
OPTIONS = (
    *("--grant-type", "authorization_code", "--grant-type", "refresh_token"),
    *("--redirect-uri", CALLBACK, "--post-logout-redirect-uri", SIGNED_OUT),
    *("--scope", "openid", "--scope", "email", "--scope", "offline_access"),
)


class Application:
    """The application, with one person's session.

    Arguments:
        provider: where people sign in.
        registered: what `create_client` printed.
    """

    def __init__(self, provider: Provider, registered: Mapping[str, Any]) -> None:
        self.session: dict[str, Any] = {}
        self.saved: list[dict[str, Any]] = []  # tokens that Authlib refreshed by itself
        self.oauth = OAuth(update_token=self._save)
        self.oauth.register(
            "signet",
            client_id=registered["client_id"],
            client_secret=registered.get("client_secret"),
            server_metadata_url=provider.discovery,
            client_kwargs={
                "scope": "openid email offline_access",
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": registered["token_endpoint_auth_method"],
            },
        )

    def sign_in(self, provider: Provider, browser: Browser) -> dict[str, Any]:
        """The tokens after a person with a browser has signed in."""
        return self.tokens(browser.sign_in(provider, browser.open(self.authorization_url())).url)

    def authorization_url(self) -> str:
        """Where the application sends the person."""
        redirect = self.oauth.signet.authorize_redirect(self._request(""), CALLBACK)
        return str(redirect["Location"])

    def tokens(self, callback: str) -> dict[str, Any]:
        """What the application has after the person came back: tokens, and the claims of the ID token."""
        found: dict[str, Any] = self.oauth.signet.authorize_access_token(self._request(callback))
        return found

    def userinfo_of_expired(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        """What the provider tells of the person, by an access token that Authlib takes for expired and refreshes."""
        return dict(self.oauth.signet.userinfo(token={**tokens, "expires_at": 1}))

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        """The next tokens, an ID token among them."""
        found: dict[str, Any] = self.oauth.signet.fetch_access_token(
            grant_type="refresh_token", refresh_token=refresh_token, scope="openid email offline_access"
        )
        return found

    def id_claims(self, tokens: Mapping[str, Any], *, nonce: str | None = None) -> dict[str, Any]:
        """The claims of an ID token that Authlib has verified."""
        return dict(self.oauth.signet.parse_id_token(tokens, nonce=nonce))

    def userinfo(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        """What the provider tells of the person."""
        return dict(self.oauth.signet.userinfo(token=dict(tokens)))

    def logout_url(self, id_token: str) -> str:
        """Where the application sends the person to sign out."""
        redirect = self.oauth.signet.logout_redirect(
            self._request(""), post_logout_redirect_uri=SIGNED_OUT, id_token_hint=id_token
        )
        return str(redirect["Location"])

    def is_signed_out(self, url: str) -> bool:
        """Whether the person came back from the provider's sign-out that this application began."""
        return bool(self.oauth.signet.validate_logout_response(self._request(url)))

    def _request(self, url: str) -> HttpRequest:
        request = HttpRequest()
        request.method, request.session = "GET", self.session  # type: ignore[assignment]
        request.GET = QueryDict(urlsplit(url).query)
        return request

    def _save(self, _name: str, token: Mapping[str, Any], **_former: str | None) -> None:
        self.saved.append(dict(token))


def browser() -> Browser:
    """A browser that stops where the application would go on."""
    return Browser(stops_at=[CALLBACK, SIGNED_OUT])

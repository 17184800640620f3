"""Where a provider has what: discovery, and the keys behind it (OpenID Connect Discovery §4, RFC 8414 §3.3)."""

from collections.abc import Callable, Mapping
from typing import Any

from signet_verifier.errors import ConfigurationWrong
from signet_verifier.fetching import Answer, Fetch, FetchFailed, safe_address
from signet_verifier.strict_json import NotStrict, plain_object

DISCOVERY = "/.well-known/openid-configuration"
SECONDS_TO_KEEP_DISCOVERY = 3_600.0
_OK, _NOT_MODIFIED = 200, 304
_JSON = {"Accept": "application/json, application/jwk-set+json"}


class Provider:
    """An issuer, and what its discovery says. Nothing is fetched before it is asked for.

    Arguments:
        issuer: as it stands in tokens, letter by letter.
        fetch: makes the requests.
        monotonic: a clock in seconds that never goes back.
    """

    def __init__(self, issuer: str, *, fetch: Fetch, monotonic: Callable[[], float]) -> None:
        if "?" in issuer:
            raise ConfigurationWrong("An issuer has no query.")
        self.issuer = issuer
        self._scheme = safe_address(issuer).scheme
        self._fetch, self._monotonic = fetch, monotonic
        self._found: Mapping[str, Any] = {}
        self._found_at = 0.0

    def key_set(self, etag: str) -> Answer | None:
        """The JWK Set as it is published; None where it is still the one with this ETag.

        Raises:
            FetchFailed: there is none to be had.
        """
        address = self.address("jwks_uri")
        answer = self._fetch(address, _JSON | ({"If-None-Match": etag} if etag else {}), None)
        if etag and answer.status == _NOT_MODIFIED:
            return None
        if answer.status != _OK:
            self._found = {}  # it may have moved: look again next time
            raise FetchFailed(f"The JWK Set is answered with {answer.status}.")
        return answer

    def introspect(self, form: bytes, authorization: str) -> Answer:
        """What is said of a token (RFC 7662 §2.1).

        Raises:
            FetchFailed: there is no answer.
        """
        headers = _JSON | {"Authorization": authorization, "Content-Type": "application/x-www-form-urlencoded"}
        answer = self._fetch(self.address("introspection_endpoint"), headers, form)
        if answer.status != _OK:
            raise FetchFailed(f"Introspection is answered with {answer.status}.")
        return answer

    def address(self, name: str) -> str:
        """The address of an endpoint, by its name in discovery.

        Raises:
            FetchFailed: discovery can't be had, is another issuer's, or names no address that may be fetched.
        """
        found = self._discovery().get(name)
        if not isinstance(found, str):
            raise FetchFailed(f"Discovery has no {name}.")
        try:
            scheme = safe_address(found).scheme
        except ConfigurationWrong as error:
            raise FetchFailed(f"Discovery's {name} can't be used. {error}") from None
        if scheme != self._scheme and self._scheme == "https":
            raise FetchFailed(f"Discovery's {name} is not HTTPS.")
        return found

    def _discovery(self) -> Mapping[str, Any]:
        if self._found and self._monotonic() - self._found_at < SECONDS_TO_KEEP_DISCOVERY:
            return self._found
        answer = self._fetch(self.issuer.rstrip("/") + DISCOVERY, _JSON, None)
        if answer.status != _OK:
            raise FetchFailed(f"Discovery is answered with {answer.status}.")
        try:
            found = plain_object(answer.body)
        except NotStrict as error:
            raise FetchFailed(f"Discovery {error}.") from None
        if found.get("issuer") != self.issuer:
            raise FetchFailed("Discovery is that of another issuer.")
        self._found, self._found_at = found, self._monotonic()
        return found

"""Asking upstream providers: their metadata and keys, remembered for minutes; tokens and userinfo.

Operators alone say which providers are asked; the addresses come from the metadata of these, and have to be https
(`accounts.upstream.terms.address_fault`). No lock of the database and no transaction is open meanwhile.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from accounts.errors import AccountsError, UpstreamAway, UpstreamRefused
from accounts.outbound_http import Failure, Received, Unanswered, exchange
from accounts.upstream.discovery import ProviderMetadata, discovery_address, read_metadata
from accounts.upstream.messages import Tokens, check_available, tokens_in
from keys import api
from keys.api import ForeignToken
from keys.errors import ForeignKeyRefused, TokenRefused

REMEMBERED = 300.0  # seconds
COOLDOWN = 15.0  # seconds in which a kid that nobody knows has the keys not fetched again
AFTER_FAILURE = 5.0  # seconds in which a provider that failed is not asked again
AT_ONCE = 8  # people of one process who wait for the same provider's tokens
_WAIT = 2.0  # seconds for one of these places, and for somebody else's fetch
_MOST = 65_536  # bytes of an answer
_Value = TypeVar("_Value")


class _Remembered(Generic[_Value]):
    """A value that is fetched by one thread while the others wait for it, and that a failure stands in for."""

    def __init__(self, fetch: Callable[[], _Value], monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._fetching = threading.Lock()
        self._held: tuple[_Value, float] | None = None
        self._failed: tuple[AccountsError, float] | None = None

    def get(self) -> _Value:
        """The value, at most `REMEMBERED` seconds old."""
        held = self._held
        if held is not None and self._monotonic() - held[1] < REMEMBERED:
            return held[0]
        with self._turn():
            if self._held is not None and self._monotonic() - self._held[1] < REMEMBERED:
                return self._held[0]
            if self._failed is not None and self._monotonic() - self._failed[1] < AFTER_FAILURE:
                raise type(self._failed[0])(str(self._failed[0]))
            return self._renewed()

    def newer_than(self, seen: _Value) -> _Value:
        """Another value than one that didn't do; the same where it is as young as `COOLDOWN`."""
        with self._turn():
            if self._held is not None and self._held[0] is not seen:
                return self._held[0]
            if self._held is not None and self._monotonic() - self._held[1] < COOLDOWN:
                return self._held[0]
            return self._renewed()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """To fetch, or to look at what somebody else fetched; a provider that hangs holds one thread, and not all."""
        if not self._fetching.acquire(timeout=_WAIT):
            raise UpstreamAway("Somebody waits for its answer already.")
        try:
            yield
        finally:
            self._fetching.release()

    def _renewed(self) -> _Value:
        try:
            value = self._fetch()
        except AccountsError as error:
            self._failed = error, self._monotonic()
            raise
        self._held, self._failed = (value, self._monotonic()), None
        return value


@dataclass(slots=True)
class _Known:
    """What is remembered of one provider."""

    metadata: _Remembered[ProviderMetadata]
    jwks: _Remembered[Mapping[str, Any]]
    places: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_ONCE))


class Upstreams:
    """The memory of one process; safe to use from many threads.

    Arguments:
        monotonic: a clock in seconds that never goes back.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: dict[tuple[str, bool], _Known] = {}
        self._adding = threading.Lock()

    def forget(self) -> None:
        """Drop everything, so that the next use asks."""
        with self._adding:
            self._known.clear()

    def metadata(self, issuer: str, *, loopback: bool) -> ProviderMetadata:
        """A provider's metadata.

        Arguments:
            issuer: as it was configured.
            loopback: whether plain HTTP to this machine is allowed.

        Raises:
            UpstreamAway, UpstreamRefused: they can't be had, or not be used.
        """
        return self._of(issuer, loopback=loopback).metadata.get()

    def verified(self, token: str, *, issuer: str, loopback: bool) -> ForeignToken:
        """A token that a provider signed, held against its keys; they are fetched again once for a kid that is new.

        Arguments:
            token: the compact JWS.
            issuer, loopback: as for `metadata`.

        Raises:
            UpstreamAway, UpstreamRefused: the keys can't be had, or the token is not signed by one of them.
        """
        remembered = self._of(issuer, loopback=loopback).jwks
        jwks = remembered.get()
        try:
            if not api.names_a_key(token, jwks=jwks):
                jwks = remembered.newer_than(jwks)
            return api.verify_foreign_token(token, jwks=jwks, typ="jwt")
        except (TokenRefused, ForeignKeyRefused) as error:
            raise UpstreamRefused(f"Its ID token is refused: {error}") from error

    @contextmanager
    def place(self, issuer: str, *, loopback: bool) -> Iterator[None]:
        """One of the few places for those who wait for a provider: one that hangs doesn't take all workers along.

        Raises:
            UpstreamAway: all are taken.
        """
        places = self._of(issuer, loopback=loopback).places
        if not places.acquire(timeout=_WAIT):
            raise UpstreamAway("Too many wait for it already.")
        try:
            yield
        finally:
            places.release()

    def _of(self, issuer: str, *, loopback: bool) -> _Known:
        key = (issuer, loopback)
        with self._adding:
            if key not in self._known:
                metadata = _Remembered(lambda: _metadata(issuer, loopback=loopback), self._monotonic)
                jwks = _Remembered(lambda: _jwks(metadata.get().jwks_uri), self._monotonic)
                self._known[key] = _Known(metadata, jwks)
            return self._known[key]


upstreams = Upstreams()


def redeem(metadata: ProviderMetadata, headers: Mapping[str, str], body: bytes) -> Tokens:
    """Post a token request.

    Arguments:
        headers, body: see `accounts.upstream.messages.token_request`.

    Raises:
        UpstreamAway, UpstreamRefused: there are no tokens.
    """
    received = _ask("POST", metadata.token_endpoint, "token endpoint", headers=headers, body=body)
    return tokens_in(received.status, _object(received, "token response"))


def userinfo(metadata: ProviderMetadata, access_token: str) -> Mapping[str, Any]:
    """What the provider tells at its userinfo endpoint (OpenID Connect Core §5.3).

    Raises:
        UpstreamAway, UpstreamRefused: nothing that can be used.
    """
    headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
    received = _ask("GET", metadata.userinfo_endpoint, "userinfo", headers=headers)
    _expect_ok(received, "userinfo")
    return _object(received, "userinfo")


def check(issuer: str, *, loopback: bool) -> tuple[ProviderMetadata, int]:
    """Fetch a provider's metadata and keys now, past all memory.

    Arguments:
        issuer, loopback: as for `Upstreams.metadata`.

    Returns:
        The metadata, and how many of its keys can be used.

    Raises:
        UpstreamAway, UpstreamRefused: what is wrong, in one sentence.
    """
    metadata = _metadata(issuer, loopback=loopback)
    return metadata, len(_jwks(metadata.jwks_uri)["keys"])


def _metadata(issuer: str, *, loopback: bool) -> ProviderMetadata:
    received = _ask("GET", discovery_address(issuer), "metadata", headers={"Accept": "application/json"})
    _expect_ok(received, "metadata")
    document = _object(received, "metadata")
    return read_metadata(document, issuer=issuer, loopback=loopback, algorithms=api.foreign_algorithms())


def _jwks(uri: str) -> Mapping[str, Any]:
    received = _ask("GET", uri, "JWK Set", headers={"Accept": "application/json, application/jwk-set+json"})
    _expect_ok(received, "JWK Set")
    try:
        return api.usable_jwks(_text(received, "JWK Set"))
    except ForeignKeyRefused as error:
        raise UpstreamRefused(f"Its JWK Set is refused: {error}") from error


def _ask(method: str, uri: str, what: str, *, headers: Mapping[str, str], body: bytes | None = None) -> Received:
    try:
        received = exchange(method, uri, headers=headers, body=body, most=_MOST)
    except Unanswered as error:
        if error.failure in (Failure.TOO_LONG, Failure.MALFORMED):
            raise UpstreamRefused(f"Its {what} is no answer that can be read: {error.failure}.") from error
        raise UpstreamAway(f"Its {what} can't be had: {error.failure}.") from error
    check_available(received.status)
    return received


def _expect_ok(received: Received, what: str) -> None:
    if received.status != HTTPStatus.OK:  # a redirect, too: where it leads nobody has configured
        raise UpstreamRefused(f"Its {what} came with the status {received.status}.")


def _object(received: Received, what: str) -> Mapping[str, Any]:
    try:
        return api.plain_object(_text(received, what), f"Its {what}")
    except TokenRefused as error:
        raise UpstreamRefused(str(error)) from error


def _text(received: Received, what: str) -> str:
    kind = received.media_type
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UpstreamRefused(f"Its {what} is not JSON, by its media type.")
    try:
        return received.body.decode("utf-8")
    except UnicodeDecodeError:
        raise UpstreamRefused(f"Its {what} is not UTF-8.") from None

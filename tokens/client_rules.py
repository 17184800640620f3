"""What is wrong with a client's metadata, a sentence a fault (RFC 7591 §2, RFC 9700 §2.1, OpenID Connect Core §8)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from realms.spans import in_words
from tokens import redirect_uris, resources, scopes
from tokens.client_metadata import ClientMetadata
from tokens.errors import InvalidScope
from tokens.id_token import HASHED
from tokens.vocabulary import ClientKind, GrantType, SubjectType

MAX_ITEMS = 50
MAX_ITEM = 500
MAX_TEXT = 2_000  # of a list that may come to stand in a token whole, and a token in a header
SHORTEST_LIFETIME = timedelta(seconds=1)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_CONTACT = re.compile(r"[^\s@]+@[^\s@]+")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a realm lets a client have.

    Attributes:
        access_token, refresh_idle, refresh_absolute: the realm's lifetimes.
    """

    access_token: timedelta
    refresh_idle: timedelta
    refresh_absolute: timedelta


def faults(metadata: ClientMetadata, *, bounds: Bounds) -> Iterator[str]:
    """Why a client can't be registered like this, a sentence each; nothing for a sound one.

    What needs the realm's rings or reads keys is not looked at here.

    Arguments:
        metadata: as asked for, and `completed`.
        bounds: the realm's.
    """
    yield from _identity_faults(metadata)
    yield from _flow_faults(metadata)
    yield from _subject_faults(metadata)
    yield from _encryption_faults(metadata)
    yield from _uri_faults(metadata)
    yield from _list_faults(metadata)
    yield from _lifetime_faults(metadata, bounds)


def _identity_faults(metadata: ClientMetadata) -> Iterator[str]:
    if metadata.uses_its_keys != (metadata.jwks is not None):
        yield "A client has a JWK Set exactly when it authenticates by private_key_jwt or has something encrypted."
    if metadata.kind is ClientKind.PUBLIC and GrantType.CLIENT_CREDENTIALS in metadata.grant_types:
        yield "A public client can't use client_credentials: it has nothing to show (RFC 6749 §4.4)."
    if metadata.kind is ClientKind.PUBLIC and not metadata.require_pkce:
        yield "A public client can't do without PKCE (RFC 9700 §2.1.1)."
    if metadata.kind is ClientKind.PUBLIC and metadata.introspects:
        yield "A public client can't introspect tokens (RFC 7662 §2.1)."


def _flow_faults(metadata: ClientMetadata) -> Iterator[str]:
    codes = any(response_type.has_code for response_type in metadata.response_types)
    if (GrantType.AUTHORIZATION_CODE in metadata.grant_types) != codes:
        yield "A client has a response type with code exactly when it may use authorization_code."
    if bool(metadata.response_types) != bool(metadata.redirect_uris):
        yield (
            "A client has redirect URIs exactly when it may use the authorization endpoint: by the grant type "
            "authorization_code, or by a response type."
        )
    if GrantType.REFRESH_TOKEN in metadata.grant_types and not (codes or GrantType.DEVICE_CODE in metadata.grant_types):
        yield "Without authorization_code or the device grant there is nothing to refresh."
    beside = any(kind.has_id_token and (kind.has_code or kind.has_token) for kind in metadata.response_types)
    if metadata.require_dpop and any(kind.has_token for kind in metadata.response_types):
        yield "An access token through the browser comes without a proof: it can't be bound to a key (RFC 9449 §5)."
    if beside and metadata.id_token_alg not in HASHED:
        yield "An ID token beside a code or an access token holds their hash, and its algorithm has none."


def _subject_faults(metadata: ClientMetadata) -> Iterator[str]:
    if metadata.subject_type is SubjectType.PUBLIC and metadata.sector_identifier:
        yield "A sector identifier is for pairwise subjects."
    if metadata.subject_type is SubjectType.PAIRWISE and not _HOST.fullmatch(metadata.sector_identifier):
        yield "Pairwise subjects need a sector identifier, a host name, unless all redirect URIs have one host."


def _encryption_faults(metadata: ClientMetadata) -> Iterator[str]:
    pairs = (
        (metadata.id_token_encryption_alg, metadata.id_token_encryption_enc),
        (metadata.userinfo_encryption_alg, metadata.userinfo_encryption_enc),
    )
    if any(bool(alg) != bool(enc) for alg, enc in pairs):
        yield "Encryption needs both algorithms: one for the key and one for the content."
    if metadata.userinfo_encryption_alg and not metadata.userinfo_alg:
        yield "Userinfo is signed before it is encrypted: it needs userinfo_signed_response_alg."


def _uri_faults(metadata: ClientMetadata) -> Iterator[str]:
    for uris in (metadata.redirect_uris, metadata.post_logout_redirect_uris):
        if len(uris) > MAX_ITEMS or len(set(uris)) != len(uris):
            yield f"There are at most {MAX_ITEMS} redirect URIs of a kind, each once."
        for uri in uris:
            if why := redirect_uris.fault(uri):
                yield f"The redirect URI {uri[:MAX_ITEM]!r} {why}."
    shown = (metadata.client_uri, metadata.logo_uri, metadata.policy_uri, metadata.tos_uri)
    for uri in (*shown, metadata.backchannel_logout_uri):
        if uri and (why := redirect_uris.web_fault(uri)):
            yield f"The address {uri[:MAX_ITEM]!r} {why}."
    for origin in metadata.cors_origins:
        if not is_origin(origin):
            yield f"{origin[:MAX_ITEM]!r} is no origin: scheme and host, without a path, in lower case (RFC 6454 §6.2)."


def is_origin(text: str) -> bool:
    """Whether a text is an origin as browsers write it, and one that a client may register (RFC 6454 §6.2).

    Arguments:
        text: anything, also what came in a header.
    """
    if len(text) > MAX_ITEM or redirect_uris.web_fault(text):
        return False
    parts = urlsplit(text)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default = {"https": 443, "http": 80}[parts.scheme]
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return text == f"{parts.scheme}://{host}{port}"


def _list_faults(metadata: ClientMetadata) -> Iterator[str]:
    for scope in metadata.scopes:
        if not _is_scope(scope):
            yield f"{scope[:MAX_ITEM]!r} is no scope."
    for resource in (*metadata.resources, *metadata.introspects):
        if not resources.is_resource(resource):
            yield f"{resource[:MAX_ITEM]!r} is no absolute URI without a fragment (RFC 8707 §2)."
    for contact in metadata.contacts:
        if not (_CONTACT.fullmatch(contact) and contact.isprintable()):
            yield f"{contact[:MAX_ITEM]!r} is no email address."
    lists: tuple[tuple[str, ...], ...] = (
        metadata.grant_types, metadata.response_types, metadata.scopes, metadata.resources, metadata.introspects,
        metadata.cors_origins, metadata.contacts,
    )  # fmt: skip
    if any(len(items) > MAX_ITEMS or any(len(item) > MAX_ITEM for item in items) for items in lists):
        yield f"A list holds at most {MAX_ITEMS} items, each of at most {MAX_ITEM} characters."
    if any(sum(map(len, items)) > MAX_TEXT for items in (metadata.scopes, metadata.resources)):
        yield f"All scopes together, and all resources together, have at most {MAX_TEXT} characters."
    if any(len(set(items)) != len(items) for items in lists):
        yield "A list holds an item twice."


def _is_scope(text: str) -> bool:
    try:
        return scopes.parse(text) == (text,)
    except InvalidScope:
        return False


def _lifetime_faults(metadata: ClientMetadata, bounds: Bounds) -> Iterator[str]:
    for name, lifetime, longest in (
        ("access-token", metadata.access_token_lifetime, bounds.access_token),
        ("idle refresh-token", metadata.refresh_idle_lifetime, bounds.refresh_idle),
        ("absolute refresh-token", metadata.refresh_absolute_lifetime, bounds.refresh_absolute),
    ):
        if lifetime is not None and not SHORTEST_LIFETIME <= lifetime <= longest:
            yield f"The {name} lifetime must be at least a second and at most the realm's {in_words(longest)}."

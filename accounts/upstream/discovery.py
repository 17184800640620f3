"""What an upstream provider says of itself, and whether it can be used (OpenID Connect Discovery §3, §4.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accounts.errors import UpstreamRefused
from accounts.upstream.terms import address_fault

_BASIC, _POST, _NONE = "client_secret_basic", "client_secret_post", "none"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """What is used of a provider's metadata.

    Attributes:
        userinfo_endpoint: "" where there is none.
        auth_methods: how its clients may prove who they are at the token endpoint.
        names_itself: whether its authorization responses have `iss` (RFC 9207 §3).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    auth_methods: tuple[str, ...]
    names_itself: bool


def discovery_address(issuer: str) -> str:
    """Where a provider's metadata are (OpenID Connect Discovery §4.1: a last slash is dropped first)."""
    return f"{issuer.removesuffix('/')}/.well-known/openid-configuration"


def read_metadata(
    document: Mapping[str, Any], *, issuer: str, loopback: bool, algorithms: Sequence[str]
) -> ProviderMetadata:
    """Hold a provider's metadata against what is needed of them.

    Arguments:
        document: from strict JSON.
        issuer: the configured one; the document has to name the same, letter by letter (§4.3), or another
            provider could be taken for this one.
        loopback: whether plain HTTP to this machine is allowed.
        algorithms: those that an ID token may be signed with here.

    Raises:
        UpstreamRefused: one sentence, of the first rule that doesn't hold.
    """
    if document.get("issuer") != issuer:
        raise UpstreamRefused("Its metadata name another issuer.")
    found = {name: _endpoint(document, name, loopback=loopback) for name in _ENDPOINTS}
    has_userinfo = document.get("userinfo_endpoint") is not None
    if "code" not in _words(document, "response_types_supported", missing=("code",)):
        raise UpstreamRefused("It doesn't offer the response type code.")
    if "S256" not in _words(document, "code_challenge_methods_supported", missing=("S256",)):
        raise UpstreamRefused("It offers PKCE without S256.")
    if not set(algorithms) & set(_words(document, "id_token_signing_alg_values_supported", missing=("RS256",))):
        raise UpstreamRefused(f"It signs its ID tokens with none of {', '.join(algorithms)}.")
    return ProviderMetadata(
        issuer=issuer,
        **found,
        userinfo_endpoint=_endpoint(document, "userinfo_endpoint", loopback=loopback) if has_userinfo else "",
        auth_methods=_words(document, "token_endpoint_auth_methods_supported", missing=(_BASIC,)),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def auth_method(metadata: ProviderMetadata, *, has_secret: bool) -> str:
    """How this client proves who it is at the token endpoint (OpenID Connect Core §9).

    Arguments:
        has_secret: whether there is a client secret; without one the client is a public one.

    Raises:
        UpstreamRefused: the provider takes none of the ways that there are here.
    """
    for method in (_BASIC, _POST) if has_secret else (_NONE,):
        if method in metadata.auth_methods:
            return method
    if has_secret:
        raise UpstreamRefused(f"It takes a client's secret neither by {_BASIC} nor by {_POST}.")
    raise UpstreamRefused("It takes no client without a secret: enter the client secret.")


def _endpoint(document: Mapping[str, Any], name: str, *, loopback: bool) -> str:
    found = document.get(name)
    if not isinstance(found, str):
        raise UpstreamRefused(f"Its metadata have no {name}.")
    if why := address_fault(found, loopback=loopback):
        raise UpstreamRefused(f"Its {name} is refused: an address of it {why}.")
    return found


def _words(document: Mapping[str, Any], name: str, *, missing: tuple[str, ...]) -> tuple[str, ...]:
    """A list of words; `missing` where nothing is said."""
    found = document.get(name)
    if found is None:
        return missing
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise UpstreamRefused(f"Its {name} is no list of words.")
    return tuple(found)

"""Tokens that clients and other providers sign with keys of their own (RFC 7515, RFC 8725)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keys import compact, foreign_keys, jose
from keys.errors import TokenRefused


@dataclass(frozen=True, slots=True)
class ForeignToken:
    """The claims of a token that somebody else signed, and the algorithm of the key that did."""

    claims: Mapping[str, Any]
    algorithm: str


def foreign_algorithms() -> Sequence[str]:
    """The algorithms that a client's own signature may have."""
    return foreign_keys.ALGORITHMS


def check_signature_keys(jwks: Mapping[str, Any]) -> None:
    """Hold the JWK Set of a client that signs against what `verify_foreign_jwt` needs of it.

    Arguments:
        jwks: the JWK Set, from JSON.

    Raises:
        ForeignKeyRefused: no key is one for signatures, or one of them is not sound.
    """
    foreign_keys.signature_keys(jwks)


def unverified_claims(token: str) -> Mapping[str, Any]:
    """The claims of a client's assertion that nobody has verified: only to learn whose keys to ask.

    Raises:
        TokenRefused: it is malformed.
    """
    return compact.parse(token, own=False).claims


def verify_foreign_jwt(token: str, *, jwks: Mapping[str, Any] | None, typ: str) -> Mapping[str, Any]:
    """The claims of a token that a client signed with one of its registered keys.

    What the claims have to say (issuer, audience, expiry, once only) is the caller's to check.

    Arguments:
        token: the compact JWS.
        jwks: the client's registered JWK Set; None where there is no client, which costs as much to refuse.
        typ: the kind of token that is expected; one that names no kind, or just `JWT`, passes as well.

    Raises:
        TokenRefused: it is malformed, another kind, or not signed by one of these keys with its algorithm.
        ForeignKeyRefused: the JWK Set has no key for signatures, or one that is not sound.
    """
    return verify_foreign_token(token, jwks=jwks, typ=typ).claims


def names_a_key(token: str, *, jwks: Mapping[str, Any]) -> bool:
    """Whether a set has the key that a token means; where it hasn't, the set may be an old one.

    Arguments:
        token: the compact JWS; nothing of it is verified.
        jwks: as for `verify_foreign_jwt`.

    Raises:
        TokenRefused, ForeignKeyRefused: as `verify_foreign_jwt`.
    """
    parsed = compact.parse(token, own=False)
    keys = foreign_keys.signature_keys(jwks)
    return foreign_keys.choose(keys, kid=parsed.kid, algorithm=parsed.algorithm) is not None


def verify_foreign_token(token: str, *, jwks: Mapping[str, Any] | None, typ: str) -> ForeignToken:
    """The same as `verify_foreign_jwt`, with the algorithm that the key has.

    Arguments and errors are those of `verify_foreign_jwt`.
    """
    parsed = compact.parse(token, own=False)
    if parsed.typ.lower().removeprefix("application/") not in ("", "jwt", typ):
        raise TokenRefused(f"The token is of the kind {parsed.typ[:32]!r}, and {typ!r} is expected.")
    keys = foreign_keys.signature_keys(foreign_keys.DECOY_SET if jwks is None else jwks)
    key = None if jwks is None else foreign_keys.choose(keys, kid=parsed.kid, algorithm=parsed.algorithm)
    held = key or foreign_keys.decoy(parsed.algorithm)
    jose.verify_signature(parsed, key=held.public_key, algorithm=held.algorithm)
    if key is None:
        raise TokenRefused("None of the registered keys is the one that signed this token.")
    return ForeignToken(parsed.claims, key.algorithm)


def verify_possession(token: str, *, typ: str) -> tuple[Mapping[str, Any], str]:
    """The claims of a token that proves a key, which stands in its own header (RFC 9449 §4.2).

    What the claims have to say (for which request, when, once only) is the caller's to check.

    Arguments:
        token: the compact JWS.
        typ: the kind of token that it has to say it is.

    Returns:
        The claims, and the key's thumbprint (RFC 7638), 43 characters.

    Raises:
        TokenRefused: it is malformed, another kind, shows no key, or isn't signed by it.
        ForeignKeyRefused: the key is not sound, or not for the algorithm.
    """
    parsed = compact.parse(token, own=False, dated=False)
    if parsed.typ.lower().removeprefix("application/") != typ:
        raise TokenRefused(f"The token is of the kind {parsed.typ[:32]!r}, and {typ!r} is expected.")
    if parsed.jwk is None:
        raise TokenRefused("The token's header shows no key.")
    key, thumbprint = foreign_keys.shown_key(parsed.jwk, parsed.algorithm)
    jose.verify_signature(parsed, key=key.public_key, algorithm=key.algorithm)
    return parsed.claims, thumbprint

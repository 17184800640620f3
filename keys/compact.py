"""Strict reading of a compact JWS before any library sees it (RFC 7515 §7.1, RFC 8725)."""

import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from keys.errors import TokenRefused
from keys.jwk import from_base64url

MAX_TOKEN_BYTES = 16_384  # an ML-DSA-87 signature alone takes 6,170 characters
MAX_NUMERIC_DATE = 253_402_300_799  # the last second of the year 9999
_SEGMENTS = 3


@dataclass(frozen=True, slots=True)
class CompactToken:
    """The parts of a token that nobody has verified yet."""

    kid: str
    algorithm: str
    typ: str
    claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes
    jwk: Mapping[str, Any] | None = None


def parse(token: str, *, own: bool = True, dated: bool = True) -> CompactToken:
    """Take a compact JWS apart; everything unusual is refused.

    Arguments:
        token: the token as it came.
        own: whether it claims to be one of ours, which always have a kid and a typ; a client's assertion
            may lack both, and has "" for them then.
        dated: whether it must say when it ends; a proof of possession doesn't (RFC 9449 §4.2).

    Raises:
        TokenRefused: it is over the size limit, not of three canonical base64url parts, its header or
            payload is no plain JSON object, a member stands twice, an extension is critical, or
            `alg`, `kid`, `typ` or a date is missing or absurd. The message never repeats the token.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenRefused(f"The token is longer than {MAX_TOKEN_BYTES} bytes.")
    parts = token.split(".")
    if len(parts) != _SEGMENTS or not token.isascii():
        raise TokenRefused("The token is not a compact JWS of three parts.")
    header = _object(parts[0], "header")
    if "crit" in header:
        raise TokenRefused("The token has a critical extension, and none is understood here.")
    claims = _object(parts[1], "payload")
    _check_dates(claims, dated=dated)
    jwk = header.get("jwk")
    return CompactToken(
        kid=_text(header, "kid", needed=own),
        algorithm=_text(header, "alg"),
        typ=_text(header, "typ", needed=own),
        claims=claims,
        signing_input=f"{parts[0]}.{parts[1]}".encode("ascii"),
        signature=_decoded(parts[2], "signature"),
        jwk=jwk if isinstance(jwk, dict) else None,
    )


def _decoded(part: str, name: str) -> bytes:
    try:
        return from_base64url(part)
    except (ValueError, binascii.Error):
        raise TokenRefused(f"The token's {name} is not canonical base64url.") from None


def _object(part: str, name: str) -> dict[str, Any]:
    try:
        text = _decoded(part, name).decode("utf-8")
    except UnicodeDecodeError:
        raise TokenRefused(f"The token's {name} is not UTF-8.") from None
    return plain_object(text, f"The token's {name}")


def plain_object(text: str, name: str) -> dict[str, Any]:
    """A JSON object from text, read strictly.

    Arguments:
        text: the JSON.
        name: what it is, the subject of the error's sentence.

    Raises:
        TokenRefused: no JSON, not an object, a member twice, or one of JavaScript's constants.
    """
    try:
        found = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise TokenRefused(f"{name} is not plain JSON with each member once.") from None
    if not isinstance(found, dict):
        raise TokenRefused(f"{name} is not a JSON object.")
    return found


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A member stands twice.")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _text(header: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
    value = header.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or not value:
        raise TokenRefused(f"The token's header has no {name}.")
    return value


def _check_dates(claims: Mapping[str, Any], *, dated: bool) -> None:
    if dated and claims.get("exp") is None:
        raise TokenRefused("The token has no exp.")
    for name in ("exp", "iat", "nbf"):
        value = claims.get(name, 0)
        if not (type(value) is int and 0 <= value <= MAX_NUMERIC_DATE):
            raise TokenRefused(f"The token's {name} is not a sensible number of seconds.")


def check_claims(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    audience: str | None,
    now: datetime,
    skew: timedelta,
    expired_ok: bool = False,
) -> None:
    """Hold the claims of a verified token against what is expected (RFC 7519 §4.1, RFC 8725 §3.8, §3.9).

    Arguments:
        claims: of a token that `parse` took apart, so that dates are whole numbers and `exp` is there.
        issuer: who must have issued it.
        audience: who must be among its audience; None leaves the audience to the caller.
        now: the moment, aware.
        skew: by how much the clock of the worker that wrote it may have run ahead.
        expired_ok: take a token that is over.

    Raises:
        TokenRefused: a claim says otherwise.
    """
    moment = now.timestamp()
    if claims.get("iss") != issuer:
        raise TokenRefused(f"The token's issuer is not {issuer}.")
    if audience is not None:
        found = claims.get("aud")
        if audience not in (found if isinstance(found, list) else [found]):
            raise TokenRefused(f"The token is not meant for {audience}.")
    if moment >= claims["exp"] and not expired_ok:
        raise TokenRefused(f"The token expired at {datetime.fromtimestamp(claims['exp'], UTC):%Y-%m-%d %H:%M:%S} UTC.")
    for name in ("nbf", "iat"):
        if claims.get(name, 0) > moment + skew.total_seconds():
            raise TokenRefused(f"The token's {name} lies in the future.")

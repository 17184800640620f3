"""The claims of an access token, checked for their form and frozen (RFC 9068 §2.2)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from signet_verifier.errors import InvalidToken

MAX_NUMERIC_DATE = 253_402_300_799  # the last second of the year 9999
MOST_TRUST = 100
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_UNCHANGEABLE = frozenset({str, int})


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good access token says. Nothing in it can be changed.

    Attributes:
        issuer, subject, client_id, token_id: `iss`, `sub`, `client_id`, `jti`.
        audience: `aud`, also where the token names one alone.
        issued_at, expires_at, not_before: `iat`, `exp`, `nbf` in seconds since 1970; 0 for no `nbf`.
        scopes: of `scope`.
        roles: in the order of the token.
        auth_time: when the person proved who they are; None where there is no person.
        acr, amr: how; "" and nothing where it isn't told.
        device_trust: from 0 to 100; None where it isn't told.
        session_id: `sid`, "" for none.
        confirmation: `cnf` as it came: what the token is bound to.
        key_thumbprint: `cnf.jkt`: of the key that has to be proved with it (RFC 9449 §6.1); "" for none.
        every: all claims as they came; lists are tuples, and mappings can't be written to.
    """

    issuer: str
    subject: str
    audience: tuple[str, ...]
    client_id: str
    token_id: str
    issued_at: int
    expires_at: int
    not_before: int
    scopes: frozenset[str]
    roles: tuple[str, ...]
    auth_time: int | None
    acr: str
    amr: tuple[str, ...]
    device_trust: int | None
    session_id: str
    confirmation: Mapping[str, Any]
    key_thumbprint: str
    every: Mapping[str, Any]

    @property
    def is_bound(self) -> bool:
        """Whether the token is worth something only together with a proof (RFC 7800 §3)."""
        return "cnf" in self.every


def read_claims(claims: Mapping[str, Any]) -> Claims:
    """Claims from a payload.

    Raises:
        InvalidToken: one that must be there is missing, or one has not its form.
    """
    confirmation = claims.get("cnf", _NOTHING)
    if not isinstance(confirmation, dict) and confirmation is not _NOTHING:
        raise InvalidToken("The token's cnf is not what it has to be.")
    return Claims(
        issuer=_text(claims, "iss"),
        subject=_text(claims, "sub"),
        audience=_audience(claims.get("aud")),
        client_id=_text(claims, "client_id"),
        token_id=_text(claims, "jti"),
        issued_at=_date(claims, "iat"),
        expires_at=_date(claims, "exp"),
        not_before=_date(claims, "nbf") if "nbf" in claims else 0,
        scopes=frozenset(_optional_text(claims, "scope").split(" ")) - {""},
        roles=_texts(claims, "roles"),
        auth_time=_date(claims, "auth_time") if "auth_time" in claims else None,
        acr=_optional_text(claims, "acr"),
        amr=_texts(claims, "amr"),
        device_trust=_trust(claims),
        session_id=_optional_text(claims, "sid"),
        confirmation=_frozen(confirmation) if confirmation else _NOTHING,
        key_thumbprint=_thumbprint(confirmation),
        every=MappingProxyType(
            {name: value if type(value) in _UNCHANGEABLE else _frozen(value) for name, value in claims.items()}
        ),
    )


def _wrong(name: str) -> InvalidToken:
    return InvalidToken(f"The token's {name} is not what it has to be.")


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidToken(f"The token has no {name}.")
    return value


def _optional_text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str):
        raise _wrong(name)
    return value


def _texts(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = claims.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _wrong(name)
    return tuple(value)


def _audience(value: object) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(each, str) and each for each in listed):
        raise InvalidToken("The token has no aud.")
    return tuple(listed)


def _date(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if not (type(value) is int and 0 <= value <= MAX_NUMERIC_DATE):
        raise InvalidToken(f"The token's {name} is not a sensible number of seconds.")
    return value


def _trust(claims: Mapping[str, Any]) -> int | None:
    value = claims.get("device_trust")
    if value is not None and not (type(value) is int and 0 <= value <= MOST_TRUST):
        raise _wrong("device_trust")
    return value


def _thumbprint(confirmation: Mapping[str, Any]) -> str:
    value = confirmation.get("jkt", "")
    if "jkt" in confirmation and not (isinstance(value, str) and _THUMBPRINT.fullmatch(value)):
        raise _wrong("cnf")
    return str(value)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(each) for name, each in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(each) for each in value)
    return value

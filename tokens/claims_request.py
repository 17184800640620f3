"""The `claims` parameter: claims about a person asked for one by one (OpenID Connect Core §5.5)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.claims import SCOPE_CLAIMS
from tokens.errors import AuthorizationRefused

ID_TOKEN, USERINFO = "id_token", "userinfo"
_SCOPE_OF = {claim: scope for scope, claims in SCOPE_CLAIMS.items() for claim in claims}


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """What is asked for beyond scopes.

    Attributes:
        id_token: names of claims for the ID token; only ones that this provider can tell.
        userinfo: the same for userinfo.
        subject: who it has to be about, as the client knows them; "" for whoever it is (§5.5.1).
        acr_values: classes of which the sign-in has to have one; empty for any (§5.5.1.1).
    """

    id_token: tuple[str, ...] = ()
    userinfo: tuple[str, ...] = ()
    subject: str = ""
    acr_values: tuple[str, ...] = ()

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that have these claims: what a person has to allow, and a client to be registered for."""
        return tuple(dict.fromkeys(_SCOPE_OF[name] for name in (*self.id_token, *self.userinfo)))

    def within(self, scopes: frozenset[str]) -> "ClaimsRequest":
        """The same without claims of other scopes: a claim asked for is a wish, and no wish is an error (§5.5)."""
        return ClaimsRequest(
            tuple(name for name in self.id_token if _SCOPE_OF[name] in scopes),
            tuple(name for name in self.userinfo if _SCOPE_OF[name] in scopes),
            self.subject,
            self.acr_values,
        )

    def stored(self) -> dict[str, list[str]]:
        """What a grant keeps of it: the names, by where they are told."""
        found = {ID_TOKEN: list(self.id_token), USERINFO: list(self.userinfo)}
        return {where: names for where, names in found.items() if names}


def parse(text: str) -> ClaimsRequest:
    """A `claims` parameter; what is not understood in it is passed over (§5.5, §5.5.1).

    Arguments:
        text: the JSON; "" for no request.

    Raises:
        AuthorizationRefused: it is not JSON of the form that §5.5 describes, each member once.
    """
    if not text:
        return ClaimsRequest()
    try:
        asked = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _refusal() from error
    if not isinstance(asked, dict):
        raise _refusal()
    id_token, userinfo = (_members(asked.get(where)) for where in (ID_TOKEN, USERINFO))
    return ClaimsRequest(
        id_token=tuple(name for name in id_token if name in _SCOPE_OF),
        userinfo=tuple(name for name in userinfo if name in _SCOPE_OF),
        subject=_subject(id_token.get("sub")),
        acr_values=_essential_acr(id_token.get("acr")),
    )


def _members(asked: Any) -> Mapping[str, Mapping[str, Any]]:
    """The claims of one place, each with how it is asked for; null is asked for plainly."""
    if asked is None:
        return {}
    if not isinstance(asked, dict):
        raise _refusal()
    for value in asked.values():
        if not (value is None or (isinstance(value, dict) and isinstance(value.get("essential", False), bool))):
            raise _refusal()
    return {name: value or {} for name, value in asked.items()}


def _subject(asked: Mapping[str, Any] | None) -> str:
    """Who it has to be about; an empty or odd one is refused, since passing it over would let anybody in."""
    if not asked or "value" not in asked:
        return ""
    subject = asked["value"]
    if not (isinstance(subject, str) and subject):
        raise _refusal()
    return subject


def _essential_acr(asked: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The classes that are demanded; such as are only wished for demand nothing."""
    if not asked or asked.get("essential") is not True:
        return ()
    values = asked.get("values", [asked["value"]] if "value" in asked else [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _refusal()
    return tuple(values)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A member stands twice.")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _refusal() -> AuthorizationRefused:
    return AuthorizationRefused("invalid_request", "The parameter claims has not the form of OpenID Connect Core 5.5.")

"""RP-initiated logout's decision (OpenID Connect RP-Initiated Logout §2, §3)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from accounts.selectors import LiveSession
from accounts.services.sessions import end_session
from accounts.vocabulary import SessionEnd
from keys import api
from keys.errors import TokenRefused
from realms.models import Realm
from tokens.authorization_request import RawRequest, read
from tokens.errors import PageError
from tokens.models import Client
from tokens.protocol import ProtocolRequest
from tokens.selectors import client_of
from tokens.services.live_grants import sid_for, subject_for
from tokens.vocabulary import ID_TOKEN_TYPE, ClientKind


@dataclass(frozen=True, slots=True)
class SignedOut:
    """Nobody is signed in any more; `target` is where to go on, "" for a page of ours."""

    target: str


@dataclass(frozen=True, slots=True)
class ConfirmationNeeded:
    """Whoever asks didn't prove that it is about this person: they decide; what is left to know is in this query."""

    query: str
    client: Client | None


Outcome = SignedOut | ConfirmationNeeded
_STILL_ASKED = ("post_logout_redirect_uri", "state", "ui_locales")


def sign_out(
    request: ProtocolRequest, *, realm: Realm, live: LiveSession | None, now: datetime, confirmed: bool = False
) -> Outcome:
    """End a person's session in a realm, or ask them first.

    Without a session there is nothing to end, and nothing to ask.

    Arguments:
        request: `/logout`, or the same parameters on their way through the confirmation page.
        realm: whose session.
        live: the browser's session in this realm, if there is one.
        now: aware time of the request.
        confirmed: the person pressed the button.

    Raises:
        PageError: the client or the post-logout redirect URI are in doubt; nobody is sent anywhere.
        KeysError: the keys can't be read.
    """
    raw = read(request)
    if raw.repeated:
        raise PageError("Repeated parameter")
    hint = _hint(raw, realm=realm, now=now)
    client = _client(raw, hint, realm)
    target = _target(raw, client)
    if live is None:
        return SignedOut(target)
    if not (confirmed or _is_about(hint, live, client=client, realm=realm)):
        return ConfirmationNeeded(_to_confirm(raw, client), client)
    actor = f"user:{live.person.subject}"
    end_session(live.session, reason=SessionEnd.SIGNED_OUT, actor=actor, now=now)
    return SignedOut(target)


def _hint(raw: RawRequest, *, realm: Realm, now: datetime) -> Mapping[str, Any] | None:
    """The claims of the ID token hint; one that is over is still a hint, one that isn't ours is none (§2)."""
    if not raw.get("id_token_hint"):
        return None
    try:
        return api.verify_jwt(raw.get("id_token_hint"), realm=realm, typ=ID_TOKEN_TYPE, now=now, expired_ok=True).claims
    except TokenRefused:
        return None


def _client(raw: RawRequest, hint: Mapping[str, Any] | None, realm: Realm) -> Client | None:
    named, hinted = raw.get("client_id"), str(hint["aud"]) if hint and "aud" in hint else ""
    if named and hinted and named != hinted:
        raise PageError("The id_token_hint is another client's")
    if not (named or hinted):
        return None
    client = client_of(realm_id=realm.pk, client_id=named or hinted)
    if client is None or client.kind == ClientKind.BUILT_IN:
        raise PageError("Invalid client_id")
    return client


def _target(raw: RawRequest, client: Client | None) -> str:
    """Where to go on: only to what the client registered, letter by letter (§3)."""
    uri = raw.get("post_logout_redirect_uri")
    if not uri:
        return ""
    if client is None or uri not in client.post_logout_redirect_uris:
        raise PageError("Invalid post_logout_redirect_uri")
    if "state" not in raw.first:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'state': raw.get('state')})}"


def _to_confirm(raw: RawRequest, client: Client | None) -> str:
    """What the confirmation page has to know. The hint has done its part: it named the client, and proved nothing.

    It may be longer than an address, and an ID token has no place in one, which logs keep (RFC 9700 §4.3).
    """
    named = [("client_id", client.client_id)] if client else []
    asked = [(name, raw.get(name)) for name in _STILL_ASKED if raw.get(name)]
    return replace(raw, pairs=[*named, *asked]).query()


def _is_about(hint: Mapping[str, Any] | None, live: LiveSession, *, client: Client | None, realm: Realm) -> bool:
    """Whether the hint proves that this person, as the client knows them, came from it in this session."""
    if hint is None or client is None:
        return False
    known_as = subject_for(live.person.subject, client=client, realm=realm)
    return hint.get("sub") == known_as and hint.get("sid") == sid_for(live.session.sid, client=client, realm=realm)

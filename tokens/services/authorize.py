"""The authorization endpoint's decision (RFC 6749 §4.1.1, RFC 9207, OpenID Connect Core §3.1.2).

Errors go to the redirect URI only when client and URI are beyond doubt; else a person reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts.models import User
from accounts.selectors import LiveSession
from realms.models import Realm
from tokens import redirect_uris
from tokens.authorization_request import AuthorizationRequest, RawRequest, parse, read, response_mode_of
from tokens.authorize_checks import CHECKS, granted_scopes
from tokens.errors import AuthorizationRefused, PageError
from tokens.models import Client
from tokens.protocol import ProtocolRequest
from tokens.selectors import client_of, consented_scopes
from tokens.services.codes import begin_code_grant
from tokens.services.consent import remember
from tokens.vocabulary import ClientKind, Prompt, ResponseMode


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client, through the browser."""

    redirect_uri: str
    mode: ResponseMode
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SignInNeeded:
    """The person has to prove who they are; then the request goes on with this query."""

    query: str
    login_hint: str


@dataclass(frozen=True, slots=True)
class ConsentNeeded:
    """The person has to allow it."""

    client: Client
    person: User
    scopes: tuple[str, ...]
    query: str


Outcome = Answer | SignInNeeded | ConsentNeeded


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request whose client and redirect URI are beyond doubt."""

    raw: RawRequest
    client: Client
    redirect_uri: str
    realm: Realm

    def answer(self, **parameters: str) -> Answer:
        """The parameters with `state` and `iss` (RFC 9207 §2), by the way that was asked for."""
        state = {"state": self.raw.get("state")} if "state" in self.raw.first else {}
        return Answer(self.redirect_uri, response_mode_of(self.raw), {**parameters, **state, "iss": self.realm.issuer})


def authorize(
    request: ProtocolRequest,
    *,
    realm: Realm,
    live: LiveSession | None,
    now: datetime,
    decision: bool | None = None,
) -> Outcome:
    """What becomes of an authorization request.

    Arguments:
        request: `/authorize`, or the same parameters on their way through the consent page.
        realm: whose client and person.
        live: the person's session in this realm, if there is one.
        now: aware time of the request.
        decision: what the person said on the consent page; None where they were not asked.

    Raises:
        PageError: client or redirect URI are in doubt: shown to the person.
        InvalidRequest, BodyTooLarge, UnsupportedMediaType: the request can't be read.
        KeysError: the keys can't be read.
    """
    raw = read(request)
    asked = _identify(raw, realm)
    try:
        wanted = parse(raw)
        for check in CHECKS:
            check(wanted, asked.client)
        return _decide(asked, wanted, live=live, now=now, decision=decision)
    except AuthorizationRefused as error:
        return asked.answer(error=error.word, error_description=error.public)


def _identify(raw: RawRequest, realm: Realm) -> _Asked:
    if {"client_id", "redirect_uri"} & raw.repeated:
        raise PageError("Repeated client_id or redirect_uri")
    client = client_of(realm_id=realm.pk, client_id=raw.get("client_id"))
    if client is None or client.kind == ClientKind.BUILT_IN:
        raise PageError("Invalid client_id")
    uri = raw.get("redirect_uri")
    if not any(redirect_uris.matches(registered, uri) for registered in client.redirect_uris):
        raise PageError("Invalid redirect_uri")
    return _Asked(raw, client, uri, realm)


def _decide(
    asked: _Asked, wanted: AuthorizationRequest, *, live: LiveSession | None, now: datetime, decision: bool | None
) -> Outcome:
    silent = Prompt.NONE in wanted.prompts
    if live is None or _must_sign_in_again(wanted, live, now):
        if silent:
            raise AuthorizationRefused("login_required", "The person is not signed in, or not lately enough.")
        return SignInNeeded(asked.raw.query_after_sign_in(), asked.raw.get("login_hint"))
    if decision is False:
        raise AuthorizationRefused("access_denied", "The person did not allow it.")
    scopes = granted_scopes(wanted, asked.client)
    if decision is None and _must_consent(asked.client, wanted, scopes, live):
        if silent:
            raise AuthorizationRefused("consent_required", "The person has not allowed this yet.")
        return ConsentNeeded(asked.client, live.person, scopes, asked.raw.query())
    if decision:
        remember(person=live.person, client=asked.client, scopes=scopes, now=now)
    code = begin_code_grant(
        realm=asked.realm,
        client=asked.client,
        live=live,
        scopes=scopes,
        request=wanted,
        redirect_uri=asked.redirect_uri,
        now=now,
    )
    return asked.answer(code=code)


def _must_sign_in_again(wanted: AuthorizationRequest, live: LiveSession, now: datetime) -> bool:
    """A fresh sign-in is asked for, or the last one is too old (OpenID Connect Core §3.1.2.1)."""
    if wanted.prompts & {Prompt.LOGIN, Prompt.SELECT_ACCOUNT}:
        return True
    return wanted.max_age is not None and now - live.session.auth_time > timedelta(seconds=wanted.max_age)


def _must_consent(client: Client, wanted: AuthorizationRequest, scopes: tuple[str, ...], live: LiveSession) -> bool:
    if Prompt.CONSENT in wanted.prompts:
        return True
    if client.first_party:
        return False
    return not set(scopes) <= consented_scopes(user_id=live.person.pk, client_id=client.pk)

"""The authorization endpoint's decision (RFC 6749 §4.1.1, RFC 9207, OpenID Connect Core §3.1.2, §3.2.2, §3.3.2).

Errors go to the redirect URI only when client and URI are beyond doubt; else a person reads them. And nobody is
sent to a client before they proved who they are, not even with an error, unless the request is silent (RFC 9700
§4.11.2).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db import transaction

from accounts.claims import standard_claims
from accounts.errors import PersonGone
from accounts.selectors import LiveSession, person_facts
from accounts.services.presence import noticing_deletion
from accounts.services.sessions import hold_session
from keys import api
from keys.errors import TokenRefused
from realms.models import Realm
from realms.vocabulary import Registration
from tokens import redirect_uris
from tokens.authorization_outcomes import Answer, ConsentNeeded, Outcome, SignInNeeded, StepUpNeeded
from tokens.authorization_request import AuthorizationRequest, RawRequest, parse, read, response_mode_of
from tokens.authorize_checks import CHECKS, granted_scopes
from tokens.errors import AuthorizationRefused, PageError
from tokens.models import Client, Grant
from tokens.protocol import ProtocolRequest
from tokens.selectors import client_of, consented_scopes
from tokens.services.codes import code_of, new_grant
from tokens.services.consent import remember, still_covers
from tokens.services.issuance import issue_through_browser
from tokens.services.live_grants import authorization_of, subject_for
from tokens.services.step_up import lacking_of, way_or_refusal
from tokens.vocabulary import ID_TOKEN_TYPE, ClientKind, Prompt, ResponseType


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
    except PersonGone:  # in this moment: nobody is signed in any more
        return authorize(request, realm=realm, live=None, now=now)
    except AuthorizationRefused as error:
        if live is None and not raw.is_silent():
            return SignInNeeded(raw.query_after_sign_in(), raw.get("login_hint"))
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
    if Prompt.CREATE in wanted.prompts:
        return _registration(asked)
    expected = _expected_subjects(asked, wanted, now)
    if live is None or _must_sign_in_again(wanted, live, now) or not _is_one_of(expected, asked, live):
        if silent:
            raise AuthorizationRefused("login_required", "The person is not signed in, or not lately enough.")
        return _sign_in(asked, wanted)
    if (more := _step_up(asked, wanted, live)) is not None:
        return more
    if decision is False:
        raise AuthorizationRefused("access_denied", "The person did not allow it.")
    scopes = granted_scopes(wanted, asked.client)
    shown = _to_be_allowed(asked.client, wanted, scopes)
    if decision is None and _must_consent(asked, wanted, shown, live):
        return _ask(asked, wanted, scopes, shown, live)
    grant = new_grant(
        realm=asked.realm,
        client=asked.client,
        live=live,
        scopes=scopes,
        request=wanted,
        redirect_uri=asked.redirect_uri,
        now=now,
    )
    answer = _answer_of(grant, wanted.response_type, live=live, now=now)
    with noticing_deletion(live.person):
        begun = _begin(grant, wanted.response_type, live, allowing=shown, decided=bool(decision), now=now)
    if not begun:
        return _ask(asked, wanted, scopes, shown, live)
    return asked.answer(**answer)


def _sign_in(asked: _Asked, wanted: AuthorizationRequest) -> SignInNeeded:
    again = [prompt.value for prompt in (Prompt.LOGIN, Prompt.SELECT_ACCOUNT) if prompt in wanted.prompts]
    return SignInNeeded(
        asked.raw.query_after_sign_in(),
        asked.raw.get("login_hint"),
        prompt=again[0] if again else "",
        max_age="" if wanted.max_age is None else str(wanted.max_age),
    )


def _registration(asked: _Asked) -> SignInNeeded:
    """To the page for new accounts (Initiating User Registration §4.1, §4.1.1)."""
    if asked.realm.registration != Registration.OPEN:
        raise AuthorizationRefused("invalid_request", "People can't make accounts here by themselves.")
    return SignInNeeded(asked.raw.query_after_sign_in(), asked.raw.get("login_hint"), new_account=True)


def _expected_subjects(asked: _Asked, wanted: AuthorizationRequest, now: datetime) -> frozenset[str]:
    """Who the client says that it must be about: by the `sub` that it knows, or by an earlier ID token (§3.1.2.2).

    Raises:
        AuthorizationRefused: the ID token is none that this client got here; one that is over is still a hint.
    """
    hint = asked.raw.get("id_token_hint")
    expected = {wanted.claims.subject} - {""}
    if not hint:
        return frozenset(expected)
    try:
        claims = api.verify_jwt(
            hint, realm=asked.realm, typ=ID_TOKEN_TYPE, audience=asked.client.client_id, now=now, expired_ok=True
        ).claims
    except TokenRefused as error:
        raise AuthorizationRefused("invalid_request", "The id_token_hint is no ID token of this client.") from error
    return frozenset(expected | {str(claims.get("sub"))})


def _is_one_of(expected: frozenset[str], asked: _Asked, live: LiveSession) -> bool:
    """Whether the person is who the client expects; two different expectations nobody meets."""
    return expected <= {subject_for(live.person.subject, client=asked.client, realm=asked.realm)}


def _must_sign_in_again(wanted: AuthorizationRequest, live: LiveSession, now: datetime) -> bool:
    """A fresh sign-in is asked for, or the last one is too old (OpenID Connect Core §3.1.2.1)."""
    if wanted.prompts & {Prompt.LOGIN, Prompt.SELECT_ACCOUNT}:
        return True
    return wanted.max_age is not None and now - live.session.auth_time > timedelta(seconds=wanted.max_age)


def _step_up(asked: _Asked, wanted: AuthorizationRequest, live: LiveSession) -> StepUpNeeded | None:
    """Where the person has to prove more; None where what they proved is enough."""
    lacking = lacking_of(live, client=asked.client, realm=asked.realm, wanted=wanted)
    if not lacking:
        return None
    way = way_or_refusal(live.person, to=lacking, silent=asked.raw.is_silent(), again=asked.raw.was_stepped_up())
    return StepUpNeeded(asked.raw.query_after_step_up(), way)


def _to_be_allowed(client: Client, wanted: AuthorizationRequest, scopes: tuple[str, ...]) -> tuple[str, ...]:
    """What the person is asked for: the scopes, and those whose claims are asked for one by one."""
    return tuple(dict.fromkeys((*scopes, *wanted.claims.within(frozenset(client.scopes)).scopes)))


def _must_consent(asked: _Asked, wanted: AuthorizationRequest, scopes: tuple[str, ...], live: LiveSession) -> bool:
    """Whether the person has to be asked; what they said before counts only for a client that is surely the same one.

    On a person's own device any program may take the client_id and the address of a public client, so it is asked
    about each time (RFC 8252 §8.6, RFC 6749 §10.2).
    """
    client = asked.client
    if Prompt.CONSENT in wanted.prompts:
        return True
    if client.first_party:
        return False
    if client.kind == ClientKind.PUBLIC and urlsplit(asked.redirect_uri).scheme != "https":
        return True
    allowed = consented_scopes(user_id=live.person.pk, client_id=client.pk)
    return allowed is None or not set(scopes) <= allowed  # no scope at all is asked for once as well


def _ask(
    asked: _Asked, wanted: AuthorizationRequest, scopes: tuple[str, ...], shown: tuple[str, ...], live: LiveSession
) -> ConsentNeeded:
    if Prompt.NONE in wanted.prompts:
        raise AuthorizationRefused("consent_required", "The person has not allowed this yet.")
    return ConsentNeeded(asked.client, live.person, shown, asked.redirect_uri, asked.raw.query(scopes=scopes))


def _begin(
    grant: Grant,
    response_type: ResponseType,
    live: LiveSession,
    *,
    allowing: tuple[str, ...],
    decided: bool,
    now: datetime,
) -> bool:
    """Write the grant's row together with what it rests on; False, and no row, where that was withdrawn meanwhile.

    The row comes last, when the client's answer is there; and with the consent, so a withdrawal finds it. A code of
    a session that ends in this moment is refused later. Tokens would be good for a while, and nobody would tell
    their client of the end: they are not handed out.
    """
    by_code = response_type is ResponseType.CODE
    if by_code and grant.client.first_party and not decided:  # it rests on no consent
        grant.save(force_insert=True)
        return True
    with transaction.atomic():
        if not (by_code or hold_session(live.session)):
            raise AuthorizationRefused("login_required", "The person has just signed out.")
        if decided:
            remember(person=grant.user, client=grant.client, scopes=allowing, now=now)
        elif not (grant.client.first_party or still_covers(allowing, person=grant.user, client=grant.client)):
            return False
        grant.save(force_insert=True)
    return True


def _answer_of(grant: Grant, response_type: ResponseType, *, live: LiveSession, now: datetime) -> dict[str, str]:
    realm = grant.realm
    code = code_of(grant, realm=realm, now=now) if response_type.has_code else ""
    if response_type is ResponseType.CODE:
        return {"code": code}
    authorization = authorization_of(grant, realm=realm, roles=live.roles)
    if response_type is ResponseType.ID_TOKEN:
        # No access token will ever ask userinfo, so the ID token tells what the scopes have (§5.4).
        told = standard_claims(person_facts(live.person), scopes=frozenset(grant.scopes), requested=frozenset())
        authorization = replace(authorization, identity={**authorization.identity, **told})
    return issue_through_browser(authorization, response_type, code=code, realm=realm, now=now)

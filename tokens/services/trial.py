"""A sign-in that an operator runs as one of the clients, to see what it gets (RFC 6749 §4.1, RFC 7636).

Nothing is left out but the client's own authentication: the person signs in, consents and comes back as always. The
code is redeemed in this process, its tokens are read and dropped, and the grant ends at once.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from audit.services import record
from audit.vocabulary import EventName
from keys import api
from keys.errors import TokenRefused
from tokens import pkce
from tokens.errors import InvalidGrant
from tokens.models import Client, Grant
from tokens.scopes import OFFLINE_ACCESS
from tokens.services.access_tokens import trusted_claims
from tokens.services.codes import redeem_code
from tokens.services.issuance import Tokens, issue
from tokens.services.revocation import end_grants
from tokens.vocabulary import ID_TOKEN_TYPE, ClientKind, ResponseMode, ResponseType, RevocationReason

LIFETIME = timedelta(minutes=15)  # to sign in, with a second factor to be set up, and to consent
_RANDOM_BYTES = 32
_PARAMETERS = ("state", "iss", "code", "error", "error_description")


class TrialFailed(Exception):
    """The sign-in came to nothing; the text says why, for the operator."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A sign-in that was begun. It waits in the operator's own session on the server.

    Attributes:
        client: primary key.
        redirect_uri: where the answer goes.
        state, nonce, verifier: random, as a client makes them.
        begun_at: seconds since the epoch.
    """

    client: int
    redirect_uri: str
    state: str
    nonce: str
    verifier: str = field(repr=False)
    begun_at: float

    def stored(self) -> dict[str, Any]:
        """What a session keeps of it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """What the client would have got; never a token.

    Attributes:
        id_token: its claims; None where there is none, or where only the client can read it.
        id_token_is_encrypted: whether that is why.
        access_token: its claims, also where no client could read them.
        scope, expires_in: as in the token answer.
        refreshable: whether a refresh token came along.
    """

    id_token: Mapping[str, Any] | None
    id_token_is_encrypted: bool
    access_token: Mapping[str, Any]
    scope: str
    expires_in: int
    refreshable: bool


def callback() -> str:
    """Where Signet itself takes an answer: the redirect URI to be registered."""
    return settings.IDP_ISSUER + reverse("admin:tokens_client_trial_answer")


def faults(client: Client) -> list[str]:
    """Why a sign-in as this client can't be run from here, a sentence each, with what to do."""
    found = []
    if client.kind == ClientKind.BUILT_IN:
        return ["This client is the provider's own: nobody is sent to the authorization endpoint for it."]
    if not client.realm.enabled:
        found.append("Its realm is switched off.")
    if not client.enabled:
        found.append("It is switched off: tick enabled.")
    if ResponseType.CODE not in client.response_types:
        found.append("It is not registered for the response type code: tick authorization_code and code.")
    if callback() not in client.redirect_uris:
        found.append(
            f"Signet may not take its answers: register the redirect URI {callback()}, and take it away again when you "
            f"are done."
        )
    return found


def begin_trial(client: Client, *, redirect_uri: str, now: datetime) -> Trial:
    """What a client remembers of a request that it makes.

    Arguments:
        redirect_uri: one of the client's.
        now: aware time.
    """
    state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
    return Trial(client.pk, redirect_uri, state, nonce, verifier, now.timestamp())


def address_of(trial: Trial, client: Client, *, page: str, anew: bool) -> str:
    """The authorization request. Its answer is posted, so that no code stands in an address.

    Arguments:
        page: the path of the realm's authorization endpoint.
        anew: whether the person is to sign in again.
    """
    scopes = " ".join(scope for scope in client.scopes if scope != OFFLINE_ACCESS)
    asked = {
        "response_type": ResponseType.CODE.value,
        "response_mode": ResponseMode.FORM_POST.value,
        "client_id": client.client_id,
        "redirect_uri": trial.redirect_uri,
        "scope": scopes,
        "state": trial.state,
        "nonce": trial.nonce,
        "code_challenge": pkce.challenge_of(trial.verifier),
        "code_challenge_method": "S256",
        "prompt": "login" if anew else "",
    }
    return f"{page}?{urlencode({name: value for name, value in asked.items() if value})}"


def finish_trial(
    trial: Trial, client: Client, answer: Mapping[str, list[str]], *, actor: str, now: datetime
) -> TrialOutcome:
    """Take an answer as a careful client does (RFC 9700 §2.1), and read what it leads to.

    Arguments:
        trial: what was remembered; the caller has forgotten it, so that it is used once.
        client: whose trial it is.
        answer: the parameters that were posted, however hostile.
        actor: opaque id of the operator.
        now: aware time.

    Raises:
        TrialFailed: it isn't the answer to this request, or it is a refusal.
        KeysError: no key may sign now.
    """
    found = {name: values[0] for name, values in answer.items() if name in _PARAMETERS and len(values) == 1}
    if now.timestamp() - trial.begun_at > LIFETIME.total_seconds():
        raise TrialFailed("This trial was begun too long ago.")
    if not constant_time_compare(found.get("state", ""), trial.state):
        raise TrialFailed("The answer has another state than the request.")
    if found.get("iss") != client.realm.issuer:
        raise TrialFailed("The answer names another issuer than the client's.")
    if "error" in found:
        raise TrialFailed(f"The provider refused: {found['error']}. {found.get('error_description', '')}".strip())
    try:
        return _redeem(trial, client, found.get("code", ""), actor=actor, now=now)
    except InvalidGrant as error:
        raise TrialFailed("The code is not honoured.") from error


def _redeem(trial: Trial, client: Client, code: str, *, actor: str, now: datetime) -> TrialOutcome:
    realm = client.realm
    authorization = redeem_code(
        code, redirect_uri=trial.redirect_uri, code_verifier=trial.verifier, realm=realm, client=client, now=now
    )
    try:
        tokens = issue(authorization, realm=realm, now=now)
        outcome = _told(tokens, trial, client, now=now)
    finally:
        ended = Grant.objects.filter(pk__in=[authorization.grant_id])
        end_grants(ended, reason=RevocationReason.OPERATOR, actor=actor, now=now, because="A trial is over.")
    record(EventName.CLIENT_TRIED, realm=realm.slug, actor=actor, target=client.client_id, now=now)
    return outcome


def _told(tokens: Tokens, trial: Trial, client: Client, *, now: datetime) -> TrialOutcome:
    encrypted = tokens.id_token is not None and bool(client.id_token_encryption_alg)
    access_token = trusted_claims(tokens.access_token, realm=client.realm, now=now)
    if access_token is None:
        raise TrialFailed("The access token is not good: look at the state of the realm's keys.")
    return TrialOutcome(
        id_token=None if encrypted else _id_token_claims(tokens.id_token, trial, client, now=now),
        id_token_is_encrypted=encrypted,
        access_token=access_token,
        scope=tokens.scope,
        expires_in=tokens.expires_in,
        refreshable=tokens.refresh_token is not None,
    )


def _id_token_claims(token: str | None, trial: Trial, client: Client, *, now: datetime) -> Mapping[str, Any] | None:
    if token is None:
        return None
    try:
        audience = client.client_id
        claims = api.verify_jwt(token, realm=client.realm, typ=ID_TOKEN_TYPE, audience=audience, now=now).claims
    except TokenRefused as error:
        raise TrialFailed(f"The ID token is not good: {error}") from error
    if not constant_time_compare(str(claims.get("nonce")), trial.nonce):
        raise TrialFailed("The ID token has another nonce than the request.")
    return claims

"""First-party direct sign-in: `/auth`, `/auth/mfa`, `/auth/refresh`, `/auth/logout`, without a web framework.

Its grants belong to the realm's built-in client. Answers follow RFC 6749 §5; `token` repeats
`access_token` for clients that know no other name for it.
"""

import logging
import math
from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts.acr import SECOND_FACTOR
from accounts.device_cookie import visit_from
from accounts.errors import ChallengeOver, FactorRefused, HashingBusy, PersonGone, SignInRefused, TooManyAttempts
from accounts.models import SignInChallenge
from accounts.selectors.factors import factors_of, standing_challenge
from accounts.services.challenges import CHALLENGE_LIFETIME, Due, begin_challenge, complete_challenge, due
from accounts.services.presence import noticing_deletion
from accounts.services.second_factors import prove_code
from accounts.services.sign_in import SignedIn
from accounts.services.sign_in import sign_in as prove
from accounts.vocabulary import Factor
from accounts.whereabouts import Whereabouts
from realms.models import Realm
from tokens import endpoints
from tokens.direct_errors import (
    ChallengeRefused,
    InteractionRequired,
    InvalidCredentials,
    NoSuitableKey,
    SecondFactorDue,
    SecondFactorRefused,
)
from tokens.direct_parameters import (
    SignInRequest,
    parse_refresh_token,
    parse_second_factor,
    parse_sign_in,
    wants_expired,
)
from tokens.dpop import Proof
from tokens.errors import InvalidGrant, TemporarilyUnavailable, TooManyRequests
from tokens.handles import HandlePurpose
from tokens.models import Client
from tokens.protocol import ProtocolRequest, ProtocolResponse, json_response
from tokens.selectors import client_of, grant_of
from tokens.services.direct_tokens import answer_with, begin, tokens_for
from tokens.services.issuance import check_keys, issue
from tokens.services.possession import proof_in, refuse_unproved, take
from tokens.services.refresh import redeem
from tokens.services.revocation import end_grant
from tokens.services.tagging import challenge_for, open_handle, open_refresh_token
from tokens.vocabulary import DIRECT_CLIENT_ID, RevocationReason

logger = logging.getLogger("signet.direct")
_BUSY_SECONDS = 2


def sign_in(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """Tokens for a name and a password.

    Arguments:
        request: `POST /auth`, with `?expired=true` for a token that expired.
        realm: where the person has to be a member.
        now: aware time of the request.

    Raises:
        OAuthError: the request is refused; where a second factor is due, with a challenge for `/auth/mfa`.
        KeysError: no key may sign now.
    """
    expired = _expired_wanted(request)
    credentials = parse_sign_in(request)
    client = _direct_client(realm)
    proof = None if expired else _proof_in(request, endpoints.SIGN_IN, client=client, realm=realm, now=now)
    if not expired:
        check_keys(client.access_token_alg, realm=realm, now=now)
    signed_in = _prove(credentials, request, realm=realm, now=now)
    try:
        with noticing_deletion(signed_in.person):
            _ask_for_what_is_due(signed_in, realm=realm, client=client, now=now)
            visit = visit_from(request.headers, address=request.peer, thumbprint=take(proof, realm=realm))
            begun = begin(signed_in, visit=visit, realm=realm, client=client, expired=expired, now=now)
    except PersonGone as error:
        raise InvalidCredentials(detail="gone") from error
    return tokens_for(begun, visit=visit, realm=realm, now=now)


def complete(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """Tokens for a challenge of `/auth` and the code of a second factor; a challenge is completed once.

    Arguments:
        request: `POST /auth/mfa`, with `?expired=true` for a token that expired.
        realm, now: as `sign_in`; errors are those of `sign_in` too.
    """
    expired = _expired_wanted(request)
    presented = parse_second_factor(request)
    try:
        challenge_id, _generation = open_handle(presented.challenge, HandlePurpose.CHALLENGE, realm=realm, now=now)
    except InvalidGrant as error:
        raise ChallengeRefused(detail=error.detail) from error
    client = _direct_client(realm)
    proof = None if expired else _proof_in(request, endpoints.SECOND_FACTOR, client=client, realm=realm, now=now)
    if not expired:
        check_keys(client.access_token_alg, realm=realm, now=now)
    challenge = standing_challenge(challenge_id, realm=realm, now=now)
    if challenge is None:
        raise ChallengeRefused(detail="over")
    visit = visit_from(request.headers, address=request.peer, thumbprint=take(proof, realm=realm))
    methods = _second_proof(challenge, presented.code, realm=realm, peer=request.peer, now=now)
    whereabouts = Whereabouts(request.peer, request.headers.get("user-agent", ""))
    try:
        with noticing_deletion(challenge.user), transaction.atomic():  # a challenge ends with a grant, or not at all
            signed_in = complete_challenge(challenge, methods=methods, now=now, whereabouts=whereabouts)
            begun = begin(signed_in, visit=visit, realm=realm, client=client, expired=expired, now=now)
    except ChallengeOver as error:  # somebody was faster
        raise ChallengeRefused(detail="completed") from error
    except PersonGone as error:
        raise ChallengeRefused(detail="gone") from error
    return tokens_for(begun, visit=visit, realm=realm, now=now)


def refresh(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """The next tokens of a grant, for its refresh token.

    Arguments and errors are those of `sign_in`.
    """
    presented = parse_refresh_token(request)
    grant_id, generation = open_refresh_token(presented.refresh_token, realm=realm, now=now)  # asks no database
    client = _direct_client(realm)
    proof = _proof_in(request, endpoints.REFRESH, client=client, realm=realm, now=now)
    check_keys(client.access_token_alg, realm=realm, now=now)
    visit = visit_from(request.headers, address=request.peer, thumbprint=take(proof, realm=realm))
    authorization = redeem(grant_id, generation, realm=realm, client=client, now=now, visit=visit)
    return answer_with(issue(authorization, realm=realm, now=now), visit=visit, device=authorization.device_id)


def logout(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """End the grant that a refresh token belongs to; one that has ended stays so, and the answer is the same.

    Arguments and errors are those of `sign_in`.
    """
    presented = parse_refresh_token(request)
    grant_id, _generation = open_refresh_token(presented.refresh_token, realm=realm, now=now)
    standing = grant_of(grant_id, realm_id=realm.pk, client_id=DIRECT_CLIENT_ID)
    if standing is not None:
        grant = standing.grant
        end_grant(grant=grant, realm=realm, reason=RevocationReason.LOGOUT, actor=f"user:{grant.user.subject}", now=now)
    return json_response({"status": "ok"})


def _direct_client(realm: Realm) -> Client:
    client = client_of(realm_id=realm.pk, client_id=DIRECT_CLIENT_ID)
    if client is None:
        logger.warning("direct.no_client realm=%s", realm.slug)
        raise TemporarilyUnavailable("Direct sign-in is switched off in this realm.", detail="no_direct_client")
    return client


def _proof_in(
    request: ProtocolRequest, endpoint: endpoints.Endpoint, *, client: Client, realm: Realm, now: datetime
) -> Proof | None:
    """The proof of a key; None where there is none, and the built-in client doesn't have to prove one."""
    proof = proof_in(request, endpoint=endpoint, realm=realm, now=now)
    refuse_unproved(proof, client)
    return proof


def _prove(credentials: SignInRequest, request: ProtocolRequest, *, realm: Realm, now: datetime) -> SignedIn:
    try:
        return prove(
            realm=realm,
            username=credentials.username,
            password=credentials.password,
            address=request.peer,
            now=now,
            user_agent=request.headers.get("user-agent", ""),
        )
    except SignInRefused as error:
        raise InvalidCredentials(detail=str(error)) from error
    except TooManyAttempts as error:
        raise _too_many(error) from error
    except HashingBusy as error:
        raise TemporarilyUnavailable(detail="hashing_busy", retry_after=_BUSY_SECONDS) from error


def _expired_wanted(request: ProtocolRequest) -> bool:
    """Whether an expired token is asked for, where there may be any."""
    expired = wants_expired(request)
    if expired and not settings.IDP_EXPIRED_TOKENS:
        raise NoSuitableKey
    return expired


def _ask_for_what_is_due(signed_in: SignedIn, *, realm: Realm, client: Client, now: datetime) -> None:
    """Refuse to go on where something is due, with a challenge where a code will do.

    A recovery code stands in for the app only: whoever has passkeys alone needs a browser for them.

    Raises:
        SecondFactorDue, InteractionRequired: something is due.
    """
    needed = due(signed_in, realm=realm)
    if needed is Due.NOTHING and client.require_second_factor and SECOND_FACTOR not in signed_in.methods:
        needed = Due.SET_UP
    if needed is Due.NOTHING:
        return
    factors = factors_of(signed_in.person)
    if needed is Due.SET_UP or not factors.totp:
        raise InteractionRequired(detail=needed)
    with transaction.atomic():  # no challenge without its handle
        handle = challenge_for(begin_challenge(realm=realm, signed_in=signed_in, now=now), realm=realm, now=now)
    methods = [Factor.TOTP] + ([Factor.RECOVERY_CODE] if factors.recovery_codes else [])
    lifetime = int(CHALLENGE_LIFETIME.total_seconds())
    raise SecondFactorDue(detail=needed, members={"challenge": handle, "expires_in": lifetime, "methods": methods})


def _second_proof(challenge: SignInChallenge, code: str, *, realm: Realm, peer: str, now: datetime) -> tuple[str, ...]:
    try:
        return prove_code(person=challenge.user, typed=code, realm=realm, address=peer, now=now)
    except FactorRefused as error:
        raise SecondFactorRefused(detail=str(error)) from error
    except TooManyAttempts as error:
        raise _too_many(error) from error


def _too_many(error: TooManyAttempts) -> TooManyRequests:
    return TooManyRequests(detail="limit", retry_after=math.ceil(error.retry_after.total_seconds()))

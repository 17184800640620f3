"""First-party direct sign-in: `/auth`, `/auth/refresh`, `/auth/logout`, without a web framework.

Its grants belong to the realm's built-in client. Answers follow RFC 6749 §5; `token` repeats
`access_token` for clients that know no other name for it.
"""

import logging
import math
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.device_cookie import cookie_with, visit_from
from accounts.errors import HashingBusy, SignInRefused, TooManyAttempts
from accounts.services.devices import recognise
from accounts.services.sign_in import SignedIn
from accounts.services.sign_in import sign_in as prove
from accounts.visit import Visit
from keys.errors import NoSigningKey, UnknownRing
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.errors import (
    InvalidCredentials,
    NoSuitableKey,
    TemporarilyUnavailable,
    TooManyRequests,
)
from tokens.models import Client
from tokens.parameters import SignInRequest, parse_refresh_token, parse_sign_in, wants_expired
from tokens.protocol import ProtocolRequest, ProtocolResponse, json_response
from tokens.selectors import client_of, grant_of
from tokens.services.grants import begin_grant
from tokens.services.issuance import Tokens, check_keys, issue, issue_expired
from tokens.services.refresh import redeem
from tokens.services.revocation import end_grant
from tokens.services.tagging import open_refresh_token
from tokens.vocabulary import DIRECT_CLIENT_ID, DIRECT_SCOPES, RevocationReason

logger = logging.getLogger("signet.direct")
_BUSY_SECONDS = 2


def sign_in(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """Tokens for a name and a password.

    Arguments:
        request: `POST /auth`, with `?expired=true` for a token that expired.
        realm: where the person has to be a member.
        now: aware time of the request.

    Raises:
        OAuthError: the request is refused.
        KeysError: no key may sign now.
    """
    expired = wants_expired(request)
    if expired and not settings.IDP_EXPIRED_TOKENS:
        raise NoSuitableKey
    credentials = parse_sign_in(request)
    client = _direct_client(realm)
    if expired:
        signed_in = _prove(credentials, request, realm=realm, now=now)
        return _answer(_expired_tokens(signed_in, realm=realm, client=client, now=now))
    check_keys(client.access_token_alg, realm=realm, now=now)
    signed_in = _prove(credentials, request, realm=realm, now=now)
    visit = visit_from(request.headers, address=request.peer)
    return begin_direct_grant(signed_in, visit=visit, realm=realm, client=client, now=now)


def begin_direct_grant(
    signed_in: SignedIn, *, visit: Visit, realm: Realm, client: Client, now: datetime
) -> ProtocolResponse:
    """The tokens of somebody who proved all that is due, bound to the key that was proved, or else to the browser.

    A program that neither proves a key nor keeps cookies gets tokens that are bound to nothing.

    Arguments:
        signed_in: the whole proof.
        visit: how the device shows itself.
        realm, client: whose built-in client.
        now: aware time of the request.

    Raises:
        KeysError: no key may sign now; nothing was written.
    """
    with transaction.atomic():  # no grant without its tokens
        device = None
        if visit.thumbprint or visit.keeps_cookies:
            device = recognise(signed_in.person, visit=visit, methods=signed_in.methods, realm=realm, now=now)
        authorization = begin_grant(
            realm=realm,
            client=client,
            signed_in=signed_in,
            scopes=DIRECT_SCOPES,
            now=now,
            device=device,
            jkt=visit.thumbprint,
        )
        tokens = issue(authorization, realm=realm, now=now)
    logger.info("grant.begun realm=%s grant=%s", realm.slug, authorization.grant_id)
    return _answer(tokens, visit=visit, device=device.pk if device else None)


def refresh(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """The next tokens of a grant, for its refresh token.

    Arguments and errors are those of `sign_in`.
    """
    presented = parse_refresh_token(request)
    grant_id, generation = open_refresh_token(presented.refresh_token, realm=realm, now=now)  # asks no database
    client = _direct_client(realm)
    check_keys(client.access_token_alg, realm=realm, now=now)
    visit = visit_from(request.headers, address=request.peer)
    authorization = redeem(grant_id, generation, realm=realm, client=client, now=now, visit=visit)
    return _answer(issue(authorization, realm=realm, now=now), visit=visit, device=authorization.device_id)


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
        seconds = math.ceil(error.retry_after.total_seconds())
        raise TooManyRequests(detail="limit", retry_after=seconds) from error
    except HashingBusy as error:
        raise TemporarilyUnavailable(detail="hashing_busy", retry_after=_BUSY_SECONDS) from error


def _expired_tokens(signed_in: SignedIn, *, realm: Realm, client: Client, now: datetime) -> Tokens:
    authorization = Authorization(
        grant_id=None,
        issuer=realm.issuer,
        client_id=client.client_id,
        subject=signed_in.person.subject,
        audience=(realm.issuer,),
        scopes=DIRECT_SCOPES,
        auth_time=signed_in.at,
        methods=signed_in.methods,
        roles=signed_in.roles,
        generation=0,
        rotated_at=now,
        expires_at=now,
    )
    try:
        return issue_expired(authorization, realm=realm, now=now)
    except (UnknownRing, NoSigningKey) as error:
        raise NoSuitableKey(detail="no_expired_ring") from error


def _answer(tokens: Tokens, *, visit: Visit | None = None, device: UUID | None = None) -> ProtocolResponse:
    """The tokens; with them the cookie of the browser that they are bound to, which begins its 400 days anew.

    Arguments:
        visit: how the device shows itself.
        device: what the grant is bound to; None for nothing.
    """
    response = json_response({"token": tokens.access_token, **tokens.members()})
    if visit is None or device is None or visit.thumbprint:
        return response
    cookie = cookie_with(device, visit.held).OutputString()
    return replace(response, headers={**response.headers, "Set-Cookie": cookie})

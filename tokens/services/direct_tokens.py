"""What somebody gets who signed in directly: tokens of the built-in client, bound to the device they came from."""

import logging
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.device_cookie import cookie_with
from accounts.services.devices import recognise
from accounts.services.sign_in import SignedIn
from accounts.visit import Visit
from keys.errors import KeysError, NoSigningKey, UnknownRing
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.direct_errors import NoSuitableKey
from tokens.models import Client, Grant
from tokens.protocol import ProtocolResponse, json_response
from tokens.services.grants import begin_grant
from tokens.services.issuance import Tokens, issue, issue_expired
from tokens.vocabulary import DIRECT_SCOPES

logger = logging.getLogger("signet.direct")


def begin(
    signed_in: SignedIn, *, visit: Visit, realm: Realm, client: Client, expired: bool, now: datetime
) -> Authorization:
    """The grant of somebody who proved all that is due, bound to the key that was proved, or else to the browser.

    A program that neither proves a key nor keeps cookies gets tokens that are bound to nothing.

    Arguments:
        signed_in: the whole proof.
        visit: how the device shows itself.
        realm, client: whose built-in client.
        expired: whether a token that expired is asked for, for tests of verifiers; no grant is written for one.
        now: aware time of the request.

    Returns:
        What `tokens_for` signs, after the commit.
    """
    if expired:
        return _of_no_grant(signed_in, realm=realm, client=client, now=now)
    with transaction.atomic():  # the device is locked until the grant is there, so its removal finds the grant
        device = None
        if visit.thumbprint or visit.keeps_cookies:
            device = recognise(signed_in.person, visit=visit, methods=signed_in.methods, realm=realm, now=now)
        return begin_grant(
            realm=realm,
            client=client,
            signed_in=signed_in,
            scopes=DIRECT_SCOPES,
            now=now,
            device=device,
            jkt=visit.thumbprint,
        )


def tokens_for(begun: Authorization, *, visit: Visit, realm: Realm, now: datetime) -> ProtocolResponse:
    """The answer to somebody whose grant has begun. Never call it in a transaction: a custodian may sign.

    Arguments:
        begun: as `begin` returned it; with no grant, the token that it gets expired an hour ago.
        visit: how the device shows itself.
        realm: whose keys sign.
        now: aware time of the request.

    Raises:
        NoSuitableKey: the realm has no ring for expired tokens.
        KeysError: no key may sign now; the grant is gone again.
    """
    if begun.grant_id is None:
        return answer_with(_expired_tokens(begun, realm=realm, now=now))
    try:
        tokens = issue(begun, realm=realm, now=now)
    except KeysError:
        # Nobody holds anything of it. If this fails too, it ends unused.
        Grant.objects.filter(pk=begun.grant_id).delete()
        raise
    logger.info("grant.begun realm=%s grant=%s", realm.slug, begun.grant_id)
    return answer_with(tokens, visit=visit, device=begun.device_id)


def _of_no_grant(signed_in: SignedIn, *, realm: Realm, client: Client, now: datetime) -> Authorization:
    return Authorization(
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


def _expired_tokens(begun: Authorization, *, realm: Realm, now: datetime) -> Tokens:
    try:
        return issue_expired(begun, realm=realm, now=now)
    except (UnknownRing, NoSigningKey) as error:
        raise NoSuitableKey(detail="no_expired_ring") from error


def answer_with(tokens: Tokens, *, visit: Visit | None = None, device: UUID | None = None) -> ProtocolResponse:
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

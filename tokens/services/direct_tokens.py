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
from keys.errors import NoSigningKey, UnknownRing
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.direct_errors import NoSuitableKey
from tokens.models import Client
from tokens.protocol import ProtocolResponse, json_response
from tokens.services.grants import begin_grant
from tokens.services.issuance import Tokens, issue, issue_expired
from tokens.vocabulary import DIRECT_SCOPES

logger = logging.getLogger("signet.direct")


def tokens_for(
    signed_in: SignedIn, *, visit: Visit, realm: Realm, client: Client, expired: bool, now: datetime
) -> ProtocolResponse:
    """The answer to somebody who proved all that is due.

    Arguments:
        visit: how the device shows itself.
        realm, client: whose built-in client.
        expired: whether a token that expired is asked for, for tests of verifiers.
        now: aware time of the request.

    Raises:
        NoSuitableKey: the realm has no ring for expired tokens.
        KeysError: no key may sign now; nothing was written.
    """
    if expired:
        return answer_with(_expired_tokens(signed_in, realm=realm, client=client, now=now))
    return _begin_direct_grant(signed_in, visit=visit, realm=realm, client=client, now=now)


def _begin_direct_grant(
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
    return answer_with(tokens, visit=visit, device=device.pk if device else None)


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

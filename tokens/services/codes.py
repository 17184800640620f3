"""Authorization codes (RFC 6749 §4.1.2, RFC 7636 §4.6): handles to a grant's row, redeemed once by one statement."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from accounts.selectors import LiveSession
from accounts.visit import Visit
from keys import api
from realms.models import Realm
from tokens import pkce
from tokens.authorization import Authorization
from tokens.authorization_request import AuthorizationRequest
from tokens.errors import InvalidGrant
from tokens.handles import Handle, HandlePurpose, encode
from tokens.models import Client, Grant
from tokens.selectors import grant_of
from tokens.services.grants import new_session_grant
from tokens.services.key_devices import on_key_device
from tokens.services.live_grants import AUTHORIZATION_COLUMNS, STILL_STANDS
from tokens.services.revocation import end_grant
from tokens.services.tagging import open_handle
from tokens.vocabulary import RevocationReason

CODE_LIFETIME = timedelta(seconds=60)
_NOWHERE = Visit()
# Redirect URI, challenge and key are part of the condition: whoever shows a code with others spends nothing. Whatever
# was granted, no client learns of a session that has ended: nobody would tell it of the end.
_REDEEM = f"""
    UPDATE tokens_grant AS g
    SET code_used_at = %(now)s, jkt = %(jkt)s
    FROM tokens_client AS c, accounts_user AS u, accounts_membership AS m, realms_realm AS r
    WHERE g.id = %(grant)s AND g.code_used_at IS NULL AND g.code_expires_at > %(now)s
        AND g.redirect_uri = %(redirect_uri)s AND g.code_challenge = %(challenge)s AND g.jkt IN ('', %(jkt)s)
        AND NOT EXISTS (SELECT 1 FROM accounts_session AS s WHERE s.id = g.session_id AND s.ended_at IS NOT NULL)
        AND {STILL_STANDS}
    RETURNING {AUTHORIZATION_COLUMNS}
"""  # noqa: S608  (both parts are constants of ours)


def new_grant(
    *,
    realm: Realm,
    client: Client,
    live: LiveSession,
    scopes: tuple[str, ...],
    request: AuthorizationRequest,
    redirect_uri: str,
    now: datetime,
) -> Grant:
    """The grant of a person who allowed it in their browser; not written yet.

    Its id is known already, so that codes and tokens can be made first: where that fails, no row is left.

    Arguments:
        realm, client, live: for whom, by whom.
        scopes: what is granted.
        request: with the response type, the challenge, the nonce, the claims and the audiences.
        redirect_uri: where the answer goes; whoever redeems a code has to show it again.
        now: aware time of the grant.
    """
    return new_session_grant(
        realm=realm,
        client=client,
        live=live,
        scopes=scopes,
        resources=request.resources,
        fetched_by=now + CODE_LIFETIME,
        now=now,
        asked={
            "device": live.session.device,
            "claims": request.claims.within(frozenset(client.scopes)).stored(),
            "redirect_uri": redirect_uri,
            "code_challenge": request.code_challenge,
            "nonce": request.nonce,
            "jkt": request.dpop_jkt,
            "code_expires_at": now + CODE_LIFETIME if request.response_type.has_code else None,
        },
    )


def code_of(grant: Grant, *, realm: Realm, now: datetime) -> str:
    """The code of a new grant.

    Raises:
        KeysError: no key may tag now.
    """
    kid = api.tagging_kid(realm=realm, expires_at=now + CODE_LIFETIME, at=now)
    handle = Handle(HandlePurpose.CODE, kid, settings.IDP_HANDLE_EPOCH, grant.pk, 0)
    return encode(handle, api.mac(handle.message(), realm=realm, kid=kid, now=now))


def redeem_code(
    code: str,
    *,
    redirect_uri: str,
    code_verifier: str,
    realm: Realm,
    client: Client,
    now: datetime,
    visit: Visit = _NOWHERE,
) -> Authorization:
    """Take a code for its grant; of several at once exactly one does.

    The grant is bound to the key that is proved. A code that was bound to one before needs that one (RFC 9449 §10).

    A replay that matches client, redirect URI and PKCE ends the grant, and that is committed before the error is
    raised (RFC 6749 §4.1.2); one that doesn't is only refused, so a leaked old code ends nobody's session. The key
    plays no part in it: whoever was first chose it, and that may have been the thief.

    Arguments:
        code, redirect_uri, code_verifier: as they came.
        realm, client: whose it has to be, after the client proved who it is.
        now: aware time of the request.
        visit: the key that was proved.

    Raises:
        InvalidGrant: it is not honoured.
        KeysError: the keys can't be read.
    """
    grant_id, _generation = open_handle(code, HandlePurpose.CODE, realm=realm, now=now)
    challenge = pkce.challenge_of(code_verifier)
    parameters: dict[str, Any] = {
        "grant": grant_id,
        "redirect_uri": redirect_uri,
        "challenge": challenge,
        "realm": realm.pk,
        "client": client.client_id,
        "jkt": visit.thumbprint,
        "now": now,
    }
    found = on_key_device(lambda: _redeem(parameters), client=client, realm=realm, visit=visit, now=now)
    if found is None:
        _punish_replay(grant_id, (redirect_uri, challenge), realm=realm, client=client, now=now)
        raise InvalidGrant(detail="code")
    return found


def _redeem(parameters: dict[str, Any]) -> Sequence[Any] | None:
    with connection.cursor() as cursor:
        cursor.execute(_REDEEM, parameters)
        row: Sequence[Any] | None = cursor.fetchone()
    return row


def _punish_replay(grant_id: UUID, asked: tuple[str, str], *, realm: Realm, client: Client, now: datetime) -> None:
    standing = grant_of(grant_id, realm_id=realm.pk, client_id=client.client_id)
    if standing is None or standing.grant.code_used_at is None:
        return
    grant = standing.grant
    if (grant.redirect_uri, grant.code_challenge) == asked:
        end_grant(grant=grant, realm=realm, reason=RevocationReason.CODE_REPLAY, actor="", now=now)

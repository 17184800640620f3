"""Refresh token rotation (RFC 6749 §6, RFC 9700 §4.14.2): one conditional UPDATE, which inserts nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.services.devices import WRITTEN_DOWN, write_use
from accounts.visit import Visit
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.errors import InvalidDpopProof, InvalidGrant
from tokens.models import Client, Grant
from tokens.rotation import GrantFacts, Verdict, verdict
from tokens.selectors import StandingGrant, grant_of
from tokens.services.live_grants import AUTHORIZATION_COLUMNS, STILL_STANDS, authorization_from, authorization_of
from tokens.services.revocation import end_grant
from tokens.vocabulary import ClientKind, RevocationReason

# Everything that must hold is asked in the statement that rotates, so nothing can change in between.
# The clocks of two workers differ, so `rotated_at` never goes back. The idle expiry never lies past the
# absolute one: a constraint says so. A client without a lifetime of its own has NULL, which LEAST passes over.
_ROTATE = f"""
    UPDATE tokens_grant AS g
    SET generation = g.generation + 1,
        rotated_at = GREATEST(%(now)s, g.rotated_at),
        idle_expires_at = LEAST(
            %(now)s + r.refresh_idle_lifetime, %(now)s + c.refresh_idle_lifetime, g.absolute_expires_at
        )
    FROM tokens_client AS c, accounts_user AS u, accounts_membership AS m, realms_realm AS r
    WHERE g.id = %(grant)s AND g.generation = %(generation)s AND g.idle_expires_at > %(now)s
        AND (g.jkt IN ('', %(jkt)s) OR (c.kind = 'confidential' AND %(jkt)s <> ''))
        AND (c.kind <> 'built_in' OR g.jkt <> '' OR g.device_id IS NULL OR g.device_id = ANY(%(held)s))
        AND {STILL_STANDS}
    RETURNING {AUTHORIZATION_COLUMNS}
"""  # noqa: S608  (both parts are constants of ours)
_NOWHERE = Visit()
_ENDINGS = {
    Verdict.REUSE: RevocationReason.REUSE,
    Verdict.AHEAD: RevocationReason.AHEAD_OF_DATABASE,
}


def redeem(
    grant_id: UUID,
    generation: int,
    *,
    realm: Realm,
    client: Client,
    now: datetime,
    visit: Visit = _NOWHERE,
    with_id_token: bool = False,
) -> Authorization:
    """Take a refresh token for a grant's next generation.

    A public client's grant that is bound to a key needs the key, and one of direct sign-in that is bound to a browser
    its cookie. A confidential client proves who it is, so any key of its own will do (RFC 9449 §5). Whoever comes
    without, or with others, changes nothing: neither is the grant turned, nor can they end it.

    Arguments:
        grant_id, generation: what the token names, from `open_refresh_token`.
        realm: whose it has to be.
        client: whose it has to be, after the client proved who it is.
        now: aware time of the request.
        visit: the key that was proved, and the devices in the cookie.
        with_id_token: whether an ID token is asked for as well.

    Raises:
        InvalidGrant: it is not honoured. Where it was reused, or is ahead of the row, the grant has been
            ended and that is committed before this is raised.
        InvalidDpopProof: it is bound to a key, and no key was proved.
        KeysError: the keys can't be read.
    """
    row = _rotate(grant_id, generation, realm=realm, client=client, now=now, visit=visit)
    if row is not None:
        found = authorization_from(row, client=client, realm=realm, with_id_token=with_id_token)
        _write_use(found, client=client, visit=visit, now=now)
    else:
        standing = _told_again(grant_id, generation, realm=realm, client=client, now=now, visit=visit)
        roles = standing.roles or ()
        found = authorization_of(standing.grant, realm=realm, roles=roles, with_id_token=with_id_token)
    return replace(found, jkt=visit.thumbprint)  # the key of this request, not the first


def _told_again(
    grant_id: UUID, generation: int, *, realm: Realm, client: Client, now: datetime, visit: Visit
) -> StandingGrant:
    """The grant of a refresh token that doesn't rotate it, where the same successor may be told once more.

    Raises:
        InvalidDpopProof, InvalidGrant: as `redeem`; a grant that has to end for it has ended by then.
    """
    standing = grant_of(grant_id, realm_id=realm.pk, client_id=client.client_id)
    if standing is None:
        raise InvalidGrant(detail="no_such_grant")
    _refuse_elsewhere(standing.grant, visit=visit)
    decision = verdict(_facts(standing), presented=generation, now=now)
    if decision in _ENDINGS:
        end_grant(grant=standing.grant, realm=realm, reason=_ENDINGS[decision], actor="", now=now)
    if decision is not Verdict.SAME_SUCCESSOR:
        raise InvalidGrant(detail=decision)
    return standing


def _refuse_elsewhere(grant: Grant, *, visit: Visit) -> None:
    """Refuse whoever shows another key or device than the grant is bound to; the same as the statement asks.

    Raises:
        InvalidDpopProof, InvalidGrant: they do.
    """
    if grant.jkt:
        if not visit.thumbprint:
            raise InvalidDpopProof("This refresh token is bound to a key: send a DPoP proof.", detail="missing")
        if grant.jkt != visit.thumbprint and grant.client.kind != ClientKind.CONFIDENTIAL:
            raise InvalidGrant(detail="another_key")
    elif grant.client.kind == ClientKind.BUILT_IN and grant.device_id and grant.device_id not in visit.held:
        raise InvalidGrant(detail="another_device")


def _write_use(authorization: Authorization, *, client: Client, visit: Visit, now: datetime) -> None:
    """Write down that the device is in use, where it was it that asked; seldom, so that most refreshes write one row.

    A confidential client asks from its server, with a key of its own: that is no use of the person's browser.
    """
    device, key = authorization.device, authorization.device_id
    if device is None or key is None or now - device.last_used_at < WRITTEN_DOWN:
        return
    if key in visit.held or (authorization.jkt and client.kind != ClientKind.CONFIDENTIAL):
        write_use(key, visit=visit, now=now)


def _rotate(
    grant_id: UUID, generation: int, *, realm: Realm, client: Client, now: datetime, visit: Visit
) -> Sequence[Any] | None:
    """The grant's columns after its rotation; None where it was not to be rotated."""
    parameters: dict[str, Any] = {
        "grant": grant_id,
        "generation": generation,
        "realm": realm.pk,
        "client": client.client_id,
        "now": now,
        "jkt": visit.thumbprint,
        "held": list(visit.held),
    }
    with connection.cursor() as cursor:
        cursor.execute(_ROTATE, parameters)
        row: Sequence[Any] | None = cursor.fetchone()
    return row


def _facts(standing: StandingGrant) -> GrantFacts:
    grant = standing.grant
    return GrantFacts(
        generation=grant.generation,
        rotated_at=grant.rotated_at,
        idle_expires_at=grant.idle_expires_at,
        absolute_expires_at=grant.absolute_expires_at,
        revoked=grant.revoked_at is not None,
        usable=standing.is_usable,
    )

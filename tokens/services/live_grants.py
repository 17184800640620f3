"""What both statements share that turn a handle into an authorization: what must still stand, what they return."""

import json
from collections.abc import Sequence
from typing import Any

from realms.models import Realm
from tokens.authorization import Authorization
from tokens.models import Grant
from tokens.scopes import OFFLINE_ACCESS, OPENID
from tokens.vocabulary import ClientKind

# Of the tables g (the grant), c (client), u (person), m (membership) and r (realm). Asked in the statement
# that changes the row, so nothing can change in between. What may be used while the person is away outlives
# their session (OpenID Connect Back-Channel Logout §2.7).
STILL_STANDS = """
    g.realm_id = %(realm)s AND g.revoked_at IS NULL AND g.absolute_expires_at > %(now)s
    AND r.id = g.realm_id AND r.enabled
    AND c.id = g.client_id AND c.client_id = %(client)s AND c.enabled
    AND u.id = g.user_id AND u.is_active AND g.auth_time >= COALESCE(u.signed_out_at, g.auth_time)
    AND m.user_id = g.user_id AND m.realm_id = g.realm_id
    AND (g.scopes @> '["offline_access"]'
        OR NOT EXISTS (SELECT 1 FROM accounts_session AS s WHERE s.id = g.session_id AND s.ended_at IS NOT NULL))
"""
AUTHORIZATION_COLUMNS = """
    g.id, r.issuer, c.client_id, c.kind, c.id_token_alg, c.access_token_lifetime, u.subject, g.scopes, g.resources,
    g.auth_time, g.methods, m.roles, g.generation, g.rotated_at, g.absolute_expires_at, g.nonce,
    (SELECT sid FROM accounts_session AS s WHERE s.id = g.session_id)
"""


def authorization_from(row: Sequence[Any]) -> Authorization:
    """The decision that a returned row stands for.

    Arguments:
        row: the values of `AUTHORIZATION_COLUMNS`.
    """
    grant_id, issuer, client_id, kind, alg, lifetime, subject, scopes, resources, auth_time, methods, roles, *life = row
    generation, rotated_at, expires_at, nonce, sid = life
    granted = tuple(json.loads(scopes))
    return Authorization(
        grant_id=grant_id,
        issuer=issuer,
        client_id=client_id,
        subject=subject,
        audience=_audience(issuer, tuple(json.loads(resources)), granted),
        scopes=granted,
        auth_time=auth_time,
        methods=tuple(json.loads(methods)),
        roles=tuple(json.loads(roles)),
        generation=generation,
        rotated_at=rotated_at,
        expires_at=expires_at,
        access_token_lifetime=lifetime,
        refreshable=_is_refreshable(kind, granted),
        sid=sid or "",
        nonce=nonce,
        id_token_alg=_id_token_alg(kind, alg, granted),
    )


def authorization_of(grant: Grant, *, realm: Realm, roles: tuple[str, ...]) -> Authorization:
    """The same, of a row that was read with its client, person and session.

    Arguments:
        roles: of the person in the realm, read in the same moment.
    """
    client, granted = grant.client, tuple(grant.scopes)
    return Authorization(
        grant_id=grant.pk,
        issuer=realm.issuer,
        client_id=client.client_id,
        subject=grant.user.subject,
        audience=_audience(realm.issuer, tuple(grant.resources), granted),
        scopes=granted,
        auth_time=grant.auth_time,
        methods=tuple(grant.methods),
        roles=roles,
        generation=grant.generation,
        rotated_at=grant.rotated_at,
        expires_at=grant.absolute_expires_at,
        access_token_lifetime=client.access_token_lifetime,
        refreshable=_is_refreshable(client.kind, granted),
        sid=grant.session.sid if grant.session else "",
        nonce=grant.nonce,
        id_token_alg=_id_token_alg(client.kind, client.id_token_alg, granted),
    )


def _audience(issuer: str, resources: tuple[str, ...], scopes: tuple[str, ...]) -> tuple[str, ...]:
    """For whom the access token is: the resources, and this provider where its userinfo may be asked."""
    return (*resources, issuer) if OPENID in scopes or not resources else resources


def _is_refreshable(kind: str, scopes: tuple[str, ...]) -> bool:
    """Whether the grant outlives its first tokens: `offline_access` decides, and direct sign-in always does."""
    return kind == ClientKind.BUILT_IN or OFFLINE_ACCESS in scopes


def _id_token_alg(kind: str, alg: str, scopes: tuple[str, ...]) -> str:
    """How an ID token is signed; none for direct sign-in, whose caller has just seen the person's password."""
    return alg if OPENID in scopes and kind != ClientKind.BUILT_IN else ""

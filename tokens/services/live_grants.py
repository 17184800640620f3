"""What the statements share that turn a handle into an authorization: what must still stand, what they return."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from accounts.claims import standard_claims
from accounts.models import User
from accounts.selectors import facts_of, person_facts, person_of
from accounts.trust import DeviceFacts
from realms.models import Realm
from tokens.authorization import Authorization, Encryption
from tokens.claims_request import ID_TOKEN
from tokens.models import Client, Grant
from tokens.scopes import OFFLINE_ACCESS, OPENID
from tokens.subjects import pairwise
from tokens.vocabulary import ClientKind, SubjectType

# Of the tables g (the grant), c (client), u (person), m (membership) and r (realm). Asked in the statement
# that changes the row, so nothing can change in between. What may be used while the person is away outlives
# their session (OpenID Connect Back-Channel Logout §2.7).
STILL_STANDS = """
    g.realm_id = %(realm)s AND g.revoked_at IS NULL AND g.absolute_expires_at > %(now)s
    AND r.id = g.realm_id AND r.enabled
    AND c.id = g.client_id AND c.client_id = %(client)s AND c.enabled
    AND u.id = g.user_id AND u.is_active AND g.auth_time >= COALESCE(u.signed_out_at, g.auth_time)
    AND m.user_id = g.user_id AND m.realm_id = g.realm_id
    AND NOT EXISTS (SELECT 1 FROM accounts_device AS d WHERE d.id = g.device_id AND d.removed_at IS NOT NULL)
    AND (g.scopes @> '["offline_access"]'
        OR NOT EXISTS (SELECT 1 FROM accounts_session AS s WHERE s.id = g.session_id AND s.ended_at IS NOT NULL))
"""
AUTHORIZATION_COLUMNS = """
    g.id, u.id, u.subject, g.scopes, g.resources, g.claims, g.auth_time, g.methods, m.roles, g.generation, g.rotated_at,
    g.absolute_expires_at, g.nonce, (SELECT sid FROM accounts_session AS s WHERE s.id = g.session_id), g.jkt,
    g.device_id, (SELECT ARRAY[d.created_at, d.last_used_at, d.second_factor_at, d.address_changed_at]
        FROM accounts_device AS d WHERE d.id = g.device_id),
    (SELECT ARRAY[d.address_changes, d.operator_trust] FROM accounts_device AS d WHERE d.id = g.device_id)
"""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a grant's row says, with its person, session and device; in the order of `AUTHORIZATION_COLUMNS`."""

    grant_id: UUID
    user_id: int
    subject: str
    scopes: Sequence[str]
    resources: Sequence[str]
    claims: Mapping[str, Sequence[str]]
    auth_time: datetime
    methods: Sequence[str]
    roles: Sequence[str]
    generation: int
    rotated_at: datetime
    expires_at: datetime
    nonce: str
    sid: str | None
    jkt: str
    device_id: UUID | None
    device: DeviceFacts | None


_NAMES = tuple(column.name for column in fields(_Facts) if column.name != "device")
_JSON = ("scopes", "resources", "claims", "methods", "roles")


def authorization_from(
    row: Sequence[Any], *, client: Client, realm: Realm, with_id_token: bool = True
) -> Authorization:
    """The decision that a returned row stands for.

    Arguments:
        row: the values of `AUTHORIZATION_COLUMNS`; JSON is text in it.
        client, realm: whose grant the statement made sure it is.
        with_id_token: whether an ID token comes of it, where the grant allows one; only for its claims is
            the person read.
    """
    *columns, times, numbers = row
    named = dict(zip(_NAMES, columns, strict=True))
    facts = _Facts(**{**named, **{name: json.loads(named[name]) for name in _JSON}}, device=_device_in(times, numbers))
    found = _authorization(facts, client=client, realm=realm, with_id_token=with_id_token)
    names = _told_in(found, facts.claims)
    return _telling(found, person_of(facts.user_id), names) if names else found


def authorization_of(
    grant: Grant, *, realm: Realm, roles: tuple[str, ...], with_id_token: bool = True
) -> Authorization:
    """The same, of a row that was read with its client, person, session and device.

    Arguments:
        roles: of the person in the realm, read in the same moment.
        with_id_token: as `authorization_from`.
    """
    facts = _Facts(
        grant_id=grant.pk,
        user_id=grant.user_id,
        subject=grant.user.subject,
        scopes=grant.scopes,
        resources=grant.resources,
        claims=grant.claims,
        auth_time=grant.auth_time,
        methods=grant.methods,
        roles=roles,
        generation=grant.generation,
        rotated_at=grant.rotated_at,
        expires_at=grant.absolute_expires_at,
        nonce=grant.nonce,
        sid=grant.session.sid if grant.session else None,
        jkt=grant.jkt,
        device_id=grant.device_id,
        device=facts_of(grant.device) if grant.device else None,
    )
    found = _authorization(facts, client=grant.client, realm=realm, with_id_token=with_id_token)
    names = _told_in(found, facts.claims)
    return _telling(found, grant.user, names) if names else found


def _authorization(facts: _Facts, *, client: Client, realm: Realm, with_id_token: bool) -> Authorization:
    granted = tuple(facts.scopes)
    return Authorization(
        grant_id=facts.grant_id,
        issuer=realm.issuer,
        client_id=client.client_id,
        subject=subject_for(facts.subject, client=client, realm=realm),
        audience=_audience(realm.issuer, tuple(facts.resources), granted),
        scopes=granted,
        auth_time=facts.auth_time,
        methods=tuple(facts.methods),
        roles=tuple(facts.roles),
        generation=facts.generation,
        rotated_at=facts.rotated_at,
        expires_at=facts.expires_at,
        access_token_lifetime=client.access_token_lifetime,
        refreshable=_is_refreshable(client.kind, granted),
        access_token_alg=client.access_token_alg,
        opaque=client.opaque_access_tokens,
        sid=sid_for(facts.sid, client=client, realm=realm) if facts.sid else "",
        nonce=facts.nonce,
        id_token_alg=_id_token_alg(client, granted) if with_id_token else "",
        id_token_encryption=id_token_encryption(client),
        jkt=facts.jkt,
        device_id=facts.device_id,
        device=facts.device,
    )


def _device_in(times: Sequence[datetime | None] | None, numbers: Sequence[int | None] | None) -> DeviceFacts | None:
    """What a device's trust follows from, of one that was not removed when the row was read; None without a device."""
    if times is None or numbers is None:
        return None
    created_at, last_used_at, second_factor_at, address_changed_at = times
    address_changes, operator_trust = numbers
    return DeviceFacts(
        created_at=cast("datetime", created_at),
        last_used_at=cast("datetime", last_used_at),
        second_factor_at=second_factor_at,
        address_changed_at=address_changed_at,
        address_changes=address_changes or 0,
        operator_trust=operator_trust,
    )


def subject_for(subject: str, *, client: Client, realm: Realm) -> str:
    """What a client gets to know a person by (OpenID Connect Core §8).

    Arguments:
        subject: the person's own.
    """
    if client.subject_type == SubjectType.PUBLIC:
        return subject
    return pairwise(subject, sector=client.sector_identifier, salt=bytes(realm.pairwise_salt))


def sid_for(sid: str, *, client: Client, realm: Realm) -> str:
    """What a client gets to know a session by (OpenID Connect Back-Channel Logout §2.1, `sid`).

    One `sid` for all would tell the clients of two sectors which of their subjects are one person.

    Arguments:
        sid: the session's own; random, so it is never anybody's subject.
    """
    if client.subject_type == SubjectType.PUBLIC:
        return sid
    return pairwise(sid, sector=client.sector_identifier, salt=bytes(realm.pairwise_salt))


def id_token_encryption(client: Client) -> Encryption | None:
    """How a client's ID tokens are encrypted; None where it wants them signed only."""
    if not client.id_token_encryption_alg:
        return None
    return Encryption(client.id_token_encryption_alg, client.id_token_encryption_enc, client.jwks or {})


def userinfo_encryption(client: Client) -> Encryption | None:
    """The same of what `/userinfo` tells it."""
    if not client.userinfo_encryption_alg:
        return None
    return Encryption(client.userinfo_encryption_alg, client.userinfo_encryption_enc, client.jwks or {})


def _told_in(authorization: Authorization, claims: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """The claims that the ID token was asked to tell (OpenID Connect Core §5.5); none where there is none."""
    return frozenset(claims.get(ID_TOKEN, ())) if authorization.id_token_alg else frozenset()


def _telling(authorization: Authorization, person: User, names: frozenset[str]) -> Authorization:
    told = standard_claims(person_facts(person), scopes=frozenset(), requested=names)
    return replace(authorization, identity=told)


def _audience(issuer: str, resources: tuple[str, ...], scopes: tuple[str, ...]) -> tuple[str, ...]:
    """For whom the access token is: the resources, and this provider where its userinfo may be asked."""
    return (*resources, issuer) if OPENID in scopes or not resources else resources


def _is_refreshable(kind: str, scopes: tuple[str, ...]) -> bool:
    """Whether the grant outlives its first tokens: `offline_access` decides, and direct sign-in always does."""
    return kind == ClientKind.BUILT_IN or OFFLINE_ACCESS in scopes


def _id_token_alg(client: Client, scopes: tuple[str, ...]) -> str:
    """How an ID token is signed; none for direct sign-in, whose caller has just seen the person's password."""
    return client.id_token_alg if OPENID in scopes and client.kind != ClientKind.BUILT_IN else ""

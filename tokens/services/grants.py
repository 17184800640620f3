"""Beginning a grant."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accounts.models import Device
from accounts.selectors import LiveSession
from accounts.services.sign_in import SignedIn
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.claims import shorter
from tokens.models import Client, Grant
from tokens.scopes import OFFLINE_ACCESS
from tokens.services.live_grants import authorization_of


def begin_grant(
    *,
    realm: Realm,
    client: Client,
    signed_in: SignedIn,
    scopes: tuple[str, ...],
    now: datetime,
    device: Device | None = None,
    jkt: str = "",
) -> Authorization:
    """Write the grant of a person who has just proved who they are.

    Arguments:
        realm, client: for whom.
        signed_in: the proof.
        scopes: what is granted.
        now: aware time of the grant.
        device: what it is bound to; None for nothing.
        jkt: thumbprint of the key that it is bound to; "" for none.
    """
    ends = now + realm.refresh_absolute_lifetime
    grant = Grant.objects.create(
        realm=realm,
        client=client,
        user=signed_in.person,
        device=device,
        jkt=jkt,
        scopes=list(scopes),
        auth_time=signed_in.at,
        methods=list(signed_in.methods),
        created_at=now,
        rotated_at=now,
        idle_expires_at=min(now + realm.refresh_idle_lifetime, ends),
        absolute_expires_at=ends,
    )
    return authorization_of(grant, realm=realm, roles=signed_in.roles)


def new_session_grant(
    *,
    realm: Realm,
    client: Client,
    live: LiveSession,
    scopes: tuple[str, ...],
    resources: tuple[str, ...],
    fetched_by: datetime,
    now: datetime,
    asked: Mapping[str, Any] | None = None,
) -> Grant:
    """The grant of a person who is signed in with a browser; not written yet, but its id is known.

    Arguments:
        realm, client, live: for whom, by whom.
        scopes, resources: what is granted, and for which audiences.
        fetched_by: aware moment by which all tokens are fetched; without `offline_access` the grant
            ends an access token's life after it.
        now: aware time of the grant.
        asked: further columns: what an authorization request said.
    """
    longest = shorter(client.refresh_absolute_lifetime, realm.refresh_absolute_lifetime)
    ends = now + longest if OFFLINE_ACCESS in scopes else fetched_by + realm.access_token_lifetime
    return Grant(
        realm=realm,
        client=client,
        user=live.person,
        session=live.session,
        scopes=list(scopes),
        resources=list(resources),
        auth_time=live.session.auth_time,
        methods=list(live.session.methods),
        created_at=now,
        rotated_at=now,
        idle_expires_at=min(now + shorter(client.refresh_idle_lifetime, realm.refresh_idle_lifetime), ends),
        absolute_expires_at=ends,
        **(asked or {}),
    )

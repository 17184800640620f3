"""Beginning a grant."""

from datetime import datetime

from accounts.services.sign_in import SignedIn
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.models import Client, Grant
from tokens.services.live_grants import authorization_of


def begin_grant(
    *, realm: Realm, client: Client, signed_in: SignedIn, scopes: tuple[str, ...], now: datetime
) -> Authorization:
    """Write the grant of a person who has just proved who they are.

    Arguments:
        realm, client: for whom.
        signed_in: the proof.
        scopes: what is granted.
        now: aware time of the grant.
    """
    ends = now + realm.refresh_absolute_lifetime
    grant = Grant.objects.create(
        realm=realm,
        client=client,
        user=signed_in.person,
        scopes=list(scopes),
        auth_time=signed_in.at,
        methods=list(signed_in.methods),
        created_at=now,
        rotated_at=now,
        idle_expires_at=min(now + realm.refresh_idle_lifetime, ends),
        absolute_expires_at=ends,
    )
    return authorization_of(grant, realm=realm, roles=signed_in.roles)

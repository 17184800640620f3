"""Grants for tests, and turning their refresh tokens."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from accounts.models import User
from accounts.services.sign_in import SignedIn
from keys import api
from realms.models import Realm
from tokens import handles
from tokens.authorization import Authorization
from tokens.errors import InvalidGrant
from tokens.handles import Handle, HandlePurpose
from tokens.models import Client
from tokens.selectors import client_of
from tokens.services.grants import begin_grant
from tokens.services.refresh import redeem
from tokens.services.tagging import open_refresh_token, refresh_token_for
from tokens.vocabulary import DIRECT_CLIENT_ID, DIRECT_SCOPES


def begin(realm: Realm, person: User, now: datetime) -> tuple[Authorization, str]:
    """A grant, and its first refresh token."""
    client = client_of(realm_id=realm.pk, client_id=DIRECT_CLIENT_ID)
    assert client is not None
    signed_in = SignedIn(person, ("reader",), now, ("pwd",))
    found = begin_grant(realm=realm, client=client, signed_in=signed_in, scopes=DIRECT_SCOPES, now=now)
    return found, refresh_token_for(found, realm=realm, now=now)


def turn(token: str, realm: Realm, now: datetime) -> str:
    """The successor of a refresh token."""
    grant_id, generation = open_refresh_token(token, realm=realm, now=now)
    client = Client.objects.get(realm=realm, client_id=DIRECT_CLIENT_ID)
    found = redeem(grant_id, generation, realm=realm, client=client, now=now)
    return refresh_token_for(found, realm=realm, now=now)


def refused(token: str, realm: Realm, now: datetime) -> str:
    """Why a refresh token is refused: the word for the log."""
    with pytest.raises(InvalidGrant) as refusal:
        turn(token, realm, now)
    return refusal.value.detail


def forge(
    realm: Realm, now: datetime, *, grant_id: UUID | None, generation: int = 0, purpose: int = HandlePurpose.REFRESH
) -> str:
    """A handle with a right tag, whatever it says."""
    assert grant_id is not None
    kid = api.tagging_kid(realm=realm, expires_at=now + timedelta(days=1), at=now)
    handle = Handle(purpose, kid, 0, grant_id, generation)
    return handles.encode(handle, api.mac(handle.message(), realm=realm, kid=kid, now=now))

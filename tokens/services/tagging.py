"""Making and checking the tags of handles (tokens/handles.py) with the realm's mac ring."""

from datetime import datetime
from uuid import UUID

from django.conf import settings

from accounts.models import SignInChallenge
from keys import api
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.errors import InvalidGrant
from tokens.handles import Handle, HandlePurpose, MalformedHandle, decode, encode


def refresh_token_for(authorization: Authorization, *, realm: Realm, now: datetime) -> str:
    """The refresh token of a grant's generation. The same arguments give the same token again.

    Arguments:
        authorization: its `rotated_at` chooses the key, so that a lost answer can be repeated after a
            takeover as well.
        now: aware.

    Raises:
        ValueError: no grant's row stands behind it, so there is nothing to refresh.
        KeysError: no key may tag now.
    """
    if authorization.grant_id is None:
        raise ValueError("Without a grant there is no refresh token.")
    kid = api.tagging_kid(realm=realm, expires_at=authorization.expires_at, at=authorization.rotated_at)
    handle = Handle(
        purpose=HandlePurpose.REFRESH,
        mac_kid=kid,
        epoch=settings.IDP_HANDLE_EPOCH,
        grant_id=authorization.grant_id,
        generation=authorization.generation,
    )
    return encode(handle, api.mac(handle.message(), realm=realm, kid=kid, now=now))


def challenge_for(challenge: SignInChallenge, *, realm: Realm, now: datetime) -> str:
    """The handle of half a sign-in, for whoever has no browser that could hold it.

    Arguments:
        challenge: the half.
        realm: where it was proved.
        now: aware.

    Raises:
        KeysError: no key may tag now.
    """
    kid = api.tagging_kid(realm=realm, expires_at=challenge.expires_at, at=now)
    handle = Handle(HandlePurpose.CHALLENGE, kid, settings.IDP_HANDLE_EPOCH, challenge.pk, generation=0)
    return encode(handle, api.mac(handle.message(), realm=realm, kid=kid, now=now))


def open_refresh_token(text: str, *, realm: Realm, now: datetime) -> tuple[UUID, int]:
    """Which grant and generation a refresh token names; see `open_handle`."""
    return open_handle(text, HandlePurpose.REFRESH, realm=realm, now=now)


def open_handle(text: str, purpose: HandlePurpose, *, realm: Realm, now: datetime) -> tuple[UUID, int]:
    """Which grant and generation a handle names; asks the database nothing.

    Arguments:
        text: as it came.
        purpose: what it has to be for.
        realm: whose it has to be.
        now: aware.

    Raises:
        InvalidGrant: it is forged, garbled, of another realm or purpose, or from before the epoch.
        KeysError: the keys can't be read.
    """
    try:
        handle, tag = decode(text)
    except MalformedHandle as error:
        raise InvalidGrant(detail="malformed") from error
    if not api.check_mac(handle.message(), tag, realm=realm, kid=handle.mac_kid, now=now):
        raise InvalidGrant(detail="forged")
    if handle.purpose != purpose:
        raise InvalidGrant(detail="purpose")
    if handle.epoch != settings.IDP_HANDLE_EPOCH:
        raise InvalidGrant(detail="epoch")
    return handle.grant_id, handle.generation

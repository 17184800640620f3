"""Device codes: handles to what a device asked for, polled with patience and redeemed once (RFC 8628 §3.4, §3.5)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Greatest, Least

from accounts.visit import Visit
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.errors import AccessDenied, AuthorizationPending, ExpiredToken, InvalidGrant, OAuthError, SlowDown
from tokens.handles import HandlePurpose
from tokens.models import LONGEST_INTERVAL, Client, DeviceAuthorization
from tokens.selectors import device_authorization_of
from tokens.services.key_devices import on_key_device
from tokens.services.live_grants import AUTHORIZATION_COLUMNS, STILL_STANDS
from tokens.services.tagging import open_handle

_NOWHERE = Visit()
STEP = timedelta(seconds=5)  # by which each slow_down makes the interval longer (§3.5)
# The way through the network takes one poll longer than the next, and workers' clocks differ a little.
JITTER = timedelta(seconds=1)
_REFUSED = "The device code is invalid, was used already or was issued to another client."
_REDEEM = f"""
    UPDATE tokens_deviceauthorization AS d
    SET redeemed_at = %(now)s
    FROM tokens_grant AS g, tokens_client AS c, accounts_user AS u, accounts_membership AS m, realms_realm AS r
    WHERE d.id = %(device)s AND d.redeemed_at IS NULL AND d.expires_at > %(now)s
        AND g.id = d.grant_id AND g.realm_id = d.realm_id AND g.client_id = d.client_id
        AND {STILL_STANDS}
    RETURNING {AUTHORIZATION_COLUMNS}
"""  # noqa: S608  (both parts are constants of ours)


def redeem_device_code(
    device_code: str, *, realm: Realm, client: Client, now: datetime, visit: Visit = _NOWHERE
) -> Authorization:
    """Take a device code for what its person allowed; of several polls at once exactly one gets it.

    Another redemption ends nothing: a device whose answer was lost asks again, and only that (§3.5).

    Arguments:
        device_code: as it came.
        realm, client: whose it has to be, after the client proved who it is.
        now: aware time of the request.
        visit: the key that was proved; the grant is bound to it.

    Raises:
        AuthorizationPending, SlowDown: the person has not decided yet.
        AccessDenied: they did not allow it.
        ExpiredToken: they did not decide, or the device did not ask, in time.
        InvalidGrant: it is not honoured.
        KeysError: the keys can't be read.
    """
    row = device_authorization_of(_opened(device_code, realm, now), realm_id=realm.pk, client_id=client.pk)
    if row is None or row.redeemed_at is not None:
        raise InvalidGrant(_REFUSED, detail="device_code")
    if row.decided_at is not None and row.grant_id is None:
        raise AccessDenied
    if row.expires_at <= now:
        raise ExpiredToken
    if row.decided_at is None:
        raise _polled(row.pk, now)
    return _redeem(row.pk, realm=realm, client=client, now=now, visit=visit)


def _opened(device_code: str, realm: Realm, now: datetime) -> UUID:
    """The row that the code names; a forged one costs no query."""
    try:
        return open_handle(device_code, HandlePurpose.DEVICE, realm=realm, now=now)[0]
    except InvalidGrant as error:
        raise InvalidGrant(_REFUSED, detail=error.detail) from error


def _polled(key: UUID, now: datetime) -> OAuthError:
    """Count a poll: one conditional UPDATE decides whether it came too soon, so that all workers agree."""
    waiting = DeviceAuthorization.objects.filter(pk=key, decided_at=None)
    patient = waiting.alias(due=F("last_polled_at") + F("poll_interval")).filter(
        Q(last_polled_at=None) | Q(due__lte=now + JITTER)
    )
    if patient.update(last_polled_at=now):
        return AuthorizationPending()
    slowed = waiting.update(
        last_polled_at=Greatest(now, F("last_polled_at")),
        poll_interval=Least(F("poll_interval") + STEP, LONGEST_INTERVAL),
    )
    return SlowDown() if slowed else AuthorizationPending()  # decided in this moment: the next poll learns how


def _redeem(key: UUID, *, realm: Realm, client: Client, now: datetime, visit: Visit) -> Authorization:
    parameters: dict[str, Any] = {"device": key, "realm": realm.pk, "client": client.client_id, "now": now}

    def redeem() -> Sequence[Any] | None:
        with connection.cursor() as cursor:
            cursor.execute(_REDEEM, parameters)
            row: Sequence[Any] | None = cursor.fetchone()
        return row

    found = on_key_device(redeem, client=client, realm=realm, visit=visit, now=now, signed_in_there=False)
    if found is None:
        raise InvalidGrant(_REFUSED, detail="device_code")
    return found

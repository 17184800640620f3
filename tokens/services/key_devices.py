"""The key that a client proves when it fetches its first tokens, as a device of the person (RFC 9449 §5)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.selectors import facts_of, person_of
from accounts.services.devices import recognise
from accounts.visit import Visit
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.models import Client, Grant
from tokens.services.live_grants import authorization_from
from tokens.vocabulary import ClientKind


def on_key_device(
    redeem: Callable[[], Sequence[Any] | None],
    *,
    client: Client,
    realm: Realm,
    visit: Visit,
    now: datetime,
    signed_in_there: bool = True,
) -> Authorization | None:
    """Redeem a handle, and bind the grant to the key that was proved; both or neither.

    The key of a public client is on the person's device, and stands for it. A confidential client proves a key of its
    server, which is nobody's device: of its grants the browser in which they began stays the device.

    Arguments:
        redeem: the statement that spends the handle; returns `AUTHORIZATION_COLUMNS`, or None where it is refused.
        client, realm: whose the handle has to be.
        visit: with the key; without one the grant stays as it is.
        now: aware.
        signed_in_there: whether the person proved who they are where the key is.

    Returns:
        The decision, or None where the handle is refused.
    """
    if not visit.thumbprint:
        row = redeem()
        return None if row is None else authorization_from(row, client=client, realm=realm)
    with transaction.atomic():
        row = redeem()
        if row is None:
            return None
        found = replace(authorization_from(row, client=client, realm=realm), jkt=visit.thumbprint)
        grant = Grant.objects.filter(pk=row[0])
        if client.kind == ClientKind.CONFIDENTIAL:
            grant.update(jkt=visit.thumbprint)
            return found
        person, methods = person_of(row[1]), found.methods if signed_in_there else ()
        device = recognise(person, visit=visit, methods=methods, realm=realm, now=now, proved_at=found.auth_time)
        grant.update(jkt=visit.thumbprint, device=device)
        return replace(found, device_id=device.pk, device=facts_of(device))

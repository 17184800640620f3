"""The device authorization endpoint: a device asks, and gets a code for itself and one for its person (RFC 8628 §3.1).

Both point at one row; neither is stored.
"""

import logging
import math
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.crypto import salted_hmac

from accounts.addresses import address_block
from accounts.errors import TooManyAttempts
from accounts.qr_codes import png_data_uri
from accounts.services.attempts import Attempt, reserve
from keys import api
from realms.models import Realm
from tokens import resources, scopes
from tokens.endpoints import DEVICE
from tokens.errors import TemporarilyUnavailable, TooManyRequests, UnauthorizedClient
from tokens.handles import Handle, HandlePurpose, encode
from tokens.models import FIRST_INTERVAL, Client, DeviceAuthorization
from tokens.parameters import DeviceAuthorizationRequest, parse_device_authorization
from tokens.protocol import ProtocolRequest, ProtocolResponse, json_response
from tokens.services.client_authentication import authenticate
from tokens.services.purging import delete_in_batches
from tokens.user_codes import new_user_code, shown
from tokens.vocabulary import GrantType

logger = logging.getLogger("signet.tokens")
LIFETIME = timedelta(minutes=10)  # of both codes; long enough to find a phone, short for a guesser
_TRIES = 5  # a code that another row has is seldom drawn, and five in a row never
_KEPT = timedelta(days=1)  # so that a device that slept learns that its code expired
_PURGE = """
    DELETE FROM tokens_deviceauthorization WHERE id IN (
        SELECT id FROM tokens_deviceauthorization WHERE expires_at < %(before)s LIMIT %(batch)s FOR UPDATE SKIP LOCKED
    )
"""


def begin(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """A device code and a user code.

    Arguments:
        request: `POST /device_authorization`.
        realm: whose client asks.
        now: aware time of the request.

    Raises:
        OAuthError: the request is refused.
        KeysError: no key may tag now; nothing was written.
    """
    asked = parse_device_authorization(request)
    client = authenticate(asked.client, realm=realm, now=now)
    if GrantType.DEVICE_CODE not in client.grant_types:
        raise UnauthorizedClient("This client may not use this grant type.", detail="grant_type")
    kid = api.tagging_kid(realm=realm, expires_at=now + LIFETIME, at=now)
    try:
        reserve(Attempt.DEVICE, address=request.peer, now=now)
    except TooManyAttempts as error:
        raise TooManyRequests(detail="limit", retry_after=math.ceil(error.retry_after.total_seconds())) from error
    row, user_code = _begin(asked, realm=realm, client=client, peer=request.peer, now=now)
    handle = Handle(HandlePurpose.DEVICE, kid, settings.IDP_HANDLE_EPOCH, row, 0)
    device_code = encode(handle, api.mac(handle.message(), realm=realm, kid=kid, now=now))
    logger.info("device.asked realm=%s client=%s", realm.slug, client.client_id)
    return json_response(_members(device_code, user_code, realm))


def digest_of(code: str, *, realm: Realm) -> bytes:
    """What is stored of a user code: 32 bytes, from which nobody finds the code without the secret key."""
    return salted_hmac("signet.user_code", f"{realm.pk}\0{code}", algorithm="sha256").digest()


def _begin(
    asked: DeviceAuthorizationRequest, *, realm: Realm, client: Client, peer: str, now: datetime
) -> tuple[UUID, str]:
    """Write the row under a code that no other row has."""
    refreshes = GrantType.REFRESH_TOKEN in client.grant_types
    resources.within(asked.resources, tuple(client.resources))
    columns = {
        "realm": realm,
        "client": client,
        "scopes": list(scopes.grantable(asked.scopes, tuple(client.scopes), refreshes=refreshes)),
        "resources": list(asked.resources),
        "asked_from": address_block(peer),
        "created_at": now,
        "expires_at": now + LIFETIME,
    }
    for _ in range(_TRIES):
        code = new_user_code()
        digest = digest_of(code, realm=realm)
        try:
            with transaction.atomic():
                return DeviceAuthorization.objects.create(user_code_digest=digest, **columns).pk, code
        except IntegrityError:
            if not DeviceAuthorization.objects.filter(user_code_digest=digest).exists():
                raise
    raise TemporarilyUnavailable(detail="no_user_code")


def _members(device_code: str, user_code: str, realm: Realm) -> dict[str, object]:
    """The members of the answer (RFC 8628 §3.2), and the complete address as a picture (§3.3.1)."""
    page = f"{realm.issuer}/{DEVICE.path}"
    complete = f"{page}?user_code={shown(user_code)}"
    return {
        "device_code": device_code,
        "user_code": shown(user_code),
        "verification_uri": page,
        "verification_uri_complete": complete,
        "verification_uri_complete_qr": png_data_uri(complete),
        "expires_in": int(LIFETIME.total_seconds()),
        "interval": int(FIRST_INTERVAL.total_seconds()),
    }


def purge_dead_device_authorizations(now: datetime) -> int:
    """Delete what devices asked for more than a day ago, in small batches, so that no lock lasts.

    Arguments:
        now: aware.

    Returns:
        How many were deleted.
    """
    return delete_in_batches(_PURGE, before=now - _KEPT)

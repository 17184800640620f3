"""urn:ietf:params:oauth:grant-type:device_code: what a person allowed a device on another one (RFC 8628 §3.4)."""

from datetime import datetime

from accounts.visit import Visit
from realms.models import Realm
from tokens.authorization import Authorization
from tokens.models import Client
from tokens.parameters import DeviceCodeRequest
from tokens.services.device_codes import redeem_device_code
from tokens.vocabulary import GrantType


class DeviceCode:
    """A device code, shown again and again until the person has decided."""

    type = GrantType.DEVICE_CODE

    def authorize(
        self, request: DeviceCodeRequest, *, client: Client, realm: Realm, now: datetime, visit: Visit
    ) -> Authorization:
        """What the person allowed.

        Raises:
            AuthorizationPending, SlowDown: they have not decided yet.
            AccessDenied, ExpiredToken, InvalidGrant: nothing comes of it any more.
        """
        return redeem_device_code(request.device_code, realm=realm, client=client, now=now, visit=visit)

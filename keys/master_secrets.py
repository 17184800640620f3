"""The master secrets that wrap data keys, read strictly from text."""

import base64
import binascii
import re
from dataclasses import dataclass, field

from keys.errors import MalformedSecrets, MissingMasterSecret

_SECRET_ID = re.compile(r"^[A-Za-z0-9._-]{1,32}$")
_SECRET_BYTES = 32
_FEWEST_DISTINCT_BYTES = 8  # 32 random bytes have fewer than 8 distinct values once in 10^30 draws


@dataclass(frozen=True, slots=True)
class MasterSecrets:
    """The secrets that wrap data keys: the first seals, the others only unseal."""

    _by_id: dict[str, bytes] = field(repr=False)

    @property
    def first(self) -> str:
        """The id of the secret that seals."""
        return next(iter(self._by_id))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all secrets, the sealing one first."""
        return tuple(self._by_id)

    def get(self, secret_id: str) -> bytes:
        """The 32 bytes of one secret.

        Raises:
            MissingMasterSecret: it is not configured.
        """
        try:
            return self._by_id[secret_id]
        except KeyError:
            raise MissingMasterSecret(
                f"The master secret {secret_id!r} is missing: a value is sealed by it. Add it to "
                f"IDP_MASTER_SECRETS again, behind the others."
            ) from None


def parse_master_secrets(text: str) -> MasterSecrets:
    """Master secrets from `id:base64(32 bytes)` items between commas or white space.

    Raises:
        MalformedSecrets: an item has another form, or a secret is no random one; no part of a secret
            is repeated in the message.
    """
    found: dict[str, bytes] = {}
    for position, item in enumerate(re.split(r"[,\s]+", text.strip()), start=1):
        secret_id, colon, encoded = item.partition(":")
        if not colon or not _SECRET_ID.fullmatch(secret_id):
            raise MalformedSecrets(
                f"Item {position} of IDP_MASTER_SECRETS has no id: write id:base64 of 32 random bytes."
            )
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != _SECRET_BYTES or len(set(raw)) < _FEWEST_DISTINCT_BYTES:
            raise MalformedSecrets(
                f"The master secret {secret_id!r} is not the base64 of 32 random bytes: make one with "
                f"openssl rand -base64 32."
            )
        if secret_id in found:
            raise MalformedSecrets(f"The master secret {secret_id!r} is given twice in IDP_MASTER_SECRETS.")
        found[secret_id] = raw
    return MasterSecrets(found)

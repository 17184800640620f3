"""Personal fields of a security event as one sealed text: AES-256-GCM (NIST SP 800-38D), bound to the event.

The text is base64url of `version ‖ nonce ‖ ciphertext`. What is sealed is JSON, filled up to steps of a length, so
that what stays behind when nobody can open it any more tells next to nothing.
"""

import base64
import binascii
import json
import secrets
import struct
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import SealBroken

KEY_BYTES = 32
_VERSION = 1
_NONCE_BYTES = 12
_STEP = 256  # bytes


def seal(fields: Mapping[str, str], *, key: bytes, bound: Sequence[str]) -> str:
    """Seal fields for one event.

    Arguments:
        key: of the person, 32 bytes.
        bound: what makes the event this one; the text opens with the same alone.
    """
    plain = json.dumps(dict(fields), ensure_ascii=False, separators=(",", ":")).encode()
    filled = plain.ljust(-(-len(plain) // _STEP) * _STEP)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, filled, _associated(bound))
    return base64.urlsafe_b64encode(bytes([_VERSION]) + nonce + sealed).decode("ascii")


def unseal(text: str, *, key: bytes, bound: Sequence[str]) -> dict[str, str]:
    """Open what `seal` made.

    Raises:
        SealBroken: it was altered, belongs to another event, or was sealed under another key.
    """
    try:
        blob = base64.b64decode(text, altchars=b"-_", validate=True)
        if blob[:1] != bytes([_VERSION]):
            raise SealBroken("These personal fields have a form that is not known here.")
        nonce, sealed = blob[1 : 1 + _NONCE_BYTES], blob[1 + _NONCE_BYTES :]
        found: dict[str, str] = json.loads(AESGCM(key).decrypt(nonce, sealed, _associated(bound)))
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise SealBroken("Personal fields don't open: they were altered, moved, or the key is another.") from error
    return found


def _associated(bound: Sequence[str]) -> bytes:
    """Every part with its length before it, so that no two events agree."""
    parts = [part.encode() for part in bound]
    return bytes([_VERSION]) + b"".join(struct.pack(">I", len(part)) + part for part in parts)

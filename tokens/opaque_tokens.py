"""Opaque access tokens: the claims of an access token (RFC 9068 §2.2), sealed, and no row (RFC 6749 §1.4).

`at_` and base64url(version ‖ MAC-key id ‖ salt ‖ ciphertext). The ciphertext is AES-256-GCM over the claims'
JSON, with all before it as associated data. Its key is derived from a key of the realm's mac ring for this one
token: nothing else is ever encrypted under it, so the nonce is a constant.
"""

import base64
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX = "at_"  # no handle begins like this, since its first byte is its version, and no JWT, since it is JSON
VERSION = 1
SALT_BYTES = 16
MAX_TEXT = 12_288  # as for a signed one
_KID_BYTES = 8
_TAG_BYTES = 16
_FIELDS = struct.Struct(f">B{_KID_BYTES}s{SALT_BYTES}s")
_NONCE = bytes(12)
_CONTEXT = b"opaque access token\0"
_FORM = re.compile(rf"{PREFIX}([A-Za-z0-9_-]+)", re.ASCII)


class MalformedToken(ValueError):
    """The text is no opaque access token of this provider, or was altered. The message doesn't repeat it."""


@dataclass(frozen=True, slots=True)
class Header:
    """What of a token can be read, and is bound to the rest.

    Attributes:
        mac_kid: from which key of the mac ring its own key is derived; base64url of 8 bytes.
        salt: random bytes that were never used before.
    """

    mac_kid: str
    salt: bytes

    def to_bytes(self) -> bytes:
        """The part before the ciphertext.

        Raises:
            ValueError: a field has another length.
        """
        kid = base64.b64decode(self.mac_kid + "=", altchars=b"-_", validate=True)
        if (len(kid), len(self.salt)) != (_KID_BYTES, SALT_BYTES):
            raise ValueError(f"A key id has {_KID_BYTES} bytes, and a salt {SALT_BYTES}.")
        return _FIELDS.pack(VERSION, kid, self.salt)

    def context(self) -> bytes:
        """What the token's own key is derived for."""
        return _CONTEXT + self.to_bytes()


def is_opaque(text: str) -> bool:
    """Whether a text says of itself that it is an opaque access token; nothing of it is checked."""
    return text.startswith(PREFIX)


def seal(claims: Mapping[str, object], *, header: Header, key: bytes) -> str:
    """The text of a token.

    Arguments:
        claims: what it stands for.
        header: with a salt that was never used before.
        key: 32 bytes, derived for `header.context()`. The danger: with one that was used before, for other
            claims, both can be read.

    Raises:
        ValueError: a field of the header or the key has another length, or JSON can't hold the claims.
    """
    bound = header.to_bytes()
    content = json.dumps(claims, separators=(",", ":"), allow_nan=False).encode("ascii")
    sealed = AESGCM(key).encrypt(_NONCE, content, bound)
    return PREFIX + base64.urlsafe_b64encode(bound + sealed).rstrip(b"=").decode("ascii")


def parse(text: str) -> tuple[Header, bytes]:
    """The header of a token, and its ciphertext, which nobody has opened yet.

    Arguments:
        text: as it came, however hostile.

    Raises:
        MalformedToken: another length, alphabet, spelling or version.
    """
    found = _FORM.fullmatch(text) if len(text) <= MAX_TEXT else None
    if found is None:
        raise MalformedToken("This is no opaque access token.")
    raw = _canonical(found[1])
    if len(raw) <= _FIELDS.size + _TAG_BYTES:
        raise MalformedToken("This opaque access token is cut short.")
    version, kid, salt = _FIELDS.unpack_from(raw)
    if version != VERSION:
        raise MalformedToken("This is no opaque access token of a known version.")
    return Header(base64.urlsafe_b64encode(kid).rstrip(b"=").decode("ascii"), salt), raw[_FIELDS.size :]


def _canonical(text: str) -> bytes:
    """The bytes of base64url; a second spelling of the same bytes is refused (RFC 4648 §3.5)."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise MalformedToken("This is no base64url.") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != text.encode("ascii"):
        raise MalformedToken("This is not how base64url is spelled.")
    return raw


def unseal(ciphertext: bytes, *, header: Header, key: bytes) -> dict[str, Any]:
    """The claims of a token.

    Arguments:
        ciphertext, header: from `parse`.
        key: 32 bytes, derived for `header.context()`.

    Raises:
        MalformedToken: it was altered, or sealed under another key.
    """
    try:
        content = AESGCM(key).decrypt(_NONCE, ciphertext, header.to_bytes())
    except InvalidTag:
        raise MalformedToken("This opaque access token doesn't open.") from None
    claims: dict[str, Any] = json.loads(content)
    return claims


def is_current(claims: Mapping[str, Any], *, issuer: str, now: datetime) -> bool:
    """Whether claims are this issuer's and not over (RFC 9068 §4).

    Arguments:
        claims: of a token that opened.
        issuer: who must have issued it.
        now: aware.
    """
    expiry = claims.get("exp")
    return claims.get("iss") == issuer and type(expiry) is int and now.timestamp() < expiry

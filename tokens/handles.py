"""Handles: what a refresh token (RFC 6749 §1.5) is outside, a pointer to a row with a tag, and no row of its own.

base64url(version ‖ purpose ‖ MAC-key id ‖ epoch ‖ grant id ‖ generation ‖ tag). The tag is an HMAC over
all before it under a key of the realm's mac ring, so a forged or garbled handle is refused without a query.
"""

import base64
import re
import struct
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

VERSION = 1
TAG_BYTES = 32
_KID_BYTES = 8
MAX_EPOCH = 2**32 - 1
_FIELDS = struct.Struct(">BB8sI16sI")
_HANDLE_BYTES = _FIELDS.size + TAG_BYTES
# 66 bytes fill 88 characters to the last bit, so each handle has exactly one spelling.
_FORM = re.compile(rf"[A-Za-z0-9_-]{{{_HANDLE_BYTES * 4 // 3}}}", re.ASCII)


class HandlePurpose(IntEnum):
    """What a handle is for; one can't be taken for another."""

    REFRESH = 1
    CODE = 2
    DEVICE = 3
    CHALLENGE = 4


class MalformedHandle(ValueError):
    """The text is no handle of this version."""


@dataclass(frozen=True, slots=True)
class Handle:
    """What a handle says.

    Attributes:
        purpose: the number of a `HandlePurpose`.
        mac_kid: which key of the mac ring tags it; base64url of 8 bytes.
        epoch: the configured epoch at its making; raising it ends all earlier handles.
        grant_id: the grant that it points at; of a device code (RFC 8628 §3.2) what the device asked for, and
            of a challenge the half of a sign-in.
        generation: how often the grant had been rotated.
    """

    purpose: int
    mac_kid: str
    epoch: int
    grant_id: UUID
    generation: int

    def message(self) -> bytes:
        """What the tag covers.

        Raises:
            ValueError: a field is out of its range.
        """
        kid = base64.b64decode(self.mac_kid + "=", altchars=b"-_", validate=True)
        if len(kid) != _KID_BYTES:
            raise ValueError("The key id of a handle has 8 bytes.")
        try:
            return _FIELDS.pack(VERSION, self.purpose, kid, self.epoch, self.grant_id.bytes, self.generation)
        except struct.error as error:
            raise ValueError("A field of the handle is out of its range.") from error


def encode(handle: Handle, tag: bytes) -> str:
    """The text of a handle.

    Arguments:
        tag: 32 bytes, the HMAC of `handle.message()`.

    Raises:
        ValueError: a field is out of its range, or the tag has another length.
    """
    if len(tag) != TAG_BYTES:
        raise ValueError("A tag has 32 bytes.")
    return base64.urlsafe_b64encode(handle.message() + tag).decode("ascii")


def decode(text: str) -> tuple[Handle, bytes]:
    """What a handle says, and its tag, which nobody has checked yet.

    Arguments:
        text: as it came, however hostile.

    Raises:
        MalformedHandle: another length, alphabet or version. The message doesn't repeat the text.
    """
    if not _FORM.fullmatch(text):
        raise MalformedHandle("This is no handle.")
    raw = base64.urlsafe_b64decode(text)
    version, purpose, kid, epoch, grant, generation = _FIELDS.unpack_from(raw)
    if version != VERSION:
        raise MalformedHandle("This is no handle of a known version.")
    mac_kid = base64.urlsafe_b64encode(kid).rstrip(b"=").decode("ascii")
    return Handle(purpose, mac_kid, epoch, UUID(bytes=grant), generation), raw[_FIELDS.size :]

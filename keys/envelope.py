"""The envelope around a sealed value: AES-256-GCM under a data key of its own, with bound context.

A blob is `version ‖ length of the id ‖ id of the wrapping secret ‖ length of the wrapped key ‖ wrapped
key ‖ nonce ‖ ciphertext`. The ciphertext's associated data is the context (purpose, table, column, row,
kid, algorithm), so a value moved to another row or column doesn't open. The wrapping secret is not part
of it: a re-wrap exchanges the wrapped key and leaves the ciphertext as it is.
"""

import secrets
import struct
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import SealBroken

VERSION = 1
_NONCE_BYTES = 12
_DATA_KEY_BYTES = 32

# Wraps or unwraps a data key: (bytes, associated data) → bytes.
Wrapper = Callable[[bytes, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Context:
    """Where a sealed value lives; all of it is bound to the value.

    Attributes:
        purpose: what the wrapping key is derived for.
        table, column, row: the place in the database; `row` is the primary key as text.
        kid, algorithm: the key that is sealed; empty for other values.
    """

    purpose: str
    table: str
    column: str
    row: str
    kid: str = ""
    algorithm: str = ""

    def associated_data(self) -> bytes:
        """The context as bytes; every part has its length before it, so that no two contexts agree."""
        parts = [part.encode("utf-8") for part in astuple(self)]
        return bytes([VERSION]) + b"".join(struct.pack(">H", len(part)) + part for part in parts)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed value, taken apart."""

    secret_id: str
    wrapped_key: bytes
    nonce: bytes
    ciphertext: bytes

    def to_bytes(self) -> bytes:
        """The blob as it is stored."""
        name = self.secret_id.encode("ascii")
        return (
            bytes([VERSION, len(name)])
            + name
            + struct.pack(">H", len(self.wrapped_key))
            + self.wrapped_key
            + self.nonce
            + self.ciphertext
        )


def parse(blob: bytes) -> Envelope:
    """Take a stored blob apart.

    Raises:
        SealBroken: it is no envelope of a version known here.
    """
    try:
        version, name_length = blob[0], blob[1]
        if version != VERSION:
            raise SealBroken(f"This sealed value has format {version}, and only {VERSION} is known here.")
        name_end = 2 + name_length
        secret_id = blob[2:name_end].decode("ascii")
        (key_length,) = struct.unpack(">H", blob[name_end : name_end + 2])
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise SealBroken("This is no sealed value.") from error
    key_end = name_end + 2 + key_length
    nonce_end = key_end + _NONCE_BYTES
    if len(secret_id) != name_length or len(blob) <= nonce_end:
        raise SealBroken("This sealed value is cut short.")
    return Envelope(secret_id, blob[name_end + 2 : key_end], blob[key_end:nonce_end], blob[nonce_end:])


def seal(plaintext: bytes, *, context: Context, secret_id: str, wrap: Wrapper) -> bytes:
    """Seal a value for one place in the database.

    Arguments:
        plaintext: what is to be hidden.
        context: where the value will live; it opens nowhere else.
        secret_id: the id of the secret that `wrap` uses.
        wrap: wraps the data key.

    Returns:
        The blob to store.
    """
    data_key, nonce = secrets.token_bytes(_DATA_KEY_BYTES), secrets.token_bytes(_NONCE_BYTES)
    bound = context.associated_data()
    ciphertext = AESGCM(data_key).encrypt(nonce, plaintext, bound)
    return Envelope(secret_id, wrap(data_key, bound), nonce, ciphertext).to_bytes()


def unseal(envelope: Envelope, *, context: Context, unwrap: Wrapper) -> bytes:
    """Open a sealed value in its place.

    Raises:
        SealBroken: it was altered, or sealed for another place.
    """
    bound = context.associated_data()
    try:
        return AESGCM(unwrap(envelope.wrapped_key, bound)).decrypt(envelope.nonce, envelope.ciphertext, bound)
    except (InvalidTag, ValueError) as error:
        raise SealBroken(
            f"The sealed value in {context.table}.{context.column} of row {context.row} doesn't open: it was "
            f"altered or moved."
        ) from error


def rewrap(envelope: Envelope, *, context: Context, secret_id: str, unwrap: Wrapper, wrap: Wrapper) -> bytes:
    """Put a sealed value under another secret, proving on the way that it opens.

    Raises:
        SealBroken: it doesn't open as it is.
    """
    unseal(envelope, context=context, unwrap=unwrap)
    bound = context.associated_data()
    data_key = unwrap(envelope.wrapped_key, bound)
    return replace(envelope, secret_id=secret_id, wrapped_key=wrap(data_key, bound)).to_bytes()

"""What a wrapped data key is bound to where the custodian takes associated data of any length."""

import struct


def associated_data(secret_id: str, purpose: str, bound: bytes) -> bytes:
    """The id of the wrapping secret, the purpose and the context as bytes that no other three share.

    Arguments:
        secret_id: ASCII.
        purpose: what the data key's value is for.
        bound: the context of the sealed value.
    """
    parts = (b"signet/wrap/1", secret_id.encode("ascii"), purpose.encode("utf-8"))
    return b"".join(struct.pack(">H", len(part)) + part for part in parts) + bound

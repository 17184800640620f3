"""What a custodian answers when it has made a key pair of its own."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


@dataclass(frozen=True, slots=True)
class RemoteKey:
    """A key pair whose private half was made by a custodian and stays there.

    Attributes:
        reference: how the custodian finds it again, at most 500 characters; no secret.
        public_key: the half for the JWKS.
    """

    reference: str
    public_key: PublicKeyTypes

"""The local custodian: master secrets from the environment, one derived key a purpose (RFC 5869)."""

import secrets
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.conf import master_secrets
from keys.errors import CustodianRefused, SealBroken, UnavailableAlgorithm

_NONCE_BYTES = 12


def _key_encryption_key(secret: bytes, purpose: str) -> AESGCM:
    derivation = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"signet/wrap/1/" + purpose.encode("utf-8"))
    return AESGCM(derivation.derive(secret))


def _bound_to(secret_id: str, bound: bytes) -> bytes:
    return secret_id.encode("ascii") + b"\x00" + bound


class LocalCustodian:
    """Wraps data keys under `IDP_MASTER_SECRETS`."""

    name = "local"
    remote_algorithms: frozenset[str] = frozenset()

    def wrapping_id(self) -> str:
        """The id of the first master secret."""
        return master_secrets().first

    def wrap(self, data_key: bytes, *, purpose: str, bound: bytes) -> bytes:
        """Wrap a data key under the first master secret."""
        available = master_secrets()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        key = _key_encryption_key(available.get(available.first), purpose)
        return nonce + key.encrypt(nonce, data_key, _bound_to(available.first, bound))

    def unwrap(self, wrapped: bytes, *, secret_id: str, purpose: str, bound: bytes) -> bytes:
        """Unwrap a data key under the master secret that wrapped it.

        Raises:
            MissingMasterSecret: that secret is not configured.
            SealBroken: altered, moved, or wrapped by another secret of this id.
        """
        key = _key_encryption_key(master_secrets().get(secret_id), purpose)
        nonce, ciphertext = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        try:
            return key.decrypt(nonce, ciphertext, _bound_to(secret_id, bound))
        except (InvalidTag, ValueError) as error:
            raise SealBroken(
                f"A sealed value doesn't open with the master secret {secret_id!r}: either this is not the "
                f"secret that once had this id, or the value was altered or moved."
            ) from error

    def make_key(self, *, algorithm: str, bits: int | None) -> NoReturn:  # noqa: ARG002  (the protocol's)
        """Not offered: private halves live sealed in their rows.

        Raises:
            UnavailableAlgorithm: always.
        """
        raise UnavailableAlgorithm("The local custodian keeps no keys of its own: choose the custody 'envelope'.")

    def sign(self, message: bytes, *, reference: str, algorithm: str) -> NoReturn:  # noqa: ARG002
        """Not offered, as `make_key`."""
        raise CustodianRefused(f"The local custodian has no key {reference!r}.")

    def destroy(self, reference: str) -> None:
        """Nothing to destroy: wiping a row is all."""

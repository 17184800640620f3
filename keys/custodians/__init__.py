"""Custodians wrap the data keys of sealed values, and may keep private keys that never leave them.

One module each; the registry is the tuple.
"""

from typing import Protocol, runtime_checkable

from keys.custodians.aws_kms import AwsKmsCustodian
from keys.custodians.local import LocalCustodian
from keys.custodians.pkcs11 import Pkcs11Custodian
from keys.custodians.remote_key import RemoteKey
from keys.custodians.vault_transit import VaultCustodian
from keys.errors import UnknownCustodian

__all__ = ["CUSTODIANS", "Custodian", "MakesWrappingKeys", "RemoteKey", "custodian_named"]


class Custodian(Protocol):
    """Wraps and unwraps data keys without seeing the value that is sealed; some sign with keys of their own.

    Every method that asks somebody else may raise:
        CustodianUnreachable: it doesn't answer, or not in time; the same may work later.
        CustodianRefused: it answers no: wrong credentials, no such key, not allowed.
        CustodianNotConfigured: its settings or its library are not there; the message names what to do.
    """

    name: str
    remote_algorithms: frozenset[str]
    """The `alg` values for which it makes keys and signs; empty where it only wraps."""

    def wrapping_id(self) -> str:
        """The id of the secret that wraps from now on; stored in clear beside what it wrapped."""
        ...

    def wrap(self, data_key: bytes, *, purpose: str, bound: bytes) -> bytes:
        """Wrap a data key under the secret `wrapping_id()`, with `bound` as associated data."""
        ...

    def unwrap(self, wrapped: bytes, *, secret_id: str, purpose: str, bound: bytes) -> bytes:
        """Unwrap a data key.

        Raises:
            MissingMasterSecret: the secret is not at hand.
            SealBroken: altered, moved, or wrapped by another secret of this id.
        """
        ...

    def make_key(self, *, algorithm: str, bits: int | None) -> RemoteKey:
        """Make a key pair whose private half never leaves. It may take seconds: never call it in a transaction.

        Arguments:
            algorithm: one of `remote_algorithms`.
            bits: length of an RSA modulus, or None.

        Raises:
            UnavailableAlgorithm: it makes no such keys.
        """
        ...

    def sign(self, message: bytes, *, reference: str, algorithm: str) -> bytes:
        """The signature of a message as a JWS holds it (RFC 7518 §3): r ‖ s for elliptic curves, never DER.

        Arguments:
            message: the whole signing input; hashing it is the custodian's work.
            reference: of a key that `make_key` made.
            algorithm: the `alg` of that key's row.
        """
        ...

    def destroy(self, reference: str) -> None:
        """Destroy a key that `make_key` made; one that is gone already is no error."""
        ...


@runtime_checkable
class MakesWrappingKeys(Protocol):
    """A custodian whose wrapping key a command of ours can make."""

    def make_wrapping_key(self) -> str:
        """Make the wrapping key that the settings name, and return the id under which sealed values name it.

        Raises:
            CustodianRefused: it is there already.
        """
        ...


CUSTODIANS: tuple[Custodian, ...] = (LocalCustodian(), AwsKmsCustodian(), Pkcs11Custodian(), VaultCustodian())


def custodian_named(name: str) -> Custodian:
    """The custodian of this name.

    Raises:
        UnknownCustodian: there is none; the message lists those that there are.
    """
    for custodian in CUSTODIANS:
        if custodian.name == name:
            return custodian
    known = ", ".join(custodian.name for custodian in CUSTODIANS)
    raise UnknownCustodian(f"There is no custodian {name!r}; there are: {known}.")

"""Custodians hold what wraps the data keys of sealed values. One module each; the registry is the tuple."""

from typing import Protocol

from keys.custodians.local import LocalCustodian
from keys.errors import UnknownCustodian


class Custodian(Protocol):
    """Wraps and unwraps data keys; never sees the value that is sealed."""

    name: str

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


CUSTODIANS: tuple[Custodian, ...] = (LocalCustodian(),)


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

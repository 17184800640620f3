"""A custodian of the tests' own, in memory: it keeps keys and signs, and does whatever a test has it do wrong."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from keys import custodians
from keys.algorithms import algorithm_named
from keys.custodians import RemoteKey
from keys.custodians.local import LocalCustodian
from keys.errors import CustodianRefused, CustodianUnreachable
from keys.jose import _SIGNATURES


class FakeCustodian(LocalCustodian):
    """Wraps as the local one does; `fails` names the methods that don't answer, and with what."""

    remote_algorithms = frozenset({"ES256", "RS256", "Ed25519"})

    def __init__(self, name: str = "fake") -> None:
        self.name = name
        self.kept: dict[str, Any] = {}
        self.destroyed: list[str] = []
        self.asked: list[str] = []
        self.fails: dict[str, Exception] = {}
        self.forge: Callable[[bytes], bytes] | None = None
        self.before_signing: Callable[[], None] = lambda: None

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        if what in self.fails:
            raise self.fails[what]

    def away(self) -> None:
        """Nobody answers any more."""
        self.fails = dict.fromkeys(("make_key", "sign", "destroy"), CustodianUnreachable("It is away."))

    def back(self) -> None:
        """Everybody answers again."""
        self.fails = {}

    def make_key(self, *, algorithm: str, bits: int | None) -> RemoteKey:  # type: ignore[override]
        self._asked("make_key")
        private = algorithm_named(algorithm).generate(bits)
        reference = f"{self.name}-{secrets.token_hex(8)}"
        self.kept[reference] = private
        assert not isinstance(private, bytes)
        return RemoteKey(reference, private.public_key())

    def sign(self, message: bytes, *, reference: str, algorithm: str) -> bytes:  # type: ignore[override]
        self._asked("sign")
        self.before_signing()
        if reference not in self.kept:
            raise CustodianRefused("There is no such key.")
        if self.forge is not None:
            return self.forge(message)
        return _SIGNATURES[algorithm].sign(message, self.kept[reference])

    def destroy(self, reference: str) -> None:
        self._asked("destroy")
        self.destroyed.append(reference)
        self.kept.pop(reference, None)


@contextmanager
def on_the_table(*fakes: FakeCustodian) -> Iterator[None]:
    """Have the registry know them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(custodians, "CUSTODIANS", (*custodians.CUSTODIANS, *fakes))
        yield

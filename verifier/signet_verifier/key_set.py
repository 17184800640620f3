"""The copy of a provider's keys: fresh, bounded, fetched by one thread at a time."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from weakref import WeakSet

from signet_verifier.errors import ConfigurationWrong, InvalidToken, ProviderUnavailable
from signet_verifier.fetching import FetchFailed
from signet_verifier.jwks import SetRefused, VerificationKey, read_set
from signet_verifier.provider import Provider

logger = logging.getLogger("signet_verifier")


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long a copy of the keys is used, in seconds.

    Attributes:
        refresh_after: from this age on the next request has it fetched anew, and doesn't wait for it.
        lifetime: a copy that is older is only used where a fetch failed.
        keep: and one that is older than this never. The danger: for so long somebody who keeps this service from
            the provider can also keep it from learning that a key is compromised.
        cooldown: at least so long between two fetches, whatever the tokens that come say.
        patience: for so long a request waits for a fetch.
    """

    refresh_after: float = 240.0
    lifetime: float = 300.0
    keep: float = 3_600.0
    cooldown: float = 10.0
    patience: float = 10.0

    def __post_init__(self) -> None:
        """Hold the spans against one another."""
        if not 0 <= self.refresh_after <= self.lifetime <= self.keep or self.cooldown <= 0 or self.patience <= 0:
            raise ConfigurationWrong("It has to be 0 ≤ refresh_after ≤ lifetime ≤ keep, and cooldown, patience > 0.")


@dataclass(frozen=True, slots=True)
class _Copy:
    keys: Mapping[str, VerificationKey]
    fetched_at: float
    etag: str


@dataclass(frozen=True, slots=True)
class _Flight:
    """A fetch under way."""

    landed: threading.Event = field(default_factory=threading.Event)


class KeySet:
    """A provider's keys by kid. Threads share it; nothing is fetched before it is asked for.

    Arguments:
        provider: whose they are.
        algorithms: those that are accepted.
        freshness: how long a copy is used.
        monotonic: a clock in seconds that never goes back.
    """

    def __init__(
        self, provider: Provider, *, algorithms: frozenset[str], freshness: Freshness, monotonic: Callable[[], float]
    ) -> None:
        self._provider, self._algorithms = provider, algorithms
        self._freshness, self._monotonic = freshness, monotonic
        self._copy: _Copy | None = None
        self._rests_until = float("-inf")
        self.forget_threads()
        _EVERY_KEY_SET.add(self)

    def forget_threads(self) -> None:
        """After a fork: whatever other threads held or fetched, they are not in this process."""
        self._lock = threading.Lock()
        self._flight: _Flight | None = None

    def key(self, kid: str) -> VerificationKey:
        """The key of a kid, from a copy that is fresh enough; fetched once more where the copy lacks it.

        Raises:
            InvalidToken: the provider publishes no such key.
            ProviderUnavailable: there is no copy that may still be used.
        """
        key = self._usable_copy().keys.get(kid)
        if key is None:
            self._fetch()
            # Also where nothing was fetched: another thread's flight may have landed a moment ago.
            key = self._usable_copy().keys.get(kid)
        if key is None:
            raise InvalidToken("The provider publishes no key with this kid.")
        return key

    def _usable_copy(self) -> _Copy:
        copy = self._copy
        if copy is not None:
            age = self._monotonic() - copy.fetched_at
            if age < self._freshness.refresh_after:
                return copy
            if age < self._freshness.lifetime:
                self._board()
                return copy
        self._fetch()
        copy = self._copy
        if copy is None or self._monotonic() - copy.fetched_at >= self._freshness.keep:
            raise ProviderUnavailable("The provider's keys can't be had.")
        return copy

    def _fetch(self) -> None:
        """Wait for a fetch, the one under way or a new one; for none where the last was just now."""
        flight = self._board()
        if flight is not None:
            flight.landed.wait(self._freshness.patience)

    def _board(self) -> _Flight | None:
        """The flight under way, or a new one; None while it is too soon for that."""
        with self._lock:
            if self._flight is None and self._monotonic() >= self._rests_until:
                flight = _Flight()
                thread = threading.Thread(target=self._fly, args=(flight,), name="signet-verifier-keys", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter ends, or the system gives no thread
                    return None
                self._flight = flight
            return self._flight

    def _fly(self, flight: _Flight) -> None:
        copy = None
        try:
            copy = self._fetched(self._copy)
        except (FetchFailed, SetRefused) as error:
            logger.warning("The keys of %s could not be fetched: %s", self._provider.issuer, error)
        finally:
            with self._lock:
                self._copy = copy or self._copy
                self._rests_until = self._monotonic() + self._freshness.cooldown
                self._flight = None
            flight.landed.set()

    def _fetched(self, before: _Copy | None) -> _Copy:
        asked_at = self._monotonic()
        answer = self._provider.key_set(before.etag if before else "")
        if answer is None and before is not None:
            return _Copy(before.keys, asked_at, before.etag)
        if answer is None:
            raise FetchFailed("There is nothing of before to go on with.")
        return _Copy(read_set(answer.body, algorithms=self._algorithms), asked_at, answer.headers.get("etag", ""))


_EVERY_KEY_SET: WeakSet[KeySet] = WeakSet()


def _after_fork() -> None:
    for key_set in list(_EVERY_KEY_SET):
        key_set.forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""Noting in a request, writing down apart from it: a thread a process, which the first note starts.

A request adds to the memory and waits for nobody; nothing that is noted here can make it fail. The thread
writes about once a minute. A worker that is killed takes its last minute with it.
"""

import logging
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from multiprocessing.util import Finalize

from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from keys.fetchers import claimed_tags, claims_to_hold_any, fetcher
from keys.models import KeyPair
from keys.notes import FetchNotes, Served, SignatureNotes
from keys.services.evidence import add_fetches, add_signatures

logger = logging.getLogger("signet.keys")
ROUND = timedelta(minutes=1)


class Scribe:
    """The notes of one process, and the thread that writes them down.

    Arguments:
        every: how long to wait between two rounds.
    """

    def __init__(self, every: timedelta = ROUND) -> None:
        self._every = every
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._at_the_end: Finalize | None = None
        self._signatures = SignatureNotes()
        self._fetches = FetchNotes()

    def forget(self) -> None:
        """Drop everything, and have the thread end."""
        self._ended.set()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Be empty in a process that was forked: the thread stayed in the parent, perhaps in the midst of its wait."""
        if self._at_the_end is not None:
            self._at_the_end.cancel()
        self._begin()

    def signed(self, key: KeyPair, *, at: datetime) -> None:
        """Note that a key signed a token.

        Arguments:
            key: its row.
            at: the moment of signing, aware.
        """
        self._signatures.note(key.pk, at)
        self._wake()

    def fetched(
        self, realm: str, served: Served, *, address: str, user_agent: str, if_none_match: str, at: datetime
    ) -> None:
        """Note that somebody got a realm's JWK Set, by a 200 or a 304, and so holds it from now on.

        Arguments:
            realm: the slug of a realm that is there.
            served: the version that was served.
            address: the peer's, as the WSGI application reports it.
            user_agent, if_none_match: these headers, "" where they are missing; anything, and of any length.
            at: the moment, aware.
        """
        if claims_to_hold_any(if_none_match):
            return
        self._fetches.note(realm, fetcher(address, user_agent), served, held=claimed_tags(if_none_match), at=at)
        self._wake()

    def write(self) -> bool:
        """Write down what was noted, and say whether that worked; what could not be written waits."""
        written = self._safely("signatures", self._write_signatures)
        return self._safely("fetches", self._write_fetches) and written

    def _write_signatures(self) -> None:
        counts = self._signatures.take()
        try:
            add_signatures(counts)
        except BaseException:
            self._signatures.give_back(counts)
            raise

    def _write_fetches(self) -> None:
        noted = self._fetches.take()
        try:
            seated = add_fetches(noted, now=timezone.now())
        except BaseException:
            for realm, fetches in noted.items():
                self._fetches.give_back(realm, fetches)
            raise
        for realm, fetchers in seated.items():
            self._fetches.seat(realm, fetchers)

    def _safely(self, what: str, write: Callable[[], None]) -> bool:
        """Whether something could be written. An outage is a line in the log: the notes wait for the next round."""
        try:
            write()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("evidence.not_written what=%s error=%s", what, type(error).__name__)
            return False
        except Exception:  # what ends the thread would end all further writing
            logger.exception("evidence.not_written what=%s", what)
            return False
        return True

    def _wake(self) -> None:
        if self._thread is None:
            with self._lock:
                self._start()

    def _start(self) -> None:
        if self._at_the_end is None:  # a worker ends as multiprocessing does, without the functions of atexit
            self._at_the_end = Finalize(None, self.write_the_last, exitpriority=1)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, args=(self._ended,), name="signet-evidence", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no thread is to be had, or the process ends: the next note tries again
                self._thread = None

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(self._every.total_seconds()):
            try:
                self.write()
            finally:
                connections.close_all()
            if self._may_end():
                return

    def _may_end(self) -> bool:
        with self._lock:
            self._thread = None
            if self._signatures or self._fetches:  # noted meanwhile, by somebody who counts on this thread
                self._thread = threading.current_thread()
                return False
            return True

    def write_the_last(self) -> None:
        """What was noted since the last round, when the process ends in good order.

        Where the database doesn't answer, one time-out is waited for and not two: whoever stops a worker is near.
        """
        if self._signatures or self._fetches:
            if self._safely("signatures", self._write_signatures):
                self._safely("fetches", self._write_fetches)
            connections.close_all()


scribe = Scribe()
os.register_at_fork(after_in_child=scribe.begin_anew)

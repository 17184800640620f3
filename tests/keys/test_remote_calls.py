"""keys/remote_calls.py: a custodian that hangs takes no more than a few threads of a worker (issue 5, 5)."""

import threading
from datetime import timedelta

import pytest

from keys.errors import CustodianRefused, CustodianUnreachable
from keys.remote_calls import MOST_AT_ONCE, RemoteCalls
from tests.clock import FakeClock

pytestmark = pytest.mark.spec("issue 5, 5: an unreachable custodian")
SECOND = timedelta(seconds=1)


def away() -> str:
    raise CustodianUnreachable("It is away.")


def test_after_a_failure_nobody_asks_for_a_second(clock: FakeClock) -> None:
    calls, asked = RemoteCalls(clock.monotonic), []
    with pytest.raises(CustodianUnreachable, match="away"):
        calls.ask("x", away, kid="k")
    for _ in range(3):
        with pytest.raises(CustodianUnreachable, match="at the moment"):
            calls.ask("x", lambda: asked.append(1), kid="k")
    assert asked == []
    assert calls.ask("y", lambda: "another custodian", kid="k") == "another custodian"
    clock.advance(SECOND)
    assert calls.ask("x", lambda: "back", kid="k") == "back"
    assert calls.ask("x", lambda: "at once", kid="k") == "at once"


def test_a_refusal_is_an_answer(clock: FakeClock) -> None:
    calls = RemoteCalls(clock.monotonic)

    def refuse() -> str:
        raise CustodianRefused("No.")

    for _ in range(2):
        with pytest.raises(CustodianRefused):
            calls.ask("x", refuse, kid="k")
    assert calls.ask("x", lambda: "yes", kid="other") == "yes"


def test_while_one_hangs_others_wait_for_a_second_at_most(clock: FakeClock) -> None:
    calls, started, end = RemoteCalls(clock.monotonic), threading.Event(), threading.Event()

    def hang() -> str:
        started.set()
        end.wait(10)
        raise CustodianUnreachable("It timed out.")

    def hanging() -> None:
        with pytest.raises(CustodianUnreachable):
            calls.ask("x", hang, kid="k")

    thread = threading.Thread(target=hanging)
    thread.start()
    assert started.wait(10)
    clock.advance(SECOND)
    with pytest.raises(CustodianUnreachable, match="at the moment"):
        calls.ask("x", lambda: "never asked", kid="k")
    end.set()
    thread.join(10)


def test_however_many_come_at_once_two_wait_and_the_others_get_their_turn_or_an_answer_soon(clock: FakeClock) -> None:
    calls, inside, end = RemoteCalls(clock.monotonic), threading.Semaphore(0), threading.Event()
    asked, refused = list[int](), list[str]()

    def hang() -> str:
        asked.append(1)
        inside.release()
        end.wait(10)
        return "late"

    def come() -> None:
        try:
            calls.ask("x", hang, kid="k")
        except CustodianUnreachable as error:
            refused.append(str(error))

    stuck = [threading.Thread(target=come) for _ in range(MOST_AT_ONCE)]
    for thread in stuck:
        thread.start()
        assert inside.acquire(timeout=10)
    more = [threading.Thread(target=come) for _ in range(6)]
    for thread in more:
        thread.start()
    for thread in more:
        thread.join(10)
    assert (len(asked), len(refused)) == (MOST_AT_ONCE, 6)
    assert all("busy" in text for text in refused)
    assert calls.ask("y", lambda: "another custodian", kid="k") == "another custodian"
    end.set()
    for thread in stuck:
        thread.join(10)
    assert calls.ask("x", lambda: "free again", kid="k") == "free again"


def test_who_waits_for_a_turn_gets_it_as_soon_as_one_is_free(clock: FakeClock) -> None:
    calls, done = RemoteCalls(clock.monotonic), list[int]()

    def come() -> None:
        for _ in range(50):
            calls.ask("x", lambda: done.append(1), kid="k")

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(done) == 8 * 50

"""The copy of the keys: how fresh, how often fetched, and what is never believed (RFC 7517 §5, RFC 8725 §3.10)."""

import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from keys.jwk import base64url
from signet_verifier import Answer, ConfigurationWrong, FetchFailed, Freshness, InvalidToken, ProviderUnavailable
from tests.verifier.issuer import ISSUER, JWKS, Issuer, answer, claims, key

DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait for another thread."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def landed(verifier: Any) -> bool:
    """Whether no fetch is under way."""
    return verifier._keys._flight is None


@pytest.mark.spec("house.md: no I/O in constructors")
def test_nothing_is_fetched_before_the_first_token(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    assert issuer.asked == []
    for _ in range(3):
        verifier.verify(issuer.published[0].sign(claims()))
    assert issuer.asked == [DISCOVERY, JWKS]


@pytest.mark.spec("5 of 6, verifier: refreshed in the background before it runs out")
def test_a_copy_is_refreshed_before_it_runs_out_and_nobody_waits(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    token = issuer.published[0].sign(claims())
    verifier.verify(token)
    issuer.time.passes(239)
    verifier.verify(token)
    assert issuer.times_asked_for_keys == 1
    issuer.held.clear()
    issuer.time.passes(2)
    for _ in range(5):
        verifier.verify(token)  # would wait here for the fetch that is held
    eventually(lambda: issuer.times_asked_for_keys == 2)
    issuer.held.set()
    eventually(lambda: landed(verifier))
    issuer.time.passes(200)
    verifier.verify(token)
    assert issuer.times_asked_for_keys == 2


@pytest.mark.spec("RFC 9110 §13.1.2, §15.4.5")
def test_an_unchanged_set_is_asked_for_by_its_etag_and_stays(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    token = issuer.published[0].sign(claims(exp=issuer.time() + 10_000))
    for _ in range(3):
        verifier.verify(token)
        issuer.time.passes(301)
    assert issuer.times_asked_for_keys == 3
    assert ["If-None-Match" in each for each in issuer.sent] == [False, False, True, True]


@pytest.mark.spec("5 of 6, verifier")
def test_a_304_that_nobody_asked_for_is_no_set(issuer: Issuer) -> None:
    issuer.answers[JWKS] = Answer(304)
    with pytest.raises(ProviderUnavailable):
        issuer.verifier().verify(issuer.published[0].sign(claims()))


@pytest.mark.spec("5 of 6, verifier: kept while the provider is away up to a stated limit")
def test_a_copy_outlives_the_providers_absence_up_to_the_limit(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    token = issuer.published[0].sign(claims(exp=issuer.time() + 10_000))
    verifier.verify(token)
    issuer.away()
    issuer.time.passes(3_500)
    asked = len(issuer.asked)
    for _ in range(5):
        verifier.verify(token)
    assert len(issuer.asked) == asked + 1  # and no more until the cooldown is over
    issuer.time.passes(100)
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            verifier.verify(token)
    issuer.back()
    issuer.time.passes(10)
    assert verifier.verify(token)


@pytest.mark.spec("5 of 6, verifier: refetch once on an unknown kid with a cooldown")
def test_an_unknown_kid_makes_it_fetch_once_and_then_rest(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.published[0].sign(claims()))
    issuer.published.append(key("two"))
    issuer.time.passes(10)
    assert verifier.verify(issuer.published[1].sign(claims()))
    for number in range(20):
        with pytest.raises(InvalidToken, match="no key"):
            verifier.verify(issuer.published[0].sign(claims(), kid=f"unknown-{number}"))
    assert issuer.times_asked_for_keys == 2
    issuer.time.passes(10)
    with pytest.raises(InvalidToken, match="no key"):
        verifier.verify(issuer.published[0].sign(claims(), kid="unknown"))
    assert issuer.times_asked_for_keys == 3


@pytest.mark.spec("5 of 6, verifier: one flight at a time")
@pytest.mark.parametrize("known", [True, False])
def test_fifty_threads_with_an_unknown_kid_are_one_fetch(issuer: Issuer, known: bool) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.published[0].sign(claims()))
    issuer.time.passes(10)
    if known:
        issuer.published.append(key("two"))
    tokens = [(issuer.published[-1]).sign(claims(jti=str(n)), kid="two") for n in range(50)]
    issuer.held.clear()
    together = threading.Barrier(50)

    def use(token: str) -> bool:
        together.wait(20)
        return not isinstance(verifier._outcome(token), InvalidToken)

    with ThreadPoolExecutor(50) as pool:
        found = [pool.submit(use, token) for token in tokens]
        eventually(lambda: issuer.times_asked_for_keys == 2)
        issuer.held.set()
        assert [each.result(20) for each in found] == [known] * 50
    assert issuer.times_asked_for_keys == 2


@pytest.mark.spec("5 of 6, verifier: one flight at a time")
def test_fifty_first_tokens_are_one_fetch(issuer: Issuer) -> None:
    verifier = issuer.verifier(memories=0)
    token = issuer.published[0].sign(claims())
    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(verifier.verify, [token] * 50))
    assert issuer.asked == [DISCOVERY, JWKS]


@pytest.mark.spec("5 of 6, verifier: threads wait for the one in flight or go on with what they have")
def test_known_keys_go_on_while_a_fetch_hangs(issuer: Issuer) -> None:
    verifier = issuer.verifier(freshness=Freshness(patience=0.05))
    good = issuer.published[0].sign(claims())
    verifier.verify(good)
    issuer.time.passes(10)
    issuer.held.clear()
    with pytest.raises(InvalidToken, match="no key"):
        verifier.verify(issuer.published[0].sign(claims(), kid="unknown"))
    assert verifier.verify(good)
    issuer.held.set()
    eventually(lambda: landed(verifier))


@pytest.mark.spec("5 of 6, verifier")
def test_a_provider_that_is_away_at_first_is_asked_again_after_the_cooldown(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(), issuer.published[0].sign(claims())
    issuer.away()
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            verifier.verify(token)
    assert issuer.asked == [DISCOVERY]
    issuer.back()
    issuer.time.passes(10)
    assert verifier.verify(token)


def strange_sets(issuer: Issuer) -> dict[str, bytes]:
    """JWK Sets that can't be believed as a whole."""
    good = issuer.published[0].jwk
    secret = {"kty": "oct", "k": base64url(b"x" * 32), "alg": "HS256", "kid": "mac"}
    hidden = {"kty": "oct", "alg": "HS256", "kid": "mac"}
    lists: dict[str, Any] = {
        "a symmetric key": [good, secret],
        "a symmetric key without its value": [good, hidden],
        "a private key": [good | {"d": base64url(b"x" * 32)}],
        "a private key to encrypt": [good, good | {"use": "enc", "kid": "e", "d": "x"}],
        "a private lattice key": [good, {"kty": "AKP", "alg": "ML-DSA-44", "priv": "x", "pub": "x"}],
        "two keys with one kid": [good, key("one").jwk],
        "the same key twice": [good, good],
        "no objects": [good, "text"],
        "too many keys": [good | {"kid": str(number)} for number in range(201)],
        "no list": {"one": good},
    }
    text = json.dumps({"keys": [good]})
    return {name: json.dumps({"keys": listed}).encode() for name, listed in lists.items()} | {
        "no keys": b"{}",
        "nothing": b"",
        "a page": b"<html>",
        "a list": b"[]",
        "no UTF-8": b"\xff" + text.encode(),
        "keys twice": f'{text[:-1]}, "keys": []}}'.encode(),
        "deep": b'{"keys":' + b"[" * 5000 + b"]" * 5000 + b"}",
    }


@pytest.mark.spec("RFC 7517 §5, §9.1, RFC 8725 §3.10")
@pytest.mark.parametrize("name", strange_sets(Issuer(published=[key()])))
def test_a_set_that_cannot_be_believed_changes_nothing(issuer: Issuer, name: str) -> None:
    token = issuer.published[0].sign(claims())
    issuer.answers[JWKS] = Answer(200, strange_sets(issuer)[name])
    with pytest.raises(ProviderUnavailable):
        issuer.verifier().verify(token)
    issuer.back()
    verifier = issuer.verifier()
    verifier.verify(token)
    issuer.answers[JWKS] = Answer(200, strange_sets(issuer)[name])
    issuer.time.passes(301)
    assert verifier.verify(token)
    assert issuer.times_asked_for_keys == 3


@pytest.mark.spec("RFC 7517 §5")
@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"kid": None},
        {"kid": ""},
        {"kid": 1},
        {"alg": None},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": "RS256"},
        {"alg": ["ES256"]},
        {"kty": "RSA"},
        {"kty": "new"},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"x": "AAAA"},
        {"x": base64url(b"\1" * 32)},
        {"x": 1},
        {"y": None},
    ],
)
def test_a_key_for_something_else_or_malformed_is_passed_over(issuer: Issuer, members: dict[str, Any]) -> None:
    other = key("two")
    issuer.answers[JWKS] = answer({"keys": [issuer.published[0].jwk | members, other.jwk]})
    verifier = issuer.verifier()
    assert verifier.verify(other.sign(claims()))
    with pytest.raises(InvalidToken, match="no key"):
        verifier.verify(issuer.published[0].sign(claims()))


@pytest.mark.spec("RFC 7518 §3.3, RFC 8725 §3.5")
@pytest.mark.parametrize(
    "members",
    [
        {"n": base64url((2**1023 + 1).to_bytes(128, "big"))},
        {"n": base64url((2**2047).to_bytes(256, "big"))},
        {"n": base64url((2**16_000 + 1).to_bytes(2001, "big"))},
        {"e": "AQ"},
        {"e": "Ag"},
        {"e": base64url(b"\xff" * 64)},
    ],
)
def test_a_weak_rsa_key_is_passed_over(issuer: Issuer, members: dict[str, str]) -> None:
    weak = key("weak", "RS256")
    issuer.answers[JWKS] = answer({"keys": [weak.jwk | members]})
    with pytest.raises(InvalidToken, match="no key"):
        issuer.verifier().verify(weak.sign(claims()))


@pytest.mark.spec("OpenID Connect Discovery §4.3; RFC 8414 §3.3")
@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": f"{ISSUER}/", "jwks_uri": JWKS},
        {"issuer": "https://evil.example", "jwks_uri": JWKS},
        {"issuer": [ISSUER], "jwks_uri": JWKS},
        {"jwks_uri": JWKS},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": 1},
        {"issuer": ISSUER, "jwks_uri": "http://id.example.org/keys"},
        {"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/keys"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER, "jwks_uri": "https://user@id.example.org/keys"},
        {"issuer": ISSUER, "jwks_uri": f"{JWKS}#x"},
        {"issuer": ISSUER, "jwks_uri": f"{JWKS}\r\nX: y"},
        {"issuer": ISSUER, "jwks_uri": "/keys"},
    ],
)
def test_discovery_has_to_be_the_issuers_own_and_safe(issuer: Issuer, discovery: dict[str, Any]) -> None:
    issuer.answers[DISCOVERY] = answer(discovery)
    with pytest.raises(ProviderUnavailable):
        issuer.verifier().verify(issuer.published[0].sign(claims()))
    assert issuer.asked == [DISCOVERY]


@pytest.mark.spec("OpenID Connect Discovery §4")
@pytest.mark.parametrize("strange", [Answer(404), Answer(302, headers={"location": JWKS}), Answer(200, b"<html>")])
def test_discovery_that_is_none_is_no_provider(issuer: Issuer, strange: Answer) -> None:
    issuer.answers[DISCOVERY] = strange
    with pytest.raises(ProviderUnavailable):
        issuer.verifier().verify(issuer.published[0].sign(claims()))


@pytest.mark.spec("OpenID Connect Discovery §4")
@pytest.mark.parametrize("status", [301, 302, 307, 404, 500, 503])
def test_a_set_that_moved_is_found_by_discovery_again(issuer: Issuer, status: int) -> None:
    verifier, token = issuer.verifier(), issuer.published[0].sign(claims())
    verifier.verify(token)
    moved = f"{ISSUER}/moved"
    issuer.answers[JWKS] = Answer(status, headers={"location": moved})
    issuer.time.passes(301)
    assert verifier.verify(token)
    issuer.answers[DISCOVERY] = answer({"issuer": ISSUER, "jwks_uri": moved})
    issuer.answers[moved] = answer({"keys": [issuer.published[0].jwk]})
    issuer.time.passes(10)
    assert verifier.verify(token)
    assert issuer.asked[-2:] == [DISCOVERY, moved]


@pytest.mark.spec("5 of 6, verifier")
def test_a_fetch_that_breaks_in_another_way_ends_its_flight_too(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier, token = issuer.verifier(), issuer.published[0].sign(claims())
    monkeypatch.setattr(threading, "excepthook", lambda *_: None)
    monkeypatch.setattr(verifier._keys, "_provider", None)
    with pytest.raises(ProviderUnavailable):
        verifier.verify(token)
    assert landed(verifier)


@pytest.mark.spec("house.md, what runs where: worker processes")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system doesn't fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_was_forked_during_a_fetch_fetches_itself(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(), issuer.published[0].sign(claims())
    verifier.verify(token)
    issuer.held.clear()
    issuer.time.passes(241)
    verifier.verify(token)
    with verifier._keys._lock:  # as another thread might hold it at that moment
        child = os.fork()
        if child == 0:
            issuer.held = threading.Event()
            issuer.held.set()
            issuer.time.passes(60)
            good = bool(verifier.verify(token)) and landed(verifier)
            os._exit(0 if good else 1)
    _, status = os.waitpid(child, 0)
    issuer.held.set()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.spec("5 of 6, verifier")
@pytest.mark.parametrize(
    "spans", [{"refresh_after": 301}, {"keep": 10}, {"cooldown": 0}, {"patience": 0}, {"refresh_after": -1}]
)
def test_spans_that_contradict_one_another_are_refused(spans: dict[str, float]) -> None:
    with pytest.raises(ConfigurationWrong):
        Freshness(**spans)


@pytest.mark.spec("house.md, logs")
def test_a_failed_fetch_is_logged(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    issuer.answers[JWKS] = FetchFailed("It rains.")
    with pytest.raises(ProviderUnavailable):
        issuer.verifier().verify(issuer.published[0].sign(claims()))
    assert f"The keys of {ISSUER} could not be fetched: It rains." in caplog.text

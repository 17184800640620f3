"""The page that declares a key compromised: what is hit is said first, distrust never waits for a new key."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import OperationalError
from django.utils import timezone

from accounts.models import User
from audit.models import Event
from keys import hooks
from keys.errors import HostClockOff, RingBusy
from keys.models import KeyPair, KeyRing
from keys.services.compromise import compromise
from keys.verifier_profiles import verifier_profiles
from tests.keys.admin.pages import of_key, told, words
from tests.keys.admin.test_rotation_page import rows
from tests.keys.known_secrets import SECRET_B
from tests.provider import Browser

REASON = {"reason": "A backup was lost"}


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing(operator: Browser, active: KeyPair, method: str) -> None:
    before = rows()
    assert getattr(operator, method)(of_key(active, "compromise") + "?reason=x&whole_ring=on").status_code == 200
    assert rows() == before


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_refused(operator: Browser, active: KeyPair, method: str) -> None:
    assert getattr(operator, method)(of_key(active, "compromise")).status_code == 405


def test_it_shows_what_is_condemned_who_signs_then_until_when_verifiers_may_refuse_and_what_is_hit(
    operator: Browser, active: KeyPair, standby: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks._hooks, "impact", [lambda _realm, _now: {"live grants": 7}])
    said = words(operator.get(of_key(active, "compromise")))
    alone, everything = said.split("The whole ring Distrusted")
    assert f"Distrusted {active.kid} Signs from then on {standby.kid}" in alone
    propagated = standby.published_at + standby.ring.propagation
    assert f"until {propagated.day} {propagated:%b %Y %H:%M} UTC" in alone
    assert active.kid in everything
    assert standby.kid in everything
    assert "until a new one is made" in everything
    assert said.count("7 live grants, 0 tokens") == 2


def test_it_shows_how_soon_each_kind_of_verifier_follows(operator: Browser, active: KeyPair) -> None:
    said = words(operator.get(of_key(active, "compromise")))
    for profile in verifier_profiles():
        assert said.count(f" {profile.title} ") == 2
    assert said.count("jose (Node.js) within 605 s at once") == 1, "the standby was published a minute ago"
    assert said.count("jose (Node.js) within 605 s within 35 s") == 1, "the whole ring leaves none"
    assert "kinds want a restart" in said


def test_the_standby_signs_at_once_and_a_new_one_is_made(
    operator: Browser, ring: KeyRing, active: KeyPair, standby: KeyPair
) -> None:
    answer = operator.post(of_key(active, "compromise"), REASON)
    assert (answer.status_code, answer["Location"]) == (302, of_key(active))
    for key in (active, standby):
        key.refresh_from_db()
    assert active.compromised_at is not None
    assert active.sealed_private is None
    assert standby.activates_at <= timezone.now()
    assert ring.keys.count() == 3
    said = told(answer)
    assert f"Distrusted: {active.kid}. Signs from now on: {standby.kid}." in said
    assert any("may refuse its tokens until" in message for message in said)
    event = Event.objects.get(name="key.compromised")
    assert (event.actor, event.reason) == (f"user:{User.objects.get().subject}", "A backup was lost")
    page = words(operator.get(of_key(active)))
    assert "never trusted again" in page
    assert "A backup was lost" in page
    assert "Declare compromised" not in page
    assert f"{active.unpublishes_at:%d %b %Y %H:%M:%S} UTC void, since it was compromised before" in page


def test_with_the_whole_ring_both_are_replaced(
    operator: Browser, ring: KeyRing, active: KeyPair, standby: KeyPair
) -> None:
    answer = operator.post(of_key(active, "compromise"), {**REASON, "whole_ring": "on"})
    assert set(KeyPair.objects.filter(compromised_at__isnull=False)) == {active, standby}
    assert ring.keys.filter(compromised_at=None).count() == 2
    assert "No other key of the ring may sign." in told(answer)[0]


@pytest.mark.parametrize("reason", ["", "   ", "nul\0", "x" * 501])
def test_a_reason_is_required(operator: Browser, active: KeyPair, reason: str) -> None:
    before = rows()
    page = operator.post(of_key(active, "compromise"), {"reason": reason})
    assert page.status_code == 200
    assert "Please correct what is named below." in words(page)
    assert rows() == before


def test_without_the_master_secret_the_distrust_stands_and_the_page_says_that_no_key_was_made(
    operator: Browser, ring: KeyRing, active: KeyPair, settings: LazySettings
) -> None:
    settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    page = operator.post(of_key(active, "compromise"), REASON, follow=True)
    assert page.status_code == 200
    assert "The distrust stands, but no new key was made: The master secret" in words(page)
    active.refresh_from_db()
    assert active.compromised_at is not None
    assert ring.keys.count() == 2


@pytest.mark.parametrize("error", [HostClockOff("The clock is off."), OperationalError("the server is gone")])
def test_whatever_stops_the_rotation_the_distrust_stands(
    operator: Browser, active: KeyPair, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refusing(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("keys.admin.compromise_page.rotate", refusing)
    answer = operator.post(of_key(active, "compromise"), REASON)
    assert answer.status_code == 302
    assert f"The distrust stands, but no new key was made: {error}" in told(answer)[-1]
    active.refresh_from_db()
    assert active.compromised_at is not None


def test_a_busy_ring_is_said_on_the_form(operator: Browser, active: KeyPair, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*args: object, **kwargs: object) -> None:
        raise RingBusy("It is busy.")

    monkeypatch.setattr("keys.admin.compromise_page.compromise", busy)
    page = operator.post(of_key(active, "compromise"), REASON)
    assert page.status_code == 200
    assert "It is busy." in words(page)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_key_is_declared_compromised_once(operator: Browser, active: KeyPair, method: str) -> None:
    compromise(active, actor="test", reason="first")
    before = rows()
    answer = getattr(operator, method)(of_key(active, "compromise"), REASON)
    assert answer.status_code == 302
    assert "was declared compromised at" in told(answer)[0]
    assert rows() == before


def test_declaring_is_a_permission_of_its_own(signed_in: Callable[..., Browser], active: KeyPair) -> None:
    before = rows()
    for codenames in ((), ("compromise_keypair",), ("view_keypair", "change_keypair", "rotate_keyring")):
        browser = signed_in(*codenames)
        assert browser.get(of_key(active, "compromise")).status_code == 403
        assert browser.post(of_key(active, "compromise"), REASON).status_code == 403
    assert rows() == before
    allowed = signed_in("view_keypair", "compromise_keypair")
    assert "Declare compromised" in words(allowed.get(of_key(active)))
    assert allowed.post(of_key(active, "compromise"), REASON).status_code == 302


def test_nobody_declares_without_signing_in_or_from_another_site(operator: Browser, active: KeyPair) -> None:
    before = rows()
    assert Browser().post(of_key(active, "compromise"), REASON).status_code == 302
    careful = Browser(enforce_csrf_checks=True)
    careful.force_login(User.objects.get())
    assert careful.post(of_key(active, "compromise"), REASON).status_code == 403
    assert rows() == before


def test_a_key_that_is_not_there_is_not_found(operator: Browser, active: KeyPair) -> None:
    for number in ("abc", "00000000-0000-4000-8000-000000000000"):
        assert operator.get(f"/admin/keys/keypair/{number}/compromise/").status_code == 404


def test_a_file_of_dead_keys_that_cannot_be_written_is_said(
    operator: Browser, ring: KeyRing, active: KeyPair, tmp_path: Path, settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings.IDP_DEAD_KEYS_FILE = str(tmp_path / "dead_keys")
    monkeypatch.setattr(os, "write", lambda *_: 0)
    answer = operator.post(of_key(active, "compromise"), REASON)
    monkeypatch.undo()
    assert any("A dump that is restored would revive it: " in said and "disk is full" in said for said in told(answer))
    active.refresh_from_db()
    assert active.compromised_at is not None

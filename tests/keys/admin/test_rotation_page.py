"""The page that rotates: GET shows what would be done and changes nothing, POST does it and says so."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts.models import User
from audit.models import Event
from keys.errors import HostClockOff, KeysError, RingBusy
from keys.models import KeyPair, KeyRing
from tests.keys.admin.pages import of_ring, told, words
from tests.keys.known_secrets import SECRET_B
from tests.provider import Browser


def rows() -> tuple[list[Any], int]:
    """Every key as it stands, and how much was recorded."""
    return list(KeyPair.objects.order_by("pk").values()), Event.objects.count()


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing(operator: Browser, ring: KeyRing, method: str) -> None:
    before = rows()
    assert getattr(operator, method)(of_ring(ring, "rotate")).status_code == 200
    assert getattr(operator, method)(of_ring(ring, "rotate") + "?kind=forced&reason=x").status_code == 200
    assert rows() == before


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_refused(operator: Browser, ring: KeyRing, method: str) -> None:
    before = rows()
    assert getattr(operator, method)(of_ring(ring, "rotate")).status_code == 405
    assert rows() == before


def test_it_shows_both_plans(operator: Browser, ring: KeyRing, standby: KeyPair) -> None:
    said = words(operator.get(of_ring(ring, "rotate")))
    assert "What is due Would change nothing now." in said
    assert f"key {standby.kid}: takes over at {standby.published_at + timedelta(days=2):%Y-%m-%dT%H:%M:%S}Z" in said


def test_what_is_due_is_done(operator: Browser, es256_ring: KeyRing) -> None:
    answer = operator.post(of_ring(es256_ring, "rotate"), {"kind": "due", "reason": "first keys"})
    assert (answer.status_code, answer["Location"]) == (302, of_ring(es256_ring))
    assert es256_ring.keys.count() == 2
    assert sum("minted" in message for message in told(answer)) == 2
    operator_id = f"user:{User.objects.get().subject}"
    assert {(event.actor, event.reason) for event in Event.objects.filter(name="key.created")} == {
        (operator_id, "first keys")
    }


def test_where_nothing_is_due_it_says_so(operator: Browser, ring: KeyRing) -> None:
    before = rows()
    answer = operator.post(of_ring(ring, "rotate"), {"kind": "due"})
    assert told(answer) == ["Nothing was due: no key was changed."]
    assert rows() == before


def test_a_forced_takeover_comes_as_near_as_propagation_allows(
    operator: Browser, ring: KeyRing, standby: KeyPair
) -> None:
    operator.post(of_ring(ring, "rotate"), {"kind": "forced", "reason": "an engineer left"})
    standby.refresh_from_db()
    assert standby.activates_at == standby.published_at + timedelta(days=2)
    assert Event.objects.get(name="key.takeover_moved").reason == "an engineer left"


@pytest.mark.parametrize(
    "sent",
    [
        {"kind": "forced", "reason": ""},
        {"kind": "forced", "reason": "   "},
        {"kind": "forced", "reason": "nul\0"},
        {"kind": "forced", "reason": "x" * 501},
        {"kind": "sooner", "reason": "why not"},
        {"reason": "why not"},
    ],
)
def test_a_forced_rotation_wants_a_reason(operator: Browser, ring: KeyRing, sent: dict[str, str]) -> None:
    before = rows()
    page = operator.post(of_ring(ring, "rotate"), sent)
    assert page.status_code == 200
    assert "Please correct what is named below." in words(page)
    assert rows() == before


@pytest.mark.parametrize("error", [RingBusy("It is busy."), HostClockOff("The clock is off.")])
def test_what_stands_in_the_way_is_said(
    operator: Browser, ring: KeyRing, monkeypatch: pytest.MonkeyPatch, error: KeysError
) -> None:
    def refusing(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("keys.admin.rotation_page.rotate", refusing)
    page = operator.post(of_ring(ring, "rotate"), {"kind": "due"})
    assert page.status_code == 200
    assert str(error) in words(page)


def test_a_wrong_clock_is_said_before_anything_is_sent(
    operator: Browser, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = timezone.now
    monkeypatch.setattr("keys.admin.rotation_page.timezone.now", lambda: real() + timedelta(hours=1))
    page = operator.get(of_ring(ring, "rotate"))
    assert page.status_code == 200
    assert "set the clock (NTP)" in words(page)


def test_without_the_master_secret_no_key_is_minted(
    operator: Browser, ring: KeyRing, standby: KeyPair, settings: LazySettings
) -> None:
    settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    KeyRing.objects.filter(pk=ring.pk).update(rotation_period=timedelta(days=30))
    other = KeyRing.objects.create(
        **{**KeyRing.objects.values().get(pk=ring.pk), "id": ring.pk + 1, "algorithm": "ES384"}
    )
    page = operator.post(of_ring(other, "rotate"), {"kind": "due"})
    assert page.status_code == 200
    assert "The master secret" in words(page)
    assert not other.keys.exists()


def test_rotating_is_a_permission_of_its_own(signed_in: Callable[..., Browser], ring: KeyRing) -> None:
    before = rows()
    forced = {"kind": "forced", "reason": "x"}
    for codenames in ((), ("rotate_keyring",), ("view_keyring", "change_keyring"), ("view_keyring", "add_keyring")):
        browser = signed_in(*codenames)
        assert browser.get(of_ring(ring, "rotate")).status_code == 403
        assert browser.post(of_ring(ring, "rotate"), forced).status_code == 403
    assert rows() == before
    allowed = signed_in("view_keyring", "rotate_keyring")
    assert "Rotate now" in words(allowed.get(of_ring(ring)))
    assert allowed.post(of_ring(ring, "rotate"), forced).status_code == 302


def test_nobody_rotates_without_signing_in_or_from_another_site(operator: Browser, ring: KeyRing) -> None:
    before = rows()
    answer = Browser().post(of_ring(ring, "rotate"), {"kind": "forced", "reason": "x"})
    assert answer.status_code == 302
    assert "/admin/login/" in answer["Location"]
    careful = Browser(enforce_csrf_checks=True)
    careful.force_login(User.objects.get())
    assert careful.post(of_ring(ring, "rotate"), {"kind": "forced", "reason": "x"}).status_code == 403
    assert rows() == before

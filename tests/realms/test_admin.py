"""Realms in the admin: lifetimes can be changed within their bounds; issuer and slug can't, nor can a realm be made."""

from datetime import timedelta

import pytest

from accounts.models import User
from audit.models import Event
from audit.vocabulary import EventName
from keys.models import KeyRing
from realms.models import Realm
from realms.vocabulary import Registration
from tests.keys.admin.pages import words
from tests.provider import Browser

LIST = "/admin/realms/realm/"
SOUND = {
    "name": "Signet",
    "enabled": "on",
    "registration": "closed",
    "access_token_lifetime": "10 minutes",
    "refresh_idle_lifetime": "7 days",
    "refresh_absolute_lifetime": "30 days",
}


def page_of(realm: Realm) -> str:
    return f"{LIST}{realm.pk}/change/"


def test_the_list_and_the_page_show_the_issuer(operator: Browser, realm: Realm) -> None:
    assert realm.issuer in words(operator.get(LIST))
    said = words(operator.get(page_of(realm)))
    assert realm.issuer in said
    assert "Lifetimes" in said


def test_lifetimes_are_shown_and_changed_in_words(operator: Browser, realm: Realm) -> None:
    assert 'value="10 minutes"' in operator.get(page_of(realm)).content.decode()
    answer = operator.post(page_of(realm), {**SOUND, "access_token_lifetime": "5 minutes", "name": "Ours"})
    assert answer.status_code == 302
    realm.refresh_from_db()
    assert (realm.access_token_lifetime, realm.name) == (timedelta(minutes=5), "Ours")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("access_token_lifetime", "16 minutes", "15 minutes at most"),
        ("access_token_lifetime", "0 minutes", "above nought"),
        ("refresh_idle_lifetime", "31 days", "longer than the whole life of a grant"),
        ("refresh_absolute_lifetime", "11 years", "Write a length of time"),
        ("refresh_absolute_lifetime", "4000 days", "the longest is ten years"),
        ("refresh_absolute_lifetime", "", "This field is required"),
    ],
)
def test_a_lifetime_out_of_bounds_is_refused_beside_its_field(
    operator: Browser, realm: Realm, field: str, value: str, said: str
) -> None:
    before = Realm.objects.values().get()
    page = operator.post(page_of(realm), {**SOUND, field: value})
    assert page.status_code == 200
    assert said in words(page)
    assert "is violated" not in words(page)
    assert Realm.objects.values().get() == before


def test_a_realm_promises_no_grant_that_its_keys_can_t_vouch_for(
    operator: Browser, realm: Realm, mac_ring: KeyRing
) -> None:
    page = operator.post(page_of(realm), {**SOUND, "refresh_absolute_lifetime": "91 days"})
    assert page.status_code == 200
    assert "The ring mac HMAC-SHA256 vouches for 90 days at most" in words(page)
    assert operator.post(page_of(realm), {**SOUND, "refresh_absolute_lifetime": "90 days"}).status_code == 302


def test_nor_an_access_token(operator: Browser, realm: Realm, es256_ring: KeyRing) -> None:
    KeyRing.objects.update(max_token_lifetime=timedelta(minutes=10))
    page = operator.post(page_of(realm), {**SOUND, "access_token_lifetime": "11 minutes"})
    assert "The ring sign ES256 vouches for 10 minutes at most" in words(page)


def test_who_makes_accounts_is_the_operators_to_say(operator: Browser, realm: Realm) -> None:
    assert realm.registration == Registration.CLOSED
    assert "Open: whoever comes may make an account" in words(operator.get(page_of(realm)))
    assert operator.post(page_of(realm), {**SOUND, "registration": "open"}).status_code == 302
    realm.refresh_from_db()
    assert realm.registration == Registration.OPEN
    page = operator.post(page_of(realm), {**SOUND, "registration": "anybody"})
    assert "not one of the available choices" in words(page)


def test_whether_a_second_factor_is_demanded_is_too(operator: Browser, realm: Realm) -> None:
    assert operator.post(page_of(realm), {**SOUND, "require_second_factor": "on"}).status_code == 302
    assert Realm.objects.get().require_second_factor


@pytest.mark.spec("issue: realms and their policy; sealed audit events")
def test_what_was_changed_stands_in_the_audit(operator: Browser, realm: Realm) -> None:
    sent = {**SOUND, "require_second_factor": "on", "registration": "open", "access_token_lifetime": "5 minutes"}
    assert operator.post(page_of(realm), sent).status_code == 302
    event = Event.objects.get(name=EventName.REALM_CHANGED)
    assert (event.realm, event.target) == (realm.slug, realm.issuer)
    assert event.actor == f"user:{User.objects.get().subject}"
    assert event.details == {
        "require_second_factor": "False → True",
        "registration": "closed → open",
        "access_token_lifetime": "PT10M → PT5M",
    }
    assert operator.post(page_of(realm), sent).status_code == 302
    assert operator.post(page_of(realm), {**sent, "access_token_lifetime": "16 minutes"}).status_code == 200
    assert Event.objects.filter(name=EventName.REALM_CHANGED).count() == 1, "nothing was changed"


def test_issuer_and_slug_stay_as_they_are(operator: Browser, realm: Realm) -> None:
    operator.post(page_of(realm), {**SOUND, "issuer": "https://evil.example", "slug": "evil"})
    after = Realm.objects.get()
    assert (after.issuer, after.slug) == (realm.issuer, realm.slug)


def test_no_realm_is_added_or_deleted_here(operator: Browser, realm: Realm) -> None:
    assert operator.post(LIST + "add/", {**SOUND, "slug": "more"}).status_code == 403
    assert operator.post(page_of(realm).replace("change", "delete"), {"post": "yes"}).status_code == 403
    operator.post(LIST, {"action": "delete_selected", "_selected_action": [realm.pk], "post": "yes"})
    assert Realm.objects.count() == 1

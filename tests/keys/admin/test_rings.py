"""The pages of a ring: its picture, its policy, and adding one."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.conf import LazySettings
from django.db import connection

from audit.models import Event
from keys.errors import RingBusy, UnavailableAlgorithm
from keys.fetchers import Fetcher, Visit
from keys.models import KeyPair, KeyRing
from keys.notes import RealmFetches
from keys.selectors import database_clock
from keys.services import minting, rotation
from keys.services.compromise import compromise
from keys.services.evidence import add_fetches
from keys.services.retirement import retire_rings
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from realms.models import Realm
from tests.keys.admin.pages import ADD_RING, FRONT, RINGS, of_key, of_ring, told, words
from tests.keys.known_secrets import SECRET_B
from tests.provider import Browser

POLICY = {
    "rotation_period": "90 days",
    "propagation": "2 days",
    "max_token_lifetime": "7 days",
    "clock_skew": "5 minutes",
    "verifier_leeway": "5 minutes",
    "patience": "0 seconds",
}


def test_its_page_draws_every_key_with_its_states_and_the_present(
    operator: Browser, ring: KeyRing, active: KeyPair, standby: KeyPair
) -> None:
    compromise(active, actor="test", reason="test", clock=database_clock)
    rotate(ring, now=database_clock(), actor="test")
    page = operator.get(of_ring(ring)).content.decode()
    start = page.index('<figure class="timetable">')
    picture = page[start : page.index("</svg>", start)]
    assert 'role="img"' in picture
    assert "<title" in picture
    assert "<desc" in picture
    for key in KeyPair.objects.filter(ring=ring):
        assert key.kid in picture
    for state in ("pre_active", "active", "compromised"):
        assert f"bar-{state}" in picture
    assert 'class="now"' in picture
    assert "style=" not in picture


def test_its_legend_names_every_state_and_the_present(operator: Browser, ring: KeyRing) -> None:
    said = words(operator.get(of_ring(ring)))
    assert "published, waiting signing verifying only archived compromised now" in said


def test_a_ring_that_has_no_keys_has_a_page(operator: Browser, es256_ring: KeyRing) -> None:
    page = operator.get(of_ring(es256_ring))
    assert page.status_code == 200
    assert "No key of this ring may sign" in words(page)


def test_another_policy_is_recorded_and_the_timetable_follows(
    operator: Browser, ring: KeyRing, standby: KeyPair
) -> None:
    answer = operator.post(of_ring(ring), {**POLICY, "rotation_period": "30 days"})
    assert (answer.status_code, answer["Location"]) == (302, of_ring(ring))
    ring.refresh_from_db()
    assert ring.rotation_period == timedelta(days=30)
    moved = KeyPair.objects.get(pk=standby.pk).activates_at
    assert moved < standby.activates_at
    event = Event.objects.get(name="ring.policy_changed")
    assert event.actor.startswith("user:")
    assert Event.objects.filter(name="key.takeover_moved", actor=event.actor).exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("propagation", "1 minute", "the time that a new key needs to reach every verifier"),
        ("rotation_period", "1 day", "a standby could never take over in time"),
        ("max_token_lifetime", "0 seconds", "must be above nought"),
        ("max_token_lifetime", "5 minutes", "access tokens live for 10 minutes"),
        ("clock_skew", "0 seconds", "The clock skew must be a second at least"),
        ("rotation_period", "4000 days", "the longest is ten years"),
        ("rotation_period", "999999999 days 999999999 weeks", "the longest is ten years"),
        ("verifier_leeway", "-1 00:00:00", "can't be negative"),
        ("propagation", "soon", "Write a length of time such as"),
        ("propagation", "", "This field is required"),
        ("propagation", "2 days\0", "Write a length of time such as"),
    ],
)
def test_a_policy_that_breaks_the_invariant_is_refused_on_the_form(
    operator: Browser, ring: KeyRing, field: str, value: str, said: str
) -> None:
    before = KeyRing.objects.values().get(pk=ring.pk)
    page = operator.post(of_ring(ring), {**POLICY, field: value})
    assert page.status_code == 200
    assert said in words(page)
    assert KeyRing.objects.values().get(pk=ring.pk) == before
    assert not Event.objects.filter(name="ring.policy_changed").exists()


def test_the_handles_of_a_realm_bound_what_a_mac_ring_may_be_shortened_to(operator: Browser, mac_ring: KeyRing) -> None:
    page = operator.post(of_ring(mac_ring), {**POLICY, "max_token_lifetime": "29 days"})
    assert "refresh tokens live for 30 days" in words(page)


def test_the_same_policy_changes_nothing(operator: Browser, ring: KeyRing) -> None:
    count = Event.objects.count()
    answer = operator.post(of_ring(ring), POLICY)
    assert told(answer) == ["Nothing was changed."]
    assert Event.objects.count() == count


def test_a_busy_ring_is_said_on_the_form(operator: Browser, ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*args: object, **kwargs: object) -> None:
        raise RingBusy("Another rotation holds it.")

    monkeypatch.setattr("keys.admin.rings.change_policy", busy)
    page = operator.post(of_ring(ring), {**POLICY, "rotation_period": "30 days"})
    assert page.status_code == 200
    assert "Another rotation holds it." in words(page)


def test_a_changed_policy_stands_where_the_rotation_fails(
    operator: Browser, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*args: object, **kwargs: object) -> None:
        raise RingBusy("Another rotation holds it.")

    monkeypatch.setattr("keys.admin.rings.rotate", busy)
    answer = operator.post(of_ring(ring), {**POLICY, "rotation_period": "30 days"})
    assert "The policy is changed, but the timetable doesn't follow it yet: Another" in told(answer)[-1]
    ring.refresh_from_db()
    assert ring.rotation_period == timedelta(days=30)


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_a_page_makes_keys(
    operator: Browser, realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ones = []

    def watched(ring: KeyRing) -> object:
        open_ones.append(connection.in_atomic_block)
        return make_material(ring)

    make_material = minting.make_material
    monkeypatch.setattr(rotation, "make_material", watched)
    operator.post(ADD_RING, {"realm": realm.pk, "algorithm": "ES256"})
    assert open_ones == [False, False]


def test_a_ring_is_added_with_its_keys(operator: Browser, realm: Realm) -> None:
    answer = operator.post(ADD_RING, {"realm": realm.pk, "algorithm": "ES384", "bits": ""})
    ring = KeyRing.objects.get(algorithm="ES384")
    assert answer["Location"] == of_ring(ring)
    assert (ring.purpose, ring.keys.count()) == ("sign", 2)
    assert Event.objects.get(name="ring.created").actor.startswith("user:")


def test_the_length_of_an_rsa_ring_can_be_chosen(operator: Browser, realm: Realm) -> None:
    operator.post(ADD_RING, {"realm": realm.pk, "algorithm": "PS256", "bits": "2048"})
    assert KeyRing.objects.get(algorithm="PS256").bits == 2048


def test_a_ring_that_is_there_is_not_added_twice(operator: Browser, realm: Realm, ring: KeyRing) -> None:
    page = operator.post(ADD_RING, {"realm": realm.pk, "algorithm": "ES256"})
    assert page.status_code == 200
    assert "has a ring for sign with ES256 already" in words(page)
    assert KeyRing.objects.count() == 1


def test_an_elliptic_ring_has_no_choice_of_length(operator: Browser, realm: Realm) -> None:
    page = operator.post(ADD_RING, {"realm": realm.pk, "algorithm": "ES256", "bits": "2048"})
    assert "fixes the length of its keys" in words(page)


@pytest.mark.parametrize("algorithm", ["HMAC-SHA256", "HS256", "none", ""])
def test_no_ring_is_added_for_an_algorithm_that_signs_no_token(operator: Browser, realm: Realm, algorithm: str) -> None:
    assert operator.post(ADD_RING, {"realm": realm.pk, "algorithm": algorithm}).status_code == 200
    assert not KeyRing.objects.exists()


def test_an_algorithm_that_this_machine_lacks_is_said_on_the_form(
    operator: Browser, realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(**kwargs: object) -> None:
        raise UnavailableAlgorithm("ML-DSA-44 needs another cryptography.")

    monkeypatch.setattr("keys.admin.rings.add_ring", lacking)
    page = operator.post(ADD_RING, {"realm": realm.pk, "algorithm": "ML-DSA-44"})
    assert page.status_code == 200
    assert "needs another cryptography" in words(page)


def test_without_the_master_secret_no_ring_is_added(
    operator: Browser, realm: Realm, ring: KeyRing, settings: LazySettings
) -> None:
    settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    page = operator.post(ADD_RING, {"realm": realm.pk, "algorithm": "ES384"})
    assert page.status_code == 200
    assert "The master secret" in words(page)
    assert KeyRing.objects.count() == 1


@pytest.mark.parametrize("page", ["delete", "rotate"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_only_look_may_not_act(
    signed_in: Callable[..., Browser], ring: KeyRing, page: str, method: str
) -> None:
    browser = signed_in("view_keyring", "view_keypair")
    assert getattr(browser, method)(of_ring(ring, page)).status_code == 403


def test_who_may_only_look_sees_the_policy_and_can_t_change_it(
    signed_in: Callable[..., Browser], ring: KeyRing
) -> None:
    browser = signed_in("view_keyring")
    page = browser.get(of_ring(ring)).content.decode()
    assert '<input type="submit"' not in page
    assert "Rotate now" not in page
    assert "90 days" in page
    assert browser.post(of_ring(ring), {**POLICY, "rotation_period": "30 days"}).status_code == 403
    assert browser.post(ADD_RING, {}).status_code == 403
    ring.refresh_from_db()
    assert ring.rotation_period == timedelta(days=90)


def test_without_a_permission_there_is_no_page(signed_in: Callable[..., Browser], ring: KeyRing) -> None:
    browser = signed_in()
    for address in (RINGS, ADD_RING, of_ring(ring), of_ring(ring, "rotate"), of_ring(ring, "history")):
        assert browser.get(address).status_code == 403
    assert Browser().get(of_ring(ring)).status_code == 302


def test_nobody_deletes_a_ring(operator: Browser, ring: KeyRing) -> None:
    assert operator.post(of_ring(ring, "delete"), {"post": "yes"}).status_code == 403
    answer = operator.post(RINGS, {"action": "delete_selected", "_selected_action": [ring.pk], "post": "yes"})
    assert answer.status_code in (200, 302, 400, 403)
    assert KeyRing.objects.filter(pk=ring.pk).exists()


@pytest.mark.parametrize("number", ["0", "abc", "99999999999999999999"])
@pytest.mark.parametrize("page", ["change", "rotate"])
def test_a_ring_that_is_not_there_is_not_found(operator: Browser, ring: KeyRing, number: str, page: str) -> None:
    assert operator.get(f"{RINGS}{number}/{page}/").status_code == 404


def test_the_list_shows_who_signs(operator: Browser, ring: KeyRing, active: KeyPair) -> None:
    page = operator.get(RINGS)
    assert active.kid in words(page)
    assert of_key(active) not in page.content.decode()


def late_fetcher(now: datetime) -> None:
    noted = RealmFetches({Fetcher("192.0.2.77", "envoy/<b>"): Visit(now, '"old"')}, {'"old"': ((), now)})
    add_fetches({"default": noted}, now=now)


@pytest.mark.spec("issue 5 point 3: the admin says who holds the next key; addresses are personal")
def test_its_page_names_who_lacks_the_next_key_and_the_block_of_their_address(
    operator: Browser, signed_in: Callable[..., Browser], ring: KeyRing, now: datetime
) -> None:
    assert "No fetcher of the JWKS was seen within 7 days." in words(operator.get(of_ring(ring)))
    late_fetcher(now)
    page = operator.get(of_ring(ring))
    assert "0 of 1 fetcher holds the next key." in words(page)
    assert "192.0.2.77 envoy/<b>" in words(page)
    assert b"envoy/&lt;b&gt;" in page.content
    viewer = words(signed_in("view_keyring").get(of_ring(ring)))
    assert "192.0.2.0/24 envoy/<b>" in viewer
    assert "192.0.2.77" not in viewer


@pytest.mark.spec("ADR 19: a takeover waits, up to a limit")
def test_its_page_says_until_when_the_takeover_waits(operator: Browser, es256_ring: KeyRing, now: datetime) -> None:
    KeyRing.objects.filter(pk=es256_ring.pk).update(patience=timedelta(days=5))
    es256_ring.refresh_from_db()
    late_fetcher(now)
    rotate(es256_ring, now=now, actor="test", clock=lambda: now)
    said = words(operator.get(of_ring(es256_ring)))
    latest = now + es256_ring.rotation_period + timedelta(days=5)
    assert (
        f"The takeover waits until nobody is behind, to the {latest.day} {latest:%b %Y, %H:%M} UTC at the latest."
        in said
    )
    assert "at the latest 0 of 1 fetcher holds the next key." in words(operator.get(FRONT))
    KeyRing.objects.update(patience=timedelta(0))
    assert "at the latest" not in words(operator.get(FRONT)), "the next run brings it forward"


def test_a_ring_that_nobody_fetches_says_nothing_of_fetchers(
    operator: Browser, mac_ring: KeyRing, now: datetime
) -> None:
    rotate(mac_ring, now=now, actor="test", clock=lambda: now)
    assert "fetcher" not in words(operator.get(of_ring(mac_ring))).replace("all known fetchers", "")


@pytest.mark.spec("keys.md Moving to another algorithm: Retired")
def test_a_retired_ring_and_its_withdrawn_key_say_so(operator: Browser, ring: KeyRing, standby: KeyPair) -> None:
    add_ring(realm=ring.realm, algorithm="Ed25519", actor="test", now=database_clock())
    retire_rings(realm=ring.realm, algorithm="ES256", actor="test")
    page = operator.get(of_ring(ring)).content.decode()
    assert 'id="retired"' in page
    assert "none: the ring is retired" in page
    assert f"{standby.activates_at:%b %Y %H:%M}" not in page, "a day that never comes"
    assert ", never signs</td>" in page
    page = operator.get(of_key(standby)).content.decode()
    assert 'id="withdrawn"' in page
    assert f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{standby.kid}" in page
    assert ">retired</span>" in operator.get(FRONT).content.decode()
    assert "retired" in words(operator.get(RINGS))


@pytest.mark.spec("keys.md Simulator: the admin draws past and future in one picture, and says what comes")
def test_its_page_draws_the_keys_to_come_and_says_who_would_fail(
    operator: Browser, ring: KeyRing, standby: KeyPair
) -> None:
    answer = operator.get(of_ring(ring))
    page, said = answer.content.decode(), words(answer)
    assert page.count("row-to-come") == 4
    assert "Key to-come-1, not made yet: waiting from" in page
    assert '<rect class="ahead"' in page
    assert 'style="' not in page
    assert f"load-once may refuse tokens of {standby.kid} from" in said
    assert "smallest safe propagation: 1 hour 35 minutes 10 seconds" in said
    assert KeyPair.objects.filter(ring=ring).count() == 2


def test_the_page_of_a_ring_without_keys_foresees_its_first(operator: Browser, es256_ring: KeyRing) -> None:
    page = operator.get(of_ring(es256_ring)).content.decode()
    assert "Key to-come-1, not made yet: signing from" in page


def test_the_page_of_a_ring_whose_policy_is_refused_foresees_nothing(operator: Browser, ring: KeyRing) -> None:
    KeyRing.objects.filter(pk=ring.pk).update(propagation=timedelta(minutes=1))
    answer = operator.get(of_ring(ring))
    assert "Nothing: rotate_keys refuses this policy." in words(answer)
    assert "row-to-come" not in answer.content.decode()

"""The pages of keys: everything public to look at, nothing private anywhere, nothing to edit by hand."""

import base64
import json
import logging
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.services import record
from audit.vocabulary import EventName
from keys.algorithms import private_to_bytes
from keys.models import KeyPair, KeyRing
from keys.selectors import in_state, timetable_of, unsealed_private
from keys.services.compromise import compromise
from keys.services.rotation import rotate
from keys.timetable import KeyState, state_at
from realms.models import Realm
from tests.keys.admin.pages import ADD_RING, FRONT, KEYS, RINGS, of_key, of_ring, words
from tests.keys.admin.test_rotation_page import rows
from tests.provider import Browser


def test_its_page_shows_kid_algorithm_state_every_date_and_the_public_jwk(operator: Browser, active: KeyPair) -> None:
    page = operator.get(of_key(active))
    said = words(page)
    assert active.kid in said
    assert "Algorithm: ES256" in said
    assert "State: signing" in said
    for moment in (active.created_at, active.published_at, active.deactivates_at, active.unpublishes_at):
        assert f"{moment:%d %b %Y %H:%M:%S} UTC" in said
    shown = said[said.index("Public JWK:") + len("Public JWK:") : said.index("What happened to it")]
    assert json.loads(shown) == active.public_jwk
    assert "key.created" in said


def test_what_a_jwk_holds_is_escaped(operator: Browser, ring: KeyRing) -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "</pre><script>"}
    key = KeyPair.objects.create(
        ring=ring, realm=ring.realm, kid="<script>alert(1)</script>", public_jwk=jwk,
        custodian="local", sealed_private=b"x", max_lifetime=ring.max_token_lifetime, published_at=timezone.now(),
        activates_at=timezone.now(), compromised_at=timezone.now(), created_at=timezone.now(),
    )  # fmt: skip
    for address in (of_key(key), KEYS, of_ring(ring), of_key(key, "history"), FRONT):
        page = operator.get(address)
        assert page.status_code == 200
        assert "<script>alert" not in page.content.decode()
        assert "</pre><script>" not in page.content.decode()


def test_the_events_of_another_realm_s_key_with_the_same_kid_are_not_its_own(
    operator: Browser, active: KeyPair
) -> None:
    record(EventName.KEY_COMPROMISED, realm="elsewhere", actor="a", target=active.kid, now=timezone.now(), reason="no")
    assert "key.compromised" not in words(operator.get(of_key(active)))


def test_a_symmetric_key_has_no_public_half(operator: Browser, mac_ring: KeyRing) -> None:
    rotate(mac_ring, now=timezone.now(), actor="test")
    assert "a symmetric key has no public half" in words(operator.get(of_key(mac_ring.keys.all()[0])))


def private_forms(key: KeyPair) -> Iterator[bytes]:
    """The sealed half of a key, and the private half itself, in every writing that could leak."""
    row = KeyPair.objects.select_related("ring").get(pk=key.pk)
    for blob in (bytes(row.sealed_private or b""), unsealed_private(row)):
        inner = blob[-40:]  # of a PKCS #8 document the beginning is the same for all
        yield from (inner, inner.hex().encode(), inner.hex().upper().encode(), repr(inner)[2:-1].encode())
        for shift in range(3):
            yield base64.b64encode(inner[shift:])[:-4]
            yield base64.urlsafe_b64encode(inner[shift:])[:-4]


def every_address(ring: KeyRing, key: KeyPair) -> list[str]:
    return [
        FRONT, RINGS, KEYS, ADD_RING, "/admin/keys/", "/admin/audit/event/", f"{KEYS}?q={key.kid}",
        f"{KEYS}?state=active", *(of_ring(ring, page) for page in ("change", "rotate", "history")),
        *(of_key(key, page) for page in ("change", "compromise", "history", "delete")), KEYS + "add/",
    ]  # fmt: skip


def test_no_page_holds_a_private_byte(
    operator: Browser, ring: KeyRing, active: KeyPair, standby: KeyPair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [form for key in (active, standby) for form in private_forms(key)]
    pages = [operator.get(address) for address in every_address(ring, active)]
    pages.append(operator.post(of_ring(ring, "rotate"), {"kind": "forced", "reason": "test"}, follow=True))
    pages.append(operator.post(of_key(active, "compromise"), {"reason": "test"}, follow=True))
    for page in pages:
        assert page.status_code in (200, 403)
        assert not any(secret in page.content for secret in secrets)
        assert b"sealed_private" not in page.content
        assert b'"d"' not in page.content
    assert not any(secret in caplog.text.encode() for secret in secrets)


@pytest.mark.parametrize("debug", [False, True])
def test_no_page_about_a_failure_holds_a_private_byte(
    operator: Browser, ring: KeyRing, active: KeyPair, settings: LazySettings, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, debug: bool,
) -> None:  # fmt: skip
    def failing(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a fault of ours")

    settings.DEBUG = debug
    monkeypatch.setattr("keys.services.compromise.plan_compromise", failing)
    monkeypatch.setattr("keys.services.rotation.apply_steps", failing)
    monkeypatch.setattr("keys.admin.rings.overview", failing)
    secrets = list(private_forms(active))
    pages = [
        operator.post(of_key(active, "compromise"), {"reason": "test"}),
        operator.post(of_ring(ring, "rotate"), {"kind": "forced", "reason": "test"}),
        operator.get(of_ring(ring)),
    ]
    for page in pages:
        assert page.status_code == 500
        assert (b"a fault of ours" in page.content) is debug
        assert not any(secret in page.content for secret in secrets)
    assert "a fault of ours" in caplog.text
    assert not any(secret in caplog.text.encode() for secret in secrets)


def test_the_sealed_half_is_not_even_read(operator: Browser, active: KeyPair) -> None:
    with CaptureQueriesContext(connection) as asked:
        for address in (FRONT, RINGS, KEYS, of_ring(active.ring), of_key(active)):
            operator.get(address)
    assert not any('"sealed_private"' in query["sql"] for query in asked)


@pytest.mark.parametrize(
    "lookup",
    [
        "sealed_private__gte=%5Cx00", "sealed_private__startswith=a", "sealed_private__isnull=0", "sealed_private=a",
        "kid__startswith=a", "custodian_reference=a", "ring__keys__sealed_private__gte=a", "id__gt=0",
        "realm__key_rings__keys__sealed_private__gte=a",
    ],
)  # fmt: skip
def test_no_list_can_be_narrowed_by_what_is_sealed(operator: Browser, active: KeyPair, lookup: str) -> None:
    assert operator.get(f"{KEYS}?{lookup}").status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        RINGS + "?keys__sealed_private__gte=a",
        "/admin/realms/realm/?key_rings__keys__sealed_private__gte=a",
        "/admin/tokens/client/?realm__key_rings__keys__sealed_private__gte=a",
        "/admin/accounts/user/?memberships__realm__key_rings__keys__sealed_private__gte=a",
    ],
)
def test_nor_can_a_list_of_what_belongs_to_keys(operator: Browser, active: KeyPair, address: str) -> None:
    assert operator.get(address).status_code == 400


@pytest.mark.parametrize(
    "query",
    ["q=%00", "state=%00", "state=nonsense", "o=99", "p=x", "algorithm=%00", "purpose=x", "ring__realm__id__exact=a"],
)
def test_a_strange_query_is_no_fault_of_ours(operator: Browser, active: KeyPair, query: str) -> None:
    assert operator.get(f"{KEYS}?{query}").status_code < 500


def test_no_key_is_added_edited_or_deleted_by_hand(operator: Browser, active: KeyPair) -> None:
    before = rows()
    fields = {"kid": "mine", "sealed_private": "x", "activates_at_0": "2030-01-01", "compromised_at": ""}
    assert operator.get(KEYS + "add/").status_code == 403
    assert operator.post(KEYS + "add/", fields).status_code == 403
    assert operator.post(of_key(active), fields).status_code == 403
    assert operator.get(of_key(active, "delete")).status_code == 403
    assert operator.post(of_key(active, "delete"), {"post": "yes"}).status_code == 403
    operator.post(KEYS, {"action": "delete_selected", "_selected_action": [str(active.pk)], "post": "yes"})
    operator.post(KEYS, {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(active.pk), **fields})
    assert rows() == before


def test_its_page_has_nothing_to_type_into(operator: Browser, active: KeyPair) -> None:
    page = operator.get(of_key(active)).content.decode()
    form = page[page.index('id="keypair_form"') : page.rindex("</form>")]
    assert "<textarea" not in form
    assert "<select" not in form
    assert form.count("<input") == form.count('name="csrfmiddlewaretoken"')


def test_without_a_permission_there_is_no_page(signed_in: Callable[..., Browser], active: KeyPair) -> None:
    browser = signed_in("view_keyring")
    for address in (KEYS, of_key(active), of_key(active, "history"), of_key(active, "compromise")):
        assert browser.get(address).status_code == 403
    assert signed_in("view_keypair").get(of_key(active)).status_code == 200


def test_the_list_finds_keys_by_their_state(operator: Browser, ring: KeyRing, active: KeyPair) -> None:
    compromise(active, actor="test", reason="test")
    rotate(ring, now=timezone.now(), actor="test")
    keys = list(ring.keys.all())
    for state in KeyState:
        page = operator.get(f"{KEYS}?state={state.value}").content.decode()
        for key in keys:
            is_in = state_at(timetable_of(key), timezone.now()) is state
            assert (key.kid in page) is is_in


def test_the_list_shows_no_end_that_a_compromise_made_void(operator: Browser, active: KeyPair) -> None:
    end = active.deactivates_at
    assert end is not None
    assert f"{end:%d %b %Y}" in operator.get(f"{KEYS}?q={active.kid}").content.decode()
    compromise(active, actor="test", reason="test")
    assert f"{end:%d %b %Y}" not in operator.get(f"{KEYS}?q={active.kid}").content.decode()


@pytest.mark.parametrize(("query", "found"), [("algorithm=ES256", True), ("algorithm=RS256", False),
                                              ("purpose=sign", True), ("purpose=mac", False)])  # fmt: skip
def test_the_list_finds_keys_by_their_ring(operator: Browser, active: KeyPair, query: str, found: bool) -> None:
    assert (active.kid in operator.get(f"{KEYS}?{query}").content.decode()) is found


def test_the_list_finds_keys_by_their_realm(operator: Browser, active: KeyPair) -> None:
    Realm.objects.create(slug="other", name="Other", issuer="https://other.example.test", created_at=timezone.now())
    assert active.kid in operator.get(f"{KEYS}?ring__realm__id__exact={active.realm_id}").content.decode()
    assert active.kid not in operator.get(f"{KEYS}?ring__realm__id__exact=0").content.decode()


@pytest.mark.parametrize("number", ["abc", "00000000-0000-4000-8000-000000000000"])
def test_the_page_of_a_key_that_is_not_there_leads_back(operator: Browser, active: KeyPair, number: str) -> None:
    answer = operator.get(f"{KEYS}{number}/change/")
    assert (answer.status_code, answer["Location"]) == (302, FRONT)


def test_the_database_finds_a_state_as_the_clock_tells_it(ring: KeyRing, active: KeyPair, standby: KeyPair) -> None:
    boundaries = [
        getattr(key, column)
        for key in (active, standby)
        for column in ("published_at", "activates_at", "deactivates_at", "unpublishes_at")
    ]
    for moment in (boundary for boundary in boundaries if boundary):
        for state in KeyState:
            found = set(KeyPair.objects.filter(in_state(state, moment)))
            assert found == {key for key in (active, standby) if state_at(timetable_of(key), moment) is state}


def test_the_private_half_can_be_found_where_it_is(active: KeyPair) -> None:
    """The tests above would see nothing if they looked for the wrong bytes."""
    row = KeyPair.objects.select_related("ring").get(pk=active.pk)
    plain = unsealed_private(row)
    assert private_to_bytes(load_der_private_key(plain, None)) == plain
    assert any(form in plain for form in private_forms(active))

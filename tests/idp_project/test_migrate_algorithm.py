"""`migrate_algorithm`: publish, move step by step, watch, retire; never a switch at once (keys.md)."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from audit.models import Event
from audit.vocabulary import EventName
from keys import api
from keys.algorithms import Purpose
from keys.errors import KeysError, RetirementRefused
from keys.models import KeyPair, KeyRing
from keys.selectors import signing_rings
from keys.services.compromise import compromise
from keys.services.retirement import retire_rings, revive_ring
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.signer import signer
from keys.steps import Wipe
from realms.models import Realm
from tests.keys.commands import Ran, run
from tests.provider import make_realm
from tests.tokens.clients import register
from tokens.algorithm_shares import in_share, parse_share
from tokens.models import Client
from tokens.registration import metadata_of
from tokens.services.algorithm_moves import Move, MoveRefused, move_clients
from tokens.services.client_changes import change_client, switch_direct_sign_in
from tokens.services.clients import ClientRefused
from tokens.vocabulary import DIRECT_CLIENT_ID, GrantType, ResponseType

pytestmark = pytest.mark.spec("keys.md Moving to another algorithm")
LONG_AGO = timedelta(days=10)


def ring_since(realm: Realm, algorithm: str, moment: datetime) -> KeyRing:
    """A ring whose first keys were made at a moment."""
    ring = add_ring(realm=realm, algorithm=algorithm, actor="test", now=moment)
    rotate(ring, now=moment, actor="test", clock=lambda: moment)
    return ring


def old_realm() -> Realm:
    """A realm whose clients use ES256, and whose rings for ES256 and Ed25519 every verifier knows."""
    made = make_realm(purposes=(Purpose.MAC, Purpose.EXPIRED_TEST))
    for algorithm in ("ES256", "Ed25519"):
        ring_since(made, algorithm, timezone.now() - LONG_AGO)
    return made


@pytest.fixture
def realm(db: None) -> Realm:
    """A realm that has been there for a while."""
    return old_realm()


def migrate(*arguments: str) -> Ran:
    return run("migrate_algorithm", "ES256", "Ed25519", *arguments)


def algorithms(**which: Any) -> dict[str, str]:
    return dict(Client.objects.filter(**which).values_list("client_id", "access_token_alg"))


def move(realm: Realm, **what: Any) -> Any:
    return move_clients(Move("ES256", "Ed25519", **what), realm=realm, actor="test", now=timezone.now())


def test_a_new_ring_is_published_long_before_anybody_moves_to_it(realm: Realm) -> None:
    register(realm)
    started = run("migrate_algorithm", "ES256", "ES384", "--start", "--json")
    ring = KeyRing.objects.get(algorithm="ES384")
    assert started.code == 0
    assert [step["step"] for step in started.json["steps"]] == ["mint", "mint"]
    early = run("migrate_algorithm", "ES256", "ES384", "--client", "machine")
    assert early.code == 1
    first = KeyPair.objects.filter(ring=ring).order_by("activates_at")[0]
    assert f"before {first.published_at + ring.propagation:%Y-%m-%d %H:%M:%S} UTC" in early.err
    assert algorithms(client_id="machine") == {"machine": "ES256"}
    again = run("migrate_algorithm", "ES256", "ES384", "--start")
    assert (again.code, KeyPair.objects.filter(ring=ring).count()) == (0, 2), "it is safe to run again"


def test_ml_dsa_beside_es256_works_the_same_way(realm: Realm) -> None:
    ring_since(realm, "ML-DSA-65", timezone.now() - LONG_AGO)
    register(realm)
    assert run("migrate_algorithm", "ES256", "ML-DSA-65", "--client", "machine").code == 0
    assert algorithms(client_id="machine") == {"machine": "ML-DSA-65"}


def test_named_clients_move_and_move_back_and_each_leaves_an_event(realm: Realm) -> None:
    register(realm)
    register(realm, "other")
    assert migrate("--client", "machine", "--reason", "smaller", "--json").json["moved"] == ["machine"]
    assert algorithms(client_id__in=["machine", "other"]) == {"machine": "Ed25519", "other": "ES256"}
    event = Event.objects.get(name=EventName.CLIENT_ALGORITHM_MOVED)
    assert (event.target, event.reason, event.details) == (
        "machine",
        "smaller",
        {"access_token_alg": "ES256 → Ed25519"},
    )
    assert migrate("--client", "machine", "--json").json["unconcerned"] == ["machine"]
    assert migrate("--client", "machine", "--back").code == 0
    assert algorithms(client_id="machine") == {"machine": "ES256"}
    assert Client.objects.get(client_id="machine").moved_algorithms == {}


def test_back_goes_only_what_was_moved(realm: Realm) -> None:
    register(realm, "born", access_token_alg="Ed25519")
    assert migrate("--client", "born", "--back", "--json").json["moved"] == []
    assert migrate("--percent", "0", "--back", "--json").json["moved"] == []
    assert algorithms(client_id="born") == {"born": "Ed25519"}


def test_a_share_is_stable_and_raising_it_only_adds(realm: Realm) -> None:
    for number in range(20):
        register(realm, f"machine-{number}")
    assert migrate("--percent", "0", "--json").json["moved"] == []
    few = set(migrate("--percent", "30", "--json").json["moved"])
    assert 0 < len(few) < 21
    assert migrate("--percent", "30", "--json").json["moved"] == []
    more = set(migrate("--percent", "70", "--json").json["moved"])
    assert more
    assert not more & few
    back = set(migrate("--percent", "30", "--back", "--json").json["moved"])
    assert back == more, "what lies beyond the share goes back"
    rest = migrate("--percent", "100", "--json").json
    assert rest["algorithms"][0]["clients"]["access"] == 0
    assert DIRECT_CLIENT_ID in algorithms(access_token_alg="Ed25519"), "direct sign-in's tokens are signed too"


@pytest.mark.parametrize("share", ["101", "-1", "", "5.5", "½", "٣", "1e1", "0x10", "9" * 4000, " 5", "nan"])
def test_a_share_that_is_none(realm: Realm, share: str) -> None:
    ran = migrate(f"--percent={share}")
    assert (ran.code, "from 0 to 100" in ran.err) == (2, True)


def test_a_share_is_a_number_of_clients_in_the_long_run() -> None:
    names = [f"client-{number}" for number in range(2000)]
    inside = [name for name in names if in_share(name, 25, source="A", target="B")]
    assert 400 < len(inside) < 600
    assert all(in_share(name, 100, source="A", target="B") for name in names)
    assert not any(in_share(name, 0, source="A", target="B") for name in names)
    assert parse_share("007") == 7


def test_an_unknown_client_moves_nobody(realm: Realm) -> None:
    register(realm)
    ran = migrate("--client", "machine", "--client", "nobody")
    assert (ran.code, "no client 'nobody'" in ran.err) == (1, True)
    assert algorithms(client_id="machine") == {"machine": "ES256"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("ES256", "ES256"),
        ("ES256", "HS256"),
        ("ES256", "HMAC-SHA256"),
        ("none", "ES256"),
        ("ES256", "Ed25519", "--back"),
        ("ES256", "Ed25519", "--start", "--retire"),
        ("ES256", "Ed25519", "--client", "machine", "--percent", "5"),
        ("ES256", "Ed25519", "--realm", "nowhere"),
    ],
)
def test_what_is_wrongly_asked_for(realm: Realm, arguments: tuple[str, ...]) -> None:
    assert run("migrate_algorithm", *arguments).code == 2


@pytest.mark.spec("OpenID Connect Core §3.1.3.7, OpenID Connect Registration §2 id_token_signed_response_alg")
def test_id_tokens_move_for_named_clients_alone(realm: Realm) -> None:
    site = {"grant_types": (GrantType.AUTHORIZATION_CODE,), "redirect_uris": ("https://app.example.test/back",)}
    register(realm, "site", **site, userinfo_alg="ES256")
    assert migrate("--percent", "100", "--tokens", "both").code == 1
    assert migrate("--client", "site", "--tokens", "id").code == 0
    client = Client.objects.get(client_id="site")
    assert (client.access_token_alg, client.id_token_alg, client.userinfo_alg) == ("ES256", "Ed25519", "Ed25519")
    assert migrate("--client", "site", "--tokens", "both", "--back").code == 0
    client.refresh_from_db()
    assert (client.access_token_alg, client.id_token_alg, client.userinfo_alg) == ("ES256", "ES256", "ES256")


def test_a_client_that_can_not_be_registered_so_stays_and_the_others_go(realm: Realm) -> None:
    ring_since(realm, "ML-DSA-65", timezone.now() - LONG_AGO)
    both = {"grant_types": (GrantType.AUTHORIZATION_CODE,), "redirect_uris": ("https://app.example.test/back",)}
    register(realm, "hybrid", **both, response_types=(ResponseType.CODE_ID_TOKEN,))
    register(realm, "plain", **both)
    ran = run(
        "migrate_algorithm", "ES256", "ML-DSA-65", "--tokens", "id", "--client=hybrid", "--client=plain", "--json"
    )
    assert (ran.code, ran.json["moved"]) == (1, ["plain"])
    assert "hash" in ran.json["refused_clients"]["hybrid"]


def test_a_dry_run_changes_nothing(realm: Realm) -> None:
    register(realm)
    assert migrate("--percent", "100", "--dry-run", "--json").json["moved"] != []
    assert algorithms(access_token_alg="Ed25519") == {}
    assert run("migrate_algorithm", "ES256", "ES512", "--start", "--dry-run").code == 0
    assert not KeyRing.objects.filter(algorithm="ES512").exists()
    assert migrate("--retire", "--dry-run").code == 1


def retire_es256(realm: Realm) -> KeyRing:
    move(realm, percent=100)
    assert migrate("--retire").code == 0
    return signing_rings(realm, "ES256")[0]


def test_a_ring_is_retired_once_nobody_uses_it(realm: Realm) -> None:
    register(realm)
    refused = migrate("--retire")
    assert (refused.code, "machine" in refused.err) == (1, True)
    ring = retire_es256(realm)
    last, standby = KeyPair.objects.filter(ring=ring).order_by("activates_at")
    assert ring.retired_at is not None
    assert last.ends_ring
    assert last.deactivates_at == ring.retired_at + timedelta(minutes=5, seconds=5)
    assert standby.withdrawn_at == ring.retired_at
    assert standby.destroyed_at is not None
    published = api.public_jwks(realm.slug, now=timezone.now()).keys
    assert last.kid in published
    assert standby.kid not in published
    assert "ES256" not in api.published_algorithms(realm.slug, now=timezone.now()), "discovery offers what works"
    with pytest.raises(ClientRefused, match="access tokens with ES256: choose Ed25519, or add one with"):
        register(realm, "late")
    assert [one for one in api.readiness(timezone.now()) if not one.ready] == []
    assert "ES256" not in [one.algorithm for one in api.readiness(timezone.now()) if one.purpose == "sign"]
    told = migrate("--json").json["algorithms"][0]
    assert told["last_expiry"] is not None
    assert told["rings"][0]["retired_at"] is not None
    assert migrate("--retire").code == 0, "it is safe to run again"


def test_direct_sign_in_begins_with_an_algorithm_that_the_realm_still_has(realm: Realm) -> None:
    retire_es256(realm)
    Client.objects.filter(client_id=DIRECT_CLIENT_ID).delete()
    client = switch_direct_sign_in(realm, enabled=True, actor="test", now=timezone.now())
    assert client.access_token_alg == "Ed25519"


def test_what_a_retired_ring_signed_is_verified_until_it_expires(realm: Realm) -> None:
    now = timezone.now()
    claims = {"iss": realm.issuer, "iat": int(now.timestamp()), "exp": int(now.timestamp()) + 3600}
    signed = api.sign_jwt(claims, realm=realm, typ="JWT", now=now)
    ring = retire_es256(realm)
    assert api.verify_jwt(signed.token, realm=realm, typ="JWT", now=now).kid == signed.kid
    last = KeyPair.objects.get(ring=ring, ends_ring=True)
    gone = timezone.now() + timedelta(minutes=6)
    assert last.unpublishes_at is not None
    assert last.unpublishes_at > gone + timedelta(days=6)
    signer.forget()
    with pytest.raises(KeysError):
        api.sign_jwt(claims, realm=realm, typ="JWT", now=gone)
    wiped_from = gone + timedelta(minutes=6)
    report = rotate(ring, now=wiped_from, actor="test", clock=lambda: wiped_from)
    assert [type(step) for step, _ in report.steps] == [Wipe], "nothing is made for it"


@pytest.mark.spec("OpenID Connect Core §15.1")
def test_rs256_stays_since_openid_connect_demands_it(realm: Realm) -> None:
    add_ring(realm=realm, algorithm="RS256", bits=2048, actor="test", now=timezone.now())
    with pytest.raises(RetirementRefused, match="RS256"):
        retire_rings(realm=realm, algorithm="RS256", actor="test")


def test_other_rings_than_those_that_sign_are_never_retired(realm: Realm) -> None:
    with pytest.raises(KeysError):
        retire_rings(realm=realm, algorithm="HMAC-SHA256", actor="test")
    assert not KeyRing.objects.exclude(retired_at=None).exists()


def test_a_retired_key_can_be_compromised_and_nothing_takes_its_place(realm: Realm) -> None:
    ring = retire_es256(realm)
    last = KeyPair.objects.get(ring=ring, ends_ring=True)
    report = compromise(last, actor="test")
    assert report.successor is None
    assert last.kid not in api.public_jwks(realm.slug, now=timezone.now()).keys
    assert rotate(ring, now=timezone.now(), actor="test").steps == []


def test_a_retired_ring_is_revived_with_new_keys_once_the_old_one_is_at_rest(
    realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = retire_es256(realm)
    early = run("add_ring", "ES256", "--revive")
    assert (early.code, "signs until" in early.err) == (2, True)
    assert "revive it" in run("add_ring", "ES256").err
    later = timezone.now() + timedelta(minutes=6)
    revived = revive_ring(ring, actor="test", clock=lambda: later)
    rotate(revived, now=later, actor="test", clock=lambda: later)
    keys = list(KeyPair.objects.filter(ring=ring).order_by("activates_at"))
    assert len(keys) == 4
    assert Event.objects.filter(name=EventName.RING_REVIVED).exists()
    with pytest.raises(RetirementRefused, match="not retired"):
        revive_ring(ring, actor="test")
    monkeypatch.setattr("keys.services.holding.database_clock", lambda: later)
    with pytest.raises(MoveRefused, match="may not know"):
        move(realm, percent=0, back=True)


def in_thread(work: Callable[[], None]) -> threading.Thread:
    def run_and_close() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run_and_close)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True)
def test_a_client_that_comes_to_use_a_ring_and_its_retirement_never_both_succeed() -> None:
    close_old_connections()
    realm = old_realm()
    move(realm, percent=100)
    found: list[str] = []

    def retire() -> None:
        try:
            retire_rings(realm=realm, algorithm="ES256", actor="test")
            found.append("retired")
        except RetirementRefused as error:
            found.append(str(error))

    with transaction.atomic():
        register(realm)  # uses ES256, and isn't committed yet
        thread = in_thread(retire)
        thread.join(0.7)
        assert thread.is_alive(), "the retirement waits for the registration"
    thread.join(20)
    assert ["machine" in sentence for sentence in found] == [True]


@pytest.mark.django_db(transaction=True)
def test_two_moves_at_once_move_each_client_once() -> None:
    realm = old_realm()
    for number in range(5):
        register(realm, f"machine-{number}")
    threads = [in_thread(lambda: move(realm, percent=100)) for _ in range(4)]
    for thread in threads:
        thread.join(30)
    events = Event.objects.filter(name=EventName.CLIENT_ALGORITHM_MOVED).values_list("target", flat=True)
    assert sorted(events) == sorted({*events})
    assert len(events) == 6


def changed(client: Client, algorithm: str) -> Client:
    return change_client(
        client, name=client.name, enabled=True, metadata=replace(metadata_of(client), access_token_alg=algorithm),
        actor="test", now=timezone.now(),
    )  # fmt: skip


def test_nor_does_an_edit_move_a_client_to_a_key_that_verifiers_do_not_know(realm: Realm) -> None:
    client, _ = register(realm)
    young = ring_since(realm, "ES384", timezone.now())
    known = KeyPair.objects.filter(ring=young).earliest("activates_at").published_at + young.propagation
    with pytest.raises(ClientRefused, match=f"before {known:%Y-%m-%d %H:%M:%S} UTC"):
        changed(client, "ES384")
    assert changed(client, "Ed25519").access_token_alg == "Ed25519"


def test_an_edit_may_in_a_realm_as_young_as_the_key_and_where_the_present_key_is_gone(realm: Realm) -> None:
    client, _ = register(realm)
    ring_since(realm, "ES384", timezone.now())
    KeyPair.objects.filter(ring__realm=realm, ring__algorithm="ES256").update(compromised_at=timezone.now())
    assert changed(client, "ES384").access_token_alg == "ES384"
    fresh = make_realm("fresh")
    ring_since(fresh, "ES384", timezone.now())
    assert changed(register(fresh)[0], "ES384").access_token_alg == "ES384"

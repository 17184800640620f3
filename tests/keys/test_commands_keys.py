"""manage.py compromise_key, rewrap_keys and add_ring."""

from datetime import timedelta

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import LazySettings
from django.db import OperationalError
from django.utils import timezone

from audit.models import Event
from keys import algorithms, hooks
from keys.errors import HostClockOff, RingBusy
from keys.management.commands import add_ring as add_ring_command
from keys.management.commands import compromise_key as compromise_command
from keys.models import KeyPair, KeyRing, SignatureCount
from keys.services.rewrapping import sealed_by
from keys.services.rotation import rotate
from keys.verifier_profiles import verifier_profiles
from realms.models import Realm
from tests.conftest import ACTOR
from tests.keys.commands import run
from tests.keys.known_secrets import SECRET_A, SECRET_B


@pytest.fixture
def ring(es256_ring: KeyRing) -> KeyRing:
    """A ring whose signer and standby were made just now."""
    rotate(es256_ring, now=timezone.now(), actor=ACTOR)
    return es256_ring


@pytest.fixture(autouse=True)
def _known_impact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks._hooks, "impact", [lambda _realm, _now: {"live grants": 3}])


def trusted() -> list[str]:
    found = KeyPair.objects.filter(compromised_at=None).order_by("activates_at")
    return list(found.values_list("kid", flat=True))


@pytest.mark.spec("keys.md compromise_key KID: the standby signs at once, a new standby is minted")
def test_a_key_is_declared_compromised(ring: KeyRing) -> None:
    signer, standby = trusted()
    ran = run("compromise_key", signer, "--reason", "seen in a chat")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == f"Distrusted: {signer}"
    assert lines[1] == "Hit at most: 3 live grants"
    assert lines[2] == "Hit at most: 0 tokens, as counted until a minute ago"
    assert lines[3] == f"Signs from now on: {standby}"
    assert lines[4].startswith(
        "The successor has not propagated: verifiers with a cached JWKS may refuse its tokens until"
    )
    assert trusted()[0] == standby
    assert len(trusted()) == 2
    assert Event.objects.get(name="key.compromised").reason == "seen in a chat"


@pytest.mark.spec("keys.md compromise_key --dry-run")
def test_a_dry_run_says_what_is_hit_and_changes_nothing(ring: KeyRing) -> None:
    before = trusted()
    ran = run("compromise_key", before[0], "--dry-run", "--whole-ring")
    assert ran.code == 0
    assert ran.out.startswith("Would distrust: ")
    assert "Hit at most: 3 live grants" in ran.out
    assert "nothing is signed until" in ran.out
    document = run("compromise_key", before[0], "--dry-run", "--json").json
    assert document["dry_run"] is True
    assert (document["condemned"], document["successor"]) == ([before[0]], before[1])
    assert document["impact"] == {"live grants": 3, "tokens": 0}
    assert trusted() == before


@pytest.mark.spec("issue 5: --dry-run: how many tokens, and how soon each verifier class follows")
def test_a_dry_run_counts_tokens_and_says_how_soon_verifiers_follow(ring: KeyRing) -> None:
    key, _ = KeyPair.objects.order_by("activates_at")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for ago, signed in ((0, 5), (24 * 7, 3), (24 * 7 + 2, 100)):
        SignatureCount.objects.create(key=key, hour=hour - timedelta(hours=ago), signatures=signed)
    ran = run("compromise_key", key.kid, "--dry-run")
    assert "Hit at most: 8 tokens" in ran.out, "the hour of the oldest that may still be good counts, none before it"
    assert "How soon verifiers follow, at worst:" in ran.out
    assert "  jose (Node.js): drops the key within 605 s, accepts the successor within 3" in ran.out
    assert "drops the key only when it is restarted, accepts the successor only when it is restarted" in ran.out
    told = {one["name"]: one for one in run("compromise_key", key.kid, "--dry-run", "--json").json["verifiers"]}
    assert set(told) == {profile.name for profile in verifier_profiles()}
    assert told["jose"]["drops_seconds"] == 605
    assert 30 <= told["jose"]["accepts_seconds"] <= 35
    assert (told["load-once"]["drops_seconds"], told["load-once"]["accepts_seconds"]) == (None, None)


@pytest.mark.spec("keys.md Rings: the keys of a mac ring are never published")
def test_nobody_outside_follows_a_key_that_is_never_published(mac_ring: KeyRing) -> None:
    rotate(mac_ring, now=timezone.now(), actor=ACTOR)
    document = run("compromise_key", trusted()[0], "--dry-run", "--json").json
    assert (document["verifiers"], document["impact"]) == ([], {"live grants": 3})


@pytest.mark.spec("keys.md compromise_key --whole-ring: both are replaced")
def test_a_whole_ring_is_replaced(ring: KeyRing) -> None:
    before = trusted()
    document = run("compromise_key", before[0], "--whole-ring", "--json").json
    assert set(document["condemned"]) == set(before)
    assert document["successor"] is None
    assert document["error"] is None
    assert [step["step"] for step in document["steps"]] == ["mint", "mint"]
    assert len(trusted()) == 2
    assert not set(trusted()) & set(before)


@pytest.mark.spec("keys.md compromise_key: works without the master secret as far as it can; exit 1")
def test_distrust_stands_where_no_successor_can_be_made(ring: KeyRing, settings: LazySettings) -> None:
    settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    signer, standby = trusted()
    ran = run("compromise_key", signer)
    assert ran.code == 1
    assert "No new key could be made: The master secret 't1' is missing" in ran.err
    assert trusted() == [standby]


@pytest.mark.spec("keys.md compromise_key: distrust never waits for a key to be made")
@pytest.mark.parametrize("error", [HostClockOff("set the clock"), OperationalError("connection refused")])
def test_distrust_is_reported_whatever_becomes_of_the_successor(
    ring: KeyRing, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(compromise_command, "rotate", fails)
    signer, standby = trusted()
    ran = run("compromise_key", signer)
    assert ran.code == 1
    assert f"Distrusted: {signer}" in ran.out
    assert str(error) in ran.err
    assert trusted() == [standby]


@pytest.mark.spec("issue 2: an unknown kid or realm is named in the message; exit 2")
def test_what_is_unknown_is_named(ring: KeyRing) -> None:
    signer = trusted()[0]
    for arguments, named in (
        (["nobody"], "'nobody'"),
        ([signer, "--realm", "nowhere"], "'nowhere'"),
    ):
        ran = run("compromise_key", *arguments)
        assert ran.code == 2
        assert named in ran.err
    run("compromise_key", signer)
    again = run("compromise_key", signer)
    assert (again.code, "was declared compromised at" in again.err) == (2, True)


@pytest.mark.spec("keys.md Rows: kid unique in the realm")
def test_a_kid_of_two_realms_needs_the_realm(ring: KeyRing) -> None:
    signer = KeyPair.objects.get(kid=trusted()[0])
    other = Realm.objects.create(slug="b", name="B", issuer="https://b.example.test", created_at=timezone.now())
    adopted = KeyRing.objects.get(pk=ring.pk)
    adopted.pk, adopted.realm = None, other
    adopted.save(force_insert=True)
    KeyPair.objects.create(
        realm=other, ring=adopted, kid=signer.kid, public_jwk=signer.public_jwk, custodian="local",
        sealed_private=b"x", max_lifetime=signer.max_lifetime, published_at=signer.published_at,
        activates_at=signer.activates_at, created_at=signer.created_at,
    )  # fmt: skip
    ran = run("compromise_key", signer.kid)
    assert (ran.code, "name one with --realm" in ran.err) == (2, True)
    assert run("compromise_key", signer.kid, "--realm", "b", "--dry-run").code == 0


@pytest.mark.spec("keys.md: exit 1 something failed, 2 wrong usage")
def test_a_busy_ring_is_a_failure_and_no_wrong_usage(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise RingBusy("held")

    monkeypatch.setattr(compromise_command, "compromise", busy)
    assert run("compromise_key", trusted()[0]).code == 1


@pytest.mark.spec("keys.md rewrap_keys: then says whether the old one may go")
def test_a_rewrap_says_which_secret_may_go(es256_ring: KeyRing, settings: LazySettings) -> None:
    settings.IDP_MASTER_SECRETS = f"old:{SECRET_A}"
    rotate(es256_ring, now=timezone.now(), actor=ACTOR)
    settings.IDP_MASTER_SECRETS = f"new:{SECRET_B},old:{SECRET_A}"
    ran = run("rewrap_keys")
    assert (ran.code, sealed_by()) == (0, {"new": 2})
    assert ran.out.splitlines() == [
        "Moved 2 sealed values to the master secret 'new'.",
        "The master secret 'old' seals nothing any more: take it out of IDP_MASTER_SECRETS.",
    ]
    assert "Moved 0" in run("rewrap_keys").out
    settings.IDP_MASTER_SECRETS = f"third:{SECRET_A}"
    ran = run("rewrap_keys")
    assert (ran.code, "'new' is missing" in ran.err) == (1, True)
    settings.IDP_MASTER_SECRETS = "nonsense"
    assert run("rewrap_keys").code == 1


@pytest.mark.spec("issue 2: rings for PS256, ES384, ES512, Ed25519 and ML-DSA-44/65/87 can be added")
@pytest.mark.parametrize(
    "name",
    ["ES256", "RS256 --bits 2048", "PS256 --bits 2048", "ES384", "ES512", "Ed25519", "EdDSA",
     "ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "HMAC-SHA256 --purpose mac", "ES256 --purpose expired_test"],
)  # fmt: skip
def test_a_ring_is_added_with_its_first_keys(realm: Realm, name: str) -> None:
    ran = run("add_ring", *name.split())
    assert ran.code == 0
    ring = KeyRing.objects.get()
    assert ran.out.startswith(f"default {ring}:\n  key {trusted()[0]}: minted")
    assert ring.keys.count() == 2
    again = run("add_ring", *name.split())
    assert (again.code, "already" in again.err) == (2, True)


@pytest.mark.spec("issue 2: bad input is named; exit 2")
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["HS256"], "'HS256'"),
        (["RS256", "--bits", "1024"], "1024"),
        (["ES256", "--bits", "256"], "leave the bits out"),
        (["HMAC-SHA256"], "HMAC-SHA256 is no algorithm for a ring with the purpose sign"),
        (["ES256", "--realm", "nowhere"], "'nowhere'"),
        (["ES256", "--purpose", "encrypt"], "encrypt"),
    ],
)
def test_a_ring_that_cannot_be_is_refused(realm: Realm, arguments: list[str], named: str) -> None:
    ran = run("add_ring", *arguments)
    assert ran.code in (1, 2)
    assert named in ran.err
    assert not KeyRing.objects.exists()


@pytest.mark.spec("issue 2: ML-DSA is refused with a clear message where the installed cryptography lacks it")
def test_ml_dsa_is_refused_where_cryptography_lacks_it(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lacking:
        @staticmethod
        def generate() -> None:
            raise UnsupportedAlgorithm("no ML-DSA here")

    monkeypatch.setitem(algorithms.ML_DSA_PRIVATE, "ML-DSA-44", Lacking)
    ran = run("add_ring", "ML-DSA-44")
    assert (ran.code, "upgrade it, or choose ES256" in ran.err) == (2, True)
    assert not KeyRing.objects.exists()


@pytest.mark.spec("keys.md add_ring: added, but its keys could not be made; exit 1")
def test_a_ring_whose_keys_could_not_be_made_is_there(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise HostClockOff("Set the clock.")

    monkeypatch.setattr(add_ring_command, "rotate", fails)
    ran = run("add_ring", "ES384")
    assert (ran.code, "without keys: Set the clock. Then run rotate_keys." in ran.err) == (1, True)
    assert KeyRing.objects.exists()


@pytest.mark.spec("keys.md add_ring: a custodian is tried first")
@pytest.mark.parametrize("custody", ["envelope", "remote"])
def test_no_ring_is_added_where_its_custodian_can_not_keep_its_keys(realm: Realm, custody: str) -> None:
    ran = run("add_ring", "ES384", "--custodian", "pkcs11", "--custody", custody)
    assert (ran.code, "Nothing was added: " in ran.err, "IDP_PKCS11_" in ran.err) == (1, True, True)
    assert not KeyRing.objects.exists(), "a ring without keys would turn /readyz to 503"

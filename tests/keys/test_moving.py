"""keys/services/moving.py: a ring changes its custodian by rotating as ever."""

from datetime import timedelta

import pytest

from audit.models import Event
from keys.algorithms import Custody, Purpose, algorithm_named
from keys.custodians import RemoteKey
from keys.custodians.local import LocalCustodian
from keys.errors import CustodianNotConfigured, CustodianRefused, CustodyRefused
from keys.models import KeyPair, KeyRing
from keys.selectors import database_clock
from keys.services import moving
from keys.services.moving import custody_fault, move_complete_at, move_ring, prove_custody
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.commands import run

pytestmark = pytest.mark.spec("issue 5, 5: a ring can be moved between custodians as a normal rotation")


def rotated(ring: KeyRing, clock: FakeClock) -> None:
    rotate(ring, now=clock.now, actor=ACTOR, clock=clock)


def there(ring: KeyRing) -> KeyRing:
    """The ring as if its custodian were another; its keys stay the local one's."""
    KeyRing.objects.filter(pk=ring.pk).update(custodian="pkcs11")
    ring.refresh_from_db()
    return ring


def test_a_move_touches_no_key_and_is_recorded(es256_ring: KeyRing, clock: FakeClock) -> None:
    rotated(es256_ring, clock)
    before = list(KeyPair.objects.order_by("pk").values())
    move = move_ring(
        es256_ring, custodian="pkcs11", custody=Custody.REMOTE, actor=ACTOR, now=clock.now, reason="the HSM is here"
    )
    assert move.changed
    assert list(KeyPair.objects.order_by("pk").values()) == before
    es256_ring.refresh_from_db()
    assert (es256_ring.custodian, es256_ring.custody) == ("pkcs11", "remote")
    event = Event.objects.get(name="ring.moved")
    assert (event.target, event.actor, event.reason) == ("sign ES256", ACTOR, "the HSM is here")
    assert event.details == {"custodian": "local envelope → pkcs11 remote"}


def test_the_same_place_changes_nothing(es256_ring: KeyRing, clock: FakeClock) -> None:
    rotated(es256_ring, clock)
    move = move_ring(es256_ring, custodian="local", custody=Custody.ENVELOPE, actor=ACTOR, now=clock.now)
    assert not move.changed
    assert move.complete_at is not None
    assert move.complete_at <= clock.now
    assert not Event.objects.filter(name="ring.moved").exists()


def test_it_says_when_a_key_of_the_new_custodian_signs(es256_ring: KeyRing, clock: FakeClock) -> None:
    assert move_complete_at(there(es256_ring), clock.now) is None
    KeyRing.objects.filter(pk=es256_ring.pk).update(custodian="local")
    es256_ring.refresh_from_db()
    rotated(es256_ring, clock)
    standby = KeyPair.objects.get(deactivates_at=None)
    promised = move_complete_at(there(es256_ring), clock.now)
    assert promised == standby.activates_at + es256_ring.rotation_period
    KeyRing.objects.filter(pk=es256_ring.pk).update(custodian="local")
    es256_ring.refresh_from_db()
    clock.now = standby.activates_at + timedelta(minutes=1)
    rotated(es256_ring, clock)
    KeyPair.objects.filter(deactivates_at=None).update(custodian="pkcs11")
    assert move_complete_at(there(es256_ring), clock.now) == promised
    assert KeyPair.objects.get(custodian="pkcs11").activates_at == promised


def test_without_a_standby_it_counts_from_the_one_that_is_due(es256_ring: KeyRing, clock: FakeClock) -> None:
    rotated(es256_ring, clock)
    standby = KeyPair.objects.get(deactivates_at=None)
    later = standby.activates_at + timedelta(days=1)
    assert move_complete_at(there(es256_ring), later) == standby.activates_at + es256_ring.rotation_period


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"custodian": "nobody"}, "There is no custodian 'nobody'"),
        ({"custodian": "local", "custody": Custody.REMOTE}, "signs nothing itself"),
        ({"custodian": "pkcs11", "custody": Custody.REMOTE, "algorithm": "ML-DSA-65"}, "and not ML-DSA-65"),
        ({"custodian": "pkcs11", "custody": Custody.REMOTE, "purpose": Purpose.MAC}, "a mac ring is never remote"),
    ],
)
def test_what_a_custodian_cant_keep_is_refused(asked: dict[str, str], said: str) -> None:
    usual = {"custody": Custody.ENVELOPE, "purpose": Purpose.SIGN, "algorithm": "ES256"}
    fault = custody_fault(**{**usual, **asked})  # type: ignore[arg-type]
    assert fault is not None
    assert said in fault


def test_a_refusal_leaves_the_ring_where_it_is(mac_ring: KeyRing, realm: Realm, clock: FakeClock) -> None:
    with pytest.raises(CustodyRefused, match="never remote"):
        move_ring(mac_ring, custodian="pkcs11", custody=Custody.REMOTE, actor=ACTOR, now=clock.now)
    mac_ring.refresh_from_db()
    assert mac_ring.custodian == "local"
    with pytest.raises(CustodyRefused, match="signs nothing"):
        add_ring(realm=realm, algorithm="ES384", custody=Custody.REMOTE, actor=ACTOR, now=clock.now)
    assert not Event.objects.filter(name="ring.moved").exists()


# --- Proving --------------------------------------------------------------------------------------------------


class Liar(LocalCustodian):
    """Signs with a key that isn't the one it showed, and unwraps to something else."""

    destroyed: list[str]

    def __init__(self) -> None:
        self.destroyed = []

    def unwrap(self, *_: object, **__: object) -> bytes:
        return bytes(31)

    def make_key(self, *, algorithm: str, bits: int | None) -> RemoteKey:  # type: ignore[override]
        private = algorithm_named(algorithm).generate(bits)
        assert not isinstance(private, bytes)
        return RemoteKey("reference", private.public_key())

    def sign(self, *_: object, **__: object) -> bytes:  # type: ignore[override]
        return bytes(64)

    def destroy(self, reference: str) -> None:
        self.destroyed.append(reference)


def test_a_custodian_that_cant_do_what_it_says_gets_no_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    liar = Liar()
    monkeypatch.setattr(moving, "custodian_named", lambda _name: liar)
    with pytest.raises(CustodianRefused, match="don't verify"):
        prove_custody(custodian="liar", custody=Custody.REMOTE, algorithm="ES256", bits=None)
    assert liar.destroyed == ["reference"]
    with pytest.raises(CustodianRefused, match="doesn't unwrap"):
        prove_custody(custodian="liar", custody=Custody.ENVELOPE, algorithm="ES256", bits=None)


def test_a_custodian_that_overlooks_the_place_wraps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless(LocalCustodian):
        """As a Vault from before `associated_data`."""

        def wrap(self, data_key: bytes, *, purpose: str, bound: bytes) -> bytes:
            return super().wrap(data_key, purpose=purpose, bound=b"")

        def unwrap(self, wrapped: bytes, *, secret_id: str, purpose: str, bound: bytes) -> bytes:
            return super().unwrap(wrapped, secret_id=secret_id, purpose=purpose, bound=b"")

    monkeypatch.setattr(moving, "custodian_named", lambda _name: Careless())
    with pytest.raises(CustodianRefused, match="bound to another place"):
        prove_custody(custodian="careless", custody=Custody.ENVELOPE, algorithm="ES256", bits=None)
    monkeypatch.setattr(moving, "custodian_named", lambda _name: LocalCustodian())
    prove_custody(custodian="local", custody=Custody.ENVELOPE, algorithm="ES256", bits=None)


def test_one_that_isnt_configured_is_told_so() -> None:
    for custody in Custody:
        with pytest.raises(CustodianNotConfigured, match="IDP_PKCS11"):
            prove_custody(custodian="pkcs11", custody=custody, algorithm="ES256", bits=None)


# --- The command ----------------------------------------------------------------------------------------------


def test_the_command_says_when_the_move_is_over(es256_ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    now = database_clock()
    rotate(es256_ring, now=now, actor=ACTOR)
    monkeypatch.setattr("keys.management.commands.move_ring.prove_custody", lambda **_: None)
    ran = run("move_ring", "--algorithm", "ES256", "--custodian", "pkcs11", "--custody", "remote", "--reason", "HSM")
    assert (ran.code, ran.err) == (0, "")
    complete_at = KeyPair.objects.get(deactivates_at=None).activates_at + es256_ring.rotation_period
    assert "default sign ES256 gets its new keys from the custodian 'pkcs11' (remote)." in ran.out
    assert f"signs from {complete_at:%Y-%m-%d %H:%M} UTC, in 179 days" in ran.out
    again = run("move_ring", "--algorithm", "ES256", "--custodian", "local")
    assert "nothing is left to be done" in again.out


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--algorithm", "ES256", "--custodian", "nobody"], 2, "There is no custodian 'nobody'"),
        (["--algorithm", "ES256", "--custodian", "local", "--custody", "remote"], 2, "signs nothing"),
        (["--algorithm", "ES256", "--custodian", "pkcs11"], 1, "Nothing was moved: IDP_PKCS11_KEY"),
        (["--algorithm", "ES384", "--custodian", "local"], 2, "has no such ring"),
        (["--algorithm", "RS256", "--custodian", "local"], 2, "name one with --bits"),
        (["--algorithm", "ES256", "--custodian", "local", "--realm", "x"], 2, "There is no realm 'x'"),
    ],
)
def test_the_command_refuses_in_a_sentence(
    realm: Realm, es256_ring: KeyRing, clock: FakeClock, options: list[str], code: int, said: str
) -> None:
    for bits in (2048, 3072):
        add_ring(realm=realm, algorithm="RS256", bits=bits, actor=ACTOR, now=clock.now)
    ran = run("move_ring", *options)
    assert ran.code == code
    assert said in ran.err
    es256_ring.refresh_from_db()
    assert es256_ring.custodian == "local"

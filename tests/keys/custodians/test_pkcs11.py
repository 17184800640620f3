"""PKCS #11 against SoftHSM 2: what stays in the token, what a PIN costs, and a token that is pulled out."""

import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from keys.algorithms import Custody, algorithm_named, private_from_bytes
from keys.custodians import pkcs11_keys, pkcs11_token
from keys.custodians.pkcs11 import Pkcs11Custodian
from keys.custodians.pkcs11_token import TOKEN, TokenSettings, library
from keys.errors import CustodianNotConfigured, CustodianRefused, CustodianUnreachable, UnavailableAlgorithm
from keys.jwk import key_members, thumbprint
from keys.models import KeyPair, KeyRing
from keys.selectors import unsealed_private
from keys.services.moving import move_complete_at, move_ring, prove_custody
from keys.services.rotation import rotate
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.custodians.benches import pkcs11
from tests.keys.custodians.forks import holds_in_child
from tests.keys.custodians.signatures import is_signature
from tests.keys.custodians.softhsm import LABEL, MODULE, SoftHsm

pytestmark = pytest.mark.spec("issue 5, 5: the private key never leaves the token", "PKCS #11 v2.40 §4.9")


@pytest.fixture
def token(settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftHsm]:
    with pkcs11(settings, tmp_path / "bench", monkeypatch) as bench:
        yield SoftHsm(tmp_path / "bench", pin=bench.hidden[0])


@pytest.fixture
def custodian(token: SoftHsm) -> Pkcs11Custodian:
    return Pkcs11Custodian()


def in_session(token: SoftHsm, work: Any) -> Any:
    return TOKEN.perform(TokenSettings(str(MODULE), LABEL, token.pin), lambda opened: work(opened.session))


def test_nothing_private_can_be_read_from_the_token(token: SoftHsm, custodian: Pkcs11Custodian) -> None:
    for algorithm in sorted(custodian.remote_algorithms):
        custodian.make_key(algorithm=algorithm, bits=2048 if algorithm[1] == "S" and algorithm[0] != "E" else None)
    p11 = library()
    values = (p11.Attribute.VALUE, p11.Attribute.PRIVATE_EXPONENT, p11.Attribute.PRIME_1)

    def read(session: Any) -> int:
        found = [
            key
            for kind in (p11.ObjectClass.PRIVATE_KEY, p11.ObjectClass.SECRET_KEY)
            for key in session.get_objects({p11.Attribute.CLASS: kind})
        ]
        for key in found:
            for value in values:
                with pytest.raises((p11.AttributeSensitive, p11.AttributeTypeInvalid)):
                    key[value]
            with pytest.raises(p11.PKCS11Error):
                key[p11.Attribute.EXTRACTABLE] = True
            with pytest.raises(p11.PKCS11Error):
                key[p11.Attribute.SENSITIVE] = False
        return len(found)

    assert in_session(token, read) == 1 + len(custodian.remote_algorithms)


@pytest.mark.parametrize("hidden", [{"EXTRACTABLE": True}, {"SENSITIVE": False}])
def test_a_key_that_could_leave_is_not_used(
    token: SoftHsm, custodian: Pkcs11Custodian, hidden: dict[str, bool]
) -> None:
    p11 = library()
    identity = bytes(range(16))

    def make(session: Any) -> None:
        template = {p11.Attribute[name]: value for name, value in hidden.items()}
        curve = {p11.Attribute.EC_PARAMS: p11.util.ec.encode_named_curve_parameters("secp256r1")}
        session.create_domain_parameters(p11.KeyType.EC, curve, local=True).generate_keypair(
            store=True, id=identity, label="signet ES256", private_template=template
        )
        session.generate_key(p11.KeyType.AES, 256, label="soft", store=True, template=template)

    in_session(token, make)
    with pytest.raises(CustodianRefused, match="could leave it"):
        custodian.sign(b"x", reference=identity.hex(), algorithm="ES256")
    with pytest.raises(CustodianRefused, match="could leave it"):
        custodian.unwrap(bytes(60), secret_id="pkcs11/soft", purpose="one", bound=b"")


def test_a_new_key_that_could_leave_is_destroyed_again(
    token: SoftHsm, custodian: Pkcs11Custodian, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = pkcs11_keys._generated

    def careless(*arguments: Any) -> Any:
        arguments[3]["private_template"] = {library().Attribute.EXTRACTABLE: True}
        return genuine(*arguments)

    monkeypatch.setattr(pkcs11_keys, "_generated", careless)
    with pytest.raises(CustodianRefused, match="CKA_EXTRACTABLE"):
        custodian.make_key(algorithm="ES256", bits=None)
    p11 = library()
    for kind in (p11.ObjectClass.PRIVATE_KEY, p11.ObjectClass.PUBLIC_KEY):
        assert (
            in_session(token, lambda session, kind=kind: list(session.get_objects({p11.Attribute.CLASS: kind}))) == []
        )


def test_a_key_is_held_to_its_algorithm(custodian: Pkcs11Custodian) -> None:
    made = custodian.make_key(algorithm="RS256", bits=2048)
    with pytest.raises(CustodianRefused, match="no such key"):
        custodian.sign(b"x", reference=made.reference, algorithm="PS256")


def test_a_token_that_lacks_a_mechanism_says_so(custodian: Pkcs11Custodian, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: Any) -> Any:
        raise library().MechanismInvalid

    monkeypatch.setattr(pkcs11_keys, "_generated", lacks)
    with pytest.raises(UnavailableAlgorithm, match="makes no keys for Ed25519"):
        custodian.make_key(algorithm="Ed25519", bits=None)


# --- The PIN --------------------------------------------------------------------------------------------------


def logins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    genuine = pkcs11_token.TokenConnection._logged_in

    def counted(connection: Any, token: Any, settings: TokenSettings) -> Any:
        found.append(settings.pin)
        return genuine(connection, token, settings)

    monkeypatch.setattr(pkcs11_token.TokenConnection, "_logged_in", counted)
    return found


def test_a_wrong_pin_is_tried_once(
    custodian: Pkcs11Custodian, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, tried = settings.IDP_PKCS11_PIN, logins(monkeypatch)
    settings.IDP_PKCS11_PIN = "11111111"
    for _ in range(5):
        with pytest.raises(CustodianRefused):
            custodian.wrap(bytes(32), purpose="one", bound=b"")
    assert tried == ["11111111"]
    settings.IDP_PKCS11_PIN = right
    custodian.wrap(bytes(32), purpose="one", bound=b"")
    assert tried == ["11111111", right]


def test_the_last_attempt_is_left_to_a_person(
    custodian: Pkcs11Custodian, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    custodian.wrap(bytes(32), purpose="one", bound=b"")
    tried, p11 = logins(monkeypatch), library()
    TOKEN.close()
    found = p11.lib(settings.IDP_PKCS11_MODULE).get_token(token_label=LABEL)

    class LastAttempt:
        flags = found.flags | p11.TokenFlag.USER_PIN_FINAL_TRY

    class Loaded:
        initialized = False

        def get_token(self, **_: Any) -> LastAttempt:
            return LastAttempt()

    monkeypatch.setattr(p11, "lib", lambda _path: Loaded())
    with pytest.raises(CustodianRefused, match="leaves one attempt"):
        custodian.wrap(bytes(32), purpose="one", bound=b"")
    assert tried == []
    monkeypatch.undo()


def test_the_pin_stands_in_no_repr(token: SoftHsm) -> None:
    assert token.pin not in repr(TokenSettings("m", "t", token.pin))


# --- Away and back --------------------------------------------------------------------------------------------


def test_a_token_that_is_put_back_works_at_once(token: SoftHsm, custodian: Pkcs11Custodian) -> None:
    made = custodian.make_key(algorithm="ES256", bits=None)
    token.remove()
    with pytest.raises(CustodianUnreachable):
        custodian.sign(b"x", reference=made.reference, algorithm="ES256")
    token.put_back()
    signature = custodian.sign(b"x", reference=made.reference, algorithm="ES256")
    assert isinstance(made.public_key, ec.EllipticCurvePublicKey)
    assert is_signature(signature, b"x", made.public_key, "ES256")


def test_a_session_that_the_token_closed_is_opened_again(custodian: Pkcs11Custodian) -> None:
    made = custodian.make_key(algorithm="ES256", bits=None)
    custodian.sign(b"x", reference=made.reference, algorithm="ES256")
    opened = TOKEN._open
    assert opened is not None
    opened.session.close()
    custodian.sign(b"x", reference=made.reference, algorithm="ES256")
    assert TOKEN._open is not opened


def test_a_key_that_another_process_destroyed_signs_no_more(custodian: Pkcs11Custodian) -> None:
    made = custodian.make_key(algorithm="ES256", bits=None)
    custodian.sign(b"x", reference=made.reference, algorithm="ES256")
    opened = TOKEN._open
    assert opened is not None
    opened.keys["ES256", made.reference].destroy()
    with pytest.raises(CustodianRefused, match="no such key"):
        custodian.sign(b"x", reference=made.reference, algorithm="ES256")


def test_a_token_that_hangs_keeps_nobody_waiting_for_ever(
    custodian: Pkcs11Custodian, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pkcs11_token, "_TURN_SECONDS", 0.05)
    inside, done = threading.Event(), threading.Event()

    def hang() -> None:
        with TOKEN._turn():
            inside.set()
            done.wait(20)

    holder = threading.Thread(target=hang)
    holder.start()
    try:
        assert inside.wait(20)
        with pytest.raises(CustodianUnreachable, match="busy"):
            custodian.wrap(bytes(32), purpose="one", bound=b"")
    finally:
        done.set()
        holder.join()


def test_a_library_that_cant_be_loaded_is_named(custodian: Pkcs11Custodian, settings: LazySettings) -> None:
    settings.IDP_PKCS11_MODULE = "/nowhere/lib.so"
    with pytest.raises(CustodianNotConfigured, match=r"IDP_PKCS11_MODULE is '/nowhere/lib\.so'"):
        custodian.wrap(bytes(32), purpose="one", bound=b"")


# --- The wrapping key -----------------------------------------------------------------------------------------


def test_the_command_makes_the_wrapping_key_once(custodian: Pkcs11Custodian, settings: LazySettings) -> None:
    settings.IDP_PKCS11_KEY = "second"
    with pytest.raises(CustodianRefused, match="no such key"):
        custodian.wrap(bytes(32), purpose="one", bound=b"")
    out = StringIO()
    call_command("make_wrapping_key", "pkcs11", stdout=out)
    assert "pkcs11/second" in out.getvalue()
    blob = custodian.wrap(bytes(32), purpose="one", bound=b"")
    with pytest.raises(CommandError, match="nothing was made"):
        call_command("make_wrapping_key", "pkcs11")
    assert custodian.unwrap(blob, secret_id="pkcs11/second", purpose="one", bound=b"") == bytes(32)


def test_two_wrapping_keys_of_one_label_are_refused(token: SoftHsm, custodian: Pkcs11Custodian) -> None:
    p11 = library()
    in_session(token, lambda session: session.generate_key(p11.KeyType.AES, 256, label="wrapping-1", store=True))
    TOKEN.close()
    with pytest.raises(CustodianRefused, match="MultipleObjectsReturned"):
        custodian.wrap(bytes(32), purpose="one", bound=b"")


@pytest.mark.parametrize("label", ["", "with space", "x" * 65, "ü"])
def test_a_label_that_fits_into_no_id_is_refused(
    custodian: Pkcs11Custodian, settings: LazySettings, label: str
) -> None:
    settings.IDP_PKCS11_KEY = label
    with pytest.raises(CustodianNotConfigured, match="IDP_PKCS11_KEY"):
        custodian.wrapping_id()


def test_the_command_refuses_custodians_that_make_none() -> None:
    with pytest.raises(CommandError, match="makes no wrapping key"):
        call_command("make_wrapping_key", "local")
    with pytest.raises(CommandError, match="There is no custodian"):
        call_command("make_wrapping_key", "nobody")


# --- A ring of the token --------------------------------------------------------------------------------------


@pytest.mark.spec("issue 5, 5: a ring can be moved between custodians as a normal rotation")
def test_a_ring_moves_into_the_token_and_back(
    custodian: Pkcs11Custodian, es256_ring: KeyRing, clock: FakeClock, settings: LazySettings
) -> None:
    def turn(to: str) -> None:
        prove_custody(custodian=to, custody=Custody.ENVELOPE, algorithm="ES256", bits=None)
        move = move_ring(es256_ring, custodian=to, custody=Custody.ENVELOPE, actor=ACTOR, now=clock.now)
        while move_complete_at(es256_ring, clock.now) != signer().activates_at or signer().custodian != to:
            assert verify_jwt_of(signer())
            clock.now = KeyPair.objects.get(deactivates_at=None).activates_at
            es256_ring.refresh_from_db()
            rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
        assert move.complete_at == signer().activates_at

    def signer() -> KeyPair:
        return KeyPair.objects.filter(activates_at__lte=clock.now).latest("activates_at")

    def verify_jwt_of(key: KeyPair) -> bool:
        private = private_from_bytes(algorithm_named("ES256"), unsealed_private(key))
        assert not isinstance(private, bytes)
        return thumbprint(key_members(private.public_key(), "ES256")) == key.kid

    rotate(es256_ring, now=clock.now, actor=ACTOR, clock=clock)
    turn("pkcs11")
    assert verify_jwt_of(signer())
    settings.IDP_PKCS11_KEY = "wrapping-2"
    custodian.make_wrapping_key()
    out = StringIO()
    call_command("rewrap_keys", stdout=out)
    assert "'pkcs11/wrapping-2' of another custodian seals" in out.getvalue()
    assert "pkcs11/wrapping-1" not in out.getvalue()
    turn("local")
    assert {key.custodian for key in KeyPair.objects.filter(activates_at__gt=clock.now)} == {"local"}


def test_a_child_is_forked_in_the_middle_of_a_call_and_works(custodian: Pkcs11Custodian) -> None:
    blob = custodian.wrap(bytes(32), purpose="one", bound=b"")

    def opens() -> bytes:
        return custodian.unwrap(blob, secret_id="pkcs11/wrapping-1", purpose="one", bound=b"")

    with TOKEN._turn():
        assert holds_in_child(lambda: TOKEN._open is None and opens() == bytes(32))
    assert opens() == bytes(32)

"""The custodian 'aws_kms' beyond what every custodian does: whole rings, what AWS gets to see, and its failures."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from django.conf import LazySettings

from keys import api
from keys.algorithms import Custody
from keys.custodians.aws_kms import AwsKmsCustodian
from keys.custodians.aws_kms_client import CLIENT
from keys.errors import CustodianNotConfigured, CustodianRefused, CustodianUnreachable, SealBroken
from keys.models import KeyPair, KeyRing
from keys.published_set import published_sets
from keys.remote_calls import remote_calls
from keys.services.compromise import compromise
from keys.services.rewrapping import rewrap_all
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.custodians.moto_kms import REGION, MotoKms

pytestmark = pytest.mark.spec("issue 5, 5 (b): AWS KMS, envelope and remote signing")
CUSTODIAN = AwsKmsCustodian()


@pytest.fixture
def kms(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[MotoKms]:
    found = MotoKms(monkeypatch)
    settings.IDP_AWS_KMS_REGION, settings.IDP_AWS_KMS_ENDPOINT = REGION, found.endpoint
    settings.IDP_AWS_KMS_KEY = found.make_wrapping_key()
    yield found
    found.stop()


def ring_of(realm: Realm, clock: FakeClock, custody: Custody) -> KeyRing:
    ring = add_ring(
        realm=realm, algorithm="ES256", actor=ACTOR, now=clock.now, custodian="aws_kms", custody=custody
    )  # fmt: skip
    rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
    return ring


def verified(realm: Realm, clock: FakeClock) -> str:
    """Sign a token, verify it by the JWKS, and say by which key."""
    signer.forget()
    published_sets.forget()
    now = int(clock.now.timestamp())
    token = api.sign_jwt(
        {"iss": realm.issuer, "exp": now + 60, "iat": now}, realm=realm, typ="at+jwt", now=clock.now
    ).token
    return api.verify_jwt(token, realm=realm, typ="at+jwt", now=clock.now).kid


@pytest.mark.parametrize("custody", list(Custody))
def test_a_ring_is_made_signs_rotates_and_survives_a_compromise(
    kms: MotoKms, realm: Realm, clock: FakeClock, custody: Custody
) -> None:
    ring = ring_of(realm, clock, custody)
    first, second = KeyPair.objects.filter(ring=ring).order_by("activates_at")
    assert bool(first.custodian_reference) is (custody is Custody.REMOTE)
    assert verified(realm, clock) == first.kid
    reference = first.custodian_reference
    clock.advance(timedelta(days=91))
    rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
    assert verified(realm, clock) == second.kid
    third = KeyPair.objects.filter(ring=ring).latest("activates_at")
    compromise(second, actor=ACTOR, clock=clock)
    assert verified(realm, clock) == third.kid
    rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
    assert verified(realm, clock) == third.kid
    if reference:
        assert not KeyPair.objects.filter(destroyed_at__isnull=False).exclude(custodian_reference="").exists()
        state = kms.client().describe_key(KeyId=reference)["KeyMetadata"]
        assert (state["KeyState"], state["Enabled"]) == ("PendingDeletion", False)


def test_a_rewrap_moves_to_another_key_and_a_ring_moves_to_kms_and_back(
    kms: MotoKms, realm: Realm, clock: FakeClock, settings: LazySettings
) -> None:
    ring = ring_of(realm, clock, Custody.ENVELOPE)
    former = settings.IDP_AWS_KMS_KEY
    settings.IDP_AWS_KMS_KEY = kms.make_wrapping_key()
    report = rewrap_all(actor=ACTOR, now=clock.now)
    assert report.moved == 2
    assert report.sealed_by == {f"aws_kms/{settings.IDP_AWS_KMS_KEY}": 2}
    kms.client().disable_key(KeyId=former)
    verified(realm, clock)
    for custodian, custody in (
        ("local", Custody.ENVELOPE),
        ("aws_kms", Custody.REMOTE),
        ("aws_kms", Custody.ENVELOPE),
    ):
        KeyRing.objects.filter(pk=ring.pk).update(custodian=custodian, custody=custody)
        for _ in range(2):
            clock.advance(timedelta(days=91))
            rotate(KeyRing.objects.get(pk=ring.pk), now=clock.now, actor=ACTOR, clock=clock)
            verified(realm, clock)
        living = KeyPair.objects.filter(ring=ring, destroyed_at=None)
        assert {key.custodian for key in living} == {custodian}
        assert {bool(key.custodian_reference) for key in living} == {custody is Custody.REMOTE}


def test_while_kms_is_away_a_remote_key_signs_nothing_and_what_is_unsealed_goes_on(
    kms: MotoKms, realm: Realm, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    ring_of(realm, clock, Custody.REMOTE)
    verified(realm, clock)
    kms.stop()
    with pytest.raises(CustodianUnreachable):
        verified(realm, clock)
    assert "custodian.unreachable custodian=aws_kms kid=" in caplog.text
    assert api.public_jwks(realm.slug, now=clock.now)


def test_the_place_is_bound_and_aws_sees_a_hash_of_it(kms: MotoKms, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    real = CLIENT.call

    def watched(operation: str, **parameters: object) -> object:
        seen.append(parameters["EncryptionContext"])  # type: ignore[arg-type]
        return real(operation, **parameters)

    monkeypatch.setattr(CLIENT, "call", watched)
    CUSTODIAN.wrap(bytes(32), purpose="one", bound=b"keys.KeyPair row-1 a-kid")
    assert [set(context) for context in seen] == [{"signet"}]
    assert len(seen[0]["signet"]) == 64
    assert "row-1" not in str(seen)


def test_an_alias_is_refused(kms: MotoKms, settings: LazySettings) -> None:
    for name in ("alias/signet", "arn:aws:kms:eu-central-1:123456789012:alias/signet", "x", "../x"):
        settings.IDP_AWS_KMS_KEY = name
        with pytest.raises(CustodianNotConfigured, match="not an alias"):
            CUSTODIAN.wrapping_id()


def test_without_credentials_it_says_so(
    kms: MotoKms, settings: LazySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    settings.IDP_AWS_KMS_REGION = "eu-west-1"  # a client of its own
    with pytest.raises(CustodianNotConfigured, match="credentials"):
        CUSTODIAN.wrap(bytes(32), purpose="one", bound=b"")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("IncorrectKeyException", SealBroken),
        ("ThrottlingException", CustodianUnreachable),
        ("KMSInternalException", CustodianUnreachable),
        ("DisabledException", CustodianRefused),
        ("NotFoundException", CustodianRefused),
        ("ExpiredTokenException", CustodianRefused),
    ],
)
def test_each_error_of_kms_has_a_word_here(kms: MotoKms, code: str, error: type[Exception]) -> None:
    wrapped = CUSTODIAN.wrap(bytes(32), purpose="one", bound=b"")
    kms.refuse(code)
    with pytest.raises(error, match=code):
        CUSTODIAN.unwrap(wrapped, secret_id=CUSTODIAN.wrapping_id(), purpose="one", bound=b"")


@pytest.mark.parametrize(
    "answer", [{}, {"Signature": b""}, {"Signature": "text"}, {"Signature": b"\x30\x00"}, {"Signature": b"\xff" * 71}]
)
def test_garbage_is_no_signature(kms: MotoKms, monkeypatch: pytest.MonkeyPatch, answer: dict[str, object]) -> None:
    reference = CUSTODIAN.make_key(algorithm="ES256", bits=None).reference
    monkeypatch.setattr(CLIENT, "call", lambda *_, **__: answer)
    with pytest.raises(CustodianRefused):
        CUSTODIAN.sign(b"message", reference=reference, algorithm="ES256")


def test_a_made_key_whose_public_half_is_garbage_is_deleted_again(
    kms: MotoKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = CLIENT.call

    def garbled(operation: str, **parameters: object) -> object:
        return {"PublicKey": b"garbage"} if operation == "get_public_key" else real(operation, **parameters)

    monkeypatch.setattr(CLIENT, "call", garbled)
    with pytest.raises(CustodianRefused, match="no public key"):
        CUSTODIAN.make_key(algorithm="ES256", bits=None)
    states = [kms.client().describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.client().list_keys()["Keys"]]
    assert {state["KeyState"] for state in states if state.get("KeyUsage") == "SIGN_VERIFY"} == {"PendingDeletion"}


@pytest.mark.parametrize("operation", ["get_public_key", "sign"])
def test_a_made_key_of_which_kms_knows_nothing_yet_is_waited_for(
    kms: MotoKms, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    real, paused, unknown = CLIENT.call, list[float](), iter([True, True])

    def late(asked: str, **parameters: object) -> object:
        if asked == operation and next(unknown, False):
            cause = ClientError({"Error": {"Code": "NotFoundException"}}, asked)
            raise CustodianRefused("AWS KMS refuses (NotFoundException).") from cause
        return real(asked, **parameters)

    monkeypatch.setattr(CLIENT, "call", late)
    monkeypatch.setattr("keys.custodians.aws_kms.time.sleep", paused.append)
    made = CUSTODIAN.make_key(algorithm="ES256", bits=None)
    assert paused == [0.1, 0.4]
    assert CUSTODIAN.sign(b"message", reference=made.reference, algorithm="ES256")


def test_every_wait_is_bounded(kms: MotoKms) -> None:
    CUSTODIAN.wrap(bytes(32), purpose="one", bound=b"")
    config = CLIENT._client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (2, 3)
    assert config.retries["total_max_attempts"] == 1


@pytest.fixture(autouse=True)
def _no_failures() -> None:
    remote_calls.forget()

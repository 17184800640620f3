"""Keys made elsewhere: read strictly, adopted with their kid, and never one that is dead (RFC 7517, RFC 5958)."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from audit.models import Event
from keys import api
from keys.adoptable import read_key
from keys.algorithms import Custody
from keys.dead_keys import DeadKey, Fate
from keys.dead_keys_file import append
from keys.errors import AdoptionRefused
from keys.jwk import base64url, from_base64url, key_members, thumbprint, thumbprint_uri
from keys.models import KeyPair, KeyRing
from keys.published_set import published_sets
from keys.selectors import key_by_kid
from keys.services.compromise import compromise
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.signer import signer
from realms.models import Realm
from tests.conftest import ACTOR
from tests.keys.commands import Ran, run

KID = "2019-old/provider:1"
HOUR = timedelta(hours=1)
NONE = serialization.NoEncryption()
PASSPHRASE = b"correct horse battery staple"


def pem(key: PrivateKeyTypes, form: str = "PKCS8", passphrase: bytes | None = None) -> bytes:
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else NONE
    return key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), how)


def public_pem(key: PrivateKeyTypes) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def number(value: int) -> str:
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def private_jwk(key: PrivateKeyTypes, **others: object) -> dict[str, object]:
    """A private JWK, as another provider would hand it over."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        private = {"d": base64url(key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big"))}
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        private = {"d": base64url(key.private_bytes_raw())}
    else:
        assert isinstance(key, rsa.RSAPrivateKey)
        numbers = key.private_numbers()
        private = {
            "d": number(numbers.d), "p": number(numbers.p), "q": number(numbers.q),
            "dp": number(numbers.dmp1), "dq": number(numbers.dmq1), "qi": number(numbers.iqmp),
        }  # fmt: skip
    return {**key_members(key.public_key(), ""), **private, **others}


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2048)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def written(folder: Path, content: bytes | dict[str, object], name: str = "key") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    path.chmod(0o600)
    return path


def adopt(path: Path, *arguments: str) -> Ran:
    return run("adopt_key", str(path), *arguments)


def consistent() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def token(realm: Realm, algorithm: str = "ES256") -> api.SignedToken:
    signer.forget()
    published_sets.forget()
    at = int(timezone.now().timestamp())
    claims = {"iss": realm.issuer, "sub": "x", "aud": "y", "iat": at, "exp": at + 60}
    return api.sign_jwt(claims, realm=realm, typ="at+jwt", now=timezone.now(), algorithm=algorithm)


class TestReading:
    @pytest.mark.spec("RFC 5958, RFC 7468: PEM in both forms")
    @pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
    def test_pem_in_both_forms(self, key: ec.EllipticCurvePrivateKey, form: str) -> None:
        found = read_key(pem(key, form), algorithm=None, passphrase=None)
        members = key_members(key.public_key(), "ES256")
        assert (found.algorithm, found.kid, found.bits) == ("ES256", thumbprint(members), None)
        assert found.public_jwk == members
        assert "private" not in repr(found)

    @pytest.mark.spec("keys.md adopt_key: every kind that a ring has")
    @pytest.mark.parametrize(
        ("made", "algorithm"),
        [
            (lambda: ec.generate_private_key(ec.SECP384R1()), "ES384"),
            (lambda: ec.generate_private_key(ec.SECP521R1()), "ES512"),
            (ed25519.Ed25519PrivateKey.generate, "Ed25519"),
            (lambda: rsa.generate_private_key(65_537, 2048), "RS256"),
        ],
    )
    def test_every_kind_that_a_ring_has(self, made: object, algorithm: str) -> None:
        key = made()  # type: ignore[operator]
        for raw in (pem(key), json.dumps(private_jwk(key)).encode()):
            found = read_key(raw, algorithm=None, passphrase=None)
            assert found.algorithm == algorithm
            assert found.private is not None
            assert pem(found.private) == pem(key)
        assert read_key(public_pem(key), algorithm=None, passphrase=None).private is None

    @pytest.mark.spec("keys.md adopt_key: an RSA key is for RS256, unless its JWK or the operator says PS256")
    def test_which_algorithm_an_rsa_key_has(self, rsa_key: rsa.RSAPrivateKey) -> None:
        assert read_key(pem(rsa_key), algorithm="PS256", passphrase=None).algorithm == "PS256"
        raw = json.dumps(private_jwk(rsa_key, alg="PS256")).encode()
        assert read_key(raw, algorithm=None, passphrase=None).algorithm == "PS256"
        with pytest.raises(AdoptionRefused, match="not for the algorithm"):
            read_key(raw, algorithm="RS256", passphrase=None)

    @pytest.mark.spec("keys.md adopt_key: encrypted PEM with its passphrase")
    def test_encrypted_pem_needs_its_passphrase(self, key: ec.EllipticCurvePrivateKey) -> None:
        raw = pem(key, passphrase=PASSPHRASE)
        assert read_key(raw, algorithm=None, passphrase=PASSPHRASE).algorithm == "ES256"
        with pytest.raises(AdoptionRefused, match="--passphrase-file"):
            read_key(raw, algorithm=None, passphrase=None)
        with pytest.raises(AdoptionRefused, match="passphrase is wrong"):
            read_key(raw, algorithm=None, passphrase=b"wrong")
        with pytest.raises(AdoptionRefused, match="not encrypted"):
            read_key(pem(key), algorithm=None, passphrase=PASSPHRASE)

    @pytest.mark.spec("RFC 7517: a JWK whose halves don't belong together, or that is no key for signatures")
    @pytest.mark.parametrize(
        "change",
        [
            {"d": "AAAA"},
            {"x": "AAAA"},
            {"kty": "RSA"},
            {"kty": "oct", "k": "AAAA"},
            {"crv": "P-384"},
            {"crv": "secp256k1"},
            {"use": "enc"},
            {"alg": "ES384"},
            {"alg": "HS256"},
            {"alg": "none"},
            {"alg": 7},
            {"d": 7},
            {"d": ""},
            {"kid": ["a"]},
            {"kid": "a\n"},
            {"kid": "a b"},
            {"kid": "ü"},
            {"kid": "x" * 256},
            {"oth": []},
        ],
    )
    def test_a_jwk_that_is_not_sound(self, key: ec.EllipticCurvePrivateKey, change: dict[str, object]) -> None:
        with pytest.raises(AdoptionRefused) as refusal:
            read_key(json.dumps(private_jwk(key, **change)).encode(), algorithm=None, passphrase=None)
        assert str(private_jwk(key)["d"]) not in str(refusal.value)

    @pytest.mark.spec("RFC 7517: the public half matches the private")
    def test_halves_of_two_keys_are_refused(self, key: ec.EllipticCurvePrivateKey, rsa_key: rsa.RSAPrivateKey) -> None:
        other = private_jwk(ec.generate_private_key(ec.SECP256R1()))
        with pytest.raises(AdoptionRefused, match="is not that of its private half"):
            read_key(json.dumps({**private_jwk(key), "d": other["d"]}).encode(), algorithm=None, passphrase=None)
        for member in ("d", "p", "dp", "qi"):
            jwk = private_jwk(rsa_key)
            raw = bytearray(from_base64url(str(jwk[member])))
            raw[-1] ^= 2
            with pytest.raises(AdoptionRefused):
                read_key(json.dumps({**jwk, member: base64url(bytes(raw))}).encode(), algorithm=None, passphrase=None)

    @pytest.mark.spec("keys.md adopt_key: no weak key")
    def test_weak_keys_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        short = rsa.generate_private_key(65_537, 1024)  # noqa: S505
        with pytest.raises(AdoptionRefused, match="not 1024"):
            read_key(pem(short), algorithm=None, passphrase=None)
        with pytest.raises(AdoptionRefused, match="exponent"):
            read_key(pem(rsa.generate_private_key(3, 2048)), algorithm=None, passphrase=None)
        with pytest.raises(AdoptionRefused, match="No ring signs"):
            read_key(pem(ec.generate_private_key(ec.SECP256K1())), algorithm=None, passphrase=None)
        small = {"kty": "OKP", "crv": "Ed25519", "x": base64url(bytes([1]) + bytes(31))}
        with pytest.raises(AdoptionRefused, match="weak"):
            read_key(json.dumps(small).encode(), algorithm=None, passphrase=None)

    @pytest.mark.spec("FIPS 186-5 §A.1.1: primes that lie side by side")
    def test_neighbouring_primes_are_refused(self, rsa_key: rsa.RSAPrivateKey) -> None:
        from keys import adoptable  # noqa: PLC0415

        adoptable._check_primes(rsa_key)

        class Near:
            key_size = 2048

            def private_numbers(self) -> object:
                return type("Numbers", (), {"p": 2**1023 + 2**900, "q": 2**1023})

        with pytest.raises(AdoptionRefused, match="near each other"):
            adoptable._check_primes(Near())  # type: ignore[arg-type]

    @pytest.mark.spec("keys.md adopt_key: rubbish is refused in one sentence")
    @pytest.mark.parametrize(
        "raw",
        [
            b"", b"rubbish", b"{", b"{}", b"[]", b'{"kty":"EC"}', b'{"kty":"EC","kty":"EC"}', b"\xff\xfe{", b"{\xff}",
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            b"{" + b"[" * 60_000, b"x" * 70_000,
        ],
    )  # fmt: skip
    def test_rubbish(self, raw: bytes) -> None:
        with pytest.raises(AdoptionRefused):
            read_key(raw, algorithm=None, passphrase=None)

    @pytest.mark.spec("keys.md adopt_key: one key a file")
    def test_two_keys_in_a_file_are_refused(self, key: ec.EllipticCurvePrivateKey) -> None:
        with pytest.raises(AdoptionRefused, match="more than one"):
            read_key(pem(key) + public_pem(key), algorithm=None, passphrase=None)


class TestSigning:
    @pytest.mark.spec("keys.md adopt_key: in a ring without keys it signs at once, with its kid")
    def test_the_first_key_of_a_ring(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, key: ec.EllipticCurvePrivateKey
    ) -> None:
        ran = adopt(written(folder, pem(key)), "--kid", KID)
        assert ran.code == 0, ran.err
        assert "Now destroy " in ran.out
        signed = token(realm)
        assert signed.kid == KID
        verified = api.verify_jwt(signed.token, realm=realm, typ="at+jwt", now=timezone.now())
        assert verified.kid == KID
        jwk = api.public_jwks("default", now=timezone.now()).keys[KID].jwk
        assert (jwk["kid"], jwk["alg"], jwk["use"]) == (KID, "ES256", "sig")
        assert set(jwk) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
        assert KeyPair.objects.count() == 2  # and its standby
        consistent()
        event = Event.objects.get(name="key.adopted")
        assert (event.target, event.details["thumbprint"]) == (KID, thumbprint_uri(key_members(key.public_key(), "")))

    @pytest.mark.spec("keys.md adopt_key: in a ring with keys it comes after them, and no takeover moves")
    def test_in_a_ring_with_keys_it_queues_behind_the_standby(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, key: ec.EllipticCurvePrivateKey
    ) -> None:
        now = timezone.now()
        rotate(es256_ring, now=now, actor=ACTOR)
        active, standby = KeyPair.objects.order_by("activates_at")
        assert adopt(written(folder, private_jwk(key, kid=KID))).code == 0
        consistent()
        row = key_by_kid(KID)
        again = key_by_kid(standby.kid)
        assert (again.activates_at, again.deactivates_at) == (standby.activates_at, row.activates_at)
        assert key_by_kid(active.kid).deactivates_at == standby.activates_at
        assert row.activates_at == standby.activates_at + es256_ring.rotation_period
        assert row.activates_at >= row.published_at + es256_ring.propagation
        assert KID in api.public_jwks("default", now=timezone.now()).keys
        for moment in (standby.activates_at + HOUR, row.activates_at + HOUR):
            rotate(es256_ring, now=moment, actor=ACTOR, clock=lambda moment=moment: moment)  # type: ignore[misc]
            consistent()
        assert KeyPair.objects.filter(activates_at__gt=row.activates_at).count() == 1  # its own standby

    @pytest.mark.spec("keys.md adopt_key: propagated before it signs, also in a ring without a standby")
    def test_it_becomes_the_standby_where_there_is_none(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, key: ec.EllipticCurvePrivateKey
    ) -> None:
        start = timezone.now() - es256_ring.rotation_period - HOUR
        rotate(es256_ring, now=start, actor=ACTOR, clock=lambda: start)
        assert adopt(written(folder, pem(key)), "--kid", KID).code == 0
        row = key_by_kid(KID)
        assert row.activates_at >= row.published_at + es256_ring.propagation
        consistent()

    @pytest.mark.spec("keys.md adopt_key: a ring for the key has to be there")
    def test_without_a_ring_it_says_which_to_add(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, rsa_key: rsa.RSAPrivateKey
    ) -> None:
        ran = adopt(written(folder, pem(rsa_key)))
        assert ran.code == 2
        assert "add_ring RS256 --bits 2048" in ran.err
        add_ring(realm=realm, algorithm="RS256", bits=2048, actor=ACTOR, now=timezone.now())
        assert adopt(written(folder, pem(rsa_key))).code == 0
        assert token(realm, "RS256").kid == thumbprint(key_members(rsa_key.public_key(), "RS256"))

    @pytest.mark.spec("keys.md adopt_key: a kid or a key that is there is refused")
    def test_nothing_is_adopted_twice(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, key: ec.EllipticCurvePrivateKey
    ) -> None:
        assert adopt(written(folder, pem(key)), "--kid", KID).code == 0
        assert "has this key already" in adopt(written(folder, pem(key)), "--kid", "another").err
        other = ec.generate_private_key(ec.SECP256R1())
        ran = adopt(written(folder, pem(other)), "--kid", KID)
        assert (ran.code, "already" in ran.err) == (2, True)
        consistent()

    @pytest.mark.spec("keys.md adopt_key: a ring whose keys stay with their custodian takes none in")
    def test_a_ring_of_remote_keys_takes_no_private_half(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, key: ec.EllipticCurvePrivateKey
    ) -> None:
        KeyRing.objects.filter(pk=es256_ring.pk).update(custody=Custody.REMOTE)
        ran = adopt(written(folder, pem(key)))
        assert (ran.code, "stay with the custodian" in ran.err) == (2, True)

    @pytest.mark.spec("keys.md adopt_key: a file with a private key that others may read is refused")
    def test_a_file_open_to_others_is_refused(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, key: ec.EllipticCurvePrivateKey
    ) -> None:
        path = written(folder, pem(key))
        path.chmod(0o604)
        ran = adopt(path)
        assert (ran.code, "chmod o-rw" in ran.err) == (2, True)
        assert adopt(folder / "nothing").code == 2
        locked = written(folder, pem(key, passphrase=PASSPHRASE), "locked")
        secret = written(folder, PASSPHRASE + b"\n", "passphrase")
        assert adopt(locked, "--passphrase-file", str(secret)).code == 0

    @pytest.mark.spec("keys.md adopt_key: a public key may be read by everybody")
    def test_a_public_key_may_be_open_to_others(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, key: ec.EllipticCurvePrivateKey
    ) -> None:
        rotate(es256_ring, now=timezone.now(), actor=ACTOR)
        path = written(folder, public_pem(key))
        path.chmod(0o644)
        ran = adopt(path, "--kid", KID, "--verify-for", "P7D")
        assert (ran.code, ran.err) == (0, "")


class TestDeadKeys:
    @pytest.fixture(autouse=True)
    def _file(self, folder: Path, settings: LazySettings) -> None:
        (folder / "dead_keys").touch()
        settings.IDP_DEAD_KEYS_FILE = str(folder / "dead_keys")

    @pytest.mark.spec("keys.md adopt_key: a key that died is refused, whatever its kid and realm")
    @pytest.mark.parametrize("fate", list(Fate))
    def test_a_key_in_the_file_is_refused(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, key: ec.EllipticCurvePrivateKey, fate: Fate
    ) -> None:
        name = thumbprint(key_members(key.public_key(), "ES256"))
        append([DeadKey(name, fate, timezone.now(), "elsewhere", "elsewhere")])
        ran = adopt(written(folder, pem(key)), "--kid", "new-kid")
        assert ran.code == 2
        assert ("declared compromised" in ran.err) == (fate is Fate.COMPROMISED)
        assert not KeyPair.objects.exists()

    @pytest.mark.spec("keys.md adopt_key: a key that was declared compromised in another realm is refused")
    def test_a_key_that_died_in_another_realm_is_refused(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, key: ec.EllipticCurvePrivateKey, settings: LazySettings
    ) -> None:
        settings.IDP_DEAD_KEYS_FILE = ""
        assert adopt(written(folder, pem(key)), "--kid", KID).code == 0
        compromise(key_by_kid(KID), actor=ACTOR)
        other = KeyRing.objects.exclude(pk=es256_ring.pk).first()
        assert other is None
        ran = adopt(written(folder, pem(key)), "--kid", "again")
        assert (ran.code, "declared compromised" in ran.err) == (2, True)
        ran = adopt(written(folder, pem(key)), "--kid", "again", "--verify-for", "P1D")
        assert (ran.code, "declared compromised" in ran.err) == (2, True)


class TestVerifying:
    @pytest.mark.spec("keys.md adopt_key --verify-for: published and verifying for a while, never signing")
    def test_an_old_providers_keys_verify_for_a_while(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, key: ec.EllipticCurvePrivateKey
    ) -> None:
        rotate(es256_ring, now=timezone.now(), actor=ACTOR)
        signing = token(realm).kid
        others = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
        for index, each in enumerate([key, *others]):
            raw = public_pem(each) if index else pem(each)
            assert adopt(written(folder, raw), "--kid", f"old-{index}", "--verify-for", "P7D").code == 0
            consistent()
        assert token(realm).kid == signing
        published = api.public_jwks("default", now=timezone.now()).keys
        assert {"old-0", "old-1", "old-2"} <= published.keys()
        row = key_by_kid("old-0")
        assert row.sealed_private is None
        assert row.destroyed_at is not None
        later = timezone.now() + timedelta(days=8)
        rotate(es256_ring, now=later, actor=ACTOR, clock=lambda: later)
        published_sets.forget()
        assert not {"old-0", "old-1", "old-2"} & api.public_jwks("default", now=later).keys.keys()
        assert Event.objects.filter(name="key.adopted").count() == 3

    @pytest.mark.spec("keys.md adopt_key --verify-for: refused without a span, a signer, or with a dead key")
    def test_what_is_refused(
        self, realm: Realm, es256_ring: KeyRing, folder: Path, key: ec.EllipticCurvePrivateKey
    ) -> None:
        path = written(folder, public_pem(key))
        assert "say with --verify-for" in adopt(path).err
        assert "run rotate_keys first" in adopt(path, "--verify-for", "P7D").err
        rotate(es256_ring, now=timezone.now(), actor=ACTOR)
        for span in ("PT0S", "P9999D", "a week"):
            assert adopt(path, "--verify-for", span).code == 2
        assert adopt(path, "--verify-for", "P7D", "--kid", "one").code == 0
        assert "already" in adopt(path, "--verify-for", "P7D", "--kid", "two").err

"""The document of an export: sealed as a whole, read strictly, and nothing of it can be swapped (RFC 7914)."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys import key_export
from keys.errors import ExportRefused
from keys.jwk import base64url, from_base64url
from keys.key_export import (
    ExportedKey,
    ExportedRing,
    KeyExport,
    Seal,
    check_passphrase,
    custodian_seal,
    from_document,
    passphrase_seal,
    to_document,
)

AT = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
DAY = timedelta(days=1)
PASSPHRASE = b"correct horse battery staple"
KEY = ExportedKey(
    kid="one", public_jwk={"kty": "EC", "kid": "one"}, private=b"\x00secret half", custodian="local",
    custodian_reference="", max_lifetime=7 * DAY, published_at=AT, activates_at=AT, deactivates_at=None,
    unpublishes_at=None, compromised_at=None, destroyed_at=None, withdrawn_at=None, ends_ring=False,
    created_at=AT,
)  # fmt: skip
RING = ExportedRing(
    realm="default", issuer="https://id.example.test", purpose="sign", algorithm="ES256", bits=None,
    custodian="local", custody="envelope", rotation_period=90 * DAY, propagation=2 * DAY,
    max_token_lifetime=7 * DAY, clock_skew=timedelta(minutes=5), verifier_leeway=timedelta(0), patience=timedelta(0),
    retired_at=None, keys=[KEY],
)  # fmt: skip
EXPORT = KeyExport(AT, [RING])


@pytest.fixture(autouse=True)
def _cheap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.name != "test_the_real_work_is_scrypt":
        monkeypatch.setattr(key_export, "_stretched", lambda phrase, salt, _: hashlib.sha256(phrase + salt).digest())


@pytest.fixture
def document() -> bytes:
    return to_document(EXPORT, passphrase_seal(PASSPHRASE))


def opened(raw: bytes, passphrase: bytes = PASSPHRASE) -> KeyExport:
    return from_document(raw, passphrase=passphrase, unwrap=None)


@pytest.mark.spec("keys.md export: what is written is read, and nothing of it stands outside")
def test_what_is_written_is_read(document: bytes) -> None:
    assert opened(document) == EXPORT
    assert b"secret" not in document
    assert b"ES256" not in document
    assert b"default" not in document
    assert "secret half" not in repr(EXPORT)


@pytest.mark.spec("RFC 7914 §6: scrypt with 128 MiB")
def test_the_real_work_is_scrypt() -> None:
    document = to_document(EXPORT, passphrase_seal(PASSPHRASE))
    found = json.loads(document)
    key = hashlib.scrypt(PASSPHRASE, salt=from_base64url(found["salt"]), n=2**17, r=8, p=1, maxmem=2**28, dklen=32)
    sealed = from_base64url(found.pop("sealed"))
    assert b'"kid":"one"' in AESGCM(key).decrypt(sealed[:12], sealed[12:], key_export._bound(found))
    assert opened(document) == EXPORT


@pytest.mark.spec("keys.md export: two exports of the same keys share nothing")
def test_two_exports_differ(document: bytes) -> None:
    other = json.loads(to_document(EXPORT, passphrase_seal(PASSPHRASE)))
    mine = json.loads(document)
    assert mine["salt"] != other["salt"]
    assert mine["sealed"] != other["sealed"]


@pytest.mark.spec("keys.md export: another passphrase opens nothing")
def test_another_passphrase_opens_nothing(document: bytes) -> None:
    for wrong in (b"", PASSPHRASE + b"x", PASSPHRASE.upper(), b"x" * 5000):
        with pytest.raises(ExportRefused, match="passphrase is wrong, or the file was altered"):
            opened(document, wrong)
    with pytest.raises(ExportRefused, match="--passphrase-file"):
        from_document(document, passphrase=None, unwrap=None)


@pytest.mark.spec("keys.md export: no member can be changed, left out, added or said twice")
@pytest.mark.parametrize("member", ["format", "version", "seal", "salt", "cost", "blocks", "sealed"])
def test_no_member_can_be_changed(document: bytes, member: str) -> None:
    found = json.loads(document)
    value = found[member]
    swaps: list[object] = [None, 0, 1.0, "", [], {}, True, "AAAA", -1, 2**64]
    if isinstance(value, str):
        swaps += [value[:-1], value + "A", value.swapcase(), value + "\n"]
    if member == "version":
        swaps.remove(1.0)
        swaps += [2, "1", 1.0]
    if member == "cost":
        swaps += [2**16, 2**14, 2**21, 2**30, 3 * 2**14, str(value), float(value)]
    for swap in swaps:
        with pytest.raises(ExportRefused):
            opened(json.dumps({**found, member: swap}).encode())
    with pytest.raises(ExportRefused):
        opened(json.dumps({name: each for name, each in found.items() if name != member}).encode())
    twice = document.replace(b"{\n", f'{{"{member}": {json.dumps(value)},\n'.encode(), 1)
    with pytest.raises(ExportRefused):
        opened(twice)


@pytest.mark.spec("keys.md export: an unknown member is refused")
def test_an_unknown_member_is_refused(document: bytes) -> None:
    with pytest.raises(ExportRefused):
        opened(json.dumps({**json.loads(document), "comment": "x"}).encode())


@pytest.mark.spec("keys.md export: every part of what is sealed is authenticated")
def test_every_byte_class_of_what_is_sealed_is_authenticated(document: bytes) -> None:
    found = json.loads(document)
    sealed = from_base64url(found["sealed"])
    for place in (0, 5, 11, 12, 13, len(sealed) // 2, len(sealed) - 17, len(sealed) - 16, len(sealed) - 1):
        flipped = bytearray(sealed)
        flipped[place] ^= 1
        with pytest.raises(ExportRefused):
            opened(json.dumps({**found, "sealed": base64url(bytes(flipped))}).encode())
    for cut in (0, 1, 11, 12, 27, 28, len(sealed) - 1):
        with pytest.raises(ExportRefused):
            opened(json.dumps({**found, "sealed": base64url(sealed[:cut])}).encode())


@pytest.mark.spec("keys.md export: absurd costs are refused before any work is done")
def test_absurd_costs_do_no_work(document: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_export, "_stretched", lambda *_: pytest.fail("work was done"))
    for change in (
        {"cost": 2**40},
        {"blocks": 2**20},
        {"salt": base64url(bytes(8))},
        {"salt": base64url(bytes(10**6))},
    ):
        with pytest.raises(ExportRefused, match="numbers that no export has"):
            opened(json.dumps({**json.loads(document), **change}).encode())
    with pytest.raises(ExportRefused, match="bytes at most"):
        opened(b" " * (key_export.MOST_BYTES + 1))


@pytest.mark.spec("keys.md export: rubbish is refused in one sentence")
@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 10_000, b"PK\x03\x04"])
def test_rubbish(raw: bytes) -> None:
    with pytest.raises(ExportRefused):
        opened(raw)


def sealed_anew(inside: object) -> bytes:
    """What somebody who knows the passphrase could write."""
    seal = passphrase_seal(PASSPHRASE)
    header = {"format": key_export.FORMAT, "version": key_export.VERSION, **seal.header}
    nonce = bytes(12)
    raw = inside if isinstance(inside, bytes) else json.dumps(inside).encode()
    sealed = nonce + AESGCM(seal.key).encrypt(nonce, raw, key_export._bound(header))
    return json.dumps({**header, "sealed": base64url(sealed)}).encode()


@pytest.mark.spec("keys.md export: the inside is read as strictly as the outside")
def test_the_inside_is_read_strictly() -> None:
    plain = key_export._plain(EXPORT)
    assert opened(sealed_anew(plain)) == EXPORT
    key, ring = plain["rings"][0]["keys"][0], plain["rings"][0]
    values: tuple[object, ...] = (
        None,
        True,
        7,
        -1,
        1.5e300,
        "",
        "x",
        "\x00",
        [],
        {},
        "2026-01-01T00:00:00",
        "0001-01-01T00:00:00+00:00",
    )
    may_be_empty = {
        "deactivates_at",
        "unpublishes_at",
        "compromised_at",
        "destroyed_at",
        "private",
        "public_jwk",
        "bits",
    }
    for holder, name in [(key, name) for name in key] + [(ring, name) for name in ring] + [(plain, n) for n in plain]:
        before = holder[name]
        del holder[name]
        with pytest.raises(ExportRefused):
            opened(sealed_anew(plain))
        for value in values:
            holder[name] = value
            if type(value) is type(before) or (value is None and name in may_be_empty) or name == "public_jwk":
                continue
            if name in ("bits", "max_lifetime") or name in ring.keys() & {"rotation_period", "propagation"}:
                continue
            if isinstance(before, float) and value == 7:
                continue
            with pytest.raises(ExportRefused):
                opened(sealed_anew(plain))
        holder[name] = before
        holder["surprise"] = 1
        with pytest.raises(ExportRefused):
            opened(sealed_anew(plain))
        del holder["surprise"]
    for raw in (b"\xff", b"[]", b'{"rings":[],"rings":[]}', b"NaN"):
        with pytest.raises(ExportRefused):
            opened(sealed_anew(raw))


@pytest.mark.spec("keys.md export: a passphrase that can be guessed seals nothing")
@pytest.mark.parametrize("short", [b"", b"short", b"x" * 19, b"a" * 40, b"ab" * 20, b"x" * 2000])
def test_a_weak_passphrase_is_refused(short: bytes) -> None:
    with pytest.raises(ExportRefused, match="at least 20"):
        check_passphrase(short)


class TestCustodian:
    SECRET = bytes(range(32))

    def wrap(self, key: bytes, bound: bytes) -> bytes:
        return AESGCM(self.SECRET).encrypt(bytes(12), key, bound)

    def unwrap(self, name: str, secret_id: str) -> key_export.Wrapper:
        assert (name, secret_id) == ("safe", "s1")
        return lambda wrapped, bound: AESGCM(self.SECRET).decrypt(bytes(12), wrapped, bound)

    @pytest.mark.spec("keys.md export --custodian: the data key is wrapped, and bound to the header")
    def test_a_custodian_wraps_the_key(self) -> None:
        seal: Seal = custodian_seal("safe", secret_id="s1", wrap=self.wrap)
        document = to_document(replace(EXPORT, rings=[]), seal)
        assert from_document(document, passphrase=None, unwrap=self.unwrap).rings == []
        assert seal.key not in document
        assert not key_export.sealed_by_passphrase(document)
        with pytest.raises(ExportRefused, match="leave the passphrase out"):
            from_document(document, passphrase=PASSPHRASE, unwrap=self.unwrap)
        with pytest.raises(ExportRefused):
            from_document(json.dumps({**json.loads(document), "cost": 1}).encode(), passphrase=None, unwrap=self.unwrap)

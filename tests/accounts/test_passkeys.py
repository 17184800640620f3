"""What a passkey's answer has to hold, and what may be asked of a browser."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fido2 import cbor
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import PasskeyRefused
from accounts.passkey_answers import MAX_ANSWER, read_asserted, read_attested
from accounts.passkeys import (
    KnownPasskey,
    PasskeyProof,
    RelyingParty,
    check_asserted,
    check_attested,
    creation_options,
    relying_party,
    request_options,
)
from tests.accounts.authenticator import AT, BE, BS, UP, UV, Authenticator, PrivateKey, from_websafe, websafe

PARTY = RelyingParty("id.example.test", "https://id.example.test")
SUBJECT = "s" * 22
CHALLENGE, OTHER_CHALLENGE = bytes(range(32)), bytes(32)


def to_make(**more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"realm_name": "Home", "subject": SUBJECT, "username": "ana", "shown_name": "", "known": ()}
    return dict(creation_options(PARTY, challenge=CHALLENGE, **{**told, **more}))


def to_use(*, alone: bool = True, challenge: bytes = CHALLENGE) -> dict[str, Any]:
    return dict(request_options(PARTY, known=None, alone=alone, challenge=challenge))


def made(device: Authenticator) -> bytes:
    """The attested credential data that would be stored."""
    attested = read_attested(json.dumps(device.make(to_make())))
    check_attested(attested, party=PARTY, challenge=CHALLENGE)
    return bytes(attested.credential)


def used(device: Authenticator, credential: bytes, *, alone: bool = True, **changed: Any) -> PasskeyProof:
    return checked(device.use(to_use(alone=alone)), credential, alone=alone, **changed)


def checked(
    answer: object, credential: bytes, *, alone: bool = True, eligible: bool = False, subject: str = SUBJECT
) -> PasskeyProof:
    return check_asserted(
        read_asserted(json.dumps(answer)),
        party=PARTY,
        challenge=CHALLENGE,
        credential=credential,
        backup_eligible=eligible,
        subject=subject,
        alone=alone,
    )


class TestWhomPasskeysAreMadeFor:
    @pytest.mark.parametrize(
        ("issuer", "party"),
        [
            ("https://id.example.org", ("id.example.org", "https://id.example.org")),
            ("https://ID.example.org:443/below", ("id.example.org", "https://id.example.org")),
            ("https://id.example.org:8443", ("id.example.org", "https://id.example.org:8443")),
            ("http://localhost:8000", ("localhost", "http://localhost:8000")),
            ("http://id.localhost", ("id.localhost", "http://id.localhost")),
        ],
    )
    @pytest.mark.spec("Web Authentication Level 3 §5.1.3")
    def test_the_issuers_host_and_origin(self, issuer: str, party: tuple[str, str]) -> None:
        assert relying_party(issuer) == RelyingParty(*party)

    @pytest.mark.parametrize(
        "issuer", ["http://127.0.0.1:8000", "https://192.0.2.1", "https://[2001:db8::1]", "http://id.example.org", ""]
    )
    @pytest.mark.spec("Web Authentication Level 3 §5.1.3")
    def test_nobody_where_browsers_make_none(self, issuer: str) -> None:
        assert relying_party(issuer) is None


@pytest.mark.spec("Web Authentication Level 3 §5.4")
class TestWhatIsAskedFor:
    def test_a_passkey_that_is_found_without_a_name_of_three_algorithms_and_without_an_attestation(self) -> None:
        known = KnownPasskey(b"k" * 16, ("usb",))
        assert to_make(known=[known], shown_name="Ana") == {
            "rp": {"name": "Home", "id": "id.example.test"},
            "user": {"id": websafe(SUBJECT.encode()), "name": "ana", "displayName": "Ana"},
            "challenge": websafe(CHALLENGE),
            "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-7, -8, -257)],
            "timeout": 300_000,
            "excludeCredentials": [{"type": "public-key", "id": websafe(b"k" * 16), "transports": ["usb"]}],
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": True,
                "userVerification": "preferred",
            },
            "attestation": "none",
        }

    def test_whoever_has_no_full_name_is_shown_by_the_user_name(self) -> None:
        assert to_make()["user"]["displayName"] == "ana"

    @pytest.mark.parametrize(("alone", "verification"), [(True, "required"), (False, "discouraged")])
    def test_a_device_knows_its_user_where_nothing_else_is_proved(self, alone: bool, verification: str) -> None:
        assert to_use(alone=alone) == {
            "challenge": websafe(CHALLENGE),
            "timeout": 300_000,
            "rpId": "id.example.test",
            "userVerification": verification,
        }

    def test_a_second_factor_is_one_of_the_persons_own(self) -> None:
        options = request_options(PARTY, known=[KnownPasskey(b"k" * 16, ())], alone=False, challenge=CHALLENGE)
        assert options["allowCredentials"] == [{"type": "public-key", "id": websafe(b"k" * 16)}]


KEYS: list[PrivateKey] = [
    ec.generate_private_key(ec.SECP256R1()),
    ed25519.Ed25519PrivateKey.generate(),
    rsa.generate_private_key(65_537, 2_048),
]


@pytest.mark.spec("Web Authentication Level 3 §7.1")
class TestANewPasskey:
    @pytest.mark.parametrize("key", KEYS, ids=["ES256", "EdDSA", "RS256"])
    @pytest.mark.spec("Web Authentication Level 3 §7.2")
    def test_it_is_taken_and_proves_who_uses_it(self, key: Any) -> None:
        device = Authenticator(key=key)
        assert used(device, made(device)) == PasskeyProof(("pop", "user", "mfa"), 1)

    def test_of_its_transports_the_known_ones_are_kept(self) -> None:
        assert read_attested(json.dumps(Authenticator().make(to_make()))).transports == ("hybrid", "internal")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"origin": "https://id.example.test.evil.example"},
            {"origin": "https://evil.id.example.test"},  # the library alone would take a host below ours
            {"origin": "https://id.example.test:8443"},
            {"origin": "http://id.example.test"},
            {"rp_id": "example.test"},
            {"flags": UV},
            {"flags": UP | UV | BS},
            {"others": {"type": "webauthn.get"}},
            {"others": {"challenge": websafe(OTHER_CHALLENGE)}},
            {"others": {"challenge": websafe(CHALLENGE[:-1])}},
            {"others": {"challenge": ""}},
            {"others": {"crossOrigin": True}},
            {"others": {"crossOrigin": "no"}},
            {"others": {"topOrigin": "https://evil.example"}},
            {"others": {"type": ["webauthn.create"]}},
            {"others": {"origin": None}},
            {"credential_id": b"short"},
            {"credential_id": b"l" * 1_024},
        ],
        ids=str,
    )
    def test_one_that_is_not_ours_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(PasskeyRefused):
            made(Authenticator(**wrong))

    def test_a_device_that_doesnt_know_its_user_makes_one_too(self) -> None:
        assert made(Authenticator(flags=UP))

    @pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1())])
    def test_a_key_of_another_curve_is_refused(self, key: Any) -> None:
        numbers = key.public_key().public_numbers()
        x, y = (n.to_bytes(48, "big") for n in (numbers.x, numbers.y))
        for cose in ({1: 2, 3: -35, -1: 2, -2: x, -3: y}, {1: 2, 3: -7, -1: 2, -2: x, -3: y}):
            self.refused(cose)

    @pytest.mark.parametrize(
        "changed",
        [
            {3: -257},
            {3: -8},
            {3: -47},
            {3: 0},
            {1: 3},
            {-1: 8},
            {-2: bytes(32)},
            {-2: b"\x00" * 31},
            {-2: "x" * 32},
            {-4: b"private"},
            {"alg": -7},
        ],
        ids=str,
    )
    def test_a_key_with_other_members_is_refused(self, changed: dict[Any, Any]) -> None:
        self.refused({**Authenticator().cose(), **changed})

    @pytest.mark.parametrize(
        "changed",
        [{-1: b"\xff" * 128}, {-1: b"\xff" * 1_024}, {-2: b"\x03"}, {-2: b""}],
        ids=["1024", "8192", "3", "0"],
    )
    def test_an_rsa_key_of_another_length_or_exponent_is_refused(self, changed: dict[Any, Any]) -> None:
        self.refused({**Authenticator(key=KEYS[2]).cose(), **changed})

    def refused(self, cose: dict[Any, Any]) -> None:
        device = Authenticator()
        answer = device.make(to_make())
        attestation = {"fmt": "none", "attStmt": {}, "authData": device.data(AT, device.attested(cose))}
        answer["response"]["attestationObject"] = websafe(cbor.encode(attestation))
        with pytest.raises(PasskeyRefused, match="malformed_passkey"):
            read_attested(json.dumps(answer))

    def test_one_without_a_credential_or_with_another_than_it_says_is_refused(self) -> None:
        device, other = Authenticator(), Authenticator()
        for data in (device.data(), device.data(AT, other.attested()), device.data(AT, device.attested() + b"\0")):
            answer = device.make(to_make())
            attestation = {"fmt": "none", "attStmt": {}, "authData": data}
            answer["response"]["attestationObject"] = websafe(cbor.encode(attestation))
            with pytest.raises(PasskeyRefused, match="malformed_passkey"):
                read_attested(json.dumps(answer))


@pytest.mark.spec("Web Authentication Level 3 §7.2")
class TestAPasskeyInUse:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"origin": "https://evil.example"},
            {"origin": "https://evil.id.example.test"},
            {"rp_id": "evil.example"},
            {"flags": UV},
            {"flags": UP},
            {"flags": UP | UV | BE},
            {"flags": UP | UV | BS},
            {"others": {"type": "webauthn.create"}},
            {"others": {"challenge": websafe(OTHER_CHALLENGE)}},
            {"others": {"crossOrigin": True}},
            {"user_handle": None},
            {"user_handle": b"t" * 22},
            {"user_handle": b""},
            {"user_handle": b"s" * 65},
            {"key": KEYS[0]},
            {"key": KEYS[1]},
            {"credential_id": b"c" * 32},
        ],
        ids=lambda wrong: "another key" if "key" in wrong else str(wrong),  # a key prints its place in memory
    )
    def test_an_answer_that_does_not_hold_is_refused(self, wrong: dict[str, Any]) -> None:
        device = Authenticator()
        credential = made(device)
        for name, value in wrong.items():
            setattr(device, name, value)
        with pytest.raises(PasskeyRefused):
            used(device, credential)

    @pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature"])
    def test_an_answer_in_which_a_bit_was_turned_is_refused(self, part: str) -> None:
        device = Authenticator()
        credential = made(device)
        answer = device.use(to_use())
        held = bytearray(from_websafe(answer["response"][part]))
        held[-1] ^= 0x01
        answer["response"][part] = websafe(bytes(held))
        with pytest.raises(PasskeyRefused):
            checked(answer, credential)

    def test_beside_a_password_a_touch_is_enough_and_is_told_as_no_more(self) -> None:
        device = Authenticator()
        credential = made(device)
        device.flags, device.user_handle = UP, None
        assert used(device, credential, alone=False).methods == ("pop", "user")
        device.user_handle = b"t" * 22
        with pytest.raises(PasskeyRefused):
            used(device, credential, alone=False)

    def test_what_can_be_backed_up_stays_so(self) -> None:
        device = Authenticator(flags=UP | UV | BE)
        credential = made(device)
        device.flags |= BS
        assert used(device, credential, eligible=True)
        device.flags = UP | UV
        with pytest.raises(PasskeyRefused):
            used(device, credential, eligible=True)


def _deep(brackets: str) -> str:
    return brackets * 4_000


GARBAGE = [
    "",
    "null",
    "[]",
    "{}",
    "NaN",
    '"x"',
    "{",
    _deep("["),
    _deep('{"a":'),
    "x" * (MAX_ANSWER + 1),
    '{"id": "\ud800"}',
]


@pytest.mark.spec("issue: strict parsing comes before any library")
class TestWhatIsNoAnswer:
    @pytest.mark.parametrize("text", GARBAGE, ids=range(len(GARBAGE)))
    @pytest.mark.parametrize("read", [read_attested, read_asserted])
    def test_garbage_is_refused(self, read: Any, text: str) -> None:
        with pytest.raises(PasskeyRefused, match="malformed_passkey"):
            read(text)

    @pytest.mark.parametrize("read", [read_attested, read_asserted])
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("id", "other"),
            ("rawId", None),
            ("type", "password"),
            ("response", []),
            ("response.clientDataJSON", "e30"),
            ("response.clientDataJSON", 5),
            ("response.clientDataJSON", websafe(b"\xff\xfe")),
            ("response.clientDataJSON", websafe(_deep("[").encode())),
            ("response.clientDataJSON", websafe(b'{"type":"a","type":"b","challenge":"c","origin":"d"}')),
        ],
    )
    def test_a_member_of_another_form_is_refused(self, read: Any, path: str, value: object) -> None:
        device = Authenticator()
        answer = device.make(to_make()) if read is read_attested else device.use(to_use())
        *outer, name = path.split(".")
        (answer[outer[0]] if outer else answer)[name] = value
        with pytest.raises(PasskeyRefused, match="malformed_passkey"):
            read(json.dumps(answer))

    @pytest.mark.parametrize("spoilt", ["{}=", "{}==", " {}", "{}\n", "{}!", "{}é", "+/{}"])
    def test_base64url_has_one_form(self, spoilt: str) -> None:
        answer = Authenticator().use(to_use())
        answer["response"]["signature"] = spoilt.format(answer["response"]["signature"])
        with pytest.raises(PasskeyRefused):
            read_asserted(json.dumps(answer))

    def test_bits_that_count_for_nothing_are_nought(self) -> None:
        answer = Authenticator().use(to_use())
        answer["response"]["userHandle"] = "QR"
        with pytest.raises(PasskeyRefused):
            read_asserted(json.dumps(answer))

    @pytest.mark.parametrize("read", [read_attested, read_asserted])
    def test_a_long_answer_is_refused_whatever_is_in_it(self, read: Any) -> None:
        device = Authenticator()
        answer = device.make(to_make()) if read is read_attested else device.use(to_use())
        length = len(json.dumps({**answer, "padding": ""}))
        assert read(json.dumps({**answer, "padding": "x" * (MAX_ANSWER - length)}))
        with pytest.raises(PasskeyRefused):
            read(json.dumps({**answer, "padding": "x" * (MAX_ANSWER - length + 1)}))

    def test_a_repeated_member_is_refused(self) -> None:
        text = json.dumps(Authenticator().use(to_use()))
        with pytest.raises(PasskeyRefused):
            read_asserted(text[:-1] + ', "type": "public-key"}')

    @pytest.mark.parametrize(
        "cbor_text",
        [
            b"",
            b"\xff",
            b"\x81" * 6_000,
            b"\xbb" + b"\xff" * 8,
            b"\x9b" + b"\xff" * 8,
            b"\x5b" + b"\xff" * 8,
            cbor.encode([]),
            cbor.encode({"fmt": "none", "attStmt": {}, "authData": "text"}),
            cbor.encode({"fmt": "none", "attStmt": {}, "authData": b"short"}),
            cbor.encode({"fmt": "none", "attStmt": {}, "authData": bytes(37)}) + b"\0",
            cbor.encode({"fmt": "none", "authData": bytes(37)}),
            b"\xa1\xa0\x01",
        ],
    )
    def test_an_attestation_of_another_form_is_refused(self, cbor_text: bytes) -> None:
        answer = Authenticator().make(to_make())
        answer["response"]["attestationObject"] = websafe(cbor_text)
        with pytest.raises(PasskeyRefused, match="malformed_passkey"):
            read_attested(json.dumps(answer))

    @given(st.binary(max_size=300))
    def test_no_bytes_are_more_than_refused(self, noise: bytes) -> None:
        device = Authenticator()
        new, use = device.make(to_make()), device.use(to_use())
        new["response"]["attestationObject"] = websafe(noise)
        use["response"]["authenticatorData"] = websafe(noise)
        with pytest.raises(PasskeyRefused):
            read_attested(json.dumps(new))
        with pytest.raises(PasskeyRefused):
            checked(use, made(device))

    @given(st.integers(0, 250), st.binary(min_size=1, max_size=4))
    def test_no_changed_bytes_make_another_answer(self, at: int, change: bytes) -> None:
        device = Authenticator(key=KEYS[0], credential_id=b"c" * 16)
        answer = device.make(to_make())
        held = bytearray(from_websafe(answer["response"]["attestationObject"]))
        held[at : at + len(change)] = change
        answer["response"]["attestationObject"] = websafe(bytes(held))
        try:
            attested = read_attested(json.dumps(answer))
            check_attested(attested, party=PARTY, challenge=CHALLENGE)
        except PasskeyRefused:
            return
        assert attested.credential.credential_id == b"c" * 16

"""What makes an access token good, and what doesn't (RFC 9068 §4, RFC 8725 §3)."""

import base64
import hashlib
import hmac
import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from keys.jwk import base64url
from signet_verifier import ConfigurationWrong, InvalidToken, Verifier
from signet_verifier.compact import MAX_TOKEN_BYTES
from signet_verifier.jwks import ALGORITHMS
from tests.verifier.issuer import AUDIENCE, ISSUER, JWKS, NOW, Issuer, changed, claims, compact, key, somebody_elses_key

JKT = base64url(hashlib.sha256(b"a key").digest())


@pytest.mark.spec("RFC 9068 §2.2")
def test_a_good_token_tells_its_claims_frozen(issuer: Issuer, verifier: Verifier) -> None:
    told = claims(roles=["owner"], acr="a", amr=["pwd"], auth_time=NOW - 5, sid="s", device_trust=40, more={"x": [1]})
    found = verifier.verify(issuer.published[0].sign(told))
    assert (found.issuer, found.subject, found.client_id, found.token_id) == (ISSUER, "person", "notes", "a-jti")
    assert found.scopes == {"notes:read", "notes:write"}
    assert (found.audience, found.roles, found.amr) == ((AUDIENCE,), ("owner",), ("pwd",))
    assert (found.auth_time, found.device_trust, found.session_id) == (NOW - 5, 40, "s")
    assert found.every["more"]["x"] == (1,)
    with pytest.raises(FrozenInstanceError):
        found.subject = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        found.every["sub"] = "other"  # type: ignore[index]


@pytest.mark.spec("RFC 8725 §3.1, RFC 9964 §4")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_verifies_and_notices_one_bit(algorithm: str) -> None:
    issuer = Issuer(published=[key(algorithm=algorithm)])
    verifier = issuer.verifier(memories=0)
    token = issuer.published[0].sign(claims())
    assert verifier.verify(token).subject == "person"
    message, _, signature = token.rpartition(".")
    with pytest.raises(InvalidToken, match="signature"):
        verifier.verify(f"{message}.{changed(signature)}")


@pytest.mark.spec("RFC 7518 §3.3, §3.4, RFC 8037 §3.1, RFC 9964 §4")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_of_another_length_or_of_nothing_is_none(algorithm: str) -> None:
    issuer = Issuer(published=[key(algorithm=algorithm)])
    verifier, (message, _, _) = issuer.verifier(), issuer.published[0].sign(claims()).rpartition(".")
    good = issuer.published[0].signature(message.encode())
    for bad in (b"", b"\0", good[:-1], good + b"\0", bytes(len(good)), b"\xff" * len(good)):
        with pytest.raises(InvalidToken, match="signature"):
            verifier.verify(f"{message}.{base64url(bad)}")


@pytest.mark.spec("RFC 9864 §2.2")
def test_ed25519_goes_by_its_name_of_before_too(issuer: Issuer, verifier: Verifier) -> None:
    issuer.published = [key(algorithm="Ed25519")]
    assert verifier.verify(issuer.published[0].sign(claims(), alg="EdDSA"))


@pytest.mark.spec("RFC 8725 §2.1, §3.1")
@pytest.mark.parametrize("said", ["none", "None", "HS256", "ES384", "RS256", "ES256 ", "es256"])
def test_the_key_says_the_algorithm_and_never_the_token(issuer: Issuer, verifier: Verifier, said: str) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(issuer.published[0].sign(claims(), alg=said))


@pytest.mark.spec("RFC 8725 §2.1")
@pytest.mark.parametrize("form", [serialization.Encoding.PEM, serialization.Encoding.DER])
def test_a_public_key_is_no_secret_of_a_mac(issuer: Issuer, form: serialization.Encoding) -> None:
    issuer.published = [key(algorithm="RS256")]
    secret = (
        issuer.published[0].private.public_key().public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    header = {"typ": "at+jwt", "alg": "HS256", "kid": "one"}
    forged = compact(header, claims(), lambda message: hmac.digest(secret, message, "sha256"))
    with pytest.raises(InvalidToken, match="another algorithm"):
        issuer.verifier().verify(forged)
    unsigned = compact(header | {"alg": "none"}, claims(), lambda message: b"")
    with pytest.raises(InvalidToken):
        issuer.verifier().verify(unsigned)


@pytest.mark.spec("RFC 8725 §3.1")
def test_an_rsa_key_is_for_its_one_algorithm(issuer: Issuer) -> None:
    mine = key(algorithm="RS256")
    issuer.published = [mine]
    mine.algorithm = "PS256"
    other = mine.sign(claims())
    mine.algorithm = "RS256"
    with pytest.raises(InvalidToken, match="another algorithm"):
        issuer.verifier().verify(other)


@pytest.mark.spec("RFC 8725 §3.1")
def test_a_service_narrows_the_algorithms(issuer: Issuer) -> None:
    with pytest.raises(InvalidToken, match="no key"):
        issuer.verifier(algorithms=["RS256"]).verify(issuer.published[0].sign(claims()))


@pytest.mark.spec("RFC 8725 §3.10")
@pytest.mark.parametrize(
    "kid", ["two", "../one", "one\x00", "one' OR '1'='1", "one ", "", "x" * 257, 1, None, ["one"], {"one": 1}]
)
def test_a_kid_is_the_name_of_a_published_key_or_nothing(issuer: Issuer, verifier: Verifier, kid: Any) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(issuer.published[0].sign(claims(), kid=kid))


@pytest.mark.spec("RFC 7515 §4.1.11, RFC 7797 §6, RFC 8725 §3.10")
@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["x"], "x": 1},
        {"crit": []},
        {"b64": True},
        {"b64": False, "crit": ["b64"]},
        {"jku": "https://evil.example"},
        {"x5u": "https://evil.example"},
        {"x5c": []},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
    ],
)
def test_nothing_in_the_header_bends_the_rules(issuer: Issuer, verifier: Verifier, header: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken, match="not taken here"):
        verifier.verify(issuer.published[0].sign(claims(), **header))
    assert issuer.asked == []


@pytest.mark.spec("RFC 8725 §3.10")
def test_a_key_in_the_token_is_no_key(verifier: Verifier) -> None:
    thief = somebody_elses_key()
    with pytest.raises(InvalidToken, match="jwk"):
        verifier.verify(thief.sign(claims(), jwk=thief.jwk))
    with pytest.raises(InvalidToken, match="signature"):
        verifier.verify(thief.sign(claims()))


@pytest.mark.spec("RFC 9068 §4, RFC 8725 §3.11")
@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "dpop+jwt", "logout+jwt", "at+jwt ", "", 1, ["at+jwt"]])
def test_only_an_access_token_is_one(issuer: Issuer, verifier: Verifier, typ: Any) -> None:
    with pytest.raises(InvalidToken, match="typ"):
        verifier.verify(issuer.published[0].sign(claims(), typ=typ))


@pytest.mark.spec("RFC 9068 §4")
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_media_types_have_no_case(issuer: Issuer, verifier: Verifier, typ: str) -> None:
    assert verifier.verify(issuer.published[0].sign(claims(), typ=typ))


@pytest.mark.spec("RFC 9068 §2.2, §4")
@pytest.mark.parametrize("name", ["iss", "sub", "aud", "client_id", "jti", "iat", "exp"])
def test_a_claim_that_must_be_there_is(issuer: Issuer, verifier: Verifier, name: str) -> None:
    with pytest.raises(InvalidToken, match=name):
        verifier.verify(issuer.published[0].sign(claims(**{name: None})))


@pytest.mark.spec("RFC 9068 §4, RFC 8725 §3.8, §3.9")
@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": f"{ISSUER}/"},
        {"iss": ISSUER.upper()},
        {"iss": [ISSUER]},
        {"aud": "https://other.example"},
        {"aud": [f"{AUDIENCE}/", AUDIENCE.upper()]},
        {"aud": []},
        {"aud": {AUDIENCE: 1}},
        {"aud": [AUDIENCE, 1]},
        {"exp": NOW - 31},
        {"exp": NOW - 30},
        {"exp": str(NOW + 900)},
        {"exp": NOW + 900.5},
        {"exp": 10**30},
        {"exp": True},
        {"exp": -1},
        {"nbf": NOW + 31},
        {"nbf": "now"},
        {"iat": NOW + 31},
        {"sub": 1},
        {"sub": ""},
        {"scope": ["notes:read"]},
        {"roles": "owner"},
        {"roles": [1]},
        {"acr": 1},
        {"amr": {}},
        {"auth_time": "1"},
        {"device_trust": 101},
        {"device_trust": True},
        {"cnf": JKT},
        {"cnf": {"jkt": 1}},
        {"cnf": {"jkt": "short"}},
    ],
)
def test_claims_of_another_meaning_or_form_are_refused(
    issuer: Issuer, verifier: Verifier, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(issuer.published[0].sign(claims(**wrong)))


@pytest.mark.spec("RFC 9068 §4")
@pytest.mark.parametrize(
    "right", [{"exp": NOW - 29}, {"iat": NOW + 30}, {"nbf": NOW + 30}, {"aud": ["https://other.example", AUDIENCE]}]
)
def test_clocks_may_differ_by_the_leeway(issuer: Issuer, verifier: Verifier, right: dict[str, Any]) -> None:
    assert verifier.verify(issuer.published[0].sign(claims(**right)))


def _encoded(header: bytes, payload: bytes, issuer: Issuer) -> str:
    message = f"{base64url(header)}.{base64url(payload)}"
    return f"{message}.{base64url(issuer.published[0].signature(message.encode()))}"


GOOD_HEADER = b'{"typ":"at+jwt","alg":"ES256","kid":"one"}'
GOOD = json.dumps(claims()).encode()


@pytest.mark.spec("RFC 7515 §4, §5.2, RFC 8725 §2.4; RFC 8259 §4")
@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (b'{"typ":"at+jwt","alg":"none","alg":"ES256","kid":"one"}', GOOD),
        (b'{"typ":"at+jwt","alg":"ES256","kid":"two","kid":"one"}', GOOD),
        (GOOD_HEADER, GOOD[:-1] + b',"sub":"admin"}'),
        (GOOD_HEADER, GOOD[:-1] + b',"x":{"y":1,"y":2}}'),
        (GOOD_HEADER, GOOD[:-1] + b',"x":NaN}'),
        (GOOD_HEADER, GOOD[:-1] + b',"x":Infinity}'),
        (GOOD_HEADER, GOOD[:-1] + b',"x":"\xff"}'),
        (GOOD_HEADER, GOOD[:-1] + b',"x":' + b"[" * 17 + b"]" * 17 + b"}"),
        (GOOD_HEADER, b"[" * 5000 + b"]" * 5000),
        (GOOD_HEADER, GOOD[:-1] + b',"x":' + b"9" * 5000 + b"}"),
        (GOOD_HEADER, b"[]"),
        (GOOD_HEADER, b'"text"'),
        (GOOD_HEADER, b""),
        (GOOD_HEADER, GOOD + b"{}"),
        (GOOD_HEADER, b"\xef\xbb\xbf" + GOOD),
        (b"{}", GOOD),
        (b"null", GOOD),
        (GOOD_HEADER[:-1] + b',"x":"' + b"x" * 2_000 + b'"}', GOOD),
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused(
    issuer: Issuer, verifier: Verifier, header: bytes, payload: bytes
) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(_encoded(header, payload, issuer))


@pytest.mark.spec("RFC 8725 §3.2")
def test_many_claims_on_few_levels_are_fine(issuer: Issuer, verifier: Verifier) -> None:
    assert verifier.verify(issuer.published[0].sign(claims(x=[{"y": [1]}] * 40)))


@pytest.mark.spec("RFC 7515 §7.1")
def test_what_is_no_compact_jws_is_refused(issuer: Issuer, verifier: Verifier) -> None:
    good = issuer.published[0].sign(claims())
    header, payload, signature = good.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    strange = [
        "", ".", "..", "...", "a.b.c", header, f"{header}.{payload}", f"{good}.", f".{good}", f"{good}.{signature}",
        f"{header}..{signature}", f".{payload}.{signature}", f"{header}.{payload}.", f" {good}", f"{good} ",
        f"{good}\n", f"{header}=.{payload}.{signature}", f"{header}.{payload}=.{signature}", f"{good}==",
        f"{header}.{payload}.{base64.b64encode(bytes([255, 254]) * 32).decode()}", good.replace(".", "\u2024"),
        f"{good}é", "\ud800",
        good.replace(payload, payload[:-1]), f"{header}.{payload}.{base64url(raw[:-1])}",
        f"{header}.{payload}.{base64url(bytes(64))}", f"{header}.{payload}.{base64url(raw + b'0')}",
        "x" * (MAX_TOKEN_BYTES + 1), "." * MAX_TOKEN_BYTES, good + "x" * MAX_TOKEN_BYTES,
    ]  # fmt: skip
    for token in strange:
        with pytest.raises(InvalidToken):
            verifier.verify(token)
    assert verifier.verify(good)


@pytest.mark.spec("RFC 8725 §3.9")
def test_what_is_refused_anyway_makes_nobody_fetch(issuer: Issuer, verifier: Verifier) -> None:
    for wrong in ({"iss": "https://other.example"}, {"aud": "other"}, {"exp": NOW - 3600}):
        with pytest.raises(InvalidToken):
            verifier.verify(issuer.published[0].sign(claims(**wrong), kid="unknown"))
    assert issuer.asked == []


@pytest.mark.spec("RFC 9449 §6.1, §7.1, §7.2")
def test_a_bound_token_is_good_with_its_proof_alone(issuer: Issuer, verifier: Verifier) -> None:
    bound, free = (issuer.published[0].sign(claims(cnf=cnf)) for cnf in ({"jkt": JKT}, None))
    assert verifier.verify(bound, key_thumbprint=JKT).key_thumbprint == JKT
    assert verifier.verify(bound, allow_bound=True).is_bound
    for token, proved in ((bound, ""), (bound, JKT[::-1]), (free, JKT)):
        with pytest.raises(InvalidToken, match="bound"):
            verifier.verify(token, key_thumbprint=proved)


@pytest.mark.spec("RFC 7800 §3")
def test_a_token_that_is_bound_by_other_means_is_no_bearer_token(issuer: Issuer, verifier: Verifier) -> None:
    for cnf in ({"x5t#S256": JKT}, {}):
        with pytest.raises(InvalidToken, match="bound"):
            verifier.verify(issuer.published[0].sign(claims(cnf=cnf)))


@pytest.mark.spec("RFC 9068 §4")
def test_a_remembered_token_is_held_against_dates_and_keys_again(issuer: Issuer, verifier: Verifier) -> None:
    token = issuer.published[0].sign(claims())
    verifier.verify(token)
    assert verifier.verify(token)
    with pytest.raises(InvalidToken):
        verifier.verify(changed_at_the_end(token))
    issuer.time.passes(931)
    with pytest.raises(InvalidToken, match="expired"):
        verifier.verify(token)
    issuer.time.passes(-2_000)
    with pytest.raises(InvalidToken, match="not valid yet"):
        verifier.verify(token)


def changed_at_the_end(token: str) -> str:
    message, _, signature = token.rpartition(".")
    return f"{message}.{changed(signature)}"


@pytest.mark.spec("keys.md, compromise; RFC 9068 §4")
@pytest.mark.parametrize("memories", [0, 100])
@pytest.mark.parametrize("after", ["nothing", "another key under its kid", "another algorithm"])
def test_a_token_ends_with_its_key(issuer: Issuer, memories: int, after: str) -> None:
    verifier = issuer.verifier(memories=memories)
    issuer.published.append(key("other"))
    token = issuer.published[0].sign(claims())
    verifier.verify(token)
    issuer.published[0:1] = {
        "nothing": [],
        "another key under its kid": [somebody_elses_key("one")],
        "another algorithm": [key("one", "RS256")],
    }[after]
    issuer.time.passes(301)
    with pytest.raises(InvalidToken):
        verifier.verify(token)


@pytest.mark.spec("RFC 9068 §4")
def test_memory_is_bounded_and_the_oldest_goes_first(issuer: Issuer) -> None:
    verifier = issuer.verifier(memories=2)
    tokens = [issuer.published[0].sign(claims(jti=str(number))) for number in range(3)]
    for token in tokens:
        verifier.verify(token)
    memory = verifier._memory
    assert [memory.recall(token) is None for token in tokens] == [True, False, False]


@pytest.mark.spec("5 of 6, verify_many")
def test_several_tokens_are_told_apart_in_their_order(issuer: Issuer, verifier: Verifier) -> None:
    good = [issuer.published[0].sign(claims(sub=str(number))) for number in range(20)]
    mixed = [token for each in good for token in (each, changed_at_the_end(each))]
    found = verifier.verify_many(mixed)
    assert [each if isinstance(each, InvalidToken) else each.subject for each in found[::2]] == list(
        map(str, range(20))
    )
    assert all(isinstance(each, InvalidToken) for each in found[1::2])
    assert issuer.times_asked_for_keys == 1


@pytest.mark.spec("5 of 6, verifier")
def test_a_verifier_that_cannot_be_right_is_not_made(issuer: Issuer) -> None:
    several: tuple[dict[str, Any], ...] = (
        {"audience": ""}, {"audience": []}, {"audience": ["a", ""]}, {"algorithms": ["HS256"]},
        {"algorithms": ["none"]}, {"algorithms": []}, {"leeway": -1}, {"leeway": 301}, {"memories": -1}, {"issuer": "http://id.example.org"},
        {"issuer": "ftp://localhost"}, {"issuer": "https://a@id.example.org"}, {"issuer": "https://id.example.org/#x"},
        {"issuer": "https://id.example.org?x"}, {"issuer": "https://"}, {"issuer": "https://[::1"},
    )  # fmt: skip
    for wrong in several:
        options: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE, **wrong}
        with pytest.raises(ConfigurationWrong):
            Verifier(**options)
    assert JWKS not in issuer.asked


@pytest.mark.spec("house.md, logs")
def test_no_refusal_repeats_the_token(issuer: Issuer, verifier: Verifier) -> None:
    token = issuer.published[0].sign(claims(sub="canary"), kid="canary", alg="canary")
    with pytest.raises(InvalidToken) as refusal:
        verifier.verify(token)
    assert "canary" not in str(refusal.value)

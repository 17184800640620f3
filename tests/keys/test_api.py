"""keys/api.py: the front door (keys.md Signing and publishing, RFC 8725)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings

from keys import api, jose
from keys.algorithms import Purpose
from keys.errors import KeysError, LifetimeTooLong, NoSigningKey, TokenRefused, UnknownRing
from keys.jwk import base64url, from_base64url
from keys.models import KeyPair
from keys.published_set import published_sets
from keys.services.compromise import compromise
from keys.services.rings import add_ring
from keys.services.rotation import rotate
from keys.signer import RingName, signer
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tests.keys.known_secrets import SECRET_B
from tests.keys.memories import database_away

MINUTE = timedelta(minutes=1)


def claims(clock: FakeClock, **more: object) -> dict[str, object]:
    now = int(clock.now.timestamp())
    return {"iss": "https://id.example.test", "sub": "s", "iat": now, "exp": now + 300, **more}


def signed(realm: Realm, clock: FakeClock, *, typ: str = "at+jwt", **more: Any) -> str:
    return api.sign_jwt(claims(clock, **more), realm=realm, typ=typ, now=clock.now).token


def verified(token: str, realm: Realm, clock: FakeClock, **more: Any) -> api.VerifiedToken:
    return api.verify_jwt(token, realm=realm, now=clock.now, **{"typ": "at+jwt", **more})


def kid_of(purpose: str = "sign") -> str:
    return KeyPair.objects.filter(ring__purpose=purpose).earliest("activates_at").kid


@pytest.mark.spec("keys.md: sign_jwt(...) → SignedToken(token, kid), verify_jwt")
def test_what_is_signed_is_verified(bootstrapped: Realm, clock: FakeClock) -> None:
    token = api.sign_jwt(claims(clock, näme="Zoë"), realm=bootstrapped, typ="at+jwt", now=clock.now)
    assert token.kid == kid_of() == api.current_kid(realm=bootstrapped, now=clock.now)
    header = json.loads(from_base64url(token.token.split(".")[0]))
    assert header == {"alg": "ES256", "kid": token.kid, "typ": "at+jwt"}
    found = verified(token.token, bootstrapped, clock)
    assert (found.kid, found.algorithm) == (token.kid, "ES256")
    assert found.claims == claims(clock, näme="Zoë")


@pytest.mark.spec("keys.md Algorithms: EdDSA accepted")
def test_an_alias_signs_with_the_ring_of_its_algorithm(bootstrapped: Realm, clock: FakeClock) -> None:
    ring = add_ring(realm=bootstrapped, algorithm="Ed25519", actor=ACTOR, now=clock.now)
    rotate(ring, now=clock.now, actor=ACTOR, clock=clock)
    for name in ("Ed25519", "EdDSA"):
        token = api.sign_jwt(claims(clock), realm=bootstrapped, typ="JWT", algorithm=name, now=clock.now)
        assert verified(token.token, bootstrapped, clock, typ="JWT").algorithm == "Ed25519"
        assert api.current_kid(realm=bootstrapped, algorithm=name, now=clock.now) == token.kid


@pytest.mark.spec("keys.md The invariant: sign_jwt refuses an exp past the key's own max_lifetime")
@pytest.mark.parametrize(
    "exp", [None, True, "soon", 1.5, 4_000_000_000, 10**12, 10**20, 10**400], ids=lambda exp: repr(exp)[:14]
)
def test_an_exp_that_is_absent_or_absurd_is_never_signed(bootstrapped: Realm, clock: FakeClock, exp: object) -> None:
    with pytest.raises(LifetimeTooLong):
        api.sign_jwt({"iss": "x", "exp": exp}, realm=bootstrapped, typ="JWT", now=clock.now)
    with pytest.raises(LifetimeTooLong):
        api.sign_jwt({"iss": "x"}, realm=bootstrapped, typ="JWT", now=clock.now)


@pytest.mark.spec("keys.md The invariant")
def test_the_longest_token_is_the_one_of_the_key(bootstrapped: Realm, clock: FakeClock) -> None:
    week = int((clock.now + timedelta(days=7)).timestamp())
    assert signed(bootstrapped, clock, exp=week)
    with pytest.raises(LifetimeTooLong):
        signed(bootstrapped, clock, exp=week + 1)


@pytest.mark.spec("RFC 8259: a token is JSON")
@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "\ud800", object(), b"raw", {1, 2}],
    ids=["NaN", "infinity", "surrogate", "object", "bytes", "set"],
)
def test_claims_that_json_cannot_hold_are_an_error_of_ours(
    bootstrapped: Realm, clock: FakeClock, value: object
) -> None:
    with pytest.raises(KeysError, match="JSON"):
        signed(bootstrapped, clock, value=value)


@pytest.mark.spec("keys.md: no HS256, ever", "OIDC Core §10.1 shared-key")
def test_a_symmetric_key_never_signs_a_token(bootstrapped: Realm, clock: FakeClock) -> None:
    with pytest.raises(KeysError, match="symmetric"):
        api.sign_jwt(
            claims(clock), realm=bootstrapped, typ="JWT", now=clock.now, algorithm="HMAC-SHA256", purpose=Purpose.MAC
        )


@pytest.mark.spec("keys.md: fails closed (503)")
def test_without_a_database_nothing_is_signed(bootstrapped: Realm, clock: FakeClock) -> None:
    with database_away(), pytest.raises(NoSigningKey):
        signed(bootstrapped, clock)
    with pytest.raises(UnknownRing, match="ES512"):
        api.sign_jwt(claims(clock), realm=bootstrapped, typ="JWT", algorithm="ES512", now=clock.now)


@pytest.mark.spec("issue 2: a token that expired, signed by a key that is not published")
def test_an_expired_token_for_tests_is_signed_by_a_key_that_nobody_finds(bootstrapped: Realm, clock: FakeClock) -> None:
    past = int(clock.now.timestamp()) - 60
    token = api.sign_jwt(
        claims(clock, exp=past), realm=bootstrapped, typ="at+jwt", now=clock.now, purpose=Purpose.EXPIRED_TEST
    )
    assert token.kid == kid_of("expired_test")
    with pytest.raises(TokenRefused, match="No published key has the kid"):
        verified(token.token, bootstrapped, clock)


REFUSED: list[tuple[Mapping[str, Any], Mapping[str, Any], str]] = [
    ({"iss": "https://evil.example"}, {}, "issuer is not https://id.example.test"),
    ({"iss": None}, {}, "issuer"),
    ({"iss": ["https://id.example.test"]}, {}, "issuer"),
    ({}, {"audience": "api"}, "not meant for api"),
    ({"aud": "other"}, {"audience": "api"}, "not meant for api"),
    ({"aud": ["other", "x"]}, {"audience": "api"}, "not meant for api"),
    ({"aud": {"api": 1}}, {"audience": "api"}, "not meant for api"),
    ({"aud": "api-2"}, {"audience": "api"}, "not meant for api"),
    ({}, {"typ": "JWT"}, "of the kind 'at.jwt', and 'JWT' is expected"),
    ({"exp": 1_700_000_000}, {}, "expired at 2023-11-14 22:13:20 UTC"),
    ({"nbf": 1_900_000_000}, {}, "nbf lies in the future"),
    ({"iat": 1_900_000_000}, {}, "iat lies in the future"),
]


@pytest.mark.spec("RFC 8725 §3.8–3.12, RFC 7519 §4.1, RFC 7662 §4 not-before")
@pytest.mark.parametrize(("given", "asked", "reason"), REFUSED, ids=lambda value: str(value)[:40])
def test_every_claim_is_held_against_what_is_expected(
    bootstrapped: Realm, clock: FakeClock, given: Mapping[str, Any], asked: Mapping[str, Any], reason: str
) -> None:
    token = signed(bootstrapped, clock, **given)
    with pytest.raises(TokenRefused, match=reason) as caught:
        verified(token, bootstrapped, clock, **asked)
    assert token.split(".")[2] not in str(caught.value)


@pytest.mark.spec("RFC 7519 §4.1.3, RFC 7515 §4.1.9")
def test_audiences_and_kinds_that_fit(bootstrapped: Realm, clock: FakeClock) -> None:
    for audience in ("api", ["api"], ["other", "api"]):
        assert verified(signed(bootstrapped, clock, aud=audience), bootstrapped, clock, audience="api")
    for typ in ("at+jwt", "application/at+jwt", "AT+JWT"):
        assert verified(signed(bootstrapped, clock, typ=typ), bootstrapped, clock)


@pytest.mark.spec("RFC 7519 §4.1.4: on or after exp a token is not accepted; another worker's clock may run ahead")
def test_the_edges_of_a_tokens_time(bootstrapped: Realm, clock: FakeClock) -> None:
    signed_at = clock.advance(timedelta(days=1))
    token = signed(bootstrapped, clock)
    clock.now = signed_at - 5 * MINUTE
    assert verified(token, bootstrapped, clock)
    clock.now = signed_at - 5 * MINUTE - timedelta(seconds=1)
    with pytest.raises(TokenRefused, match="future"):
        verified(token, bootstrapped, clock)
    clock.now = signed_at + 5 * MINUTE - timedelta(microseconds=1)
    assert verified(token, bootstrapped, clock)
    clock.now = signed_at + 5 * MINUTE
    with pytest.raises(TokenRefused, match="expired"):
        verified(token, bootstrapped, clock)


@pytest.mark.spec("RFC 8725 §3.1, §3.2: header swaps")
def test_a_token_whose_header_was_changed_is_refused(bootstrapped: Realm, clock: FakeClock) -> None:
    head, payload, signature = signed(bootstrapped, clock).split(".")
    header = json.loads(from_base64url(head))
    standby = KeyPair.objects.filter(ring__purpose="sign").latest("activates_at").kid
    for change, reason in (
        ({"alg": "none"}, "one for ES256"),
        ({"alg": "HS256"}, "one for ES256"),
        ({"kid": "unknown"}, "No published key"),
        ({"kid": standby}, "doesn't match"),
        ({"kid": kid_of("mac")}, "No published key"),
    ):
        other = base64url(json.dumps({**header, **change}).encode())
        with pytest.raises(TokenRefused, match=reason):
            verified(f"{other}.{payload}.{signature}", bootstrapped, clock)
    with pytest.raises(TokenRefused, match="doesn't match"):
        verified(f"{head}.{base64url(json.dumps(claims(clock, admin=True)).encode())}.{signature}", bootstrapped, clock)


@pytest.mark.spec("keys.md: declared compromised, never trusted again")
def test_a_token_of_a_compromised_key_is_refused_although_its_signature_is_right(
    bootstrapped: Realm, clock: FakeClock
) -> None:
    lost = KeyPair.objects.select_related("ring").get(kid=kid_of())
    private = signer.signing_key(RingName(bootstrapped.pk, Purpose.SIGN, "ES256"), clock.now)[1]
    assert not isinstance(private, bytes)
    compromise(lost, actor=ACTOR, clock=clock)
    published_sets.forget()
    forged = jose.sign(claims(clock), key=private, algorithm="ES256", kid=lost.kid, typ="at+jwt")
    with pytest.raises(TokenRefused, match=lost.kid):
        verified(forged, bootstrapped, clock)


@pytest.mark.spec("keys.md Rows: a realm with its own keys")
def test_a_token_of_one_realm_is_nothing_in_another(bootstrapped: Realm, clock: FakeClock) -> None:
    other = Realm.objects.create(slug="b", name="B", issuer="https://b.example.test", created_at=clock.now)
    with pytest.raises(TokenRefused, match="No published key"):
        verified(signed(bootstrapped, clock), other, clock)


@pytest.mark.spec("keys.md Envelope: mac, check_mac")
def test_tags_are_made_and_checked(bootstrapped: Realm, clock: FakeClock) -> None:
    kid = api.tagging_kid(realm=bootstrapped, expires_at=clock.now + timedelta(days=90), at=clock.now)
    tag = api.mac(b"message", realm=bootstrapped, kid=kid, now=clock.now)
    assert len(tag) == 32

    def right(message: bytes = b"message", given: bytes = tag, of: str = kid) -> bool:
        return api.check_mac(message, given, realm=bootstrapped, kid=of, now=clock.now)

    assert right()
    assert not right(message=b"messagE")
    assert not right(given=tag[:-1])
    assert not right(given=bytes(32))
    assert not right(of="unknown")
    assert not right(of=kid_of("sign"))
    with pytest.raises(KeysError, match="unknown"):
        api.mac(b"message", realm=bootstrapped, kid="unknown", now=clock.now)


@pytest.mark.spec("keys.md The invariant: handles end before their key")
def test_a_handle_that_would_outlive_its_key_gets_none(bootstrapped: Realm, clock: FakeClock) -> None:
    with pytest.raises(LifetimeTooLong):
        api.tagging_kid(realm=bootstrapped, expires_at=clock.now + timedelta(days=91), at=clock.now)


@pytest.mark.spec("keys.md Envelope: the moment of a past rotation gives the key of then")
def test_a_tag_outlives_a_rotation(bootstrapped: Realm, clock: FakeClock) -> None:
    then = clock.now
    kid = api.tagging_kid(realm=bootstrapped, expires_at=then + timedelta(days=30), at=then)
    tag = api.mac(b"m", realm=bootstrapped, kid=kid, now=then)
    clock.advance(timedelta(days=90))
    signer.forget()
    now_kid = api.tagging_kid(realm=bootstrapped, expires_at=clock.now, at=clock.now)
    assert now_kid != kid
    assert api.tagging_kid(realm=bootstrapped, expires_at=then, at=then) == kid
    assert api.check_mac(b"m", tag, realm=bootstrapped, kid=kid, now=clock.now)


@pytest.mark.spec("issue 2: /readyz, a usable signing key in every ring")
def test_readiness_names_what_stands_in_the_way(bootstrapped: Realm, clock: FakeClock, settings: LazySettings) -> None:
    assert [(ring.purpose, ring.ready, ring.detail) for ring in api.readiness(clock.now)] == [
        ("expired_test", True, ""),
        ("mac", True, ""),
        ("sign", True, ""),
    ]
    signer.forget()
    settings.IDP_MASTER_SECRETS = f"t9:{SECRET_B}"
    assert {(ring.ready, ring.detail) for ring in api.readiness(clock.now)} == {(False, "MissingMasterSecret")}


@pytest.mark.spec("RFC 8725 §3")
def test_the_moment_of_verification_is_given(bootstrapped: Realm) -> None:
    with pytest.raises(TokenRefused):
        api.verify_jwt("x", realm=bootstrapped, typ="JWT", now=datetime.now(UTC))

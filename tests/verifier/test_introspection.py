"""Opaque tokens: the provider is asked, and believed for seconds (RFC 7662)."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from signet_verifier import Answer, ConfigurationWrong, FetchFailed, Introspection, InvalidToken, ProviderUnavailable
from signet_verifier.verifier import Verifier
from tests.verifier.issuer import AUDIENCE, ISSUER, JWKS, NOW, Issuer, answer, claims

DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
ENDPOINT = f"{ISSUER}/introspect"
TOKEN = "at_opaque"


class Asked:
    """A provider that introspects: the issuer, and what it says of tokens."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.says: dict[str, Mapping[str, Any]] = {TOKEN: {"active": True, **claims()}}
        self.questions: list[tuple[str, str]] = []
        issuer.answers[DISCOVERY] = answer({"issuer": ISSUER, "jwks_uri": JWKS, "introspection_endpoint": ENDPOINT})

    def __call__(self, address: str, headers: Mapping[str, str], form: bytes | None = None) -> Answer:
        """One answer."""
        if address != ENDPOINT or ENDPOINT in self.issuer.answers:
            self.questions.append((address, ""))
            return self.issuer(address, headers, form)
        assert form is not None
        token = parse_qs(form.decode())["token"][0]
        self.questions.append((token, headers["Authorization"]))
        return Answer(200, json.dumps(self.says.get(token, {"active": False})).encode())

    def verifier(self, **options: Any) -> Verifier:
        """A service's verifier."""
        wanted = Introspection("a pi", "s:ecret", **options)
        time = self.issuer.time
        return Verifier(ISSUER, AUDIENCE, introspection=wanted, fetch=self, clock=time, monotonic=time)


@pytest.fixture
def asked(issuer: Issuer) -> Asked:
    """A provider that introspects."""
    return Asked(issuer)


@pytest.mark.spec("RFC 7662 §2.1, §2.2; RFC 6749 §2.3.1")
def test_an_opaque_token_is_asked_for_and_believed_for_seconds(asked: Asked) -> None:
    verifier = asked.verifier()
    for _ in range(3):
        assert verifier.verify(TOKEN).subject == "person"
    assert asked.questions == [(DISCOVERY, ""), (TOKEN, "Basic YStwaTpzJTNBZWNyZXQ=")]
    asked.says = {}
    asked.issuer.time.passes(5)
    for _ in range(3):
        with pytest.raises(InvalidToken, match="not active"):
            verifier.verify(TOKEN)
    assert len(asked.questions) == 3


@pytest.mark.spec("RFC 7662 §4")
@pytest.mark.parametrize(
    "said",
    [
        {"active": "true"}, {"active": 1}, {"active": None}, {"aud": "other"}, {"iss": "https://other.example"},
        {"exp": NOW - 31}, {"exp": "x"}, {"sub": None}, {"cnf": {"x5t#S256": "x"}}, {"nbf": NOW + 31},
    ],
)  # fmt: skip
def test_an_answer_is_held_against_the_same_rules(asked: Asked, said: dict[str, Any]) -> None:
    asked.says[TOKEN] = {"active": True, **claims(), **said}
    with pytest.raises(InvalidToken):
        asked.verifier().verify(TOKEN)


@pytest.mark.spec("RFC 7662 §4; 5 of 6, verifier: fail closed")
@pytest.mark.parametrize(
    "strange",
    [Answer(401), Answer(500), Answer(302), Answer(200, b"<html>"), Answer(200, b"[]"), FetchFailed("away"),
     Answer(200, b'{"active":false,"active":true}')],
)  # fmt: skip
def test_no_answer_is_no_yes_and_the_next_question_waits(asked: Asked, strange: Answer | FetchFailed) -> None:
    verifier = asked.verifier()
    asked.issuer.answers[ENDPOINT] = strange
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            verifier.verify(TOKEN)
    assert asked.issuer.asked.count(ENDPOINT) == 1
    del asked.issuer.answers[ENDPOINT]
    asked.issuer.time.passes(2)
    assert verifier.verify(TOKEN)


@pytest.mark.spec("RFC 9068 §4")
def test_a_jwt_is_verified_and_never_asked_for(asked: Asked) -> None:
    verifier = asked.verifier()
    assert verifier.verify(asked.issuer.published[0].sign(claims()))
    with pytest.raises(InvalidToken):
        verifier.verify("a.b.c")
    assert [question for question, _ in asked.questions] == [DISCOVERY, JWKS]


@pytest.mark.spec("RFC 6750 §2.1")
@pytest.mark.parametrize("token", ["", " ", "at x", "at&token=y", "é", "\ud800", "=", "at\n", "x" * 20_000])
def test_what_has_not_the_form_of_a_token_is_not_asked_for(asked: Asked, token: str) -> None:
    with pytest.raises(InvalidToken):
        asked.verifier().verify(token)
    assert asked.questions == []


@pytest.mark.spec("5 of 6, verifier")
def test_without_a_client_an_opaque_token_is_refused(issuer: Issuer) -> None:
    with pytest.raises(InvalidToken):
        issuer.verifier().verify(TOKEN)


@pytest.mark.spec("5 of 6, verifier: bounded")
def test_the_oldest_answers_go_first(asked: Asked) -> None:
    verifier = asked.verifier(most=2)
    asked.says = dict.fromkeys(("a", "b", "c"), asked.says[TOKEN])
    for token in ("a", "b", "c", "c", "b", "a"):
        verifier.verify(token)
    assert [question for question, _ in asked.questions] == [DISCOVERY, "a", "b", "c", "a"]


@pytest.mark.spec("5 of 6, verify_many")
@pytest.mark.parametrize("threads", [1, 4])
def test_several_opaque_tokens_and_jwts_keep_their_order(asked: Asked, threads: int) -> None:
    names = [f"at_{number}" for number in range(12)]
    asked.says = {name: {"active": True, **claims(sub=name)} for name in names}
    mixed = [token for name in names for token in (name, asked.issuer.published[0].sign(claims(sub=name)), f"x{name}")]
    found = asked.verifier().verify_many(mixed, threads=threads)
    assert [each if isinstance(each, InvalidToken) else each.subject for each in found[::3]] == names
    assert [each if isinstance(each, InvalidToken) else each.subject for each in found[1::3]] == names
    assert all(isinstance(each, InvalidToken) for each in found[2::3])


@pytest.mark.spec("house.md, logs")
def test_the_secret_is_not_shown(asked: Asked) -> None:
    assert "s:ecret" not in repr(Introspection("api", "s:ecret"))
    for wrong in ({"client_id": ""}, {"client_secret": ""}, {"seconds": 61}, {"seconds": -1}, {"most": 0}):
        options: dict[str, Any] = {"client_id": "api", "client_secret": "x", **wrong}
        with pytest.raises(ConfigurationWrong):
            Introspection(**options)

"""A provider in memory: keys, tokens, and the answers to whoever fetches."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from keys.algorithms import algorithm_named, choose_bits
from keys.jwk import base64url, key_members
from signet_verifier import Answer, FetchFailed, Freshness, Verifier

ISSUER = "https://id.example.org"
AUDIENCE = "https://api.example.org"
JWKS = f"{ISSUER}/keys"
NOW = 1_800_000_000


@dataclass
class Time:
    """Both clocks of a verifier, which stand until they are moved."""

    seconds: float = NOW

    def __call__(self) -> float:
        """Now."""
        return self.seconds

    def passes(self, seconds: float) -> None:
        """Move on."""
        self.seconds += seconds


@dataclass
class Key:
    """A signing key of the provider."""

    kid: str
    algorithm: str
    private: Any

    @property
    def jwk(self) -> dict[str, Any]:
        """As it is published."""
        members = key_members(self.private.public_key(), self.algorithm)
        return {**members, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def sign(self, claims: Mapping[str, object], **header: Any) -> str:
        """A token; a header's member that is None is left out."""
        return compact({"typ": "at+jwt", "alg": self.algorithm, "kid": self.kid, **header}, claims, self.signature)

    def signature(self, message: bytes) -> bytes:
        """Of some bytes, as a JWS holds it."""
        if self.algorithm.startswith("ML-DSA"):
            return bytes(self.private.sign(message))
        name = "EdDSA" if self.algorithm == "Ed25519" else self.algorithm
        return jwt.get_algorithm_by_name(name).sign(message, self.private)


def compact(header: Mapping[str, Any], claims: Mapping[str, object] | bytes, signed: Callable[[bytes], bytes]) -> str:
    """A compact JWS of whatever parts."""
    told = {name: value for name, value in header.items() if value is not None}
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    message = f"{base64url(json.dumps(told).encode())}.{base64url(payload)}"
    return f"{message}.{base64url(signed(message.encode()))}"


def key(kid: str = "one", algorithm: str = "ES256") -> Key:
    """A new key; RSA keys have 2048 bits, so that tests don't wait for them."""
    row = algorithm_named(algorithm)
    return Key(kid, algorithm, row.generate(choose_bits(row, 2048 if row.bits else None)))


def claims(**changed: Any) -> dict[str, Any]:
    """The claims of a good token; one that is None is left out."""
    good = {
        "iss": ISSUER, "sub": "person", "aud": AUDIENCE, "client_id": "notes", "jti": "a-jti",
        "iat": NOW, "exp": NOW + 900, "scope": "notes:read notes:write",
    }  # fmt: skip
    return {name: value for name, value in (good | changed).items() if value is not None}


@dataclass
class Issuer:
    """Answers as a provider does, and counts.

    Attributes:
        published: the keys in the JWKS.
        asked: the addresses that were fetched, in order.
        answers: address → what is answered there instead, or the failure.
        held: a fetch waits until this is set.
    """

    published: list[Key] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    sent: list[Mapping[str, str]] = field(default_factory=list)
    answers: dict[str, Answer | FetchFailed] = field(default_factory=dict)
    held: threading.Event = field(default_factory=threading.Event)
    time: Time = field(default_factory=Time)

    def __post_init__(self) -> None:
        """Nobody waits at first."""
        self.held.set()

    def __call__(self, address: str, headers: Mapping[str, str], form: bytes | None = None) -> Answer:
        """One answer."""
        self.asked.append(address)
        self.sent.append(headers)
        assert self.held.wait(20)
        if (special := self.answers.get(address)) is not None:
            if isinstance(special, FetchFailed):
                raise special
            return special
        if address == f"{ISSUER}/.well-known/openid-configuration":
            return answer({"issuer": ISSUER, "jwks_uri": JWKS})
        assert address == JWKS
        jwks = {"keys": [each.jwk for each in self.published]}
        etag = f'"{hashlib.sha256(json.dumps(jwks).encode()).hexdigest()}"'
        if headers.get("If-None-Match") == etag:
            return Answer(304)
        return answer(jwks, etag=etag)

    @property
    def times_asked_for_keys(self) -> int:
        """How often the JWKS was fetched."""
        return self.asked.count(JWKS)

    def away(self) -> None:
        """From now on nothing answers."""
        for address in (JWKS, f"{ISSUER}/.well-known/openid-configuration"):
            self.answers[address] = FetchFailed("away")

    def back(self) -> None:
        """As before."""
        self.answers.clear()

    def verifier(self, **options: Any) -> Verifier:
        """A service's verifier of this provider, on its clock."""
        options = {"freshness": Freshness(), **options}
        return Verifier(ISSUER, AUDIENCE, fetch=self, clock=self.time, monotonic=self.time, **options)


def answer(members: Mapping[str, Any], **headers: str) -> Answer:
    """An answer of JSON."""
    return Answer(200, json.dumps(members).encode(), headers)


def changed(text: str) -> str:
    """base64url of other bytes than before, of the same length."""
    raw = base64.urlsafe_b64decode(text + "==")
    return base64url(bytes([raw[0] ^ 1]) + raw[1:])


def somebody_elses_key(kid: str = "one") -> Key:
    """A key that the provider never had, under a kid that it has."""
    return Key(kid, "ES256", ec.generate_private_key(ec.SECP256R1()))

"""The verifier beside PyJWT's own client and joserfc, in one run, on one core, over the same tokens and keys.

Each verifies signature, issuer, audience and dates of every token, with the keys in memory after the first. Rates are
tokens for each second of processor time, and so is the first p99: what else the machine does counts little. The
second p99 is by the clock on the wall, and counts how busy the machine is.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from keys.algorithms import algorithm_named
from signet_verifier import Verifier
from tests.verifier.issuer import AUDIENCE, Key, claims

TOKENS, ROUNDS = 1_000, 3
FAST_ENOUGH, SLOW_ENOUGH_MS = 10_000, 5.0
CASES = (
    ("RS256", 2048), ("RS256", 4096), ("PS256", 4096), ("ES256", None), ("ES384", None), ("ES512", None),
    ("Ed25519", None), ("ML-DSA-44", None), ("ML-DSA-65", None), ("ML-DSA-87", None),
)  # fmt: skip
OURS = "signet_verifier"
REQUIRED = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]
Verify = Callable[[str], object]


@dataclass(frozen=True)
class Measured:
    """What came of some tokens.

    Attributes:
        rate: tokens for each second of processor time.
        p99: milliseconds of processor time that all but one in a hundred stayed below.
        wall_p99: and by the clock on the wall.
    """

    rate: float
    p99: float
    wall_p99: float


@contextmanager
def served(answers: dict[str, dict[str, Any]]) -> Iterator[str]:
    """An issuer on loopback whose discovery and keys stand in `answers`, by path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def measured(verify: Verify, tokens: Sequence[str], *, rounds: int = ROUNDS) -> Measured:
    """The best of some rounds, each over all tokens."""
    found = []
    for _ in range(rounds):
        took, waited = [], []
        began = time.process_time()
        for token in tokens:
            wall, processor = time.perf_counter(), time.thread_time()
            verify(token)
            took.append(time.thread_time() - processor)
            waited.append(time.perf_counter() - wall)
        rate = len(tokens) / (time.process_time() - began)
        found.append(Measured(rate, hundredth(took), hundredth(waited)))
    return Measured(
        max(each.rate for each in found), min(each.p99 for each in found), min(each.wall_p99 for each in found)
    )


def hundredth(seconds: list[float]) -> float:
    """The time that all but one in a hundred stayed below, in milliseconds."""
    return sorted(seconds)[int(len(seconds) * 0.99)] * 1_000


def contenders(issuer: str, algorithm: str, jwks: dict[str, Any]) -> dict[str, Verify]:
    """Who verifies, by name; those that don't know an algorithm are left out."""
    plain = Verifier(issuer, AUDIENCE, memories=0)
    remembering = Verifier(issuer, AUDIENCE)
    found: dict[str, Verify] = {OURS: plain.verify, "signet_verifier, remembered": remembering.verify}
    if algorithm.startswith("ML-DSA"):
        return found
    name = "EdDSA" if algorithm == "Ed25519" else algorithm

    def pyjwt(client: jwt.PyJWKClient) -> Verify:
        return lambda token: jwt.decode(
            token,
            client.get_signing_key_from_jwt(token),
            algorithms=[name],
            audience=AUDIENCE,
            issuer=issuer,
            options={"require": REQUIRED},
        )

    found["PyJWT, PyJWKClient"] = pyjwt(jwt.PyJWKClient(f"{issuer}/keys"))
    found["PyJWT, PyJWKClient(cache_keys)"] = pyjwt(jwt.PyJWKClient(f"{issuer}/keys", cache_keys=True))
    keys = KeySet.import_key_set(jwks)  # type: ignore[arg-type]
    registry = JWTClaimsRegistry(
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": AUDIENCE},
        **{each: {"essential": True} for each in REQUIRED[1:] if each != "aud"},  # type: ignore[arg-type]
    )

    def joserfc(token: str) -> None:
        registry.validate(joserfc_jwt.decode(token, keys, algorithms=[algorithm]).claims)

    found["joserfc"] = joserfc
    return found


def report(algorithm: str, bits: int | None) -> list[str]:
    """The lines of one algorithm."""
    name = "EdDSA" if algorithm == "Ed25519" else algorithm  # what all three know
    key = Key("one", algorithm, algorithm_named(algorithm).generate(bits))
    answers: dict[str, dict[str, Any]] = {"/keys": {"keys": [key.jwk | {"alg": name}]}}
    with served(answers) as issuer:
        answers["/.well-known/openid-configuration"] = {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
        now = int(time.time())
        tokens = [
            key.sign(claims(iss=issuer, iat=now, exp=now + 900, jti=str(number)), alg=name) for number in range(TOKENS)
        ]
        lines = [f"\n{algorithm}{f', {bits} bits' if bits else ''}: {TOKENS} different tokens, best of {ROUNDS} rounds"]
        own: Measured | None = None
        for who, verify in contenders(issuer, name, answers["/keys"]).items():
            for token in tokens:  # the keys are fetched, and one verifier remembers the tokens
                verify(token)
            found = measured(verify, tokens)
            own = own or found
            lines.append(
                f"  {who:32}{found.rate:>9,.0f}/s   p99{found.p99:>7.3f} ms,{found.wall_p99:>7.3f} ms on the wall"
                f"   × {own.rate / found.rate:.2f}"
            )
            if who == OURS:
                lines.append(verdict(algorithm, found))
    return lines


def verdict(algorithm: str, own: Measured) -> str:
    """Whether it is what was promised, without the memory."""
    kept = own.p99 < SLOW_ENOUGH_MS and (algorithm != "RS256" or own.rate >= FAST_ENOUGH)
    promise = f"p99 < {SLOW_ENOUGH_MS:.0f} ms" + (f", ≥ {FAST_ENOUGH:,}/s" if algorithm == "RS256" else "")
    return f"    {'kept' if kept else 'NOT KEPT'} without the memory: {promise} of processor time"


def main() -> None:
    """Measure everything, and print it."""
    write = sys.stdout.write
    write(
        "signet_verifier checks everything with each token, the signature among it.\n"
        '"remembered": these tokens were verified before; the signature is not computed again, but the key has to be\n'
        "the same and still published, and issuer, audience and dates are checked with each token.\n"
        "× is how much longer somebody takes than signet_verifier without the memory.\n"
    )
    for algorithm, bits in CASES:
        write("\n".join(report(algorithm, bits)) + "\n")


if __name__ == "__main__":
    main()

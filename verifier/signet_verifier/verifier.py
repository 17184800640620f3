"""Verify access tokens as RFC 9068 §4 and RFC 8725 have it, with keys that look after themselves."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hmac import compare_digest

from signet_verifier.claims import Claims, read_claims
from signet_verifier.compact import MAX_TOKEN_BYTES, Reader
from signet_verifier.errors import ConfigurationWrong, InvalidToken
from signet_verifier.fetching import Fetch, HttpFetch
from signet_verifier.introspection import Introspection, Introspector
from signet_verifier.jwks import ALGORITHMS, VerificationKey
from signet_verifier.key_set import Freshness, KeySet
from signet_verifier.memory import Memory, Verified
from signet_verifier.provider import Provider

MOST_LEEWAY = 300
MEMORIES = 10_000
_DOTS_OF_A_JWS = 2


class Verifier:
    """Verifies the access tokens of one issuer for one service. Make one a process; threads share it.

    Nothing is fetched until the first token comes.

    Arguments:
        issuer: the provider, letter by letter as its discovery has it.
        audience: what the service is called in `aud`; several where it goes by several names.
        algorithms: those that are accepted. Which one a key has says the key, never the token.
        leeway: seconds that the clocks may differ by, 300 at most.
        freshness: how long a copy of the keys is used.
        memories: how many verified tokens are remembered (about 2 KB each); 0 for none.
        introspection: has the provider asked for opaque tokens; without it they are refused.
        fetch: makes the requests to the provider.
        clock, monotonic: seconds since 1970, and seconds that never go back.

    Raises:
        ConfigurationWrong: one of them can't be right.
    """

    def __init__(
        self,
        issuer: str,
        audience: str | Sequence[str],
        *,
        algorithms: Iterable[str] = ALGORITHMS,
        leeway: int = 30,
        freshness: Freshness | None = None,
        memories: int = MEMORIES,
        introspection: Introspection | None = None,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.audience = frozenset([audience] if isinstance(audience, str) else audience)
        accepted = frozenset(algorithms)
        if not self.audience or not all(self.audience):
            raise ConfigurationWrong("A service has an audience.")
        if not accepted or accepted - set(ALGORITHMS):
            raise ConfigurationWrong(f"The algorithms are some of {', '.join(ALGORITHMS)}.")
        if not 0 <= leeway <= MOST_LEEWAY or memories < 0:
            raise ConfigurationWrong(f"The leeway is 0 to {MOST_LEEWAY} seconds, and memories are 0 or more.")
        self.issuer, self.leeway, self.clock = issuer, leeway, clock
        provider = Provider(issuer, fetch=fetch or HttpFetch(), monotonic=monotonic)
        self._keys = KeySet(provider, algorithms=accepted, freshness=freshness or Freshness(), monotonic=monotonic)
        self._introspector = introspection and Introspector(provider, introspection, monotonic=monotonic)
        self._reader, self._memory = Reader(), Memory(memories)

    def verify(self, token: str, *, key_thumbprint: str = "", allow_bound: bool = False) -> Claims:
        """The claims of a token that is good now.

        Arguments:
            token: as it came.
            key_thumbprint: the JWK thumbprint of the key whose DPoP proof came with the token and was checked
                (RFC 9449 §4.3); "" for none.
            allow_bound: takes a bound token without a proof. The danger: then a thief of the token needs no key.

        Raises:
            InvalidToken: it is not good; or bound to a key, and no proof of that key came (RFC 9449 §7.2).
            ProviderUnavailable: there are no keys to verify it with, or no answer to a question for it.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise InvalidToken(f"The token is longer than {MAX_TOKEN_BYTES} bytes.")
        if self._introspector and _is_opaque(token):
            claims = self._introspector.claims(token)
            self._check_now(claims)
        else:
            claims = self._remembered(token) or self._verified(token)
        _check_binding(claims, key_thumbprint, allow_bound=allow_bound)
        return claims

    def verify_many(self, tokens: Sequence[str], *, threads: int = 8) -> list[Claims | InvalidToken]:
        """What each of several tokens is worth, in their order: its claims, or why it is refused.

        Arguments:
            tokens: as they came; bound ones are refused.
            threads: how many ask the provider at once for opaque tokens. Signatures are verified by the calling
                thread alone: they hold the interpreter's lock, so that more threads only get in each other's way.

        Raises:
            ProviderUnavailable: there are no keys to verify one with, or no answer to a question for one.
        """
        opaque = {token for token in tokens if _is_opaque(token)} if self._introspector else set()
        outcomes: dict[str, Claims | InvalidToken] = {}
        if len(opaque) > 1 and threads > 1:
            with ThreadPoolExecutor(min(threads, len(opaque)), thread_name_prefix="signet-verifier") as pool:
                outcomes = dict(zip(opaque, pool.map(self._outcome, opaque), strict=True))
        return [outcomes[token] if token in outcomes else self._outcome(token) for token in tokens]

    def _outcome(self, token: str) -> Claims | InvalidToken:
        try:
            return self.verify(token)
        except InvalidToken as refusal:
            return refusal

    def _remembered(self, token: str) -> Claims | None:
        """A token that was verified before: all is checked again but the signature, under the same key."""
        known = self._memory.recall(token)
        if known is None:
            return None
        self._check_now(known.claims)
        return known.claims if self._keys.key(known.kid).fingerprint == known.fingerprint else None

    def _verified(self, token: str) -> Claims:
        compact = self._reader.parse(token)
        claims = read_claims(compact.claims)
        self._check_now(claims)  # before a key is looked for: what is refused anyway makes nobody fetch
        key = self._keys.key(compact.header.kid)
        _check_algorithm(key, compact.header.algorithm)
        if not key.has_signed(compact.signing_input, compact.signature):
            raise InvalidToken("The token's signature is not that of its key.")
        self._memory.remember(token, Verified(key.kid, key.fingerprint, claims))
        return claims

    def _check_now(self, claims: Claims) -> None:
        """Whose, for whom and when (RFC 9068 §4)."""
        if claims.issuer != self.issuer:
            raise InvalidToken("The token is another issuer's.")
        if self.audience.isdisjoint(claims.audience):
            raise InvalidToken("The token is not meant for this service.")
        now = self.clock()
        if now >= claims.expires_at + self.leeway:
            raise InvalidToken("The token has expired.")
        if now < max(claims.not_before, claims.issued_at) - self.leeway:
            raise InvalidToken("The token is not valid yet.")


def _is_opaque(token: str) -> bool:
    return token.count(".") != _DOTS_OF_A_JWS


def _check_algorithm(key: VerificationKey, said: str) -> None:
    if said not in key.names:
        raise InvalidToken("The token names another algorithm than its key is for.")


def _check_binding(claims: Claims, proved: str, *, allow_bound: bool) -> None:
    """A bound token with its proof, an unbound one without (RFC 9449 §7.1, §7.2)."""
    if proved and not compare_digest(claims.key_thumbprint.encode(), proved.encode()):
        raise InvalidToken("The token is not bound to the key that was proved.")
    if claims.is_bound and not proved and not allow_bound:
        raise InvalidToken("The token is bound to a key, and no proof of it came.")

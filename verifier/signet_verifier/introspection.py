"""Opaque tokens: what the provider says of them, remembered for seconds (RFC 7662)."""

import base64
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote_plus, urlencode

from signet_verifier.claims import Claims, read_claims
from signet_verifier.errors import ConfigurationWrong, InvalidToken, ProviderUnavailable
from signet_verifier.fetching import FetchFailed
from signet_verifier.provider import Provider
from signet_verifier.strict_json import NotStrict, plain_object

MOST_SECONDS = 60
SECONDS_OF_REST = 2.0
_FORM = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Introspection:
    """The client that a service is where it asks for tokens (`create_client --introspects AUDIENCE`).

    Attributes:
        client_id, client_secret: authenticate it, by `client_secret_basic`.
        seconds: for how long an answer is believed, 0 to 60. The danger: for so long a token outlives its end.
        most: how many answers are kept.
    """

    client_id: str
    client_secret: str = field(repr=False)
    seconds: float = 5.0
    most: int = 1_000

    def __post_init__(self) -> None:
        """Hold the attributes against what can be right."""
        if not (self.client_id and self.client_secret and 0 <= self.seconds <= MOST_SECONDS and self.most > 0):
            raise ConfigurationWrong(f"Introspection needs a client with a secret, 0 to {MOST_SECONDS} s, most > 0.")

    def authorization(self) -> str:
        """The value of the header (RFC 6749 §2.3.1)."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
        return f"Basic {base64.b64encode(pair.encode('ascii')).decode('ascii')}"


class Introspector:
    """Asks the provider for tokens that nobody else can read.

    Arguments:
        provider: whose tokens they are.
        introspection: who asks, and how long an answer is believed.
        monotonic: a clock in seconds that never goes back.
    """

    def __init__(self, provider: Provider, introspection: Introspection, *, monotonic: Callable[[], float]) -> None:
        self._provider, self._introspection, self._monotonic = provider, introspection, monotonic
        self._answers: dict[bytes, tuple[float, Claims | None]] = {}
        self._rests_until = float("-inf")
        self._lock = threading.Lock()

    def claims(self, token: str) -> Claims:
        """What the provider says of a token. Issuer, audience and dates are for the caller to check.

        Raises:
            InvalidToken: it isn't active, or its claims have not their form.
            ProviderUnavailable: there is no answer.
        """
        if not _FORM.fullmatch(token):
            raise InvalidToken("The token has not the form of one.")
        digest = sha256(token.encode("ascii")).digest()
        known = self._answers.get(digest)
        now = self._monotonic()
        if known is not None and now - known[0] < self._introspection.seconds:
            claims = known[1]
        else:
            claims = self._asked(token)
            self._keep(digest, now, claims)
        if claims is None:
            raise InvalidToken("The token is not active.")
        return claims

    def _asked(self, token: str) -> Claims | None:
        if self._monotonic() < self._rests_until:
            raise ProviderUnavailable("The provider didn't answer a moment ago.")
        form = urlencode({"token": token, "token_type_hint": "access_token"}).encode("ascii")
        try:
            members = plain_object(self._provider.introspect(form, self._introspection.authorization()).body)
        except (FetchFailed, NotStrict) as error:
            self._rests_until = self._monotonic() + SECONDS_OF_REST
            raise ProviderUnavailable(f"The provider can't be asked for a token: {error}") from None
        return read_claims(members) if members.get("active") is True else None

    def _keep(self, digest: bytes, now: float, claims: Claims | None) -> None:
        with self._lock:
            self._answers.pop(digest, None)
            self._answers[digest] = (now, claims)
            while len(self._answers) > self._introspection.most:
                del self._answers[next(iter(self._answers))]

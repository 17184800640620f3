"""From a request's credentials to claims or a refusal; what every skin wears (RFC 6750 §2.1, §3)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from signet_verifier.claims import Claims
from signet_verifier.errors import InvalidRequest, NoCredentials, ProviderUnavailable, Refused
from signet_verifier.requirement import Requirement
from signet_verifier.verifier import Verifier

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
_SCHEME = "bearer"
_PARAMETER = "access_token"
_MOST_PARAMETERS = 1_000


@dataclass(frozen=True, slots=True)
class Reply:
    """The HTTP answer of a refusal: no body, nothing to be stored."""

    status: int
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets requests in that bring a good token with what is required.

    Attributes:
        verifier: of the service.
        requirement: for every request.
        realm: stands in challenges; left out where it is empty.
    """

    verifier: Verifier
    requirement: Requirement = field(default_factory=Requirement)
    realm: str = ""

    def admit(self, authorization: Sequence[str], query: str = "") -> Claims:
        """The claims of a request that may go on.

        Arguments:
            authorization: every value of the header `Authorization`.
            query: of the address; a token there is never taken, and refused beside one in the header.

        Raises:
            Refused: with its answer.
            ProviderUnavailable: nobody can say now.
        """
        claims = self.verifier.verify(token_in(authorization, query))
        self.check(claims)
        return claims

    def check(self, claims: Claims, requirement: Requirement | None = None) -> None:
        """Hold claims against a requirement, the guard's own if none is named.

        Raises:
            Refused: they are not enough.
        """
        wanted = self.requirement if requirement is None else requirement
        wanted.check(claims, now=self.verifier.clock(), leeway=self.verifier.leeway)

    def reply(self, refusal: Refused | ProviderUnavailable) -> Reply:
        """What the client is answered."""
        if isinstance(refusal, ProviderUnavailable):
            return Reply(refusal.status, (("Retry-After", str(refusal.retry_after)), *_NEVER_STORED))
        return Reply(refusal.status, (("WWW-Authenticate", refusal.challenge(self.realm)), *_NEVER_STORED))


_NEVER_STORED = (("Cache-Control", "no-store"), ("Content-Type", "text/plain"), ("Content-Length", "0"))


def token_in(authorization: Sequence[str], query: str = "") -> str:
    """The one access token of a request, from its header alone.

    Raises:
        NoCredentials: none came, or by another scheme or way.
        InvalidRequest: several came, or one without the form of a token.
    """
    if len(authorization) > 1:
        raise InvalidRequest("There are several Authorization headers.")
    scheme, _, token = (authorization[0] if authorization else "").strip(" ").partition(" ")
    if scheme.lower() != _SCHEME:
        raise NoCredentials("An access token is needed.")
    token = token.strip(" ")
    if not _TOKEN.fullmatch(token):
        raise InvalidRequest("What came in Authorization is not the form of one access token.")
    if query and _names_a_token(query):
        raise InvalidRequest("A token came by two ways.")
    return token


def _names_a_token(query: str) -> bool:
    try:
        return any(
            name == _PARAMETER for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
        )
    except ValueError:
        return True

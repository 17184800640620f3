"""A compact JWS taken apart strictly, before any key is looked for (RFC 7515 §7.1, RFC 8725 §3, RFC 9068 §4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signet_verifier.errors import InvalidToken
from signet_verifier.strict_json import NotStrict, from_base64url, plain_object

MAX_TOKEN_BYTES = 16_384  # an ML-DSA-87 signature alone takes 6,170 characters
MAX_HEADER_CHARACTERS = 2_048
MAX_KID_CHARACTERS = 256
_SEGMENTS = 3
_TYPES = frozenset({"at+jwt", "application/at+jwt"})
# Extensions that nobody here understands, and keys that a token brings along or says where to fetch.
_NEVER = ("crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c")
_MOST_HEADERS = 256


@dataclass(frozen=True, slots=True)
class Header:
    """What a token's header says: which key, and which algorithm it claims."""

    kid: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class CompactToken:
    """The parts of a token that nobody has verified yet."""

    header: Header
    claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes


class Reader:
    """Takes tokens apart. Tokens of one key share a header, so headers that were read are kept, a few of them."""

    def __init__(self) -> None:
        self._headers: dict[str, Header] = {}

    def parse(self, token: str) -> CompactToken:
        """Take an access token apart; everything unusual is refused.

        Raises:
            InvalidToken: it is over the size limit, not of three canonical base64url parts, header or payload
                is no plain JSON object, a member stands twice, `typ` is not an access token's, `alg` or `kid`
                is missing, an extension is critical, or the token brings a key along.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise InvalidToken(f"The token is longer than {MAX_TOKEN_BYTES} bytes.")
        parts = token.split(".", _SEGMENTS)
        if len(parts) != _SEGMENTS or not token.isascii():
            raise InvalidToken("The token is not a compact JWS of three parts.")
        header = self._headers.get(parts[0]) or self._header(parts[0])
        try:
            claims = plain_object(from_base64url(parts[1]))
        except NotStrict as error:
            raise InvalidToken(f"The token's payload {error}.") from None
        try:
            signature = from_base64url(parts[2])
        except NotStrict as error:
            raise InvalidToken(f"The token's signature {error}.") from None
        return CompactToken(header, claims, token[: token.rindex(".")].encode("ascii"), signature)

    def _header(self, part: str) -> Header:
        if len(part) > MAX_HEADER_CHARACTERS:
            raise InvalidToken("The token's header is too long.")
        try:
            members = plain_object(from_base64url(part))
        except NotStrict as error:
            raise InvalidToken(f"The token's header {error}.") from None
        header = _checked(members)
        if len(self._headers) >= _MOST_HEADERS:
            self._headers.clear()
        self._headers[part] = header
        return header


def _checked(members: Mapping[str, Any]) -> Header:
    for name in _NEVER:
        if name in members:
            raise InvalidToken(f"The token's header has {name}, which is not taken here.")
    kid, algorithm, typ = members.get("kid"), members.get("alg"), members.get("typ")
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        raise InvalidToken("The token's typ is not that of an access token.")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_CHARACTERS:
        raise InvalidToken("The token's header has no proper kid.")
    if not isinstance(algorithm, str) or not algorithm:
        raise InvalidToken("The token's header has no alg.")
    return Header(kid, algorithm)

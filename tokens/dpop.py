"""DPoP: what the claims of a proof of possession have to say of the request that it comes with (RFC 9449 §4.3)."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from tokens.errors import InvalidDpopProof

TYP = "dpop+jwt"
SCHEME = "DPoP"  # of the Authorization header (§7.1), and the type of a token that is bound (§5)
WINDOW = timedelta(seconds=60)  # by which the clocks of client and server may differ, either way; no nonce is used
MAX_PROOF = 4_096  # characters; a proof with an RSA key of 8192 bits fits
THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_MAX_JTI = 256
_MAX_URI = 2_048
_URI = re.compile(r"[!-~]+")  # the library would strip spaces and line ends
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof whose signature and claims are right; whether it was seen before is still to be asked.

    Attributes:
        thumbprint: of the key (RFC 7638).
        jti: its id, one of the key's.
        expires_at: aware; from then on it would be refused anyway.
    """

    thumbprint: str
    jti: str
    expires_at: datetime


def check(
    claims: Mapping[str, Any], thumbprint: str, *, method: str, uri: str, now: datetime, access_token: str = ""
) -> Proof:
    """Hold the claims of a proof against its request.

    Arguments:
        claims: of a proof whose signature is right; dates in them are whole numbers.
        thumbprint: of its key.
        method: of the request, upper case.
        uri: the endpoint's, from the issuer's row and never from the request.
        now: aware time of the request.
        access_token: the one that it is shown with; "" where there is none (§4.3, check 12).

    Raises:
        InvalidDpopProof: a claim is missing, or says otherwise.
    """
    jti, made_at = claims.get("jti"), claims.get("iat")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
        raise InvalidDpopProof("The DPoP proof has no jti of up to 256 characters.", detail="jti")
    if claims.get("htm") != method:
        raise InvalidDpopProof("The htm of the DPoP proof is another method than the request's.", detail="htm")
    if not _is_same(claims.get("htu"), uri):
        raise InvalidDpopProof("The htu of the DPoP proof is not the address of this endpoint.", detail="htu")
    if not isinstance(made_at, int) or abs(now.timestamp() - made_at) > WINDOW.total_seconds():
        raise InvalidDpopProof("The iat of the DPoP proof is not of this minute.", detail="iat")
    if access_token and claims.get("ath") != hash_of(access_token):
        raise InvalidDpopProof("The ath of the DPoP proof is not the hash of the access token.", detail="ath")
    return Proof(thumbprint, jti, datetime.fromtimestamp(made_at, now.tzinfo) + WINDOW)


def hash_of(access_token: str) -> str:
    """The `ath` of an access token (§4.2): its SHA-256, base64url."""
    digest = hashlib.sha256(access_token.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def challenge(algorithms: tuple[str, ...], error: str = "") -> str:
    """What WWW-Authenticate says of the scheme (§7.1).

    Arguments:
        algorithms: that a proof may be signed with.
        error: the code; "" for none.
    """
    told = f'error="{error}", ' if error else ""
    return f'{SCHEME} {told}algs="{" ".join(algorithms)}"'


def _is_same(htu: object, uri: str) -> bool:
    """Whether an `htu` is an endpoint's address, once query and fragment are left out (§4.3, check 9)."""
    if not isinstance(htu, str) or len(htu) > _MAX_URI or not _URI.fullmatch(htu):
        return False
    try:
        return _normal(htu) == _normal(uri)
    except ValueError:
        return False


def _normal(uri: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and path, in one spelling (RFC 3986 §6.2.2.1, §6.2.3).

    Raises:
        ValueError: it is no such address.
    """
    parts = urlsplit(uri)
    if "@" in parts.netloc or not parts.hostname:
        raise ValueError("An address with a user name, or without a host.")
    port = _DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port
    return parts.scheme, parts.hostname, port, parts.path

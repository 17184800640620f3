"""A request and a response without a web framework, so that one flow can wear several skins."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 §5.1


@dataclass(frozen=True, slots=True)
class ProtocolRequest:
    """What came in.

    Attributes:
        method: upper case.
        path: as asked for, without the query.
        query: the raw query string, without the question mark.
        headers: by lower-case name.
        body: the raw body; at most one byte more than `parameters` would read.
        peer: the client's address.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    peer: str


@dataclass(frozen=True, slots=True)
class ProtocolResponse:
    """What goes out."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def json_response(
    members: Mapping[str, object], *, status: int = 200, headers: Mapping[str, str] = NO_STORE
) -> ProtocolResponse:
    """A JSON answer; kept out of every cache unless the caller says otherwise (RFC 6749 §5.1).

    Arguments:
        members: the object's members.
        headers: beside `Content-Type`.
    """
    body = json.dumps(members, separators=(",", ":"), allow_nan=False).encode("ascii")
    return ProtocolResponse(status, body, {"Content-Type": "application/json", **headers})


def jwt_response(token: str) -> ProtocolResponse:
    """A token as the whole answer, kept out of every cache (RFC 7519 §10.3.1)."""
    return ProtocolResponse(200, token.encode("ascii"), {"Content-Type": "application/jwt", **NO_STORE})

"""Reading requests of `/auth` and what is below it: JSON, form or HTTP Basic, each strictly."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tokens.direct_errors import InvalidExpired
from tokens.errors import InvalidRequest
from tokens.parameters import MAX_TOKEN
from tokens.protocol import ProtocolRequest
from tokens.reading import basic_of, body_of, checked, query_of, required

MAX_CODE = 64  # bytes of a code that a person types


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """`POST /auth`."""

    username: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SecondFactorRequest:
    """`POST /auth/mfa`."""

    challenge: str = field(repr=False)
    code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RefreshTokenRequest:
    """`POST /auth/refresh` and `POST /auth/logout`."""

    refresh_token: str = field(repr=False)


def wants_expired(request: ProtocolRequest) -> bool:
    """Whether the query asks for an expired token.

    Raises:
        InvalidExpired: `expired` is there more than once, or is neither true nor false.
        InvalidRequest: the query is malformed or carries credentials.
    """
    values = [value for name, value in query_of(request) if name == "expired"]
    if values in ([], ["false"]):
        return False
    if values == ["true"]:
        return True
    raise InvalidExpired


def parse_sign_in(request: ProtocolRequest) -> SignInRequest:
    """A name and a password, from the body or from HTTP Basic, never from both.

    Raises:
        InvalidRequest, BodyTooLarge, UnsupportedMediaType: the request isn't exactly that.
    """
    query_of(request)
    fields, basic = body_of(request), basic_of(request)
    if basic is not None:
        if "username" in fields or "password" in fields:
            raise InvalidRequest("Send the credentials once: in the body or in the Authorization header.")
        username, password = basic
    else:
        username, password = (required(fields, name) for name in ("username", "password"))
    return SignInRequest(username, password)


def parse_second_factor(request: ProtocolRequest) -> SecondFactorRequest:
    """A challenge and the code that completes it, from the body.

    Raises:
        InvalidRequest, BodyTooLarge, UnsupportedMediaType: the request isn't exactly that.
    """
    fields = _body_alone(request)
    challenge, code = required(fields, "challenge"), required(fields, "code")
    return SecondFactorRequest(checked(challenge, MAX_TOKEN), checked(code, MAX_CODE))


def parse_refresh_token(request: ProtocolRequest) -> RefreshTokenRequest:
    """A refresh token from the body.

    Raises:
        InvalidRequest, BodyTooLarge, UnsupportedMediaType: the request isn't exactly that.
    """
    return RefreshTokenRequest(checked(required(_body_alone(request), "refresh_token"), MAX_TOKEN))


def _body_alone(request: ProtocolRequest) -> Mapping[str, str]:
    query_of(request)
    fields = body_of(request)
    if "authorization" in request.headers:
        raise InvalidRequest("Send what is asked for in the body, and no Authorization header beside it.")
    return fields

"""Every way in which a request is refused (RFC 6749 §5.2, RFC 6750 §3, RFC 9110 §15).

Each error is a value with a code, a status and a public sentence. `detail` is for the log alone.
"""

from collections.abc import Mapping
from typing import ClassVar

from tokens.protocol import NO_STORE, ProtocolResponse, json_response

BASIC_CHALLENGE = 'Basic realm="Signet", charset="UTF-8"'  # RFC 7617 §2.1
BEARER_CHALLENGE = 'Bearer realm="Signet"'  # RFC 6750 §3


class OAuthError(Exception):
    """Base of all refusals.

    Arguments:
        description: the public sentence; the class's own where it is left out. Never holds input.
        detail: for the log: a word that says which rule refused; never a secret, a name or a token.
        retry_after: how long to wait, in seconds; None for nothing said.
        members: what else the answer tells, beside the error.
        challenge: the WWW-Authenticate header, in the place of the class's own; "" leaves that.
    """

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 400
    description: ClassVar[str] = "The request is malformed."
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        description: str = "",
        *,
        detail: str = "",
        retry_after: int | None = None,
        members: Mapping[str, object] | None = None,
        challenge: str = "",
    ) -> None:
        super().__init__(description or self.description)
        self.public = description or self.description
        self.detail = detail
        self.retry_after = retry_after
        self.members = members or {}
        self.challenge = challenge


class InvalidRequest(OAuthError):
    """A parameter is missing, repeated, malformed or in the wrong place."""


class BodyTooLarge(OAuthError):
    """The body is longer than any request of this endpoint (RFC 9110 §15.5.14)."""

    status = 413
    description = "The body is too long."


class LengthRequired(OAuthError):
    """The body comes in chunks, which WSGI hands over without an end (RFC 9110 §15.5.12)."""

    status = 411
    description = "Send the body with a Content-Length, not in chunks."


class UnsupportedMediaType(OAuthError):
    """The body is neither a form nor JSON (RFC 9110 §15.5.16)."""

    status = 415
    description = "Send application/x-www-form-urlencoded or application/json, in UTF-8."


class MethodNotAllowed(OAuthError):
    """The endpoint has no such method (RFC 9110 §15.5.6)."""

    status = 405
    description = "This method is not allowed here; the Allow header lists those that are."


class InvalidClient(OAuthError):
    """The client is unknown, disabled, or didn't prove who it is; which of them is not told (RFC 6749 §5.2)."""

    code = "invalid_client"
    status = 401
    description = "The client could not be authenticated."
    headers = {"WWW-Authenticate": BASIC_CHALLENGE}


class AuthorizationRefused(OAuthError):
    """An authorization request is refused in a way that its client may learn (RFC 6749 §4.1.2.1).

    Arguments:
        word: one of the registered ones.
        description: the public sentence.
        detail: for the log.
    """

    def __init__(self, word: str = "invalid_request", description: str = "", *, detail: str = "") -> None:
        super().__init__(description, detail=detail)
        self.word = word


class PageError(OAuthError):
    """An authorization request whose client or redirect URI is in doubt: the person learns it, and nobody else.

    Its wording is stable, for those who set up clients.
    """


class UnauthorizedClient(OAuthError):
    """The client may not use this grant type, or not this endpoint."""

    code = "unauthorized_client"
    description = "This client may not do that."


class UnsupportedGrantType(OAuthError):
    """There is no such grant type here."""

    code = "unsupported_grant_type"
    description = "There is no such grant type here; discovery lists those that there are."


class InvalidScope(OAuthError):
    """The scope is malformed, or beyond what the client may have."""

    code = "invalid_scope"
    description = "The scope goes beyond what this client may have."


class InvalidTarget(OAuthError):
    """The resource is malformed, or not one of the client's (RFC 8707 §2)."""

    code = "invalid_target"
    description = "The resource is unknown, or not one that this client may ask for."


class InvalidGrant(OAuthError):
    """A code, a device code or a refresh token is not honoured; why is nobody's business but the log's.

    At `/revoke`: the token is another client's (RFC 7009 §2.1).
    """

    code = "invalid_grant"
    description = "The code or the refresh token is invalid, expired, revoked or was issued to another client."


class InvalidDpopProof(OAuthError):
    """A proof of possession is missing where one is needed, malformed, stale, for another request, or was seen before.

    What was to be spent is not (RFC 9449 §5).
    """

    code = "invalid_dpop_proof"
    description = "The DPoP proof is not one for this request."


class DpopProofRefused(InvalidDpopProof):
    """The same where an access token is shown (RFC 9449 §7.1)."""

    status = 401


class AuthorizationPending(OAuthError):
    """The person has not decided yet; the device asks again after the interval (RFC 8628 §3.5)."""

    code = "authorization_pending"
    description = "The person has not decided yet. Ask again after the interval."


class SlowDown(OAuthError):
    """The device asks too often; its interval is 5 seconds longer from now on (RFC 8628 §3.5)."""

    code = "slow_down"
    description = "The person has not decided yet. Ask 5 seconds less often from now on."


class AccessDenied(OAuthError):
    """The person did not allow what a device asked for (RFC 8628 §3.5)."""

    code = "access_denied"
    description = "The person did not allow it."


class ExpiredToken(OAuthError):
    """A device code was not used in time (RFC 8628 §3.5)."""

    code = "expired_token"
    description = "The device code has expired. Ask for another one."


class UserCodeRefused(OAuthError):
    """A user code is wrong, expired or used: the person learns that much, and not which (RFC 8628 §5.1)."""

    description = "This code is wrong, or it has expired or was used already."


class ProofDemanded(OAuthError):
    """A device's person has proved less than its client or realm demands: their page leads to where they do.

    Arguments:
        set_up: they have no second factor yet, and set one up first.
    """

    code = "unmet_authentication_requirements"
    description = "The person has to prove a second factor."

    def __init__(self, *, detail: str = "second_factor", set_up: bool = False) -> None:
        super().__init__(detail=detail)
        self.set_up = set_up


class MissingToken(OAuthError):
    """There is no access token at all: the answer is the challenge, and no error (RFC 6750 §3.1)."""

    code = ""
    status = 401
    headers = {"WWW-Authenticate": BEARER_CHALLENGE}


class InvalidBearerRequest(InvalidRequest):
    """An access token is there twice, in the wrong place or malformed (RFC 6750 §3.1)."""

    headers = {"WWW-Authenticate": f'{BEARER_CHALLENGE}, error="invalid_request"'}


class InvalidToken(OAuthError):
    """An access token is expired, revoked, malformed or not meant for this (RFC 6750 §3.1)."""

    code = "invalid_token"
    status = 401
    description = "The access token is expired, revoked or not meant for this."
    headers = {"WWW-Authenticate": f'{BEARER_CHALLENGE}, error="invalid_token"'}


class InsufficientScope(OAuthError):
    """An access token is good, but not for this (RFC 6750 §3.1)."""

    code = "insufficient_scope"
    status = 403
    description = "The access token lacks the scope openid."
    headers = {"WWW-Authenticate": f'{BEARER_CHALLENGE}, error="insufficient_scope", scope="openid"'}


class TooManyRequests(OAuthError):
    """A limit on attempts is reached (RFC 6585 §4)."""

    code = "too_many_attempts"
    status = 429
    description = "There were too many attempts. Wait for as many seconds as Retry-After says."


class TemporarilyUnavailable(OAuthError):
    """The database or a signing key is away; nothing is wrong with the request (RFC 9110 §15.6.4)."""

    code = "temporarily_unavailable"
    status = 503
    description = "The server can't do this now. Try again."


class NotFound(OAuthError):
    """There is no such realm, or it is disabled."""

    code = "not_found"
    status = 404
    description = "There is no such realm here."


class PlainError(OAuthError):
    """An error whose sentence is its code, as the first clients of `/auth` know it: no description beside it."""


def error_response(error: OAuthError) -> ProtocolResponse:
    """The JSON form of a refusal (RFC 6749 §5.2); one without a code says nothing but its status and headers."""
    members: dict[str, object] = {"error": error.code} if error.code else {}
    if error.code and not isinstance(error, PlainError):
        members["error_description"] = error.public
    members |= error.members
    headers = {**NO_STORE, **error.headers}
    if error.challenge:
        headers["WWW-Authenticate"] = error.challenge
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return json_response(members, status=error.status, headers=headers)

"""Form, JSON or HTTP Basic → frozen request objects (RFC 6749 §3.2); `tokens.reading` reads them strictly."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tokens import scopes
from tokens.dpop import SCHEME
from tokens.errors import (
    InvalidBearerRequest,
    InvalidClient,
    InvalidRequest,
    MissingToken,
    UnsupportedGrantType,
)
from tokens.protocol import ProtocolRequest
from tokens.reading import basic_of, checked, form_decoded, form_of, query_of, required
from tokens.vocabulary import AuthMethod, GrantType

MAX_TOKEN = 512
MAX_ACCESS_TOKEN = 12_288
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523 §2.2


@dataclass(frozen=True, slots=True)
class PresentedClient:
    """How a client says who it is, and what it shows for it; nothing of it is checked yet.

    Attributes:
        method: the one method that it used.
        client_id: who it says it is; "" where the assertion alone says it.
        proof: the secret or the assertion; "" for the method none.
    """

    method: AuthMethod
    client_id: str
    proof: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientCredentialsRequest:
    """`grant_type=client_credentials` (RFC 6749 §4.4.2) with `resource` (RFC 8707 §2)."""

    scopes: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """`grant_type=authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.5)."""

    code: str = field(repr=False)
    redirect_uri: str
    code_verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RefreshGrantRequest:
    """`grant_type=refresh_token` (RFC 6749 §6); the scopes may be fewer than the grant's."""

    refresh_token: str = field(repr=False)
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviceCodeRequest:
    """`grant_type=urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 §3.4)."""

    device_code: str = field(repr=False)


GrantRequest = ClientCredentialsRequest | CodeRequest | RefreshGrantRequest | DeviceCodeRequest


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """`POST /token`, with `resource` (RFC 8707 §2.2)."""

    client: PresentedClient
    grant_type: GrantType
    grant: GrantRequest
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviceAuthorizationRequest:
    """`POST /device_authorization` (RFC 8628 §3.1) with `resource` (RFC 8707 §2)."""

    client: PresentedClient
    scopes: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """`POST /introspect` and `POST /revoke`; the hint is not needed here, since a token's form tells its kind."""

    client: PresentedClient
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShownToken:
    """An access token, and whether it comes with a proof of the key that it is bound to (RFC 9449 §7.1)."""

    token: str = field(repr=False)
    by_proof: bool


def parse_token_request(request: ProtocolRequest) -> TokenRequest:
    """A token request from a form (RFC 6749 §4.4.2, §5.2).

    Raises:
        InvalidClient: it says not who asks, or shows a proof of a kind that there isn't.
        UnsupportedGrantType: there is no such grant type here.
        InvalidScope: the scope is malformed.
        InvalidRequest, BodyTooLarge, UnsupportedMediaType: the request isn't exactly that.
    """
    fields, resources = form_of(request)
    client = _presented_client(request, fields)
    try:
        grant_type = GrantType(required(fields, "grant_type"))
    except ValueError as error:
        raise UnsupportedGrantType from error
    return TokenRequest(client, grant_type, _grant_request(grant_type, fields, resources), resources)


def _grant_request(grant_type: GrantType, fields: Mapping[str, str], resources: tuple[str, ...]) -> GrantRequest:
    asked = scopes.parse(fields.get("scope", ""))
    if grant_type is GrantType.AUTHORIZATION_CODE:
        return CodeRequest(
            checked(required(fields, "code"), MAX_TOKEN),
            required(fields, "redirect_uri"),
            fields.get("code_verifier", ""),
        )
    if grant_type is GrantType.REFRESH_TOKEN:
        return RefreshGrantRequest(checked(required(fields, "refresh_token"), MAX_TOKEN), asked)
    if grant_type is GrantType.DEVICE_CODE:
        return DeviceCodeRequest(checked(required(fields, "device_code"), MAX_TOKEN))
    return ClientCredentialsRequest(asked, resources)


def parse_device_authorization(request: ProtocolRequest) -> DeviceAuthorizationRequest:
    """What a device asks for, from a form (RFC 8628 §3.1).

    Raises:
        InvalidClient: it says not who asks, or shows a proof of a kind that there isn't.
        InvalidScope: the scope is malformed.
        InvalidRequest, BodyTooLarge, UnsupportedMediaType: the request isn't exactly that.
    """
    fields, resources = form_of(request)
    client = _presented_client(request, fields)
    return DeviceAuthorizationRequest(client, scopes.parse(fields.get("scope", "")), resources)


def parse_presented_token(request: ProtocolRequest) -> PresentedToken:
    """A token that a client asks about or revokes (RFC 7662 §2.1, RFC 7009 §2.1).

    Raises:
        InvalidClient: it says not who asks, or shows a proof of a kind that there isn't.
        InvalidRequest, BodyTooLarge, UnsupportedMediaType: the request isn't exactly that.
    """
    fields, _resources = form_of(request)
    return PresentedToken(_presented_client(request, fields), required(fields, "token"))


def parse_shown_token(request: ProtocolRequest) -> ShownToken:
    """An access token from the Authorization header or from a posted form, never from both (RFC 6750 §2).

    Raises:
        MissingToken: there is none; credentials of another scheme are none either.
        InvalidBearerRequest: it is there twice, in the address, or malformed.
        BodyTooLarge, UnsupportedMediaType: what was posted is no form.
    """
    try:
        query_of(request)
        form = form_of(request)[0] if request.method == "POST" and request.body else {}
        return _shown_token(request.headers.get("authorization", ""), form.get("access_token", ""))
    except InvalidRequest as error:
        raise InvalidBearerRequest(error.public, detail=error.detail) from error


def _shown_token(header: str, posted: str) -> ShownToken:
    scheme, _space, token = header.strip().partition(" ")
    if header and posted:
        raise InvalidRequest("Send the access token once: in the Authorization header or in the body.")
    in_header = scheme.lower() in ("bearer", SCHEME.lower())
    if in_header and not token.strip():
        raise InvalidRequest("The Authorization header has no access token.")
    shown = token.strip() if in_header else posted
    if not shown:
        raise MissingToken(detail="missing")
    return ShownToken(checked(shown, MAX_ACCESS_TOKEN), by_proof=scheme.lower() == SCHEME.lower())


def _presented_client(request: ProtocolRequest, fields: Mapping[str, str]) -> PresentedClient:
    """The one method by which a client says who it is (RFC 6749 §2.3, §5.2).

    Raises:
        InvalidClient: there is none, or it is one that nobody has here.
        InvalidRequest: two at once, two different ids, or a malformed one.
    """
    basic, client_id = _basic_client(request), fields.get("client_id", "")
    asserted = "client_assertion" in fields or "client_assertion_type" in fields
    if sum((basic is not None, "client_secret" in fields, asserted)) > 1:
        raise InvalidRequest("A client authenticates by one method at a time.")
    if basic is not None:
        if client_id not in ("", basic.client_id):
            raise InvalidRequest("The client_id differs from the one in the Authorization header.")
        return basic
    if asserted:
        return PresentedClient(AuthMethod.PRIVATE_KEY_JWT, client_id, _assertion(fields))
    if "client_secret" in fields:
        return PresentedClient(AuthMethod.POST, required(fields, "client_id"), fields["client_secret"])
    if not client_id:
        raise InvalidClient(detail="none_presented")
    return PresentedClient(AuthMethod.NONE, client_id, "")


def _basic_client(request: ProtocolRequest) -> PresentedClient | None:
    scheme = request.headers.get("authorization", "basic").strip().partition(" ")[0]
    if scheme.lower() != "basic":
        raise InvalidClient(detail="scheme")
    basic = basic_of(request)
    if basic is None:
        return None
    client_id, secret = (form_decoded(part) for part in basic)
    return PresentedClient(AuthMethod.BASIC, client_id, secret)


def _assertion(fields: Mapping[str, str]) -> str:
    assertion = required(fields, "client_assertion")
    if required(fields, "client_assertion_type") != ASSERTION_TYPE:
        raise InvalidClient(f"The client_assertion_type must be {ASSERTION_TYPE}.", detail="assertion_type")
    return assertion

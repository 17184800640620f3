"""What goes to an upstream provider and comes back (OpenID Connect Core §3.1.2, §3.1.3; RFC 7636; RFC 9207)."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

from accounts.errors import UpstreamAway, UpstreamDeclined, UpstreamRefused
from accounts.upstream.discovery import ProviderMetadata

_MAX_CODE = 4_096
_MAX_TOKEN = 16_384
_OK, _UNAVAILABLE = 200, 500
_LATER = frozenset({"temporarily_unavailable", "server_error"})
# RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6.
_ERRORS = _LATER | {
    "access_denied",
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "invalid_request",
    "invalid_scope",
    "login_required",
    "unauthorized_client",
    "unsupported_response_type",
}
ANSWER = ("state", "code", "error", "iss")  # what is read of an authorization response


@dataclass(frozen=True, slots=True)
class Secrets:
    """What binds an answer to the browser that asked, and a code to this server; each is used once.

    Attributes:
        state: in the address of the answer (RFC 6749 §10.12).
        nonce: in the ID token (OpenID Connect Core §15.5.2).
        code_verifier: at the token endpoint alone (RFC 7636 §4.1).
    """

    state: str
    nonce: str
    code_verifier: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of the sign-in at the provider, as /authorize was asked.

    Attributes:
        max_age: seconds that the sign-in there may be old.
        prompt: `login`, `select_account` or "".
        login_hint: who it is about, perhaps.
        ui_locales: the languages that the person reads.
    """

    max_age: int
    prompt: str = ""
    login_hint: str = ""
    ui_locales: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint gave; both go nowhere else."""

    id_token: str
    access_token: str


def authorization_address(
    metadata: ProviderMetadata,
    *,
    client_id: str,
    redirect_uri: str,
    scopes: Sequence[str],
    secrets: Secrets,
    wishes: Wishes,
) -> str:
    """Where the browser goes to sign in (OpenID Connect Core §3.1.2.1), by code with PKCE.

    Arguments:
        redirect_uri: of this provider alone, so that no answer of another is taken for its (RFC 9700 §4.4.2).
    """
    challenge = base64.urlsafe_b64encode(hashlib.sha256(secrets.code_verifier.encode("ascii")).digest())
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": secrets.state,
        "nonce": secrets.nonce,
        "code_challenge": challenge.rstrip(b"=").decode("ascii"),
        "code_challenge_method": "S256",
        "max_age": str(wishes.max_age),  # so it has to tell when the sign-in was (§2, auth_time)
        "prompt": wishes.prompt,
        "login_hint": wishes.login_hint,
        "ui_locales": wishes.ui_locales,
    }
    address = metadata.authorization_endpoint
    separator = "&" if "?" in address else "?"
    return f"{address}{separator}{urlencode({name: value for name, value in asked.items() if value})}"


def code_in(answer: Mapping[str, str], *, metadata: ProviderMetadata) -> str:
    """The code of an authorization response whose state was right.

    Arguments:
        answer: the parameters of `ANSWER`, "" for one that isn't there.

    Raises:
        UpstreamRefused: it names another issuer, or none though it should (RFC 9207 §2.4: a mix-up); or it is
            no authorization response.
        UpstreamDeclined: it is an error.
        UpstreamAway: it is an error that will pass.
    """
    if answer["iss"] != metadata.issuer and (answer["iss"] or metadata.names_itself):
        raise UpstreamRefused("The answer is another issuer's, or doesn't say whose it is.")
    if bool(answer["code"]) == bool(answer["error"]):
        raise UpstreamRefused("The answer has to have either a code or an error.")
    if answer["error"] in _LATER:
        raise UpstreamAway("It answered that it can't now.")
    if answer["error"]:
        raise UpstreamDeclined(answer["error"] if answer["error"] in _ERRORS else "")
    if len(answer["code"]) > _MAX_CODE:
        raise UpstreamRefused("The code is too long.")
    return answer["code"]


def token_request(
    code: str, *, method: str, client_id: str, secret: str, redirect_uri: str, code_verifier: str
) -> tuple[Mapping[str, str], bytes]:
    """The headers and the body that redeem a code (RFC 6749 §4.1.3).

    Arguments:
        method: how the client proves who it is; see `discovery.auth_method`.
        secret: of the client; "" for a public one.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": code_verifier,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if method == "client_secret_basic":  # each part is form-encoded first (RFC 6749 §2.3.1)
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode("ascii")
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode('ascii')}"
    else:
        form |= {"client_id": client_id} | ({"client_secret": secret} if secret else {})
    return headers, urlencode(form).encode("ascii")


def tokens_in(status: int, document: Mapping[str, Any]) -> Tokens:
    """The tokens of a token response (OpenID Connect Core §3.1.3.3).

    Arguments:
        status: of HTTP.
        document: from strict JSON.

    Raises:
        UpstreamRefused: it is an error, or not all that belongs into it is there.
    """
    if status != _OK:
        error = document.get("error")
        client = error in ("invalid_client", "unauthorized_client")
        raise UpstreamRefused(
            "Its token endpoint doesn't take this client: check the client_id and the client secret."
            if client
            else "Its token endpoint doesn't take the code."
        )
    id_token, access_token, kind = (document.get(name) for name in ("id_token", "access_token", "token_type"))
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise UpstreamRefused("Its token response has no token_type Bearer.")
    if not _is_token(id_token) or not _is_token(access_token):
        raise UpstreamRefused("Its token response lacks the ID token or the access token.")
    return Tokens(str(id_token), str(access_token))


def check_available(status: int) -> None:
    """Tell an outage from an answer.

    Raises:
        UpstreamAway: the status says that the server is at fault, or busy.
    """
    if status >= _UNAVAILABLE or status == 429:  # noqa: PLR2004  (RFC 6585 §4)
        raise UpstreamAway(f"It answered with the status {status}.")


def _is_token(found: Any) -> bool:
    return isinstance(found, str) and 0 < len(found) <= _MAX_TOKEN and found.isascii() and found.isprintable()

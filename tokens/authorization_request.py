"""An authorization request, read strictly (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1, §3.3.2.1, RFC 8707)."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from tokens import claims_request, pkce, response_types, scopes
from tokens.claims_request import ClaimsRequest
from tokens.dpop import THUMBPRINT
from tokens.errors import AuthorizationRefused, InvalidRequest, InvalidScope
from tokens.protocol import ProtocolRequest
from tokens.reading import MAX_QUERY, Pairs, authorization_pairs
from tokens.vocabulary import Prompt, ResponseMode, ResponseType

MAX_NONCE = 512
_MAX_AGE_DIGITS = 9
# Until they exist, a request that relies on them must not be taken for one without (OpenID Connect Core §6).
_NOT_YET = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}
_FULFILLED_PROMPTS = (Prompt.LOGIN, Prompt.SELECT_ACCOUNT, Prompt.CREATE)
_PARAMETER = re.compile(r"[a-z_]{1,40}")  # others may have characters that no error_description has (RFC 6749 §4.1.2.1)
_REPEATABLE = frozenset({"resource"})
# A parameter of ours, in addresses that lead back here from the page for the second factor. Whoever sends it of their
# own accord gets an error where there would have been that page.
_STEPPED_UP = ("signet_stepped_up", "1")


@dataclass(frozen=True, slots=True)
class RawRequest:
    """The parameters as they came: `first` has each once, `repeated` names those that came more often."""

    pairs: Pairs
    first: Mapping[str, str]
    repeated: frozenset[str]

    def get(self, name: str) -> str:
        """A parameter's value; "" where it is not there."""
        return self.first.get(name, "")

    def is_silent(self) -> bool:
        """Whether nobody may be asked anything, whatever else is wrong with the request."""
        return Prompt.NONE in self.get("prompt").split(" ")

    def was_stepped_up(self) -> bool:
        """Whether the person comes from the page for the second factor: once is enough, whatever it came to."""
        return _STEPPED_UP in self.pairs

    def query(self, *, scopes: tuple[str, ...] = ()) -> str:
        """The request as a query string, to come back to it.

        Arguments:
            scopes: what it stands for where it names none. Said from now on, so that what a person reads is what
                they decide about, whatever becomes of the client meanwhile.

        Raises:
            InvalidRequest: what was posted is longer than an address may be, so nobody could come back.
        """
        said = [("scope", " ".join(scopes))] if scopes and "scope" not in self.first else []
        return _query([*self._asked(), *said])

    def query_after_step_up(self) -> str:
        """The same, with the mark that the person was asked to prove more.

        Raises:
            InvalidRequest: as `query`.
        """
        return _query([*self._asked(), _STEPPED_UP])

    def query_after_sign_in(self) -> str:
        """The same without what a sign-in fulfils, which would otherwise be asked for again and again.

        Raises:
            InvalidRequest: as `query`.
        """
        kept = []
        for name, value in self._asked():
            if name == "prompt":
                words = [word for word in value.split(" ") if word not in _FULFILLED_PROMPTS]
                kept += [(name, " ".join(words))] if words else []
            elif name != "max_age":
                kept.append((name, value))
        return _query(kept)

    def _asked(self) -> Pairs:
        return [pair for pair in self.pairs if pair[0] != _STEPPED_UP[0]]


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What is asked for, once every rule that needs no row holds.

    Attributes:
        response_type: what comes back.
        claims: claims asked for one by one.
        acr_values: classes of which the sign-in should have one.
        dpop_jkt: thumbprint of the key that the code is bound to (RFC 9449 §10); "" for none.
        max_age: how old the sign-in may be, in seconds; None for any age.
        prompts: what the person has to be asked again.
    """

    response_type: ResponseType
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    state: str
    nonce: str
    code_challenge: str
    claims: ClaimsRequest
    acr_values: tuple[str, ...]
    prompts: frozenset[Prompt]
    max_age: int | None
    dpop_jkt: str = ""


def _query(pairs: Pairs) -> str:
    query = urlencode(pairs)
    if len(query) > MAX_QUERY:
        raise InvalidRequest("The request is too long to come back to after a page.")
    return query


def read(request: ProtocolRequest) -> RawRequest:
    """The parameters of a GET's query or a POST's form; one without a value is as good as left out (RFC 6749 §3.1).

    Raises:
        InvalidRequest, BodyTooLarge, UnsupportedMediaType: they can't be read at all.
    """
    pairs = authorization_pairs(request)
    counted = Counter(name for name, _value in pairs)
    repeated = frozenset(name for name, times in counted.items() if times > 1 and name not in _REPEATABLE)
    kept = [(name, value) for name, value in pairs if value]
    return RawRequest(kept, dict(reversed(kept)), repeated)


def response_mode_of(raw: RawRequest) -> ResponseMode:
    """How to answer, even where the answer is a refusal; the default where the request says nothing sensible.

    Never by the query where tokens are asked for (OAuth 2.0 Multiple Response Types §3.0).
    """
    default = response_types.default_mode(raw.get("response_type"))
    try:
        asked = ResponseMode(raw.get("response_mode"))
    except ValueError:
        return default
    return default if asked is ResponseMode.QUERY else asked


def parse(raw: RawRequest) -> AuthorizationRequest:
    """Hold a request against the rules that need no row.

    Raises:
        AuthorizationRefused: one doesn't hold; the client may learn which.
    """
    _refuse_unusable(raw)
    response_type = _response_type(raw)
    try:
        asked = scopes.parse(raw.get("scope"))
    except InvalidScope as error:
        raise AuthorizationRefused("invalid_scope", error.public) from error
    return AuthorizationRequest(
        response_type=response_type,
        scopes=asked,
        resources=tuple(dict.fromkeys(value for name, value in raw.pairs if name == "resource")),
        state=raw.get("state"),
        nonce=_nonce(raw),
        code_challenge=_challenge(raw),
        claims=claims_request.parse(raw.get("claims")),
        acr_values=tuple(value for value in raw.get("acr_values").split(" ") if value),
        prompts=_prompts(raw),
        max_age=_max_age(raw),
        dpop_jkt=_dpop_jkt(raw),
    )


def _refuse_unusable(raw: RawRequest) -> None:
    if raw.repeated:
        name = min(raw.repeated)
        told = name if _PARAMETER.fullmatch(name) else "A parameter"
        raise AuthorizationRefused("invalid_request", f"{told} is there more than once.")
    for name, word in _NOT_YET.items():
        if name in raw.first:
            raise AuthorizationRefused(word, f"The parameter {name} is not supported here.")
    if raw.get("response_mode") not in ("", *ResponseMode):
        raise AuthorizationRefused("invalid_request", "There is no such response_mode.")


def _response_type(raw: RawRequest) -> ResponseType:
    if not raw.get("response_type"):
        raise AuthorizationRefused("invalid_request", "The parameter response_type is missing.")
    found = response_types.parse(raw.get("response_type"))
    if found is None:
        raise AuthorizationRefused("unsupported_response_type", "There is no such response_type here.")
    if raw.get("response_mode") == ResponseMode.QUERY and found is not ResponseType.CODE:
        raise AuthorizationRefused("invalid_request", "Tokens never travel in a query: leave response_mode out.")
    return found


def _nonce(raw: RawRequest) -> str:
    nonce = raw.get("nonce")
    if len(nonce.encode("utf-8")) > MAX_NONCE:
        raise AuthorizationRefused("invalid_request", f"The nonce is longer than {MAX_NONCE} bytes.")
    return nonce


def _challenge(raw: RawRequest) -> str:
    challenge, method = raw.get("code_challenge"), raw.get("code_challenge_method")
    if not challenge and not method:
        return ""
    try:
        pkce.check_challenge(challenge, method)
    except InvalidRequest as error:
        raise AuthorizationRefused("invalid_request", error.public) from error
    return challenge


def _prompts(raw: RawRequest) -> frozenset[Prompt]:
    try:
        prompts = frozenset(Prompt(word) for word in raw.get("prompt").split(" ") if word)
    except ValueError as error:
        raise AuthorizationRefused("invalid_request", "There is no such prompt.") from error
    if Prompt.NONE in prompts and len(prompts) > 1:
        raise AuthorizationRefused("invalid_request", "The prompt none stands alone.")
    return prompts


def _max_age(raw: RawRequest) -> int | None:
    text = raw.get("max_age")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_AGE_DIGITS):
        raise AuthorizationRefused("invalid_request", "The max_age is not a number of seconds.")
    return int(text)


def _dpop_jkt(raw: RawRequest) -> str:
    thumbprint = raw.get("dpop_jkt")
    if thumbprint and not THUMBPRINT.fullmatch(thumbprint):
        raise AuthorizationRefused(
            "invalid_request", "The dpop_jkt is not the thumbprint of a key (RFC 7638, SHA-256)."
        )
    return thumbprint

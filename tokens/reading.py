"""Reading what came in, strictly: query, form, JSON, HTTP Basic (WHATWG URL §5.1, RFC 8259, RFC 7617).

Nothing is guessed: whatever two readers could understand differently is refused, before any flow sees it.
"""

import base64
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from tokens.errors import BodyTooLarge, InvalidRequest, UnsupportedMediaType
from tokens.protocol import ProtocolRequest

MAX_BODY = 16_384
MAX_QUERY = 4_096
MAX_FIELDS = 32
MAX_FIELD = 1_024
MAX_URI_FIELD = 2_048  # a redirect URI, or what a client keeps in its state
MAX_AUTHORIZATION = 4_096
_LONG_FIELDS = {
    "client_assertion": 8_192,
    "token": 12_288,
    "access_token": 12_288,
    "id_token_hint": 12_288,
    "claims": 4_096,
}  # signed, and ML-DSA is long
_CREDENTIALS = frozenset(
    {
        "username", "password", "refresh_token", "access_token", "token", "client_secret", "client_assertion",
        "code", "code_verifier", "challenge", "device_code", "assertion", "id_token_hint",
    }
)  # fmt: skip
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

Pairs = Sequence[tuple[str, Any]]


def required(fields: Mapping[str, str], name: str) -> str:
    """A field that has to be there and not be empty.

    Raises:
        InvalidRequest: it isn't.
    """
    value = fields.get(name, "")
    if not value:
        raise InvalidRequest(f"The parameter {name} is missing.")
    return value


def checked(value: str, longest: int = MAX_FIELD) -> str:
    """A text without control characters and surrogates, of bounded length."""
    try:
        length = len(value.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise InvalidRequest("A parameter is not Unicode text.") from error
    if length > longest:
        raise InvalidRequest(f"A parameter is longer than {longest} bytes.")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise InvalidRequest("A parameter has a control character.")
    return value


def query_of(request: ProtocolRequest) -> Pairs:
    """The query's parameters; unknown ones are passed over (RFC 6749 §3.2), credentials are not (RFC 6750 §5.3)."""
    if len(request.query) > MAX_QUERY:
        raise InvalidRequest("The query is too long.")
    pairs = _urlencoded(request.query, strict=False)
    if any(name in _CREDENTIALS for name, _value in pairs):
        raise InvalidRequest("Credentials don't belong in the address, where logs keep them: use the body.")
    return pairs


def body_of(request: ProtocolRequest) -> Mapping[str, str]:
    """The body's parameters by name, each once."""
    if len(request.body) > MAX_BODY:
        raise BodyTooLarge
    content_type = request.headers.get("content-type", "")
    if not request.body and not content_type:
        return {}
    kind = _media_type(content_type)
    text = _text_of(request)
    pairs = _json_members(text) if kind == "application/json" else _urlencoded(text, strict=True)
    return _once_each(pairs)


def _text_of(request: ProtocolRequest) -> str:
    try:
        return request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not UTF-8.") from error


def _media_type(content_type: str) -> str:
    """The media type, which has to be one of two; another charset than UTF-8 is refused."""
    message = Message()
    message["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    kind = content_type.partition(";")[0].strip().lower()
    charset = message.get_param("charset", "utf-8")
    if kind not in {"application/json", "application/x-www-form-urlencoded"}:
        raise UnsupportedMediaType
    if not isinstance(charset, str) or charset.lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType
    return kind


def _urlencoded(text: str, *, strict: bool) -> Pairs:
    """Pairs of the form encoding (WHATWG URL §5.1).

    Arguments:
        strict: refuse a field without `=`; a query may have some.
    """
    if _BROKEN_ESCAPE.search(text):
        raise InvalidRequest("A percent sign is not followed by two hexadecimal digits.")
    if not text:
        return []
    try:
        return parse_qsl(
            text, keep_blank_values=True, strict_parsing=strict, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:  # UnicodeDecodeError is one too
        raise InvalidRequest("The parameters are not the form encoding of UTF-8 text.") from error


def _json_members(text: str) -> Pairs:
    """The members of a flat JSON object; duplicates are still there."""
    try:
        found = json.loads(text, object_pairs_hook=_Object, parse_int=_no_text, parse_float=_no_text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not JSON.") from error
    if not isinstance(found, _Object):
        raise InvalidRequest("The body is not a JSON object.")
    return found.pairs


def _no_text(_number: str) -> None:
    """Numbers are no texts; not reading them spares reading absurd ones."""


class _Object:
    """A JSON object as it was written, with its members in order and repeated ones kept."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _once_each(pairs: Pairs) -> Mapping[str, str]:
    if len(pairs) > MAX_FIELDS:
        raise InvalidRequest("There are too many parameters.")
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise InvalidRequest("A parameter is there more than once.")
        if not isinstance(value, str):
            raise InvalidRequest("Every parameter must be a text.")
        fields[checked(name)] = checked(value, _LONG_FIELDS.get(name, MAX_FIELD))
    return fields


def basic_of(request: ProtocolRequest) -> tuple[str, str] | None:
    """Name and password of the Basic scheme (RFC 7617 §2), or None without an Authorization header."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _space, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic" or len(header) > MAX_AUTHORIZATION:
        raise InvalidRequest("The Authorization header is not of the Basic scheme.")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except ValueError as error:  # binascii.Error and UnicodeDecodeError are ones too
        raise InvalidRequest("The Authorization header is not the base64 of name:password in UTF-8.") from error
    username, colon, password = text.partition(":")
    if not (username and colon and password):
        raise InvalidRequest("The Authorization header has no name or no password.")
    return checked(username), checked(password)


def form_decoded(text: str) -> str:
    """One value of the form encoding by itself, as Basic carries a client's id and secret (RFC 6749 §2.3.1)."""
    if _BROKEN_ESCAPE.search(text):
        raise InvalidRequest("A percent sign is not followed by two hexadecimal digits.")
    try:
        return checked(unquote_plus(text, errors="strict"))
    except UnicodeDecodeError as error:
        raise InvalidRequest("The credentials are not the form encoding of UTF-8 text.") from error


def _form_pairs(request: ProtocolRequest) -> Pairs:
    """The pairs of a form, and of nothing else; none of an empty body."""
    if len(request.body) > MAX_BODY:
        raise BodyTooLarge
    content_type = request.headers.get("content-type", "")
    if not request.body and not content_type:
        return []
    if _media_type(content_type) != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType("Send application/x-www-form-urlencoded, in UTF-8.")
    return _urlencoded(_text_of(request), strict=True)


def form_of(request: ProtocolRequest) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The fields of a form, each once, and `resource`, which may stand more than once (RFC 8707 §2).

    A parameter without a value is as good as left out (RFC 6749 §3.2).
    """
    query_of(request)
    pairs = _form_pairs(request)
    fields = _once_each([pair for pair in pairs if pair[0] != "resource"])
    resources = dict.fromkeys(checked(value) for name, value in pairs if name == "resource" and value)
    return {name: value for name, value in fields.items() if value}, tuple(resources)


def authorization_pairs(request: ProtocolRequest) -> Pairs:
    """The parameters of an authorization request: a GET's query, a POST's form (OpenID Connect Core §3.1.2.1).

    Repeated ones are still there: whether a client may learn of them is decided later.

    Raises:
        InvalidRequest, BodyTooLarge, UnsupportedMediaType: they can't be read.
    """
    if request.method == "POST":
        pairs = _form_pairs(request)
    else:
        if len(request.query) > MAX_QUERY:
            raise InvalidRequest("The query is too long.")
        pairs = _urlencoded(request.query, strict=False)
    return [(checked(name), checked(value, _LONG_FIELDS.get(name, MAX_URI_FIELD))) for name, value in pairs]

"""What an operator decides of an upstream provider, and what is wrong with it, a sentence a fault."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from accounts.addresses import is_loopback

OPENID = "openid"
DEFAULT_SCOPES = (OPENID, "email")
MAX_ADDRESS = 500
MAX_SECRET = 1_024
_MAX_NAME = 200
_MAX_CLIENT_ID = 255
_MAX_ITEMS = 100
_MAX_DOMAIN = 253
_NEVER_IN_A_URI = re.compile(r"[\x00-\x20\x7f\\\"<>^`{|}]")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")  # RFC 6749 §3.3
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTerms:
    """An upstream provider as its operator has it. Each attribute is a column of the same name.

    Attributes:
        name: what people read: "Sign in with NAME".
        issuer: letter by letter as the provider writes it; it never changes.
        client_id: what this realm is called there.
        scopes: what is asked for there.
        allowed_domains: of the addresses that may sign in, in small letters; none allows any, and none at all.
        enabled: whether anybody can sign in with it.
        trusts_second_factor: whether an `amr` with mfa there counts as a second factor here.
    """

    name: str
    issuer: str
    client_id: str
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    allowed_domains: tuple[str, ...] = ()
    enabled: bool = True
    trusts_second_factor: bool = False


def faults(terms: ProviderTerms, *, loopback: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with a provider's terms: the name of the attribute, and a sentence.

    Arguments:
        loopback: whether a provider on this machine may speak plain HTTP, since this one does.
    """
    if not 0 < len(terms.name) <= _MAX_NAME or not terms.name.isprintable():
        yield "name", f"A name has 1 to {_MAX_NAME} characters that can be printed."
    if why := address_fault(terms.issuer, loopback=loopback, query=False):
        yield "issuer", f"An issuer {why}."
    if not 0 < len(terms.client_id) <= _MAX_CLIENT_ID or not _is_plain(terms.client_id):
        yield "client_id", f"A client_id has 1 to {_MAX_CLIENT_ID} printable ASCII characters."
    if OPENID not in terms.scopes:
        yield "scopes", "The scope openid has to be among them: without it there is no ID token."
    if not _is_list_of(_SCOPE, terms.scopes):
        yield "scopes", "Scopes are words of printable ASCII, each once."
    too_long = any(len(domain) > _MAX_DOMAIN for domain in terms.allowed_domains)
    if too_long or not _is_list_of(_DOMAIN, terms.allowed_domains):
        yield "allowed_domains", "Domains are host names in small letters such as example.org, each once."


def secret_fault(secret: str) -> str:
    """What is wrong with a client secret, in one sentence; "" where it is one. Never repeats it."""
    if 0 < len(secret) <= MAX_SECRET and _is_plain(secret):
        return ""
    return f"A client secret has 1 to {MAX_SECRET} printable ASCII characters."


def address_fault(uri: str, *, loopback: bool, query: bool = True) -> str:
    """Why nobody is sent to an address and nothing fetched from it, as the end of a sentence; "" where it may be.

    Private addresses may be: a provider may live in the same network. That it is https with a certificate for
    this name is what keeps a request from reaching something else.

    Arguments:
        uri: as it was given.
        loopback: whether plain HTTP to this machine is allowed.
        query: whether there may be one.
    """
    if not 0 < len(uri) <= MAX_ADDRESS or not uri.isascii() or _NEVER_IN_A_URI.search(uri):
        return f"is an address of at most {MAX_ADDRESS} characters"
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "is an address"
    if not _HOST.fullmatch(re.sub(r":[0-9]*$", "", parts.netloc)) or "#" in uri:
        return "has a host name, and neither a fragment nor a user name"
    if "?" in uri and not query:
        return "has no query"
    if parts.scheme == "https" or (loopback and parts.scheme == "http" and is_loopback(parts.hostname)):
        return ""
    return "begins with https://"


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _is_list_of(form: re.Pattern[str], items: tuple[str, ...]) -> bool:
    return len(items) <= _MAX_ITEMS and len(set(items)) == len(items) and all(map(form.fullmatch, items))

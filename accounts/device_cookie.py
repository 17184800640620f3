"""The cookie by which a browser is recognised: ids of the devices that it is to its people, and a tag over them.

The tag is an HMAC under IDP_SECRET_KEY, and no ring's: a ring's keys end sooner than a cookie does. People belong to
the installation, and so do their devices: one cookie serves all realms. Several people may share a browser, and it
is a device of its own to each; no id is of use to anybody but the person whose device it is.
"""

from collections.abc import Mapping
from datetime import timedelta
from http.cookies import Morsel, SimpleCookie
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest, HttpResponseBase, parse_cookie

from accounts.visit import Visit

NAME = "signet_device"
LIFETIME = timedelta(days=400)  # browsers cut longer ones (RFC 6265bis §5.5)
MAX_HELD = 5  # people who share a browser
_PATH = "/"
_SIGNER = Signer(salt="signet.device")
_ID_CHARACTERS = 32
_TO_BE_SET = "_signet_devices"


def held_in(cookies: Mapping[str, str]) -> tuple[UUID, ...]:
    """The devices that a browser shows; none where the cookie is missing, forged or garbled.

    Arguments:
        cookies: by name, as they came.
    """
    text = cookies.get(NAME, "")
    if not text.isascii() or len(text) > MAX_HELD * (_ID_CHARACTERS + 1) + 64:
        return ()
    try:
        return tuple(UUID(part) for part in _SIGNER.unsign(text).split("."))
    except (BadSignature, ValueError):
        return ()


def cookie_with(device: UUID, held: tuple[UUID, ...]) -> "Morsel[str]":
    """The cookie of a browser that is this device, beside what it is to other people.

    Arguments:
        device: the one that it was just recognised as.
        held: what it showed.
    """
    others = [other for other in held if other != device]
    return _morsel([device, *others][:MAX_HELD])


def cookie_without(device: UUID, held: tuple[UUID, ...]) -> "Morsel[str]":
    """The cookie of a browser that is this device no more; it ends where nothing is left."""
    return _morsel([other for other in held if other != device])


def _morsel(devices: list[UUID]) -> "Morsel[str]":
    jar = SimpleCookie()
    jar[NAME] = _SIGNER.sign(".".join(device.hex for device in devices)) if devices else ""
    morsel = jar[NAME]
    morsel["max-age"] = int(LIFETIME.total_seconds()) if devices else 0
    morsel["path"] = _PATH
    morsel["httponly"] = True
    morsel["samesite"] = "Lax"
    if not settings.IDP_PLAIN_HTTP:
        morsel["secure"] = True
    return morsel


def visit_of(request: HttpRequest) -> Visit:
    """What a page's request shows of its device."""
    return Visit(
        address=str(request.META.get("REMOTE_ADDR", "")),
        agent=str(request.META.get("HTTP_USER_AGENT", "")),
        held=held_in(request.COOKIES),
        keeps_cookies=True,
    )


def visit_from(headers: Mapping[str, str], *, address: str, thumbprint: str = "") -> Visit:
    """What the request of an endpoint shows of its device.

    A program that keeps no cookies gets none: a browser's own script, on our own pages' origin, says so in a header
    that no script can set (Fetch Metadata §2.1), and whoever shows our cookie has kept it.

    Arguments:
        headers: by lower-case name.
        address: the client's.
        thumbprint: of the key that it proved; "" for none.
    """
    cookies = parse_cookie(headers.get("cookie", ""))
    return Visit(
        address=address,
        agent=headers.get("user-agent", ""),
        held=held_in(cookies),
        thumbprint=thumbprint,
        keeps_cookies=NAME in cookies or headers.get("sec-fetch-site") == "same-origin",
    )


def have_set(request: HttpRequest, morsel: "Morsel[str]") -> None:
    """Have the answer to a page's request carry the cookie, whoever makes that answer."""
    setattr(request, _TO_BE_SET, morsel)


def settle(request: HttpRequest, response: HttpResponseBase) -> None:
    """Put the cookie that was asked for into the answer; nothing where none was."""
    morsel: Morsel[str] | None = getattr(request, _TO_BE_SET, None)
    if morsel is not None:
        response.cookies[NAME] = morsel

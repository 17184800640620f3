"""What the pages of a realm look like: its colours as a style sheet, and its logo.

Both are for everybody, cookies or not; browsers may keep them, since their addresses change with what they show.
"""

from abc import abstractmethod

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.utils.cache import get_conditional_response
from django.views import View

from realms import colours
from realms.models import Realm
from realms.selectors import DEFAULT_SLUG, logo_of, realm_by_slug

_KEPT = "public, max-age=86400"  # a day
_NOTHING_ELSE = "default-src 'none'; sandbox"  # opened as a page of its own, it does nothing


class LookView(View):
    """A part of the look of a realm."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, realm: str = DEFAULT_SLUG) -> HttpResponse:
        """The part; 304 where the caller has it, 404 where the realm has none."""
        try:
            found = realm_by_slug(realm)
            answer = self.part(found) if found is not None and found.enabled else None
        except (OperationalError, InterfaceError):
            return HttpResponse("Not available.", "text/plain", 503, headers={"Retry-After": "5"})
        if answer is None:
            return HttpResponseNotFound("The realm has none of its own.", content_type="text/plain")
        answer["Cache-Control"] = _KEPT
        answer["Content-Security-Policy"] = _NOTHING_ELSE
        unchanged = get_conditional_response(request, etag=answer["ETag"], response=answer)
        return unchanged if isinstance(unchanged, HttpResponse) else answer

    @abstractmethod
    def part(self, realm: Realm) -> HttpResponse | None:
        """The part with its ETag; None where the realm has none of its own."""


class ThemeView(LookView):
    """`/theme.css`: a realm's colours."""

    def part(self, realm: Realm) -> HttpResponse | None:
        """The sheet."""
        text = colours.sheet(accent=realm.accent, accent_dark=realm.accent_dark)
        if not text:
            return None
        etag = f'"{realm.accent}{realm.accent_dark}"'
        return HttpResponse(text, "text/css; charset=utf-8", headers={"ETag": etag})


class LogoView(LookView):
    """`/logo`: a realm's picture."""

    def part(self, realm: Realm) -> HttpResponse | None:
        """The picture, of the type that its bytes have."""
        logo = logo_of(realm) if realm.logo_digest else None
        if logo is None:
            return None
        return HttpResponse(bytes(logo.picture), logo.media_type, headers={"ETag": f'"{realm.logo_digest}"'})

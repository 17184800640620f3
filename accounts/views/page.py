"""What every page below an issuer shares: its realm, its language, what it refuses, and what browsers keep of it."""

import logging
from datetime import timedelta
from http import HTTPStatus
from math import ceil
from urllib.parse import urlencode

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.translation import gettext, gettext_lazy
from django.views import View
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from accounts import device_cookie, locales
from accounts.errors import PersonGone
from accounts.return_path import return_path
from accounts.whereabouts import Whereabouts
from keys.errors import KeysError
from realms.models import Realm
from realms.selectors import DEFAULT_SLUG, realm_by_slug

logger = logging.getLogger("signet.accounts")

MAX_FORM = 32_768  # bytes; `next` alone may take most of it once it is percent-encoded
RETRY = timedelta(seconds=5)
BUSY = gettext_lazy("The server is busy. Try again in a few seconds.")
_FORM = "application/x-www-form-urlencoded"


def language_of(request: HttpRequest) -> tuple[str, str]:
    """In which language to answer a person.

    Returns:
        The one that `ui_locales` asks for and that there is, "" for none; and the one to answer in, which is this one
        or else the browser's.
    """
    offered = [code for code, _name in settings.LANGUAGES]
    wished = locales.tags_of(locales.ui_locales_in(str(request.META.get("QUERY_STRING", ""))))
    chosen = locales.offered_of(wished, offered) or ""
    accepted = locales.tags_accepted(request.headers.get("Accept-Language", ""))
    return chosen, chosen or locales.offered_of(accepted, offered) or settings.LANGUAGE_CODE


def notice(request: HttpRequest, title: str, text: str, *, status: HTTPStatus) -> HttpResponse:
    """A page that says what is wrong and what to do.

    Arguments:
        title: its heading.
        text: one or two sentences; never holds input.
    """
    response = render(request, "signet/notice.html", {"title": title, "text": text}, status=status)
    response["Cache-Control"] = "no-store"
    return response


def busy(request: HttpRequest) -> HttpResponse:
    """The page for what can't be done now, and can in a moment."""
    response = notice(request, gettext("Not available"), str(BUSY), status=HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = seconds(RETRY)
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001  (Django's, which logs it)
    """The page of a form that didn't come from here, or was open for too long (`CSRF_FAILURE_VIEW`)."""
    text = gettext("Go back, reload the page and try again. Your browser has to accept cookies from this site.")
    return notice(request, gettext("This page is out of date"), text, status=HTTPStatus.FORBIDDEN)


# Django's CSRF check reads the body, and a body of any length and kind: it comes after ours here.
@method_decorator(csrf_exempt, name="dispatch")
class Page(View):
    """A page below an issuer: the realm's, never stored, its forms small, plain and from this site.

    Attributes:
        realm: whose page it is.
        chosen_language: the one that `ui_locales` asks for and that there is; "" where the browser's
            own wish decides.
    """

    http_method_names = ["get", "head", "post"]
    from_here_alone = True  # False for a page that other sites' forms may post to
    realm: Realm
    chosen_language: str

    def dispatch(
        self, request: HttpRequest, *_args: object, realm: str = DEFAULT_SLUG, **_kwargs: object
    ) -> HttpResponseBase:
        """Answer in the person's language."""
        self.chosen_language, language = language_of(request)
        with translation.override(language):
            answer = self.answer(request, realm)
        if isinstance(answer, HttpResponse) and answer.content:
            answer["Content-Language"] = language
            patch_vary_headers(answer, ["Accept-Language"])
        return answer

    def answer(self, request: HttpRequest, slug: str) -> HttpResponseBase:
        """Answer, or say on a page why not.

        Arguments:
            slug: the realm's, from the address.
        """
        if (request.method or "").lower() not in self.http_method_names:
            return HttpResponseNotAllowed([name.upper() for name in self.http_method_names])
        try:
            found = realm_by_slug(slug)
            if found is None or not found.enabled:
                text = gettext("Check the address, or go back to the application that sent you here.")
                return notice(request, gettext("There is no such realm here"), text, status=HTTPStatus.NOT_FOUND)
            self.realm = found
            handler = csrf_protect(super().dispatch) if self.from_here_alone else super().dispatch
            answer = (_unreadable(request) if request.method == "POST" else None) or handler(request)
        except PersonGone:  # who they were signed in as is no more
            answer = see_other(self.link("sign-in"))
        except (OperationalError, InterfaceError, KeysError) as error:  # nothing is shown or done by halves
            logger.error("page.not_available error=%s", type(error).__name__)  # noqa: TRY400
            answer = busy(request)
        answer["Cache-Control"] = "no-store"
        device_cookie.settle(request, answer)
        return answer

    def onward(self, text: str) -> str:
        """Where the way leads to in the end, as the request says and if it may; "" for nowhere."""
        return return_path(text, below=self.address("sign-in").removesuffix("sign-in")) or ""

    def address(self, name: str) -> str:
        """The path of a page of this realm.

        Arguments:
            name: in the URL configuration.
        """
        if self.realm.slug == DEFAULT_SLUG:
            return reverse(name)
        return reverse(f"realm:{name}", kwargs={"realm": self.realm.slug})

    def link(self, name: str, *, following: str = "") -> str:
        """The address of a page of this realm, which speaks the same language.

        Arguments:
            name: in the URL configuration.
            following: where that page leads to, "" for nowhere; checked before.
        """
        query = {"next": following, "ui_locales": self.chosen_language}
        kept = urlencode({key: value for key, value in query.items() if value})
        return f"{self.address(name)}?{kept}" if kept else self.address(name)


def malformed(request: HttpRequest, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> HttpResponse:
    """The page for a form that no browser sends."""
    text = gettext("Go back to the form and send it from there.")
    return notice(request, gettext("Malformed request"), text, status=status)


def see_other(address: str) -> HttpResponse:
    """303, so that no browser posts the password again (RFC 9700 §4.12)."""
    return HttpResponse(status=HTTPStatus.SEE_OTHER, headers={"Location": address})


def whereabouts_of(request: HttpRequest) -> Whereabouts:
    """Where a request comes from, for the limits and the audit."""
    return Whereabouts(str(request.META.get("REMOTE_ADDR", "")), request.headers.get("User-Agent", ""))


def seconds(span: timedelta) -> str:
    """A length of time in whole seconds, rounded up, for Retry-After (RFC 9110 §10.2.3)."""
    return str(ceil(span.total_seconds()))


def _unreadable(request: HttpRequest) -> HttpResponse | None:
    if "Transfer-Encoding" in request.headers:  # WSGI hands it over without an end
        return malformed(request, HTTPStatus.LENGTH_REQUIRED)
    if request.content_type != _FORM:
        return malformed(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdecimal() or len(length) > len(str(MAX_FORM)) or int(length) > MAX_FORM:
        return malformed(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return None

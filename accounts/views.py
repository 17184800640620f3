"""The sign-in page of a realm, plain HTML that needs no script (OpenID Connect Core §3.1.2.3)."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from math import ceil

from csp.decorators import csp_replace
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from accounts import browser
from accounts.errors import HashingBusy, SignInRefused, TooManyAttempts
from accounts.names import MAX_USERNAME
from accounts.return_path import return_path
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn, sign_in
from realms.models import Realm
from realms.selectors import DEFAULT_SLUG, realm_by_slug

MAX_FORM = 32_768  # bytes; `next` alone may take most of it once it is percent-encoded
MAX_PASSWORD = 1_024  # bytes, as at `/auth`
_RETRY = timedelta(seconds=5)
_FORM = "application/x-www-form-urlencoded"
_REFUSED = "The user name or the password is wrong."
_BUSY = "The server is busy. Try again in a few seconds."
_EMPTY = {"username": "Enter your user name.", "password": "Enter your password."}


def notice(request: HttpRequest, title: str, text: str, *, status: HTTPStatus) -> HttpResponse:
    """A page that says what is wrong and what to do.

    Arguments:
        title: its heading.
        text: one or two sentences; never holds input.
    """
    response = render(request, "signet/notice.html", {"title": title, "text": text}, status=status)
    response["Cache-Control"] = "no-store"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001  (Django's, which logs it)
    """The page of a form that didn't come from here, or was open for too long (`CSRF_FAILURE_VIEW`)."""
    text = "Go back, reload the page and try again. Your browser has to accept cookies from this site."
    return notice(request, "This page is out of date", text, status=HTTPStatus.FORBIDDEN)


# Django's CSRF check reads the body, and a body of any length and kind: it comes after ours here.
@method_decorator(csrf_exempt, name="dispatch")
class Page(View):
    """A page below an issuer: the realm's, never stored, its forms small, plain and from this site."""

    http_method_names = ["get", "head", "post"]
    from_here_alone = True  # False for a page that other sites' forms may post to
    realm: Realm

    def dispatch(
        self, request: HttpRequest, *_args: object, realm: str = DEFAULT_SLUG, **_kwargs: object
    ) -> HttpResponseBase:
        """Answer, or say on a page why not."""
        if (request.method or "").lower() not in self.http_method_names:
            return HttpResponseNotAllowed([name.upper() for name in self.http_method_names])
        try:
            found = realm_by_slug(realm)
            if found is None or not found.enabled:
                text = "Check the address, or go back to the application that sent you here."
                return notice(request, "There is no such realm here", text, status=HTTPStatus.NOT_FOUND)
            self.realm = found
            handler = csrf_protect(super().dispatch) if self.from_here_alone else super().dispatch
            answer = (_unreadable(request) if request.method == "POST" else None) or handler(request)
        except (OperationalError, InterfaceError):
            answer = notice(request, "Not available", _BUSY, status=HTTPStatus.SERVICE_UNAVAILABLE)
            answer["Retry-After"] = _seconds(_RETRY)
        answer["Cache-Control"] = "no-store"
        return answer

    def address(self, name: str) -> str:
        """The path of a page of this realm.

        Arguments:
            name: in the URL configuration.
        """
        if self.realm.slug == DEFAULT_SLUG:
            return reverse(name)
        return reverse(f"realm:{name}", kwargs={"realm": self.realm.slug})


# Browsers hold form-action against every redirect that follows a form, and this one leads to a client.
@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class SignInView(Page):
    """Name and password."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The empty form, with the name that the client hints at (OpenID Connect Core §3.1.2.1, `login_hint`)."""
        query = _once_each(request.GET, ("next", "login_hint"))
        if query is None:
            return _malformed(request)
        hint = query["login_hint"]
        return self._form(request, following=query["next"], username=hint if _may_be_a_name(hint) else "")

    def post(self, request: HttpRequest) -> HttpResponse:
        """Sign in and go on; or the form again.

        A refusal is 422: 401 would need a challenge (RFC 9110 §15.5.2), for which browsers open a window
        of their own, and after 200 they would offer to keep a password that is wrong.
        """
        fields = _once_each(request.POST, ("username", "password", "next"))
        if fields is None:
            return _malformed(request)
        errors = {name: sentence for name, sentence in _EMPTY.items() if not fields[name]}
        if errors:
            return self._again(request, fields, errors=errors)
        try:
            signed_in = self._sign_in(request, fields)
        except SignInRefused:
            return self._again(request, fields, alert=_REFUSED)
        except TooManyAttempts as error:
            alert = f"There were too many attempts. Try again in {_seconds(error.retry_after)} seconds."
            response = self._again(request, fields, alert=alert, status=HTTPStatus.TOO_MANY_REQUESTS)
            response["Retry-After"] = _seconds(error.retry_after)
            return response
        except HashingBusy:
            response = self._again(request, fields, alert=_BUSY, status=HTTPStatus.SERVICE_UNAVAILABLE)
            response["Retry-After"] = _seconds(_RETRY)
            return response
        self._begin(request, signed_in)
        return _see_other(self._following(fields["next"]) or self.address("signed-in"))

    def _sign_in(self, request: HttpRequest, fields: Mapping[str, str]) -> SignedIn:
        """Check who it is; what nobody's name or password can be is refused in the same words, unhashed."""
        username, password = fields["username"], fields["password"]
        if not _may_be_a_name(username) or len(password.encode()) > MAX_PASSWORD:
            raise SignInRefused("malformed")
        peer = str(request.META.get("REMOTE_ADDR", ""))
        return sign_in(realm=self.realm, username=username, password=password, address=peer, now=timezone.now())

    def _begin(self, request: HttpRequest, signed_in: SignedIn) -> None:
        now = timezone.now()
        before = browser.current(request, realm=self.realm, now=now)
        replacing = before.session if before else None
        session = begin_session(realm=self.realm, signed_in=signed_in, replacing=replacing, now=now)
        browser.remember(request, session)

    def _following(self, text: str) -> str | None:
        return return_path(text, authorize=self.address("sign-in").removesuffix("sign-in") + "authorize")

    def _again(
        self,
        request: HttpRequest,
        fields: Mapping[str, str],
        *,
        alert: str = "",
        errors: Mapping[str, str] | None = None,
        status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY,
    ) -> HttpResponse:
        """The form with what was wrong, never with the password."""
        username = fields["username"] if _may_be_a_name(fields["username"]) else ""
        return self._form(
            request, following=fields["next"], username=username, alert=alert, errors=errors, status=status
        )

    def _form(
        self,
        request: HttpRequest,
        *,
        following: str,
        username: str,
        alert: str = "",
        errors: Mapping[str, str] | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> HttpResponse:
        context = {
            "realm": self.realm,
            "action": self.address("sign-in"),
            "next": self._following(following) or "",
            "username": username,
            "alert": alert,
            "errors": errors or {},
        }
        return render(request, "accounts/sign_in.html", context, status=status)


class SignedInView(Page):
    """Where a sign-in ends that no client asked for."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Who is signed in; the sign-in page where nobody is."""
        live = browser.current(request, realm=self.realm, now=timezone.now())
        if live is None:
            return _see_other(self.address("sign-in"))
        context = {
            "realm": self.realm,
            "person": live.person,
            "sign_in": self.address("sign-in"),
            "sign_out": self.address("end_session"),
        }
        return render(request, "accounts/signed_in.html", context)


def _unreadable(request: HttpRequest) -> HttpResponse | None:
    if "Transfer-Encoding" in request.headers:  # WSGI hands it over without an end
        return _malformed(request, HTTPStatus.LENGTH_REQUIRED)
    if request.content_type != _FORM:
        return _malformed(request, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdecimal() or len(length) > len(str(MAX_FORM)) or int(length) > MAX_FORM:
        return _malformed(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return None


def _malformed(request: HttpRequest, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> HttpResponse:
    return notice(request, "Malformed request", "Go back to the form and send it from there.", status=status)


def _once_each(found: QueryDict, names: tuple[str, ...]) -> Mapping[str, str] | None:
    """The fields with these names, "" where one is missing; None where one is repeated."""
    if any(len(found.getlist(name)) > 1 for name in names):
        return None
    return {name: found.get(name) or "" for name in names}


def _may_be_a_name(text: str) -> bool:
    """Whether somebody's name can be asked for: PostgreSQL takes no NUL, and folding a long one takes time."""
    return len(text) <= MAX_USERNAME and text.isprintable()


def _seconds(span: timedelta) -> str:
    return str(ceil(span.total_seconds()))


def _see_other(address: str) -> HttpResponse:
    """303, so that no browser posts the password again (RFC 9700 §4.12)."""
    return HttpResponse(status=HTTPStatus.SEE_OTHER, headers={"Location": address})

"""Other passwords: asked for by mail, chosen behind its link, or changed by somebody who is signed in."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext

from accounts import browser
from accounts.errors import HashingBusy, LinkOver, NameRefused, PersonGone, TooManyAttempts, WeakPassword
from accounts.models import MailedLink
from accounts.password_validators import rules
from accounts.passwords import may_be_a_password
from accounts.selectors import LiveSession
from accounts.services.passwords import ask_for_reset, change_password, reset_password
from accounts.views.addresses import bad_address, no_mail
from accounts.views.credentials import may_be_a_name, once_each, too_many
from accounts.views.mailed_links import LinkPage, over
from accounts.views.page import BUSY, RETRY, Page, malformed, seconds, see_other
from accounts.views.reauthentication import ProvenPage
from accounts.vocabulary import LinkPurpose


class ResetPasswordView(Page):
    """An address, to which a link may go. The answer never tells whether one went."""

    name = "reset-password"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form, where mail is sent."""
        return self._form(request) if settings.IDP_CAN_MAIL else no_mail(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Ask, and say where to look."""
        if not settings.IDP_CAN_MAIL:
            return no_mail(request)
        fields = once_each(request.POST, ("email",))
        if fields is None:
            return malformed(request)
        if not fields["email"]:
            return self._form(request, error=gettext("Enter your email address."))
        peer = str(request.META.get("REMOTE_ADDR", ""))
        try:
            ask_for_reset(realm=self.realm, email=fields["email"], address=peer, now=timezone.now())
        except NameRefused:
            return self._form(request, email=fields["email"], error=bad_address())
        except TooManyAttempts as error:
            wait = seconds(error.retry_after)
            answer = self._form(request, email=fields["email"], alert=too_many(int(wait)))
            answer.status_code, answer["Retry-After"] = HTTPStatus.TOO_MANY_REQUESTS, wait
            return answer
        return see_other(self.link("reset-password-sent"))

    def _form(self, request: HttpRequest, *, email: str = "", error: str = "", alert: str = "") -> HttpResponse:
        context = {
            "realm": self.realm,
            "action": self.link(self.name),
            "email": email if may_be_a_name(email) else "",
            "error": error,
            "alert": alert,
            "sign_in": self.link("sign-in"),
        }
        status = HTTPStatus.UNPROCESSABLE_ENTITY if error or alert else HTTPStatus.OK
        return render(request, "accounts/reset_password.html", context, status=status)


class ResetSentView(Page):
    """Where everybody comes who asked, whether a mail went or not."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """What to look for."""
        context = {"realm": self.realm, "reset": self.link("reset-password"), "sign_in": self.link("sign-in")}
        return render(request, "accounts/reset_password_sent.html", context)


class NewPasswordView(LinkPage):
    """Another password, behind the link from the mail."""

    name = "new-password"
    purpose = LinkPurpose.RESET_PASSWORD

    def show(self, request: HttpRequest, link: MailedLink) -> HttpResponse:
        """The form."""
        return self._form(request, link)

    def act(self, request: HttpRequest, link: MailedLink) -> HttpResponse:
        """Take the new password; nobody is signed in by it."""
        fields = once_each(request.POST, ("password",))
        if fields is None:
            return malformed(request)
        try:
            reset_password(link, password=_new_password(fields["password"]), now=timezone.now())
        except LinkOver:
            return over(request)
        except WeakPassword as error:
            return self._form(request, link, error=str(error))
        except HashingBusy:
            return _busy(self._form(request, link, alert=str(BUSY)))
        browser.forget_link(request, self.purpose)
        return see_other(self.link("password-changed"))

    def _form(self, request: HttpRequest, link: MailedLink, *, error: str = "", alert: str = "") -> HttpResponse:
        context = {
            "realm": self.realm,
            "person": link.user,
            "action": self.link(self.name),
            "error": error,
            "alert": alert,
            "rules": rules(),
        }
        status = HTTPStatus.UNPROCESSABLE_ENTITY if error or alert else HTTPStatus.OK
        return render(request, "accounts/new_password.html", context, status=status)


class PasswordChangedView(Page):
    """That it worked."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """The way to the sign-in."""
        context = {"realm": self.realm, "sign_in": self.link("sign-in")}
        return render(request, "accounts/password_changed.html", context)


class PasswordView(ProvenPage):
    """Another password, for somebody who proved just now who they are. All their sessions end."""

    name = "account-password"
    template = "accounts/password.html"

    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:  # noqa: ARG002
        """The rules."""
        return {"rules": rules()}

    def act(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        """Take the new password; they sign in with it."""
        fields = once_each(request.POST, ("password",))
        if fields is None:
            return malformed(request)
        try:
            password = _new_password(fields["password"])
            change_password(live.person, realm=self.realm, password=password, now=now)
        except WeakPassword as error:
            return self.show(request, live, now, status=HTTPStatus.UNPROCESSABLE_ENTITY, error=str(error))
        except HashingBusy:
            return _busy(self.show(request, live, now, alert=str(BUSY)))
        except PersonGone:
            return see_other(self.link("sign-in"))
        browser.forget(request, self.realm)
        return see_other(self.link("password-changed"))


def _new_password(text: str) -> str:
    """A password that can be hashed.

    Raises:
        WeakPassword: there is none, or none that can.
    """
    if not text:
        raise WeakPassword(gettext("Choose a password."))
    if not may_be_a_password(text):
        raise WeakPassword(gettext("This password is too long, or holds control characters."))
    return text


def _busy(answer: HttpResponse) -> HttpResponse:
    answer.status_code, answer["Retry-After"] = HTTPStatus.SERVICE_UNAVAILABLE, seconds(RETRY)
    return answer

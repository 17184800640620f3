"""The sign-in page of a realm, plain HTML that needs no script (OpenID Connect Core §3.1.2.3)."""

from abc import abstractmethod
from collections.abc import Mapping

from csp.decorators import csp_replace
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext

from accounts import browser
from accounts.errors import SignInRefused
from accounts.services.sign_in import SignedIn, sign_in
from accounts.views.credentials import MAX_PASSWORD, CredentialsPage, Refused, may_be_a_name
from accounts.views.page import Page, see_other
from accounts.views.passkey_forms import party_here, passkey_form
from accounts.views.upstream import demands_in, ways_in
from realms.vocabulary import Registration


class OwnAccountPage(CredentialsPage):
    """The name and the password of an account that somebody has."""

    def empty_fields(self) -> Mapping[str, str]:
        """What to say beside a field that is empty."""
        return {
            "username": gettext("Enter your user name or your email address."),
            "password": gettext("Enter your password."),
        }

    def prove(self, *, username: str, password: str, peer: str) -> SignedIn:
        """Check who it is; what nobody's name or password can be is refused in the same words, unhashed."""
        refused = gettext("The user name or the password is wrong.")
        if not may_be_a_name(username) or len(password.encode()) > MAX_PASSWORD:
            raise Refused(refused)
        try:
            return self.check(username=username, password=password, peer=peer)
        except SignInRefused as error:
            raise Refused(refused) from error

    @abstractmethod
    def check(self, *, username: str, password: str, peer: str) -> SignedIn:
        """Check them, or raise what `sign_in` raises."""


# Browsers hold form-action against every redirect that follows a form, and this one leads to a client.
@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class SignInView(OwnAccountPage):
    """Name and password."""

    name = "sign-in"
    template = "accounts/sign_in.html"

    def more(self, following: str) -> Mapping[str, object]:
        """The other ways in: to register, with a passkey or by a provider; and what to do about a lost password."""
        is_open = self.realm.registration == Registration.OPEN
        text = gettext("Sign in with a passkey")
        passkey = passkey_form(self, "passkey-sign-in", text, action="sign-in-passkey", following=following)
        found = self.request.POST if self.request.method == "POST" else self.request.GET
        return {
            "register": self.link("register", following=following) if is_open else "",
            "reset": self.link("reset-password") if settings.IDP_CAN_MAIL else "",
            "passkey": passkey if party_here() else None,
            "upstreams": ways_in(self),
            "demands": demands_in(found).items(),
        }

    def check(self, *, username: str, password: str, peer: str) -> SignedIn:
        """Check who it is."""
        return sign_in(
            realm=self.realm,
            username=username,
            password=password,
            address=peer,
            now=timezone.now(),
            user_agent=self.request.headers.get("User-Agent", ""),
        )


class SignedInView(Page):
    """Where a sign-in ends that no client asked for."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Who is signed in; the sign-in page where nobody is."""
        live = browser.current(request, realm=self.realm, now=timezone.now())
        if live is None:
            return see_other(self.link("sign-in"))
        context = {
            "realm": self.realm,
            "person": live.person,
            "account": self.link("account"),
            "sign_in": self.link("sign-in"),
            "sign_out": self.link("end_session"),
        }
        return render(request, "accounts/signed_in.html", context)

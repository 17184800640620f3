"""The registration page of a realm (Initiating User Registration via OpenID Connect §4.1)."""

import unicodedata
from collections.abc import Mapping
from http import HTTPStatus

from csp.decorators import csp_replace
from django.contrib.auth.password_validation import password_validators_help_texts
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext

from accounts.errors import NameRefused, NameTaken, WeakPassword
from accounts.names import MAX_USERNAME
from accounts.services.registration import register
from accounts.services.sign_in import SignedIn
from accounts.views.credentials import MAX_PASSWORD, CredentialsPage, Refused
from accounts.views.page import notice
from realms.vocabulary import Registration


# Browsers hold form-action against every redirect that follows a form, and this one leads to a client.
@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class RegistrationView(CredentialsPage):
    """A name and a password of one's own choice; whoever sends them is signed in."""

    name = "register"
    template = "accounts/register.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form, where the realm has one."""
        return super().get(request) if self.realm.registration == Registration.OPEN else _closed(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Register and go on, where people may; or the form again."""
        return super().post(request) if self.realm.registration == Registration.OPEN else _closed(request)

    def empty_fields(self) -> Mapping[str, str]:
        """What to say beside a field that is empty."""
        return {"username": gettext("Choose a user name."), "password": gettext("Choose a password.")}

    def more(self, following: str) -> Mapping[str, object]:
        """The way back, and the rules for passwords in the validators' words."""
        return {"sign_in": self.link("sign-in", following=following), "rules": password_validators_help_texts()}

    def prove(self, *, username: str, password: str, peer: str) -> SignedIn:
        """Make the person."""
        if not _may_be_a_password(password):
            raise Refused(errors={"password": gettext("This password is too long, or holds control characters.")})
        try:
            return register(
                realm=self.realm,
                username=username,
                password=password,
                address=peer,
                now=timezone.now(),
                user_agent=self.request.headers.get("User-Agent", ""),
            )
        except NameRefused as error:
            text = gettext("A user name has at most %(longest)d characters, no white space and nothing invisible.")
            raise Refused(errors={"username": text % {"longest": MAX_USERNAME}}) from error
        except NameTaken as error:
            text = gettext("This user name is taken, or reads like one that is. Choose another.")
            raise Refused(errors={"username": text}) from error
        except WeakPassword as error:
            raise Refused(errors={"password": str(error)}) from error


def _closed(request: HttpRequest) -> HttpResponse:
    text = gettext("Those who run this site make the accounts. Ask them for one.")
    return notice(request, gettext("Registration is closed"), text, status=HTTPStatus.FORBIDDEN)


def _may_be_a_password(text: str) -> bool:
    """Whether `/auth` could be asked with it too, which takes no control characters."""
    return len(text.encode()) <= MAX_PASSWORD and not any(unicodedata.category(sign) == "Cc" for sign in text)

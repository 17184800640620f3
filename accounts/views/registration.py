"""The registration page of a realm (Initiating User Registration via OpenID Connect §4.1)."""

from abc import abstractmethod
from collections.abc import Mapping
from http import HTTPStatus

from csp.decorators import csp_replace
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext

from accounts.errors import NameRefused, NameTaken, WeakPassword
from accounts.names import MAX_USERNAME, check_email
from accounts.password_validators import rules
from accounts.passwords import may_be_a_password
from accounts.return_path import MAX_RETURN_PATH
from accounts.services.registration import register
from accounts.services.sign_in import SignedIn
from accounts.views.addresses import bad_address
from accounts.views.credentials import CredentialsPage, Refused
from accounts.views.page import notice
from realms.vocabulary import Registration


class NewAccountPage(CredentialsPage):
    """A name and a password of one's own choice; whoever sends them is signed in."""

    template = "accounts/register.html"

    def empty_fields(self) -> Mapping[str, str]:
        """What to say beside a field that is empty."""
        return {"username": gettext("Choose a user name."), "password": gettext("Choose a password.")}

    def more(self, following: str) -> Mapping[str, object]:
        """The way back, and the rules for passwords in the validators' words."""
        return {"sign_in": self.link("sign-in", following=following), "rules": rules()}

    def prove(self, *, username: str, password: str, peer: str) -> SignedIn:
        """Make the person."""
        if not may_be_a_password(password):
            raise Refused(errors={"password": gettext("This password is too long, or holds control characters.")})
        try:
            return self.make(username=username, password=password, peer=peer)
        except NameRefused as error:
            text = gettext(
                "A user name has at most %(longest)d characters, no white space, no @ and nothing invisible."
            )
            raise Refused(errors={"username": text % {"longest": MAX_USERNAME}}) from error
        except NameTaken as error:
            text = gettext("This user name is taken, or reads like one that is. Choose another.")
            raise Refused(errors={"username": text}) from error
        except WeakPassword as error:
            raise Refused(errors={"password": str(error)}) from error

    @abstractmethod
    def make(self, *, username: str, password: str, peer: str) -> SignedIn:
        """Make the person, or raise what `register` raises."""


# Browsers hold form-action against every redirect that follows a form, and this one leads to a client.
@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class RegistrationView(NewAccountPage):
    """Registration for whoever comes, where the realm is open."""

    name = "register"
    further = ("email",)

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form, where the realm has one."""
        return super().get(request) if self.realm.registration == Registration.OPEN else self._closed(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Register and go on, where people may; or the form again."""
        return super().post(request) if self.realm.registration == Registration.OPEN else self._closed(request)

    def empty_fields(self) -> Mapping[str, str]:
        """What to say beside a field that is empty."""
        email = {"email": gettext("Enter your email address.")} if settings.IDP_CAN_MAIL else {}
        return {**super().empty_fields(), **email}

    def more(self, following: str) -> Mapping[str, object]:
        """The same, and whether an address is asked for."""
        return {**super().more(following), "asks_for_email": settings.IDP_CAN_MAIL}

    def make(self, *, username: str, password: str, peer: str) -> SignedIn:
        """Make the person, and have the address confirmed."""
        email = self.typed["email"] if settings.IDP_CAN_MAIL else ""
        try:
            check_email(email)
        except NameRefused as error:
            raise Refused(errors={"email": bad_address()}) from error
        return register(
            realm=self.realm,
            username=username,
            password=password,
            email=email,
            address=peer,
            now=timezone.now(),
            user_agent=self.request.headers.get("User-Agent", ""),
        )

    def go_on(self, request: HttpRequest, signed_in: SignedIn, *, following: str) -> HttpResponse:
        """By the page that says which mailbox to look at, unless its address grows too long to be led back to."""
        if settings.IDP_CAN_MAIL:
            by_way = self.link("look-at-your-mail", following=following)
            following = by_way if len(by_way) <= MAX_RETURN_PATH else following
        return super().go_on(request, signed_in, following=following)

    def _closed(self, request: HttpRequest) -> HttpResponse:
        text = gettext("Those who run this site make the accounts. Ask them for one.")
        if self.realm.registration == Registration.INVITED:
            text = gettext("Accounts are made by invitation: open the link in yours, or ask those who run this site.")
        return notice(request, gettext("Registration is closed"), text, status=HTTPStatus.FORBIDDEN)

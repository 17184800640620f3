"""Email addresses: the page behind the link that confirms one, and the account's page for another one."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext

from accounts import browser
from accounts.errors import AddressTaken, LinkOver, NameRefused, TooManyAttempts
from accounts.models import MailedLink
from accounts.selectors import LiveSession
from accounts.selectors.mail import awaited_address
from accounts.services.addresses import ask_for_address, confirm_address
from accounts.views.credentials import may_be_a_name, once_each, too_many
from accounts.views.mailed_links import LinkPage, over
from accounts.views.page import Page, malformed, notice, seconds, see_other
from accounts.views.reauthentication import ProvenPage
from accounts.vocabulary import LinkPurpose


class ConfirmAddressView(LinkPage):
    """A button that confirms an address."""

    name = "confirm-address"
    purpose = LinkPurpose.CONFIRM_ADDRESS

    def show(self, request: HttpRequest, link: MailedLink) -> HttpResponse:
        """Whose address it is going to be."""
        context = {"realm": self.realm, "link": link, "person": link.user, "action": self.link(self.name)}
        return render(request, "accounts/confirm_address.html", context)

    def act(self, request: HttpRequest, link: MailedLink) -> HttpResponse:
        """Confirm."""
        try:
            confirm_address(link, now=timezone.now())
        except LinkOver:
            return over(request)
        except AddressTaken:
            text = gettext("Another account has this address by now. Sign in with that one, or give another address.")
            return notice(request, gettext("This address is in use"), text, status=HTTPStatus.CONFLICT)
        browser.forget_link(request, self.purpose)
        return see_other(self.link("address-confirmed"))


class AddressConfirmedView(Page):
    """That it worked."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """The way on."""
        return render(
            request, "accounts/address_confirmed.html", {"realm": self.realm, "account": self.link("account")}
        )


class LookAtYourMailView(Page):
    """Where a registration leads that has an address to be confirmed: on, once somebody has read it."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Which mailbox to look at."""
        now = timezone.now()
        live = browser.current(request, realm=self.realm, now=now)
        if live is None:
            return see_other(self.link("sign-in"))
        asked = request.GET.getlist("next")
        following = self.onward(asked[0]) if len(asked) == 1 else ""
        context = {
            "realm": self.realm,
            "email": awaited_address(live.person, now=now),
            "following": following or self.link("signed-in"),
        }
        return render(request, "accounts/look_at_your_mail.html", context)


class EmailView(ProvenPage):
    """Another address, for somebody who proved just now who they are."""

    name = "account-email"
    template = "accounts/email.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form, where mail is sent."""
        return super().get(request) if settings.IDP_CAN_MAIL else no_mail(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Ask for the address, where mail is sent."""
        return super().post(request) if settings.IDP_CAN_MAIL else no_mail(request)

    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:
        """The present address, and the one that waits."""
        return {"waiting": awaited_address(live.person, now=now)}

    def act(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        """Mail a link to the new address."""
        fields = once_each(request.POST, ("email",))
        if fields is None:
            return malformed(request)
        typed, peer = fields["email"], str(request.META.get("REMOTE_ADDR", ""))

        def again(error: str, status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY) -> HttpResponse:
            shown = typed if may_be_a_name(typed) else ""
            return self.show(request, live, now, status=status, email=shown, error=error)

        if not typed:
            return again(gettext("Enter an email address."))
        try:
            ask_for_address(live.person, realm=self.realm, email=typed, address=peer, now=now)
        except NameRefused:
            return again(bad_address())
        except TooManyAttempts as error:
            wait = seconds(error.retry_after)
            answer = again(too_many(int(wait)), HTTPStatus.TOO_MANY_REQUESTS)
            answer["Retry-After"] = wait
            return answer
        return see_other(self.link(self.name))


def bad_address() -> str:
    """What a form says of something that is no address."""
    return gettext("An email address looks like name@example.org.")


def no_mail(request: HttpRequest) -> HttpResponse:
    """The page where one is needed that would send mail."""
    text = gettext("This site sends no mail. Ask those who run it.")
    return notice(request, gettext("Not available"), text, status=HTTPStatus.NOT_FOUND)

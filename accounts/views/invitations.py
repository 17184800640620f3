"""The pages behind an invitation: an account with the address that it was mailed to, or the account that one has."""

from collections.abc import Mapping

from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext

from accounts import browser
from accounts.errors import AddressTaken, LinkOver, NameRefused, RegistrationClosed
from accounts.models import MailedLink
from accounts.services.invitations import join
from accounts.services.registration import register_invited
from accounts.services.sign_in import SignedIn
from accounts.views.credentials import CredentialsPage, Refused
from accounts.views.mailed_links import LinkPage, over
from accounts.views.registration import NewAccountPage
from accounts.views.sign_in import OwnAccountPage
from accounts.vocabulary import LinkPurpose


class Invited(LinkPage, CredentialsPage):
    """A form behind an invitation, which the session holds and the form needn't name."""

    purpose = LinkPurpose.INVITATION
    invitation: MailedLink

    def show(self, request: HttpRequest, link: MailedLink) -> HttpResponse:
        """The form."""
        self.invitation = link
        return CredentialsPage.get(self, request)

    def act(self, request: HttpRequest, link: MailedLink) -> HttpResponse:
        """Take the form."""
        self.invitation = link
        try:
            return CredentialsPage.post(self, request)
        except (LinkOver, RegistrationClosed):
            return over(request)

    def go_on(self, request: HttpRequest, signed_in: SignedIn, *, following: str) -> HttpResponse:
        """The invitation is used; on as after any sign-in."""
        browser.forget_link(request, self.purpose)
        return super().go_on(request, signed_in, following=following)


@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class InvitationView(Invited, NewAccountPage):
    """A new account for whoever was invited."""

    name = "invitation"

    def more(self, following: str) -> Mapping[str, object]:
        """The address, which is confirmed already, and the way for whoever has an account."""
        return {**super().more(following), "invited": self.invitation.email, "sign_in": self.link("invitation-join")}

    def make(self, *, username: str, password: str, peer: str) -> SignedIn:
        """Make the person."""
        try:
            return register_invited(
                self.invitation,
                username=username,
                password=password,
                address=peer,
                now=timezone.now(),
                user_agent=self.request.headers.get("User-Agent", ""),
            )
        except AddressTaken as error:
            text = gettext("There is an account with this address already. Join with that one, by the link below.")
            raise Refused(text) from error


@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class JoinView(Invited, OwnAccountPage):
    """The account that somebody has, proved anew."""

    name = "invitation-join"
    template = "accounts/join.html"

    def more(self, following: str) -> Mapping[str, object]:  # noqa: ARG002
        """The way for whoever has no account."""
        return {"invitation": self.link("invitation")}

    def check(self, *, username: str, password: str, peer: str) -> SignedIn:
        """Check who it is, and make them a member."""
        try:
            return join(
                self.invitation,
                username=username,
                password=password,
                address=peer,
                now=timezone.now(),
                user_agent=self.request.headers.get("User-Agent", ""),
            )
        except NameRefused as error:  # the roles of both together would fit into no token
            raise Refused(gettext("You can’t join with this account. Ask whoever invited you.")) from error

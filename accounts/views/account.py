"""What the account's pages share, the first of them, and the one about the browsers that are signed in."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext

from accounts import browser
from accounts.selectors import LiveSession, lineage_of, own_session, standing_sessions
from accounts.services.sessions import end_session, end_sessions_of
from accounts.views.page import Page, malformed, notice, see_other
from accounts.vocabulary import SessionEnd

_OTHERS = "others"  # no `sid` is so short


class AccountPage(Page):
    """A page about whoever is signed in, for them alone; for everybody else the sign-in page, which leads back."""

    name: str  # in the URL configuration
    template: str

    @abstractmethod
    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:
        """What the template is told beside the realm and the person."""

    @abstractmethod
    def act(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        """Do what the person asks for; the form is CSRF-checked."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page."""
        now = timezone.now()
        live = browser.current(request, realm=self.realm, now=now)
        return self._sign_in() if live is None else self.show(request, live, now)

    def show(
        self,
        request: HttpRequest,
        live: LiveSession,
        now: datetime,
        *,
        status: HTTPStatus = HTTPStatus.OK,
        **more: object,
    ) -> HttpResponse:
        """The page.

        Arguments:
            more: what else the template is told, such as what is wrong.
        """
        context = {**self.context(live), **self.contents(live, now), **more}
        return render(request, self.template, context, status=status)

    def context(self, live: LiveSession) -> dict[str, object]:
        """What every such page is told: the person, and the way to the others."""
        return {
            "realm": self.realm,
            "person": live.person,
            "zone": _zone_of(live.person.zoneinfo),
            "action": self.link(self.name),
            "account": self.link("account"),
            "sessions": self.link("account-sessions"),
            "applications": self.link("account-applications"),
            "security": self.link("account-security"),
            "linked": self.link("account-linked"),
            "devices": self.link("account-devices"),
            "data": self.link("account-data"),
            "email_page": self.link("account-email") if settings.IDP_CAN_MAIL else "",
            "password_page": self.link("account-password"),
        }

    def post(self, request: HttpRequest) -> HttpResponse:
        """Act; where nobody is signed in any more, nothing is done."""
        now = timezone.now()
        live = browser.current(request, realm=self.realm, now=now)
        return self._sign_in() if live is None else self.act(request, live, now)

    def _sign_in(self) -> HttpResponse:
        return see_other(self.link("sign-in", following=self.address(self.name)))


class AccountView(AccountPage):
    """Who is signed in, and the way to the rest."""

    http_method_names = ["get", "head"]
    name = "account"
    template = "accounts/account.html"

    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:  # noqa: ARG002
        """The ways out."""
        return {"sign_in": self.link("sign-in"), "sign_out": self.link("end_session")}


class SessionsView(AccountPage):
    """The browsers in which a person is signed in; end one, or all but this."""

    name = "account-sessions"
    template = "accounts/sessions.html"

    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:
        """The sessions, this browser's first."""
        here = lineage_of(live.session)
        found = standing_sessions(live.person, realm=self.realm, now=now)
        others = [session for session in found if lineage_of(session) != here]
        return {"here": live.session, "others": others, "all_others": _OTHERS}

    def act(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        """End what the button says; one that has ended already stays so."""
        asked = request.POST.getlist("end")
        if len(asked) != 1:
            return malformed(request)
        reason, actor = SessionEnd.SIGNED_OUT, f"user:{live.person.subject}"
        if asked == [_OTHERS]:
            end_sessions_of(live.person, reason=reason, actor=actor, now=now, realm=self.realm, keeping=live.session)
            return see_other(self.link(self.name))
        session = own_session(asked[0], person=live.person, realm=self.realm)
        if session is None:
            text = gettext("Go back and reload the page: it shows where you are signed in now.")
            return notice(request, gettext("There is no such session"), text, status=HTTPStatus.NOT_FOUND)
        end_session(session, reason=reason, actor=actor, now=now)
        if lineage_of(session) != lineage_of(live.session):
            return see_other(self.link(self.name))
        browser.forget(request, self.realm)
        return see_other(self.link("end_session"))


def _zone_of(name: str) -> ZoneInfo:
    """A person's time zone; UTC where they have none, or one that this machine doesn't know."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")

"""The clients that a person allowed something in a realm, and the end of it."""

import re
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from accounts.selectors import LiveSession
from accounts.views import AccountPage, malformed, notice
from tokens.models import CLIENT_ID_PATTERN
from tokens.selectors import applications_of, client_by_id
from tokens.services.consent import withdraw
from tokens.views.pages import see_other

_CLIENT_ID = re.compile(CLIENT_ID_PATTERN)


class ApplicationsView(AccountPage):
    """What has access to a person's account; take it from one."""

    name = "account-applications"
    template = "tokens/applications.html"

    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:
        """The clients with what they were allowed."""
        return {"found": applications_of(live.person, realm=self.realm, now=now)}

    def act(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        """Withdraw; a client that has nothing any more stays so."""
        asked = request.POST.getlist("withdraw")
        if len(asked) != 1:
            return malformed(request)
        client = client_by_id(asked[0], realm=self.realm) if _CLIENT_ID.fullmatch(asked[0]) else None
        if client is None:
            text = gettext("Go back and reload the page: it shows which applications have access now.")
            return notice(request, gettext("There is no such application"), text, status=HTTPStatus.NOT_FOUND)
        withdraw(person=live.person, client=client, actor=f"user:{live.person.subject}", now=now)
        return see_other(self.link(self.name))

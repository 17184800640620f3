"""What is stored about a person: to take along, and to have deleted with the account."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext

from accounts import browser
from accounts.errors import LastSuperuser, PersonGone
from accounts.names import MAX_USERNAME, canonical
from accounts.selectors import LiveSession
from accounts.services.deletion import delete_account
from accounts.services.stored import take_copy
from accounts.views.page import malformed, notice, whereabouts_of
from accounts.views.reauthentication import ProvenPage

_COPY, _DELETE = "copy", "delete"


class StoredView(ProvenPage):
    """Says what is kept; gives it away as a file, and deletes the account, each after a fresh proof alone."""

    name = "account-data"
    template = "accounts/stored.html"

    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:  # noqa: ARG002
        """What the buttons mean."""
        return {"copy": _COPY, "delete": _DELETE}

    def act(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        """What the button says."""
        asked, typed = request.POST.getlist("do"), request.POST.getlist("username")
        if asked == [_COPY]:
            return self._copy(request, live, now)
        if asked == [_DELETE] and len(typed) == 1:
            return self._delete(request, live, typed[0], now)
        return malformed(request)

    def _copy(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        found = take_copy(live.person, whereabouts=whereabouts_of(request), realm=self.realm.slug, now=now)
        answer = JsonResponse(found, encoder=DjangoJSONEncoder, json_dumps_params={"indent": 2, "ensure_ascii": False})
        answer["Content-Disposition"] = f'attachment; filename="{self.realm.slug}-account.json"'
        return answer

    def _delete(self, request: HttpRequest, live: LiveSession, typed: str, now: datetime) -> HttpResponse:
        if len(typed) > MAX_USERNAME or canonical(typed) != live.person.username_canonical:
            return self._again(request, live, now, gettext("This is not your user name."))
        try:
            delete_account(live.person, now=now)
        except LastSuperuser:
            text = gettext("You alone look after this site. Have somebody else do it first.")
            return self._again(request, live, now, text)
        except PersonGone:
            pass  # by another window of theirs: what they want has come about
        browser.forget(request, self.realm)
        text = gettext("Nothing of it is kept but what the records need, and they don’t name you.")
        return notice(request, gettext("Your account is deleted"), text, status=HTTPStatus.OK)

    def _again(self, request: HttpRequest, live: LiveSession, now: datetime, error: str) -> HttpResponse:
        return self.show(request, live, now, status=HTTPStatus.UNPROCESSABLE_ENTITY, error=error)

"""What the pages with a name and a password share: the form, its refusals, and the way on from it."""

from abc import abstractmethod
from collections.abc import Mapping
from http import HTTPStatus
from math import ceil

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import ngettext

from accounts.errors import HashingBusy, TooManyAttempts
from accounts.names import MAX_EMAIL
from accounts.passwords import MAX_BYTES
from accounts.services.sign_in import SignedIn
from accounts.views.arrival import arrive
from accounts.views.page import BUSY, RETRY, Page, malformed, seconds

MAX_PASSWORD = MAX_BYTES
_MANY_SECONDS = 120  # from here on people count in minutes


class Refused(Exception):
    """What the form says when it is shown again.

    Attributes:
        alert: a sentence about the whole; "" for none.
        errors: a sentence each for the fields that are wrong, by name.
    """

    def __init__(self, alert: str = "", errors: Mapping[str, str] | None = None) -> None:
        super().__init__(alert)
        self.alert = alert
        self.errors = errors or {}


class CredentialsPage(Page):
    """A form with a name and a password, and the way on from it."""

    name: str  # in the URL configuration
    template: str
    further: tuple[str, ...] = ()  # names of more fields, whose values go back into the form
    typed: Mapping[str, str] = {}  # what was sent

    @abstractmethod
    def prove(self, *, username: str, password: str, peer: str) -> SignedIn:
        """Who it is.

        Arguments:
            peer: the client's address, for the limits.

        Raises:
            Refused, TooManyAttempts, HashingBusy: the form is shown again.
        """

    @abstractmethod
    def empty_fields(self) -> Mapping[str, str]:
        """What to say beside a field that is empty."""

    def more(self, following: str) -> Mapping[str, object]:  # noqa: ARG002
        """What else the template is told.

        Arguments:
            following: where the form leads to, "" for nowhere; checked.
        """
        return {}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The empty form, with the name that the client hints at (OpenID Connect Core §3.1.2.1, `login_hint`)."""
        query = once_each(request.GET, ("next", "login_hint"))
        if query is None:
            return malformed(request)
        return self._form(request, following=query["next"], username=query["login_hint"])

    def post(self, request: HttpRequest) -> HttpResponse:
        """Go on; or the form again.

        A refusal is 422: 401 would need a challenge (RFC 9110 §15.5.2), for which browsers open a window
        of their own, and after 200 they would offer to keep a password that is wrong.
        """
        fields = once_each(request.POST, ("username", "password", "next", *self.further))
        if fields is None:
            return malformed(request)
        self.typed = fields
        try:
            signed_in = self._prove(request, fields)
        except Refused as refusal:
            return self._again(request, fields, refusal)
        except TooManyAttempts as error:
            wait = seconds(error.retry_after)
            return self._later(request, fields, too_many(int(wait)), wait, HTTPStatus.TOO_MANY_REQUESTS)
        except HashingBusy:
            return self._later(request, fields, str(BUSY), seconds(RETRY), HTTPStatus.SERVICE_UNAVAILABLE)
        return self.go_on(request, signed_in, following=self.onward(fields["next"]))

    def go_on(self, request: HttpRequest, signed_in: SignedIn, *, following: str) -> HttpResponse:
        """The way on from the form."""
        return arrive(request, signed_in, page=self, following=following)

    def _prove(self, request: HttpRequest, fields: Mapping[str, str]) -> SignedIn:
        errors = {name: sentence for name, sentence in self.empty_fields().items() if not fields[name]}
        if errors:
            raise Refused(errors=errors)
        peer = str(request.META.get("REMOTE_ADDR", ""))
        return self.prove(username=fields["username"], password=fields["password"], peer=peer)

    def _later(
        self, request: HttpRequest, fields: Mapping[str, str], alert: str, wait: str, status: HTTPStatus
    ) -> HttpResponse:
        response = self._again(request, fields, Refused(alert), status=status)
        response["Retry-After"] = wait
        return response

    def _again(
        self,
        request: HttpRequest,
        fields: Mapping[str, str],
        refusal: Refused,
        *,
        status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY,
    ) -> HttpResponse:
        """The form with what was wrong, never with the password."""
        username, following = fields["username"], fields["next"]
        return self._form(request, following=following, username=username, refusal=refusal, status=status)

    def _form(
        self,
        request: HttpRequest,
        *,
        following: str,
        username: str,
        refusal: Refused | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> HttpResponse:
        onward = self.onward(following)
        context = {
            "realm": self.realm,
            "action": self.link(self.name),
            "next": onward,
            "username": username if may_be_a_name(username) else "",
            "alert": refusal.alert if refusal else "",
            "errors": refusal.errors if refusal else {},
            **{name: self._shown(name) for name in self.further},
            **self.more(onward),
        }
        return render(request, self.template, context, status=status)

    def _shown(self, name: str) -> str:
        value = self.typed.get(name, "")
        return value if may_be_a_name(value) else ""


def may_be_a_name(text: str) -> bool:
    """Whether a name or an address can be asked for: PostgreSQL takes no NUL, and folding a long one takes time."""
    return len(text) <= MAX_EMAIL and text.isprintable()


def too_many(wait: int) -> str:
    """What to say of a limit.

    Arguments:
        wait: seconds until the next attempt counts.
    """
    if wait > _MANY_SECONDS:
        minutes = ceil(wait / 60)
        sentence = ngettext(
            "There were too many attempts. Try again in %(count)d minute.",
            "There were too many attempts. Try again in %(count)d minutes.",
            minutes,
        )
        return sentence % {"count": minutes}
    sentence = ngettext(
        "There were too many attempts. Try again in %(count)d second.",
        "There were too many attempts. Try again in %(count)d seconds.",
        wait,
    )
    return sentence % {"count": wait}


def once_each(found: QueryDict, names: tuple[str, ...]) -> Mapping[str, str] | None:
    """The fields with these names, "" where one is missing; None where one is repeated."""
    if any(len(found.getlist(name)) > 1 for name in names):
        return None
    return {name: found.get(name) or "" for name in names}

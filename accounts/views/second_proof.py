"""What the pages of second factors share: whose proof is asked for, and the way on from it."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts import browser, device_cookie
from accounts.errors import ChallengeOver, TooManyAttempts
from accounts.models import SignInChallenge, User
from accounts.selectors import LiveSession
from accounts.services.challenges import complete_challenge
from accounts.services.devices import step_up_on_device
from accounts.views.arrival import begin
from accounts.views.credentials import Refused, once_each, too_many
from accounts.views.page import Page, malformed, seconds, see_other, whereabouts_of
from realms.models import Realm

ONLY, BY_PASSKEY = "only", "passkey"  # a parameter of the page, and its one value


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose second factor a page asks for: of half a sign-in, or of a session that is to be surer.

    Attributes:
        person: who has to prove it.
        challenge: the half; None where somebody is signed in.
        live: the session; None where there is half a sign-in.
    """

    person: User
    challenge: SignInChallenge | None
    live: LiveSession | None


def asked_here(request: HttpRequest, *, realm: Realm, now: datetime) -> Asked | None:
    """Whose proof is due: of the half that the browser holds, else of its session; None where it holds neither.

    Arguments:
        now: aware time.
    """
    challenge = browser.current_challenge(request, realm=realm, now=now)
    if challenge is not None:
        return Asked(challenge.user, challenge, None)
    live = browser.current(request, realm=realm, now=now)
    return None if live is None else Asked(live.person, None, live)


class SecondProofPage(Page):
    """A page on the way from the first proof to the second; everybody else comes to the sign-in page."""

    name: str  # in the URL configuration
    template: str
    fields: tuple[str, ...]  # what the form has beside `next`
    following = ""  # where the way leads to in the end, "" for nowhere; checked
    only = ""  # `BY_PASSKEY` where a client would turn anything else down; a mere hint, so nothing rests on it

    @abstractmethod
    def elsewhere(self, request: HttpRequest, asked: Asked, now: datetime, *, following: str) -> HttpResponse | None:
        """Where this page is not the one that they need; None where it is.

        Arguments:
            now: aware time.
            following: where the way leads to in the end, "" for nowhere; checked.
        """

    @abstractmethod
    def contents(self, asked: Asked, fields: Mapping[str, str], now: datetime) -> Mapping[str, object]:
        """What the template is told beside the realm, the person and what is wrong.

        Arguments:
            fields: what was sent, "" for what was not.
        """

    @abstractmethod
    def prove(
        self, request: HttpRequest, asked: Asked, fields: Mapping[str, str], now: datetime, *, following: str
    ) -> HttpResponse:
        """Check what was sent, and go on.

        Raises:
            Refused, TooManyAttempts: the form is shown again.
            ChallengeOver: the sign-in begins anew.
        """

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form."""
        query, now = once_each(request.GET, ("next", ONLY)), timezone.now()
        if query is None:
            return malformed(request)
        self.only = query[ONLY]
        following = self.following = self.onward(query["next"])
        asked = asked_here(request, realm=self.realm, now=now)
        if asked is None:
            return see_other(self.link("sign-in", following=following))
        return self.elsewhere(request, asked, now, following=following) or self.form(
            request, asked, dict.fromkeys(self.fields, ""), now, following=following
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        """Go on; or the form again. A refusal is 422, as at the sign-in."""
        fields, now = once_each(request.POST, (*self.fields, "next", ONLY)), timezone.now()
        if fields is None:
            return malformed(request)
        self.only = fields[ONLY]
        following = self.following = self.onward(fields["next"])
        asked = asked_here(request, realm=self.realm, now=now)
        if asked is None:
            return see_other(self.link("sign-in", following=following))
        away = self.elsewhere(request, asked, now, following=following)
        return away or self._proved(request, asked, fields, now, following=following)

    def _proved(
        self, request: HttpRequest, asked: Asked, fields: Mapping[str, str], now: datetime, *, following: str
    ) -> HttpResponse:
        def again(refusal: Refused, status: HTTPStatus, wait: str = "") -> HttpResponse:
            response = self.form(request, asked, fields, now, following=following, refusal=refusal, status=status)
            if wait:
                response["Retry-After"] = wait
            return response

        try:
            return self.prove(request, asked, fields, now, following=following)
        except Refused as refusal:
            return again(refusal, HTTPStatus.UNPROCESSABLE_ENTITY)
        except TooManyAttempts as error:
            wait = seconds(error.retry_after)
            return again(Refused(too_many(int(wait))), HTTPStatus.TOO_MANY_REQUESTS, wait)
        except ChallengeOver:
            browser.forget_challenge(request, self.realm)
            return see_other(self.link("sign-in", following=following))

    def form(
        self,
        request: HttpRequest,
        asked: Asked,
        fields: Mapping[str, str],
        now: datetime,
        *,
        following: str,
        refusal: Refused | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> HttpResponse:
        """The page, with what was wrong, never with what was sent."""
        context = {
            "realm": self.realm,
            "person": asked.person,
            "stepping_up": asked.live is not None,
            "action": self.link(self.name),
            "next": following,
            "sign_in": self.link("sign-in", following=following),
            "alert": refusal.alert if refusal else "",
            "errors": refusal.errors if refusal else {},
            **self.contents(asked, fields, now),
        }
        return render(request, self.template, context, status=status)

    def finish(self, request: HttpRequest, asked: Asked, *, methods: tuple[str, ...], now: datetime) -> None:
        """Take the second proof: the half becomes a session, or the session a surer one.

        Arguments:
            methods: how it was proved.
            now: aware time.

        Raises:
            ChallengeOver: somebody was faster, or it has ended meanwhile.
        """
        if asked.challenge is not None:
            whereabouts = whereabouts_of(request)
            proved = complete_challenge(asked.challenge, methods=methods, now=now, whereabouts=whereabouts)
            begin(request, proved, realm=self.realm)
        elif asked.live is not None:
            visit = device_cookie.visit_of(request)
            surer = step_up_on_device(realm=self.realm, live=asked.live, methods=methods, visit=visit, now=now)
            browser.remember(request, surer)

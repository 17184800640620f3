"""Pages for a person on the way to or from a client: refusals in stable words, redirects by 303."""

from abc import abstractmethod
from http import HTTPStatus
from typing import cast

from csp.decorators import csp_replace
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext, gettext_lazy

from accounts.views import Page, notice
from keys.errors import KeysError
from realms.models import Realm
from tokens.errors import OAuthError, PageError
from tokens.protocol import ProtocolRequest
from tokens.reading import Pairs, authorization_pairs
from tokens.views.base import plain_request

_GO_BACK = gettext_lazy(
    "The application that sent you here made a request that can't be answered. Go back to it and try again; if it "
    "goes on, tell those who run it what stands above."
)


class ProtocolPage(Page):
    """A page whose refusals are told in words that stay the same, for those who set up clients."""

    def answer(self, request: HttpRequest, slug: str) -> HttpResponseBase:
        """Answer, or say on a page what is wrong; nobody is sent anywhere."""
        try:
            return super().answer(request, slug)
        except PageError as error:
            return notice(request, error.public, str(_GO_BACK), status=HTTPStatus(error.status))
        except OAuthError as error:
            return notice(request, gettext("Malformed request"), error.public, status=HTTPStatus(error.status))
        except KeysError:
            text = gettext("The server can't do this now. Try again in a few seconds.")
            return notice(request, gettext("Not available"), text, status=HTTPStatus.SERVICE_UNAVAILABLE)

    @abstractmethod
    def decide(self, request: HttpRequest, asked: ProtocolRequest) -> HttpResponse:
        """Ask the flow, and send the browser where it says."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Decide."""
        return self.decide(request, plain_request(request))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Decide; but first have the browser show who it is, where the form of another site came without."""
        asked = plain_request(request)
        if _came_without_cookies(request):
            return _once_more(request, self.realm, authorization_pairs(asked))
        return self.decide(request, asked)


def _came_without_cookies(request: HttpRequest) -> bool:
    """Whether the browser kept the session's cookie back, since the form is another site's (SameSite=Lax).

    Whoever is signed in would seem not to be: asked for their password again, or told that they are signed out.
    In a frame it makes no difference: there our page would not be shown (Fetch Metadata §2.1, §2.4).
    """
    whence = request.headers.get("Sec-Fetch-Site"), request.headers.get("Sec-Fetch-Dest")
    return whence == ("cross-site", "document") and settings.SESSION_COOKIE_NAME not in request.COOKIES


def _once_more(request: HttpRequest, realm: Realm, fields: Pairs) -> HttpResponse:
    """The same form from here, which sends itself, or by a press of its button where there is no script.

    It opens nothing: a link of the other site, which is a GET, would have come with the cookie.
    """

    @csp_replace({"form-action": None})  # browsers hold it against the redirect to the client as well
    def page(request: HttpRequest) -> HttpResponse:
        return render(request, "tokens/post_again.html", {"realm": realm, "fields": fields})

    return cast("HttpResponse", page(request))


def step_up_page(*, set_up: bool) -> str:
    """The name of the page on which a person proves more than they did.

    Arguments:
        set_up: they have no second factor yet.
    """
    return "second-factor-set-up" if set_up else "second-factor"


def see_other(address: str) -> HttpResponse:
    """303, so that no browser posts the person's form again (RFC 9700 §4.12); any scheme, since apps have their own."""
    response = HttpResponse(status=303)
    response["Location"] = address
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response

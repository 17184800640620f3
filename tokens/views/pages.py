"""Pages for a person on the way to or from a client: refusals in stable words, redirects by 303."""

from abc import abstractmethod
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext, gettext_lazy

from accounts.views import Page, notice
from keys.errors import KeysError
from tokens.errors import OAuthError, PageError
from tokens.protocol import ProtocolRequest
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
        """Decide."""
        return self.decide(request, plain_request(request))


def see_other(address: str) -> HttpResponse:
    """303, so that no browser posts the person's form again (RFC 9700 §4.12); any scheme, since apps have their own."""
    response = HttpResponse(status=303)
    response["Location"] = address
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response

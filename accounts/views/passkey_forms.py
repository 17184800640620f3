"""What every page with a passkey's form shares: the form, what the script asks for, the one refusal."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext

from accounts.errors import TooManyAttempts
from accounts.models import Passkey
from accounts.passkeys import KnownPasskey, RelyingParty, relying_party
from accounts.services.attempts import Attempt, reserve
from accounts.views.page import Page, notice, seconds, whereabouts_of


def party_here() -> RelyingParty | None:
    """Whom passkeys are made for; None where browsers make none."""
    return relying_party(settings.IDP_ISSUER)


@dataclass(frozen=True, slots=True)
class PasskeyForm:
    """What the template of a passkey's form is told.

    Attributes:
        id: of its button.
        asks: what the script asks the browser for, `create` or `get`.
        action: where the answer goes.
        options: where the script asks what to ask for.
        button: what it says.
    """

    id: str
    asks: str
    action: str
    options: str
    button: str


def passkey_form(page: Page, button: str, text: str, *, action: str, following: str = "") -> PasskeyForm:
    """The form with which a passkey is used.

    Arguments:
        page: whose realm and language go on.
        button: its id.
        text: what it says.
        action: the name of the view that takes the answer; its options' is `action` with `-options`.
        following: what the address says of where the sign-in leads to, "" for nothing; checked before.
    """
    answered, asked = page.link(action, following=following), page.link(f"{action}-options")
    return PasskeyForm(button, "get", answered, asked, text)


class PasskeyOptionsView(Page):
    """What a script asks the browser for, with a challenge that the browser's cookie session keeps."""

    http_method_names = ["post"]

    @abstractmethod
    def asked(self, request: HttpRequest, party: RelyingParty) -> Mapping[str, Any] | None:
        """What to ask for; None for somebody who may not."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """The options, as JSON; or only a status, since nobody sees more."""
        try:
            reserve(Attempt.PASSKEY_CHALLENGE, address=whereabouts_of(request).address, now=timezone.now())
        except TooManyAttempts as error:
            wait = seconds(error.retry_after)
            return HttpResponse(status=HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": wait})
        party = party_here()
        options = None if party is None else self.asked(request, party)
        return HttpResponse(status=HTTPStatus.FORBIDDEN) if options is None else JsonResponse(dict(options))


def not_accepted() -> str:
    """The one sentence for whatever was wrong with a passkey's answer."""
    return gettext("The passkey was not accepted. Try again, or go on in another way.")


def no_passkeys(request: HttpRequest) -> HttpResponse:
    """The page for a form that this installation doesn't show."""
    text = gettext("Browsers take passkeys only at an address with a name, and by HTTPS.")
    return notice(request, gettext("There are no passkeys here"), text, status=HTTPStatus.NOT_FOUND)


def known_passkeys(passkeys: Sequence[Passkey]) -> list[KnownPasskey]:
    """What a browser is told of passkeys that there are."""
    return [KnownPasskey(bytes(each.credential_id), tuple(each.transports)) for each in passkeys]

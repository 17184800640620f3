"""`/logout` and its confirmation page (OpenID Connect RP-Initiated Logout §2): always with a way out."""

from dataclasses import replace

from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.decorators import method_decorator

from accounts import browser
from tokens.protocol import ProtocolRequest
from tokens.services.end_session import ConfirmationNeeded, sign_out
from tokens.views.base import plain_request
from tokens.views.pages import ProtocolPage, see_other


class EndPage(ProtocolPage):
    """What both pages share."""

    def decide(self, request: HttpRequest, asked: ProtocolRequest, *, confirmed: bool = False) -> HttpResponse:
        """Ask the flow, and send the browser where it says."""
        now = timezone.now()
        live = browser.current(request, realm=self.realm, now=now)
        outcome = sign_out(asked, realm=self.realm, live=live, now=now, confirmed=confirmed)
        if isinstance(outcome, ConfirmationNeeded):
            return self.ask(request, outcome)
        browser.forget(request, self.realm)
        if outcome.target:
            return see_other(outcome.target)
        context = {"realm": self.realm, "sign_in": self.link("sign-in")}
        return render(request, "tokens/signed_out.html", context)

    def ask(self, request: HttpRequest, outcome: ConfirmationNeeded) -> HttpResponse:  # noqa: ARG002
        """To the confirmation page, which has an address of its own."""
        return see_other(f"{self.address('end_session_confirm')}?{outcome.query}")


class EndSessionView(EndPage):
    """The logout endpoint; another site's form may post to it (§2)."""

    from_here_alone = False


# Browsers hold form-action against the redirect that follows a form too, and the client's address is any.
@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class ConfirmEndView(EndPage):
    """Sign out, or stay. The request is checked anew each time."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """The button, with the request in the address as it was on the page; CSRF-checked."""
        return self.decide(request, replace(plain_request(request), method="GET", body=b""), confirmed=True)

    def ask(self, request: HttpRequest, outcome: ConfirmationNeeded) -> HttpResponse:
        """The page."""
        context = {"realm": self.realm, "client": outcome.client, "stay": self.link("signed-in")}
        return render(request, "tokens/confirm_sign_out.html", context)

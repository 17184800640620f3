"""`/authorize` and the consent page: pages for a person on the way to a client (RFC 6749 §4.1, RFC 9700 §4.11)."""

from dataclasses import replace
from typing import cast
from urllib.parse import urlencode, urlsplit

from csp.decorators import csp_replace, csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.decorators import method_decorator

from accounts import browser
from accounts.views.second_proof import BY_PASSKEY, ONLY
from tokens.authorization_outcomes import Answer, ConsentNeeded, Outcome, SignInNeeded, StepUpNeeded
from tokens.demands import Way
from tokens.protocol import ProtocolRequest
from tokens.services.authorize import authorize
from tokens.views.base import plain_request
from tokens.views.pages import ProtocolPage, see_other, step_up_page
from tokens.vocabulary import ResponseMode


class AuthorizationPage(ProtocolPage):
    """What both pages share: how a request becomes an outcome, and how an outcome reaches the browser."""

    def decide(self, request: HttpRequest, asked: ProtocolRequest, *, decision: bool | None = None) -> HttpResponse:
        """Ask the flow, and send the browser where it says."""
        now = timezone.now()
        live = browser.current(request, realm=self.realm, now=now)
        outcome = authorize(asked, realm=self.realm, live=live, now=now, decision=decision)
        return self.follow(request, outcome)

    def follow(self, request: HttpRequest, outcome: Outcome) -> HttpResponse:
        """To the client, to the page for the sign-in or the second factor, or to the consent page."""
        if isinstance(outcome, Answer):
            return answer_by(request, outcome)
        if isinstance(outcome, SignInNeeded):
            said = {"login_hint": outcome.login_hint, "prompt": outcome.prompt, "max_age": outcome.max_age}
            hint = {name: value for name, value in said.items() if value}
            return see_other(self.on_the_way("register" if outcome.new_account else "sign-in", outcome.query, **hint))
        if isinstance(outcome, StepUpNeeded):
            browser.forget_challenge(request, self.realm)  # whoever left it behind, the session is to be surer
            hint = {ONLY: BY_PASSKEY} if outcome.way is Way.BY_PASSKEY else {}
            return see_other(self.on_the_way(step_up_page(set_up=outcome.way is Way.SET_UP), outcome.query, **hint))
        return self.ask(request, outcome)

    def on_the_way(self, page: str, query: str, **hint: str) -> str:
        """The address of a page that leads back to the request with this query."""
        following = {"next": f"{self.address('authorize')}?{query}"}
        return f"{self.address(page)}?{urlencode({**following, **hint})}"

    def ask(self, request: HttpRequest, outcome: ConsentNeeded) -> HttpResponse:  # noqa: ARG002
        """To the consent page, which has an address of its own."""
        return see_other(f"{self.address('consent')}?{outcome.query}")


class AuthorizeView(AuthorizationPage):
    """The authorization endpoint (OpenID Connect Core §3.1.2.1)."""

    from_here_alone = False


# Browsers hold form-action against the redirect that follows a form too, and the client's address is any.
@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class ConsentView(AuthorizationPage):
    """Who asks, for what; allow or deny. The request is checked anew each time."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """The decision, with the request in the address as it was on the page; CSRF-checked by Django."""
        allowed = request.POST.get("decision") == "allow"
        asked = replace(plain_request(request), method="GET", body=b"")
        return self.decide(request, asked, decision=allowed)

    def ask(self, request: HttpRequest, outcome: ConsentNeeded) -> HttpResponse:
        """The page; the client's logo may come from where it is registered, and from nowhere else."""
        client = outcome.client
        context = {
            "client": client,
            "person": outcome.person,
            "scopes": outcome.scopes,
            "destination": outcome.redirect_uri,
            "realm": self.realm,
            "sign_in": self.on_the_way("sign-in", outcome.query),
        }
        logo = urlsplit(client.logo_uri)
        sources = {"img-src": [f"{logo.scheme}://{logo.netloc}"]} if client.logo_uri else {}

        @csp_update(sources)
        def page(request: HttpRequest) -> HttpResponse:
            return render(request, "tokens/consent.html", context)

        return cast("HttpResponse", page(request))


def answer_by(request: HttpRequest, answer: Answer) -> HttpResponse:
    """Send the answer to the client by the way that it asked for."""
    if answer.mode is ResponseMode.FORM_POST:
        return _form_post(request, answer)
    separator = "#" if answer.mode is ResponseMode.FRAGMENT else ("&" if "?" in answer.redirect_uri else "?")
    return see_other(f"{answer.redirect_uri}{separator}{urlencode(answer.parameters)}")


def _form_post(request: HttpRequest, answer: Answer) -> HttpResponse:
    """A form that sends itself, or by a press of its button where there is no script (OAuth 2.0 Form Post §2)."""
    parts = urlsplit(answer.redirect_uri)

    @csp_update({"form-action": [f"{parts.scheme}://{parts.netloc}"]})
    def page(request: HttpRequest) -> HttpResponse:
        context = {"address": answer.redirect_uri, "parameters": answer.parameters.items()}
        return render(request, "tokens/form_post.html", context)

    response = cast("HttpResponse", page(request))
    response["Cache-Control"] = "no-store"
    return response

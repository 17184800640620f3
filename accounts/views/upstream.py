"""Signing in with an upstream provider: the way there, and the way back (OpenID Connect Core §3.1.2)."""

import logging
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext

from accounts.errors import (
    SignInRefused,
    TooManyAttempts,
    UpstreamAway,
    UpstreamDeclined,
    UpstreamRefused,
    UpstreamTooOld,
)
from accounts.models import UpstreamProvider
from accounts.names import MAX_EMAIL
from accounts.selectors.upstreams import enabled_provider, enabled_providers
from accounts.services.attempts import Attempt, reserve
from accounts.services.upstream_sign_in import admit, depart, identify
from accounts.upstream import browser as upstream_browser
from accounts.upstream.browser import Departure, Unlinked
from accounts.upstream.identity import UpstreamIdentity
from accounts.upstream.messages import ANSWER
from accounts.views.arrival import arrive
from accounts.views.page import RETRY, Page, malformed, notice, seconds, see_other, whereabouts_of
from keys.errors import KeysError
from realms.selectors import DEFAULT_SLUG

logger = logging.getLogger("signet.upstream")
AFRESH = "login"
_PROMPTS = (AFRESH, "select_account")
_MAX_DIGITS = 9
_FORM = ("next", "login_hint", "prompt", "max_age")


def demands_in(found: QueryDict) -> Mapping[str, str]:
    """What /authorize asks of the sign-in: `prompt` and `max_age`; what can't be read asks for nothing."""
    prompt, max_age = found.get("prompt") or "", found.get("max_age") or ""
    sensible = max_age.isascii() and max_age.isdigit() and len(max_age) <= _MAX_DIGITS
    return {**({"prompt": prompt} if prompt in _PROMPTS else {}), **({"max_age": max_age} if sensible else {})}


def ways_in(page: Page) -> list[dict[str, str]]:
    """The providers that a page's people may sign in with: name, slug, and where the button leads. One query."""
    return [
        {"slug": each.slug, "name": each.name, "action": start_address(page, each)}
        for each in enabled_providers(page.realm)
    ]


def start_address(page: Page, provider: UpstreamProvider) -> str:
    """Where the button posts that leads to a provider."""
    kwargs = {"provider": provider.slug}
    if page.realm.slug == DEFAULT_SLUG:
        path = reverse("upstream-start", kwargs=kwargs)
    else:
        path = reverse("realm:upstream-start", kwargs={"realm": page.realm.slug, **kwargs})
    return f"{path}?ui_locales={page.chosen_language}" if page.chosen_language else path


# Browsers hold form-action against every redirect that follows a form, and the buttons here lead to a provider.
@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class UpstreamPage(Page):
    """A page on the way to a provider and back; whatever goes wrong is said on one, with a way on."""

    def provider(self) -> UpstreamProvider | None:
        """The one that the address names, if people may sign in with it."""
        found = enabled_provider(str(self.kwargs["provider"]), realm=self.realm)
        if found is not None:
            found.realm = self.realm
        return found

    def unknown(self, request: HttpRequest) -> HttpResponse:
        """There is no such provider."""
        text = gettext("Go back to the sign-in page: it shows what there is.")
        return notice(request, gettext("There is no such provider here"), text, status=HTTPStatus.NOT_FOUND)

    def say(
        self,
        request: HttpRequest,
        provider: UpstreamProvider,
        title: str,
        text: str,
        *,
        status: HTTPStatus,
        following: str,
        prompt: str = "",
    ) -> HttpResponse:
        """What went wrong, with a button to try again and the way to the sign-in page.

        Arguments:
            title, text: never hold what the provider sent.
            prompt: what the next try asks of the provider.
        """
        context = {
            "realm": self.realm,
            "provider": provider,
            "title": title,
            "text": text,
            "next": following,
            "prompt": prompt,
            "action": start_address(self, provider),
            "sign_in": self.link("sign-in", following=following),
        }
        response = render(request, "accounts/upstream_notice.html", context, status=status)
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            response["Retry-After"] = seconds(RETRY)
        return response

    def failed(
        self, request: HttpRequest, provider: UpstreamProvider, error: Exception, *, following: str
    ) -> HttpResponse:
        """The page for a provider that can't be had or not be trusted; why, stands in the log alone."""
        logger.warning("upstream.failed realm=%s provider=%s why=%s", self.realm.slug, provider.slug, error)
        name = {"name": provider.name}
        if isinstance(error, UpstreamAway | KeysError):
            title = gettext("%(name)s can’t be reached") % name
            text = gettext("Try again in a few seconds, or sign in another way.")
            return self.say(request, provider, title, text, status=HTTPStatus.SERVICE_UNAVAILABLE, following=following)
        title = gettext("The answer of %(name)s can’t be trusted") % name
        text = gettext("You are not signed in. Try again; if it goes on, tell those who run this site.")
        return self.say(request, provider, title, text, status=HTTPStatus.BAD_GATEWAY, following=following)


class StartView(UpstreamPage):
    """The button *Sign in with …*."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Send the browser to the provider; the form is CSRF-checked."""
        if any(len(request.POST.getlist(name)) > 1 for name in _FORM):
            return malformed(request)
        provider = self.provider()
        if provider is None:
            return self.unknown(request)
        now = timezone.now()
        try:
            reserve(Attempt.UPSTREAM, address=str(request.META.get("REMOTE_ADDR", "")), now=now)
        except TooManyAttempts as error:
            title, text = gettext("Too many attempts"), gettext("Wait a little, and try again.")
            answer = notice(request, title, text, status=HTTPStatus.TOO_MANY_REQUESTS)
            answer["Retry-After"] = seconds(error.retry_after)
            return answer
        following = self.onward(request.POST.get("next", ""))
        try:
            address, departure = self._depart(request, provider, following=following, now=now)
        except (UpstreamAway, UpstreamRefused) as error:
            return self.failed(request, provider, error, following=following)
        upstream_browser.remember_departure(request, departure)
        return see_other(address)

    def _depart(
        self, request: HttpRequest, provider: UpstreamProvider, *, following: str, now: datetime
    ) -> tuple[str, Departure]:
        """While an identity waits to be linked, nobody's silent session at a provider stands in for a sign-in."""
        waiting = upstream_browser.unlinked_identity(request, realm=self.realm, now=now) is not None
        asked, hint = demands_in(request.POST), request.POST.get("login_hint", "")
        return depart(
            provider,
            prompt=AFRESH if waiting else asked.get("prompt", ""),
            max_age=int(asked["max_age"]) if "max_age" in asked else None,
            login_hint=hint if len(hint) <= MAX_EMAIL and hint.isprintable() else "",
            ui_locales=self.chosen_language,
            following=following,
            now=now,
        )


class CallbackView(UpstreamPage):
    """Where a provider sends the browser back to; one address a provider (RFC 9700 §4.4.2)."""

    http_method_names = ["get"]

    def get(self, request: HttpRequest) -> HttpResponse:
        """Take the answer that this browser waits for, once."""
        if any(len(request.GET.getlist(name)) > 1 for name in ANSWER):
            return malformed(request)
        provider = self.provider()
        if provider is None:
            return self.unknown(request)
        now = timezone.now()
        answer = {name: request.GET.get(name) or "" for name in ANSWER}
        departure = upstream_browser.take_departure(request, state=answer["state"], now=now)
        if departure is None or departure.provider != str(provider.pk):
            text = gettext("It was used already, took longer than ten minutes or began in another browser.")
            title = gettext("This sign-in is over")
            return self.say(request, provider, title, text, status=HTTPStatus.BAD_REQUEST, following="")
        try:
            identity = identify(provider, departure, answer, now=now)
        except UpstreamDeclined as error:
            return self._declined(request, provider, departure, error)
        except (UpstreamAway, UpstreamRefused, KeysError) as error:
            return self.failed(request, provider, error, following=departure.following)
        return self._arrive(request, provider, departure, identity)

    def _arrive(
        self, request: HttpRequest, provider: UpstreamProvider, departure: Departure, identity: UpstreamIdentity
    ) -> HttpResponse:
        """Go on as the person that the identity is linked with, or ask whose it is."""
        now, following = timezone.now(), departure.following
        try:
            signed_in = admit(provider, departure, identity, whereabouts=whereabouts_of(request), now=now)
        except SignInRefused as error:
            return self._not_admitted(request, provider, str(error), following)
        except UpstreamTooOld:
            title = gettext("Sign in at %(name)s once more") % {"name": provider.name}
            text = gettext("You signed in there some time ago, and here a new sign-in is asked for.")
            return self.say(
                request, provider, title, text, status=HTTPStatus.FORBIDDEN, following=following, prompt=AFRESH
            )
        if signed_in is not None:
            return arrive(request, signed_in, page=self, following=following)
        unlinked = Unlinked(
            provider=str(provider.pk),
            subject=identity.subject,
            email=identity.email,
            following=following,
            at=now.timestamp(),
        )
        upstream_browser.remember_unlinked(request, self.realm, unlinked)
        return see_other(self.link("account-link"))

    def _declined(
        self, request: HttpRequest, provider: UpstreamProvider, departure: Departure, error: UpstreamDeclined
    ) -> HttpResponse:
        logger.info("upstream.declined realm=%s provider=%s error=%s", self.realm.slug, provider.slug, error.word)
        title = gettext("%(name)s did not sign you in") % {"name": provider.name}
        if error.word == "access_denied":
            text = gettext("It was cancelled there, or you may not use it for this site.")
        else:
            text = gettext("Try again; if it goes on, tell those who run this site.")
        return self.say(request, provider, title, text, status=HTTPStatus.FORBIDDEN, following=departure.following)

    def _not_admitted(
        self, request: HttpRequest, provider: UpstreamProvider, fault: str, following: str
    ) -> HttpResponse:
        title = gettext("You can’t sign in here with %(name)s") % {"name": provider.name}
        if fault == "upstream_address":
            text = gettext("Your address there is not one that may, or it is not confirmed there.")
        else:
            text = gettext("Ask those who run %(realm)s whether you may.") % {"realm": self.realm.name}
        return self.say(request, provider, title, text, status=HTTPStatus.FORBIDDEN, following=following)

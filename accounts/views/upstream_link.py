"""Taking an identity at an upstream provider for one's own: after a fresh sign-in of that person, and a question."""

from collections.abc import Mapping
from http import HTTPStatus

from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext

from accounts import browser
from accounts.errors import LinkTaken
from accounts.models import UpstreamProvider
from accounts.selectors import LiveSession
from accounts.selectors.upstreams import provider_of
from accounts.services.upstreams import link
from accounts.upstream import browser as upstream_browser
from accounts.upstream.browser import Unlinked
from accounts.views.page import Page, notice, see_other
from accounts.views.reauthentication import lacks_second_factor


# Browsers hold form-action against every redirect that follows a form, and this one leads to a client.
@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class LinkView(Page):
    """Whose an identity is that the provider vouched for a moment ago in this browser.

    Who was signed in here before has no part in it: only a sign-in that began after the provider's answer counts.
    """

    name = "account-link"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The question to whoever signed in since; the way to the sign-in page for all others."""
        now = timezone.now()
        unlinked = upstream_browser.unlinked_identity(request, realm=self.realm, now=now)
        provider = provider_of(unlinked.provider, realm=self.realm) if unlinked else None
        if unlinked is None or provider is None:
            return self._nothing(request)
        live = browser.current(request, realm=self.realm, now=now)
        if live is None or not _is_new(live, unlinked):
            context = {**self._told(provider, unlinked), "sign_in": self._sign_in()}
            return render(request, "accounts/upstream_unlinked.html", context)
        context = {**self._told(provider, unlinked), "person": live.person, "action": self.link(self.name)}
        return render(request, "accounts/upstream_confirm.html", {**context, "sign_in": self._sign_in()})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Link, or don't; the form is CSRF-checked."""
        now = timezone.now()
        unlinked = upstream_browser.unlinked_identity(request, realm=self.realm, now=now)
        provider = provider_of(unlinked.provider, realm=self.realm) if unlinked else None
        if unlinked is None or provider is None:
            return self._nothing(request)
        live = browser.current(request, realm=self.realm, now=now)
        if live is None or not _is_new(live, unlinked):
            return see_other(self.link(self.name))
        upstream_browser.forget_unlinked(request, self.realm)
        onward = unlinked.following or self.link("account-linked")
        if request.POST.get("decision") != "link":
            return see_other(onward)
        provider.realm = self.realm
        try:
            link(provider=provider, subject=unlinked.subject, person=live.person, now=now)
        except LinkTaken:
            title = gettext("This can’t be linked")
            text = gettext(
                "Either your account is linked with another account at %(name)s, or this one belongs to somebody "
                "else here. Look under “Other ways to sign in” in your account."
            ) % {"name": provider.name}
            return notice(request, title, text, status=HTTPStatus.CONFLICT)
        return see_other(onward)

    def _told(self, provider: UpstreamProvider, unlinked: Unlinked) -> Mapping[str, object]:
        return {"realm": self.realm, "provider": provider, "email": unlinked.email}

    def _sign_in(self) -> str:
        return self.link("sign-in", following=self.address(self.name))

    def _nothing(self, request: HttpRequest) -> HttpResponse:
        text = gettext("It was done already, or took longer than ten minutes. Sign in with the provider again.")
        return notice(request, gettext("There is nothing to link"), text, status=HTTPStatus.NOT_FOUND)


def _is_new(live: LiveSession, unlinked: Unlinked) -> bool:
    """Whether the session began after the provider's answer, with all that its person can prove."""
    return live.session.auth_time > unlinked.arrived_at and not lacks_second_factor(live)

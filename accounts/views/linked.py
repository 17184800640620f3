"""The upstream providers that a person can sign in with: see them, add one, and remove one."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext

from accounts.models import UpstreamLink, User
from accounts.selectors import LiveSession
from accounts.selectors.factors import factors_of
from accounts.selectors.upstreams import links_of
from accounts.services.upstreams import unlink
from accounts.views.page import malformed, notice, see_other
from accounts.views.reauthentication import ProvenPage
from accounts.views.upstream import ways_in


# The buttons that add a provider lead to it, and browsers hold form-action against that too.
@method_decorator(csp_replace({"form-action": None}), name="dispatch")
class LinkedView(ProvenPage):
    """Other ways to sign in."""

    name = "account-linked"
    template = "accounts/linked.html"

    def contents(self, live: LiveSession, now: datetime) -> Mapping[str, object]:  # noqa: ARG002
        """The links, and the providers that there are besides."""
        links = links_of(live.person, realm=self.realm)
        there = {link.provider.slug for link in links}
        return {
            "links": links,
            "others": [way for way in ways_in(self) if way["slug"] not in there],
            "here": self.address(self.name),
        }

    def act(self, request: HttpRequest, live: LiveSession, now: datetime) -> HttpResponse:
        """Remove what the button says; what is gone already stays so."""
        asked = request.POST.getlist("remove")
        if len(asked) != 1:
            return malformed(request)
        links = links_of(live.person, realm=self.realm)
        chosen = [link for link in links if link.provider.slug == asked[0]]
        if chosen and not _has_another_way(live.person, [link for link in links if link not in chosen]):
            text = gettext("It is the only way that you can sign in. Set a password or a passkey first.")
            return notice(request, gettext("This one has to stay"), text, status=HTTPStatus.CONFLICT)
        unlink(chosen, actor=f"user:{live.person.subject}", now=now)
        return see_other(self.link(self.name))


def _has_another_way(person: User, rest: list[UpstreamLink]) -> bool:
    """Whether somebody gets in without the link that goes."""
    return (
        person.has_usable_password() or factors_of(person).passkeys > 0 or any(link.provider.enabled for link in rest)
    )

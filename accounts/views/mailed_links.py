"""What the pages behind mailed links share: to look at a link never uses it, since mail scanners look at them all."""

from abc import abstractmethod
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext

from accounts import browser
from accounts.models import MailedLink
from accounts.selectors.mail import link_with
from accounts.services.mailed_links import digest_of
from accounts.views.page import Page, notice, see_other
from accounts.vocabulary import LinkPurpose

_FIELD = "link"


class LinkPage(Page):
    """A page behind a link with a secret.

    The secret stays in the address for one redirect. The browser's session holds the link's id from then on, so the
    secret stands neither in the history's last entry nor in a referrer, and is stored nowhere.
    """

    name: str  # in the URL configuration
    purpose: LinkPurpose

    @abstractmethod
    def show(self, request: HttpRequest, link: MailedLink) -> HttpResponse:
        """The page; nothing changes by it."""

    @abstractmethod
    def act(self, request: HttpRequest, link: MailedLink) -> HttpResponse:
        """Do what the link is for; the form is CSRF-checked."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Take the secret out of the address; then the page."""
        if _FIELD in request.GET:
            return self._take_over(request)
        link = self._link(request)
        return over(request) if link is None else self.show(request, link)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Act, where the browser still holds a link that stands."""
        link = self._link(request)
        return over(request) if link is None else self.act(request, link)

    def _link(self, request: HttpRequest) -> MailedLink | None:
        return browser.current_link(request, purpose=self.purpose, realm=self.realm, now=timezone.now())

    def _take_over(self, request: HttpRequest) -> HttpResponse:
        secrets = request.GET.getlist(_FIELD)
        found = None
        if len(secrets) == 1:
            digest = digest_of(secrets[0])
            found = link_with(digest, purpose=self.purpose, realm=self.realm, now=timezone.now())
        if found is None:
            answer = over(request)
        else:
            browser.remember_link(request, found)
            answer = see_other(self.link(self.name))
        # On this answer alone: a form on a page without referrers is one of an unknown origin (Fetch §3.2).
        answer["Referrer-Policy"] = "no-referrer"
        return answer


def over(request: HttpRequest) -> HttpResponse:
    """The page of a link that is no longer good; the same for one that never was."""
    text = gettext("It was used, it is too old, or a newer mail has taken its place. Ask for another one.")
    return notice(request, gettext("This link is no longer good"), text, status=HTTPStatus.GONE)

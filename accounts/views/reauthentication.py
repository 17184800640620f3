"""A fresh proof before somebody changes how they sign in, or ends their account (NIST SP 800-63B §7.2)."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts import browser
from accounts.acr import SECOND_FACTOR
from accounts.selectors import LiveSession
from accounts.selectors.factors import factors_of
from accounts.views.account import AccountPage
from accounts.views.page import Page, see_other

FRESH = timedelta(minutes=10)  # from the proof; long enough for a form, short enough for a browser left behind


def is_fresh(live: LiveSession, now: datetime) -> bool:
    """Whether the session's proof is so young that nobody else sits at the browser.

    Arguments:
        now: aware time.
    """
    return now - live.session.auth_time <= FRESH


def lacks_second_factor(live: LiveSession) -> bool:
    """Whether the session began without the second factor that its person has."""
    return SECOND_FACTOR not in live.session.methods and factors_of(live.person).any


def is_proven(live: LiveSession, now: datetime) -> bool:
    """Whether nothing has to be proved first."""
    return is_fresh(live, now) and not lacks_second_factor(live)


def prove_again(live: LiveSession, now: datetime, *, page: Page, following: str) -> HttpResponse | None:
    """What has to be proved first.

    A proof that is too old is given anew on the sign-in page, where anything does that signs in. To one that is
    fresh and lacks the second factor, that is added.

    Arguments:
        live: who is signed in.
        now: aware time.
        page: whose realm and language go on.
        following: the address that the way leads back to; `accounts/return_path.py` has to know it.

    Returns:
        The way there; None where nothing has to be proved.
    """
    if not is_fresh(live, now):
        address = page.link("sign-in", following=following)
        return see_other(f"{address}&{urlencode({'login_hint': live.person.username, 'prompt': 'login'})}")
    if not lacks_second_factor(live):
        return None
    browser.forget_challenge(page.request, page.realm)  # whoever left it behind, this session is to be surer
    return see_other(page.link("second-factor", following=following))


class ProvenPage(AccountPage):
    """An account page that nobody sees or sends without a fresh proof."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page, or what has to be proved first."""
        return self._proof_first(request) or super().get(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Act, or lead through the proof and back to the page; then nothing is done yet."""
        return self._proof_first(request) or super().post(request)

    def _proof_first(self, request: HttpRequest) -> HttpResponse | None:
        now = timezone.now()
        live = browser.current(request, realm=self.realm, now=now)
        if live is None:
            return None
        return prove_again(live, now, page=self, following=self.address(self.name))

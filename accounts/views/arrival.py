"""Where every way of signing in leads: to what is due yet, or into a session and on."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts import browser, device_cookie
from accounts.errors import PersonGone
from accounts.models import Session
from accounts.services.challenges import Due, begin_challenge, due
from accounts.services.devices import begin_session_on_device
from accounts.services.sign_in import SignedIn
from accounts.views.page import Page, see_other
from realms.models import Realm

_PAGES = {Due.SECOND_FACTOR: "second-factor", Due.SET_UP: "second-factor-set-up"}


def arrive(request: HttpRequest, signed_in: SignedIn, *, page: Page, following: str) -> HttpResponse:
    """Go on with somebody who proved who they are.

    Arguments:
        signed_in: the proof, whole or the first half.
        page: whose realm and language go on.
        following: where the sign-in leads to in the end, "" for nowhere; checked before.
    """
    needed = due(signed_in, realm=page.realm)
    try:
        if needed is Due.NOTHING:
            begin(request, signed_in, realm=page.realm)
            return see_other(following or page.link("signed-in"))
        challenge = begin_challenge(realm=page.realm, signed_in=signed_in, now=timezone.now())
    except PersonGone:
        return see_other(page.link("sign-in", following=following))
    browser.remember_challenge(request, challenge)
    return see_other(page.link(_PAGES[needed], following=following))


def begin(request: HttpRequest, signed_in: SignedIn, *, realm: Realm) -> Session:
    """Begin the session of somebody who proved all that is due, and have the browser hold it.

    Arguments:
        signed_in: the whole proof.

    Raises:
        PersonGone: they were deleted since.
    """
    now = timezone.now()
    before = browser.current(request, realm=realm, now=now)
    replacing = before.session if before else None
    visit = device_cookie.visit_of(request)
    session = begin_session_on_device(realm=realm, signed_in=signed_in, visit=visit, replacing=replacing, now=now)
    if session.device is not None:
        device_cookie.have_set(request, device_cookie.cookie_with(session.device.pk, visit.held))
    browser.forget_challenge(request, realm)
    browser.remember(request, session)
    return session

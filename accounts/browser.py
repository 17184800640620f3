"""The bridge between a browser's cookie session, which is Django's, and our own sessions, one a realm.

The cookie's session holds `{realm slug: sid}` beside what Django's own login keeps there for the
operators' admin. Signing in and out on one side leaves the other alone: `cycle_key` carries everything
over, and `accounts.cookie_sessions` keeps ours where Django flushes.
"""

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from django.middleware.csrf import rotate_token

from accounts.cookie_sessions import SIDS
from accounts.models import MailedLink, Session, SignInChallenge
from accounts.selectors import LiveSession, live_session
from accounts.selectors.factors import standing_challenge
from accounts.selectors.mail import standing_link
from accounts.upstream.browser import forget_unlinked
from accounts.vocabulary import LinkPurpose
from realms.models import Realm

_CHALLENGES = "signet.challenges"  # {realm slug: id}
_LINKS = "signet.links"  # {purpose: id}


def remember(request: HttpRequest, session: Session) -> None:
    """Have the browser hold a session from now on.

    The cookie's value changes first, and the CSRF token with it, so that neither is one that somebody
    else put there before the sign-in (session fixation).

    Arguments:
        session: takes the place of the one that the browser held for the same realm.
    """
    request.session.cycle_key()
    request.session[SIDS] = {**_sids(request), session.realm.slug: session.sid}
    rotate_token(request)


def current(request: HttpRequest, *, realm: Realm, now: datetime) -> LiveSession | None:
    """The session that the browser holds for a realm, or None where it holds none that counts.

    Arguments:
        now: aware time.
    """
    sid = _sids(request).get(realm.slug)
    return None if sid is None else live_session(sid, realm=realm, now=now)


def forget(request: HttpRequest, realm: Realm) -> None:
    """Have the browser hold no session for a realm any more; those of other realms and the admin's stay.

    What waits for somebody to take it for theirs goes too: whoever comes next is not asked about it. This ends no
    session: `end_session` does.
    """
    forget_unlinked(request, realm)
    rest = {slug: sid for slug, sid in _sids(request).items() if slug != realm.slug}
    if rest:
        request.session[SIDS] = rest
        return
    request.session.pop(SIDS, None)
    if not request.session.keys():
        request.session.flush()


def remember_challenge(request: HttpRequest, challenge: SignInChallenge) -> None:
    """Have the browser hold half a sign-in, under another key than before, as with a whole one.

    Arguments:
        challenge: takes the place of the one that the browser held for the same realm.
    """
    request.session.cycle_key()
    request.session[_CHALLENGES] = {**_challenges(request), challenge.realm.slug: str(challenge.pk)}
    rotate_token(request)


def current_challenge(request: HttpRequest, *, realm: Realm, now: datetime) -> SignInChallenge | None:
    """The half of a sign-in that the browser holds for a realm, or None where none stands.

    Arguments:
        now: aware time.
    """
    found = _challenges(request).get(realm.slug)
    return None if found is None else standing_challenge(UUID(found), realm=realm, now=now)


def forget_challenge(request: HttpRequest, realm: Realm) -> None:
    """Have the browser hold no half of a sign-in for a realm any more."""
    rest = {slug: held for slug, held in _challenges(request).items() if slug != realm.slug}
    if rest:
        request.session[_CHALLENGES] = rest
    else:
        request.session.pop(_CHALLENGES, None)


def remember_link(request: HttpRequest, link: MailedLink) -> None:
    """Have the browser hold a link whose secret it showed, under another key than before: a planted cookie gets none.

    Arguments:
        link: takes the place of another one for the same purpose.
    """
    request.session.cycle_key()
    request.session[_LINKS] = {**_links(request), link.purpose: str(link.pk)}
    rotate_token(request)


def current_link(request: HttpRequest, *, purpose: LinkPurpose, realm: Realm, now: datetime) -> MailedLink | None:
    """The mailed link that the browser holds for a purpose, or None where none stands in this realm.

    Arguments:
        now: aware time.
    """
    found = _links(request).get(purpose.value)
    return None if found is None else standing_link(UUID(found), purpose=purpose, realm=realm, now=now)


def forget_link(request: HttpRequest, purpose: LinkPurpose) -> None:
    """Have the browser hold no link for a purpose any more."""
    rest = {held: link for held, link in _links(request).items() if held != purpose.value}
    if rest:
        request.session[_LINKS] = rest
    else:
        request.session.pop(_LINKS, None)


def _links(request: HttpRequest) -> dict[str, str]:
    found: dict[str, str] = request.session.get(_LINKS, {})
    return found


def _challenges(request: HttpRequest) -> dict[str, str]:
    found: dict[str, str] = request.session.get(_CHALLENGES, {})
    return found


def _sids(request: HttpRequest) -> dict[str, str]:
    found: dict[str, str] = request.session.get(SIDS, {})
    return found

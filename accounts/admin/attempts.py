"""The page of sign-in attempts: the latest ones, and the limits in force for somebody or somewhere."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from accounts.buckets import Whose
from accounts.forms import WhoseAttemptsForm
from accounts.models import User
from accounts.selectors import named
from accounts.selectors.limits import limits_on
from audit.hooks import SEALED
from audit.models import Event
from audit.selectors import latest_of, places
from audit.vocabulary import EventName

_KINDS = frozenset({"sign_in", "factor", "factors", "registration", "user_code", "limit"})
ATTEMPTS = tuple(name for name in EventName if name.partition(".")[0] in _KINDS)
_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Attempt:
    """An event as the page shows it, with the address at which its person is looked at, or ""."""

    event: Event
    details: str
    place: str


def attempts_page(person_admin: Any, request: HttpRequest) -> HttpResponse:
    """The latest attempts, of everybody or of the one who is asked for, and what the limits leave them.

    Arguments:
        person_admin: the `PersonAdmin` that this page belongs to.
        request: of an operator who may view people.
    """
    form = WhoseAttemptsForm(request.GET or None)
    asked = form.cleaned_data if form.is_bound and form.is_valid() else {}
    username, address = asked.get("username", ""), asked.get("address", "")
    person = named(username) if username else None
    whose = Whose(username=username, subject=person.subject if person else "", address=address)
    sees_events = request.user.has_perm("audit.view_event")
    context = {
        **person_admin.admin_site.each_context(request),
        "title": "Sign-in attempts",
        "opts": person_admin.opts,
        "form": form,
        "asked": bool(username or address),
        "username": username,
        "address": address,
        "person": person,
        "limits": limits_on(whose, now=timezone.now()) if username or address else [],
        "lift": _lift_address(person_admin, request, person, address),
        "sees_events": sees_events,
        "attempts": _attempts(person, whose) if sees_events else [],
    }
    return TemplateResponse(request, "admin/accounts/user/attempts.html", context)


def _lift_address(person_admin: Any, request: HttpRequest, person: User | None, address: str) -> str:
    if person is None or not person_admin.has_lift_limit_permission(request, person):
        return ""
    query = {"address": address} if address else None
    return reverse("admin:accounts_user_lift_limit", args=[person.pk], query=query)


def _attempts(person: User | None, whose: Whose) -> list[Attempt]:
    """Of a name that nobody has, none: those are not told apart."""
    if whose.username and person is None:
        return []
    events = latest_of(ATTEMPTS, which=Q(target=person.subject) if person else Q(), most=_SHOWN)
    found = places(events)
    return [Attempt(event, ", ".join(_told(event)), found[event.pk][0]) for event in events]


def _told(event: Event) -> list[str]:
    """The details in one line; what is sealed is opened on the event's own page, for those who may."""
    return [str(value) for name, value in sorted(event.details.items()) if name != SEALED]

"""The page that declares a key compromised: what would be hit, and then what was."""

from typing import Any

from django.contrib import messages
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from keys import reports
from keys.admin.rotation_page import tell
from keys.errors import CompromiseRefused, KeysError
from keys.forms import CompromiseForm
from keys.models import KeyPair
from keys.services.compromise import CompromiseReport, compromise, preview
from keys.services.dead_keys import unwritten
from keys.services.rotation import rotate
from realms.acting import actor_of


def compromise_page(key_admin: Any, request: HttpRequest, key: KeyPair) -> HttpResponse:
    """Show what a compromise would hit; on POST, distrust the key, have a new one made, and go back to it.

    Arguments:
        key_admin: the `KeyPairAdmin` that this page belongs to.
        request: of an operator who may declare keys compromised.
        key: the key, with its ring.
    """
    back = HttpResponseRedirect(reverse("admin:keys_keypair_change", args=[key.pk]))
    form = CompromiseForm(request.POST if request.method == "POST" else None)
    try:
        if request.method == "POST" and form.is_valid() and _distrust(key_admin, request, key, form):
            return back
        alone, everything = preview(key), preview(key, everything=True)
    except CompromiseRefused as error:
        messages.info(request, str(error))
        return back
    context = {
        **key_admin.admin_site.each_context(request),
        "title": "Declare a key compromised",
        "opts": key_admin.opts,
        "key": key,
        "form": form,
        "alone": alone,
        "everything": everything,
    }
    return TemplateResponse(request, "admin/keys/keypair/compromise.html", context)


def _distrust(key_admin: Any, request: HttpRequest, key: KeyPair, form: CompromiseForm) -> bool:
    """Distrust the key and make its successor; False leaves on the form why nothing was done."""
    asked = form.cleaned_data
    try:
        report = compromise(key, actor=actor_of(request), reason=asked["reason"], everything=asked["whole_ring"])
    except CompromiseRefused:
        raise
    except KeysError as error:
        form.add_error(None, str(error))
        return False
    key_admin.log_change(request, key, "Declared compromised.")
    messages.success(request, _done(report))
    if report.propagated_at is not None:
        messages.warning(request, reports.not_propagated(report.propagated_at))
    _make_successor(request, key, reason=asked["reason"])
    if forgotten := unwritten(timezone.now()):
        messages.error(request, f"A dump that is restored would revive it: {forgotten} Then run rotate_keys.")
    return True


def _done(report: CompromiseReport) -> str:
    signs = f"Signs from now on: {report.successor}." if report.successor else "No other key of the ring may sign."
    return f"Distrusted: {', '.join(report.condemned)}. {signs}"


def _make_successor(request: HttpRequest, key: KeyPair, *, reason: str) -> None:
    """Have a new standby made. The distrust stands whether that works or not, so no error may hide it."""
    try:
        tell(request, rotate(key.ring, now=timezone.now(), actor=actor_of(request), reason=reason))
    except (KeysError, DatabaseError) as error:
        messages.error(request, f"The distrust stands, but no new key was made: {error} Then run rotate_keys.")

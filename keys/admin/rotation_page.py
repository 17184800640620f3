"""The page that confirms a rotation: what would be done, and then what was done."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from keys import reports
from keys.errors import KeysError
from keys.forms import RotationForm
from keys.models import KeyRing
from keys.services.rotation import RotationReport, preview, rotate
from realms.acting import actor_of


def rotation_page(ring_admin: Any, request: HttpRequest, ring: KeyRing) -> HttpResponse:
    """Show what a rotation would do; on POST, rotate and go back to the ring.

    Arguments:
        ring_admin: the `KeyRingAdmin` that this page belongs to.
        request: of an operator who may rotate.
        ring: the ring.
    """
    form = RotationForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"]
        try:
            report = rotate(ring, now=timezone.now(), actor=actor_of(request), force=form.forced, reason=reason)
        except KeysError as error:
            form.add_error(None, str(error))
        else:
            tell(request, report)
            ring_admin.log_change(request, ring, "Rotated." if report.steps else "Rotated: nothing was due.")
            return HttpResponseRedirect(reverse("admin:keys_keyring_change", args=[ring.pk]))
    context = {
        **ring_admin.admin_site.each_context(request),
        "title": "Rotate now",
        "opts": ring_admin.opts,
        "ring": ring,
        "form": form,
        "plans": [
            _plan(ring, value=RotationForm.DUE, label="What is due"),
            _plan(ring, value=RotationForm.FORCED, label="Bring the takeover near"),
        ],
        "chosen": form["kind"].value(),
    }
    return TemplateResponse(request, "admin/keys/keyring/rotate.html", context)


def _plan(ring: KeyRing, *, value: str, label: str) -> dict[str, Any]:
    """One of the two kinds with what it would do, or why it can't."""
    found: dict[str, Any] = {"value": value, "label": label, "steps": [], "error": ""}
    try:
        report = preview(ring, now=timezone.now(), force=value == RotationForm.FORCED)
    except KeysError as error:
        found["error"] = str(error)
    else:
        found["steps"] = [reports.in_words(step, kid) for step, kid in report.steps]
    return found


def tell(request: HttpRequest, report: RotationReport) -> None:
    """Say on the next page what a rotation did."""
    for step, kid in report.steps:
        messages.success(request, reports.in_words(step, kid))
    if not report.steps:
        messages.info(request, "Nothing was due: no key was changed.")

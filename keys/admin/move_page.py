"""The page that moves a ring to another custodian."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from keys.errors import KeysError
from keys.forms import CustodyForm
from keys.models import KeyRing
from keys.services.moving import Move, move_complete_at, move_ring, prove_custody
from realms.acting import actor_of


def move_page(ring_admin: Any, request: HttpRequest, ring: KeyRing) -> HttpResponse:
    """Show where the ring is; on POST, prove that the custodian can, move the ring and go back to it.

    Arguments:
        ring_admin: the `KeyRingAdmin` that this page belongs to.
        request: of an operator who may change rings.
        ring: the ring.
    """
    form = CustodyForm(request.POST if request.method == "POST" else None, ring=ring)
    if request.method == "POST" and form.is_valid():
        asked = {name: form.cleaned_data[name] for name in ("custodian", "custody")}
        try:
            prove_custody(**asked, algorithm=ring.algorithm, bits=ring.bits)
            reason = form.cleaned_data["reason"]
            move = move_ring(ring, **asked, actor=actor_of(request), now=timezone.now(), reason=reason)
        except KeysError as error:
            form.add_error(None, str(error))
        else:
            _tell(request, move)
            if move.changed:
                ring_admin.log_change(request, ring, "Moved to another custodian.")
            return HttpResponseRedirect(reverse("admin:keys_keyring_change", args=[ring.pk]))
    now = timezone.now()
    complete_at = move_complete_at(ring, now)
    context = {
        **ring_admin.form_page(request, form, title="Custodian", submit="Move the ring"),
        "ring": ring,
        "complete_at": complete_at if complete_at is not None and complete_at > now else None,
    }
    return TemplateResponse(request, "admin/keys/keyring/move.html", context)


def _tell(request: HttpRequest, move: Move) -> None:
    if not move.changed:
        messages.info(request, "Nothing was changed.")
    elif move.complete_at is None:
        messages.success(request, "The ring is moved. No key of it may sign now: rotate it.")
    else:
        moment = f"{move.complete_at:%d %b %Y %H:%M} UTC"
        messages.success(request, f"New keys come from there; the first of them signs from {moment}.")

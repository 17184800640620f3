"""The page that stands before what an operator does to others: what is hit, and why they do it."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.forms import ReasonForm

ENDS = (
    "What ends here doesn’t come back: its refresh tokens are void at once, and so are its access tokens wherever "
    "Signet is asked."
)
_CONFIRMED = "confirmed"  # the button of this page; Django's lists send the same action without it


def confirm(
    model_admin: admin.ModelAdmin,  # type: ignore[type-arg]  # not generic at run time
    request: HttpRequest,
    *,
    title: str,
    hits: str,
    act: Callable[[Mapping[str, Any]], str],
    back: str,
    warning: str = ENDS,
    form_class: type[ReasonForm] = ReasonForm,
) -> HttpResponse | None:
    """Ask for a reason; with one, act.

    Arguments:
        model_admin: whose page it is.
        request: of an operator who may do it: the caller has made sure.
        title: what is to be done.
        hits: what would be hit now, in one sentence.
        act: takes what the form says, the reason among it, and returns what was done, in one sentence.
        back: the address of the page from which the operator came.
        warning: what follows from it and can't be taken back, in a sentence or two; "" where it can.
        form_class: what else is asked beside the reason.

    Returns:
        The page; None where it was done, and the operator told.
    """
    confirmed = request.method == "POST" and _CONFIRMED in request.POST
    form = form_class(request.POST if confirmed else None)
    if confirmed and form.is_valid():
        messages.success(request, act(form.cleaned_data))
        return None
    # What the list sent has to come again with the confirmation.
    kept = [(name, value) for name in ("action", "select_across") for value in request.POST.getlist(name)[:1]]
    chosen = [(ACTION_CHECKBOX_NAME, value) for value in request.POST.getlist(ACTION_CHECKBOX_NAME)]
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "hits": hits,
        "warning": warning,
        "form": form,
        "kept": [*kept, *chosen],
        "confirmed": _CONFIRMED,
        "back": back,
    }
    return TemplateResponse(request, "admin/accounts/confirmation.html", context)

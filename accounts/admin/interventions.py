"""What operators do for a person who can't sign in: reset second factors, lift limits. Each asks for a reason."""

from collections.abc import Mapping
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from accounts.admin.confirmation import confirm
from accounts.buckets import CountsBy, Whose
from accounts.forms import WhoseAttemptsForm
from accounts.models import User
from accounts.selectors import may_touch
from accounts.selectors.factors import Factors, factors_of
from accounts.selectors.limits import limits_on
from accounts.services.factor_reset import reset_factors
from accounts.services.limits import lift_limits
from realms.acting import actor_of

_RESET_ENDS = (
    "All their sessions and grants end, and clients are told. Be sure who asks: from then on the password alone "
    "lets somebody in, or lets them add a second factor where one is demanded."
)
_LIFT_GIVES = "Whoever guesses gets as many attempts again, so be sure who asks."


def may_do(request: HttpRequest, permission: str, person: User) -> bool:
    """Whether the operator has a permission, and may use it on this person."""
    operator = cast("User", request.user)
    return operator.has_perm("accounts.view_user") and operator.has_perm(permission) and may_touch(operator, person)


def reset_page(person_admin: Any, request: HttpRequest, pk: int) -> HttpResponse:
    """Ask why, and take a person's second factors away.

    Arguments:
        person_admin: the `PersonAdmin` that this page belongs to.
        pk: whose.
    """
    person = get_object_or_404(User, pk=pk)
    if not person_admin.has_reset_factors_permission(request, person):
        raise PermissionDenied
    back = reverse("admin:accounts_user_change", args=[pk])

    def act(said: Mapping[str, Any]) -> str:
        had = reset_factors(person, actor=actor_of(request), reason=said["reason"], now=timezone.now())
        person_admin.log_change(request, person, "Reset the second factors.")
        return f"Taken away from {person}: {in_words(had)}."

    hits = f"What {person} has: {in_words(factors_of(person))}."
    title = f"Reset second factors of {person}"
    asked = confirm(person_admin, request, title=title, hits=hits, act=act, back=back, warning=_RESET_ENDS)
    return asked or redirect(back)


def lift_page(person_admin: Any, request: HttpRequest, pk: int) -> HttpResponse:
    """Ask why, and give a person their attempts back.

    Arguments:
        person_admin: the `PersonAdmin` that this page belongs to.
        pk: whose; the address from which they try may stand in the query.
    """
    person = get_object_or_404(User, pk=pk)
    if not person_admin.has_lift_limit_permission(request, person):
        raise PermissionDenied
    form = WhoseAttemptsForm({"address": request.GET.get("address", "")})
    address = form.cleaned_data["address"] if form.is_valid() else ""
    query = {"username": person.username, **({"address": address} if address else {})}
    back = reverse("admin:accounts_user_attempts", query=query)

    def act(said: Mapping[str, Any]) -> str:
        lifted = lift_limits(
            person, address=address, actor=actor_of(request), reason=said["reason"], now=timezone.now()
        )
        person_admin.log_change(request, person, "Lifted the limits on attempts.")
        return f"Limits lifted for {person}: {len(lifted)}."

    whose = Whose(username=person.username, subject=person.subject, address=address)
    used = [
        state
        for state in limits_on(whose, now=timezone.now())
        if state.full_at and state.limit.counts_by is not CountsBy.ADDRESS
    ]
    hits = f"Limits that count attempts of {person} now: {len(used)}."
    title = f"Lift the limits of {person}"
    return confirm(person_admin, request, title=title, hits=hits, act=act, back=back, warning=_LIFT_GIVES) or redirect(
        back
    )


def in_words(factors: Factors) -> str:
    """What a person has besides a password."""
    app = "an authenticator app" if factors.totp else "no authenticator app"
    return f"{app}, passkeys: {factors.passkeys}, recovery codes left: {factors.recovery_codes}"

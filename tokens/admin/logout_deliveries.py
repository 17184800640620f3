"""Logout deliveries in the admin: to look at, and to try again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format

from accounts.admin.to_look_at import ToLookAt
from realms.acting import actor_of
from tokens.models import WAITING, LogoutDelivery
from tokens.selectors import delivery_state
from tokens.services.logouts import retry_logouts
from tokens.vocabulary import DeliveryState


class DeliveryStateFilter(admin.SimpleListFilter):
    """Waiting, delivered or given up."""

    title = "state"
    parameter_name = "state"
    _columns = {
        DeliveryState.WAITING: WAITING,
        DeliveryState.DELIVERED: Q(delivered_at__isnull=False),
        DeliveryState.GIVEN_UP: Q(given_up_at__isnull=False),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:  # noqa: ARG002
        """The states."""
        return [(state.value, _in_words(state)) for state in DeliveryState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogoutDelivery]) -> QuerySet[LogoutDelivery]:  # noqa: ARG002
        """Those of the state that was chosen; a state that there is not chooses nothing."""
        chosen = self.value()
        return queryset.filter(self._columns[DeliveryState(chosen)]) if chosen in set(DeliveryState) else queryset


@admin.register(LogoutDelivery)
class LogoutDeliveryAdmin(ToLookAt):
    """Who has been told of sign-outs, and who hasn't; to look at, and to try again."""

    list_display = ("sid", "client", "state", "last_outcome", "attempts", "next_attempt", "created_at", "realm")
    list_filter = (DeliveryStateFilter, "realm", "client")
    search_fields = ("=sid", "=subject")
    list_select_related = ("realm", "client")
    show_full_result_count = False
    fields = (
        "realm", "client", "sid", "subject", "state", "created_at", "attempts", "next_attempt", "delivered_at",
        "given_up_at", "last_outcome",
    )  # fmt: skip
    readonly_fields = fields
    actions = ("try_again",)

    @admin.display(description="state")
    def state(self, delivery: LogoutDelivery) -> str:
        """Its state in words."""
        return _in_words(delivery_state(delivery))

    @admin.display(description="next attempt", ordering="next_attempt_at", empty_value="–")
    def next_attempt(self, delivery: LogoutDelivery) -> str | None:
        """When; nothing where there will be none."""
        waiting = delivery_state(delivery) is DeliveryState.WAITING
        return date_format(delivery.next_attempt_at, "DATETIME_FORMAT") if waiting else None

    @admin.action(description="Try again now", permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[LogoutDelivery]) -> None:
        """Have the chosen clients told once more; those who were told already are left alone."""
        chosen = set(queryset.values_list("pk", flat=True))
        again = retry_logouts(chosen, actor=actor_of(request), now=timezone.now())
        messages.success(request, f"Tried again now: {again}. Reload this page in a moment to see what came of it.")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may have clients told again."""
        return request.user.has_perm("tokens.retry_logoutdelivery")


def _in_words(state: DeliveryState) -> str:
    return state.replace("_", " ")

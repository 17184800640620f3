"""Devices in the admin: what people are recognised by, to look at; how far it is trusted; and the end of it."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.admin.confirmation import confirm
from accounts.admin.to_look_at import ToLookAt
from accounts.forms import TrustForm
from accounts.models import Device
from accounts.selectors import facts_of
from accounts.services.devices import remove_devices, say_trust
from accounts.trust import trust_in
from realms.acting import actor_of


@admin.register(Device)
class DeviceAdmin(ToLookAt):
    """Devices of people."""

    list_display = ("name", "user", "kind", "trust", "last_used_at", "created_at", "removed_at", "id")
    list_filter = ("kind", ("removed_at", admin.EmptyFieldListFilter))
    search_fields = ("=id", "user__username_canonical", "=user__subject", "=thumbprint")
    search_help_text = "A whole id, subject or thumbprint, or part of a user name."
    list_select_related = ("user",)
    show_full_result_count = False
    fields = (
        "id", "user", "name", "kind", "thumbprint", "trust", "operator_trust", "created_at", "last_used_at",
        "second_factor_at", "address_changes", "address_changed_at", "removed_at",
    )  # fmt: skip
    readonly_fields = fields
    actions = ("remove_selected", "trust_selected")

    @admin.display(description="trust")
    def trust(self, device: Device) -> int:
        """What it is now, by the rules or by an operator's word."""
        return trust_in(facts_of(device), timezone.now())

    @admin.action(description="Remove the selected devices", permissions=["remove"])
    def remove_selected(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        """Ask why, and remove the chosen; their sessions end, and the grants that began on them."""
        chosen = self._standing(queryset)

        def act(said: Mapping[str, Any]) -> str:
            devices = set(chosen.values_list("pk", flat=True))
            done = remove_devices(devices, actor=actor_of(request), now=timezone.now(), because=said["reason"])
            return f"Devices removed: {done}."

        hits = f"Devices that would be removed: {chosen.count()}. What they are signed in to ends with them."
        title, back = "Remove the selected devices", request.get_full_path()
        return confirm(self, request, title=title, hits=hits, act=act, back=back, warning="")

    @admin.action(description="Say how far the selected devices are trusted", permissions=["trust"])
    def trust_selected(self, request: HttpRequest, queryset: QuerySet[Device]) -> HttpResponse | None:
        """Ask how far and why; the word takes the place of what the rules say."""
        chosen = self._standing(queryset)

        def act(said: Mapping[str, Any]) -> str:
            devices, trust = set(chosen.values_list("pk", flat=True)), said["trust"]
            actor, now = actor_of(request), timezone.now()
            done = say_trust(devices, trust=trust, actor=actor, now=now, because=said["reason"])
            return f"Devices that are trusted {'by the rules' if trust is None else f'as {trust} of 100'}: {done}."

        hits = f"Devices that it would be said of: {chosen.count()}."
        title, back = "Say how far the selected devices are trusted", request.get_full_path()
        return confirm(self, request, title=title, hits=hits, act=act, back=back, form_class=TrustForm, warning="")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may remove devices: a permission of its own."""
        return self.has_view_permission(request) and request.user.has_perm("accounts.remove_device")

    def has_trust_permission(self, request: HttpRequest) -> bool:
        """Whether the operator's word counts: a permission of its own."""
        return self.has_view_permission(request) and request.user.has_perm("accounts.trust_device")

    @staticmethod
    def _standing(queryset: QuerySet[Device]) -> QuerySet[Device]:
        return Device.objects.filter(pk__in=queryset.order_by().values("pk"), removed_at=None)

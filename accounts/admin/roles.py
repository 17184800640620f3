"""Groups in the admin: who may do what there. Owners alone see them, since whoever gives roles has them all."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin.to_look_at import SoundSelections
from accounts.models import User
from accounts.vocabulary import ROLE_GROUPS
from audit.services import record
from audit.vocabulary import EventName
from realms.acting import actor_of


def is_owner(request: HttpRequest) -> bool:
    """Whether the operator may do everything, the giving of rights included."""
    return bool(request.user.is_active) and cast("User", request.user).is_superuser


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(SoundSelections, GroupAdmin):
    """Groups. Those of the roles are made by `migrate` and can only be read; owners may make others."""

    list_display = ("name", "made_by")

    @admin.display(description="made by")
    def made_by(self, group: Group) -> str:
        """Whose it is to change."""
        return "Signet" if group.name in ROLE_GROUPS else "an owner"

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Owners alone."""
        return is_owner(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  (Django's)
        """Owners alone."""
        return is_owner(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Owners alone."""
        return is_owner(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Owners alone, and no role's: its permissions stand in a table of the program."""
        return is_owner(request) and not _is_of_a_role(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Owners alone, and no role's."""
        return is_owner(request) and not _is_of_a_role(obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Save what a group may do, and write the event; Django holds both in one transaction."""
        super().save_related(request, form, formsets, change)
        group = form.instance
        permissions = group.permissions.values_list("content_type__app_label", "codename").order_by("pk")
        may = " ".join(f"{label}.{codename}" for label, codename in permissions)
        details = {"name": group.name, "permissions": may}
        self._record(EventName.ROLE_CHANGED, group, request, details)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete, and write the event."""
        self._record(EventName.ROLE_DELETED, obj, request, {"name": obj.name})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Delete several, with an event each."""
        for group in queryset:
            self._record(EventName.ROLE_DELETED, group, request, {"name": group.name})
        super().delete_queryset(request, queryset)

    def _record(self, name: EventName, group: Group, request: HttpRequest, details: dict[str, str]) -> None:
        record(name, realm="", actor=actor_of(request), target=f"group:{group.pk}", now=timezone.now(), details=details)


def _is_of_a_role(group: Group | None) -> bool:
    return group is not None and group.name in ROLE_GROUPS

"""Clients and grants in Django's admin. A secret is never shown, and a grant can't be written by hand."""

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from tokens.models import Client, Grant
from tokens.services.clients import record_client_changed


@admin.register(Client)
class ClientAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Clients: they can be renamed and switched off."""

    list_display = ("client_id", "realm", "name", "kind", "enabled")
    list_filter = ("realm", "kind", "enabled")
    search_fields = ("client_id", "name")
    fields = ("realm", "client_id", "name", "kind", "enabled", "created_at")
    readonly_fields = ("realm", "client_id", "kind", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  (Django's)
        """No: a form could not hand over the secret."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:  # noqa: ARG002
        """No: grants point at it. Switch it off instead."""
        return False

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:  # noqa: FBT001
        """Save, and write the event; Django holds both in one transaction."""
        super().save_model(request, obj, form, change)
        actor = f"user:{cast('User', request.user).subject}"
        record_client_changed(obj, actor=actor, now=timezone.now())


@admin.register(Grant)
class GrantAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Grants, to look at."""

    list_display = ("id", "realm", "client", "user", "created_at", "rotated_at", "revoked_at", "revocation_reason")
    list_filter = ("realm", "client", "revocation_reason")
    search_fields = ("=id", "user__username_canonical", "user__subject")
    list_select_related = ("realm", "client", "user")
    ordering = ("-created_at",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """No: people make grants by signing in."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Grant | None = None) -> bool:  # noqa: ARG002
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Grant | None = None) -> bool:  # noqa: ARG002
        """No: what ended is removed by `rotate_keys`."""
        return False

"""Grants in the admin. None can be written by hand."""

from django.contrib import admin
from django.http import HttpRequest

from tokens.models import Grant


@admin.register(Grant)
class GrantAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Grants, to look at."""

    list_display = ("created_at", "user", "client", "revoked_at", "revocation_reason", "rotated_at", "realm", "id")
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

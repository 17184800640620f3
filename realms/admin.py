"""Realms in the admin: to look at, and to change how long their tokens live and who makes accounts."""

from django.contrib import admin
from django.http import HttpRequest

from realms.forms import RealmForm
from realms.models import Realm


@admin.register(Realm)
class RealmAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The issuer and the slug stand in every token and address that is out: they can only be read."""

    form = RealmForm
    list_display = ("slug", "name", "issuer", "enabled", "registration")
    search_fields = ("slug", "name", "issuer")
    readonly_fields = ("slug", "issuer", "created_at")
    fieldsets = (
        (None, {"fields": ("slug", "issuer", "created_at", "name", "enabled", "registration")}),
        ("Sign-in", {"fields": ("require_second_factor",)}),
        (
            "Lifetimes",
            {"fields": ("access_token_lifetime", "refresh_idle_lifetime", "refresh_absolute_lifetime")},
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  (Django's)
        """No: a realm needs its keys, and is made by a command."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Realm | None = None) -> bool:  # noqa: ARG002
        """No: its tokens would outlive it."""
        return False

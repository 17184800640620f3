"""Realms in the admin: to look at, and to change who makes accounts, what pages look like and how long tokens live."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from realms.acting import actor_of
from realms.forms import RealmForm
from realms.hooks import realm_changed
from realms.models import Realm
from realms.narrowed_lists import NarrowedLists
from realms.services import change_logo
from realms.spans import in_iso
from realms.templatetags.signet_realms import logo_of


@admin.register(Realm)
class RealmAdmin(NarrowedLists):
    """The issuer and the slug stand in every token and address that is out: they can only be read."""

    form = RealmForm
    list_display = ("slug", "name", "issuer", "enabled", "registration")
    search_fields = ("slug", "name", "issuer")
    readonly_fields = ("slug", "issuer", "created_at", "logo_now")
    fieldsets = (
        (None, {"fields": ("slug", "issuer", "created_at", "name", "enabled", "registration")}),
        ("Sign-in", {"fields": ("require_second_factor",)}),
        ("Looks", {"fields": ("accent", "accent_dark", "logo_now", "picture", "without_picture")}),
        (
            "Lifetimes",
            {"fields": ("access_token_lifetime", "refresh_idle_lifetime", "refresh_absolute_lifetime")},
        ),
    )

    @admin.display(description="Logo now")
    def logo_now(self, realm: Realm) -> str:
        """The realm's logo, as its pages show it."""
        address = logo_of(realm)
        return format_html('<img src="{}" class="realm-logo" alt="The logo">', address) if address else "Signet's own"

    def save_model(self, request: HttpRequest, obj: Realm, form: Any, change: bool) -> None:  # noqa: FBT001  (Django's)
        """Save with the event, and change the logo where that was asked for; a new one wins over its removal."""
        super().save_model(request, obj, form, change)
        picture = form.cleaned_data["picture"]
        changed = [name for name in form.changed_data if name in form.initial]  # the logo is no column of the row
        differs = {name: f"{_told(form.initial[name])} → {_told(form.cleaned_data[name])}" for name in changed}
        if picture is not None or form.cleaned_data["without_picture"]:
            before = obj.logo_digest
            change_logo(obj, picture=picture)
            differs |= {"logo": f"{before} → {obj.logo_digest}"} if before != obj.logo_digest else {}
        if differs:
            realm_changed(obj, differs, actor=actor_of(request), now=timezone.now())

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  (Django's)
        """No: a realm needs its keys, and is made by a command."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Realm | None = None) -> bool:  # noqa: ARG002
        """No: its tokens would outlive it."""
        return False


def _told(value: Any) -> str:
    """A value as an import writes it of the same change."""
    return in_iso(value) if isinstance(value, timedelta) else str(value)

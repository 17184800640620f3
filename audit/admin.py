"""Security events in the admin: to search and to read. The database refuses to change one."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit.models import Event
from audit.vocabulary import EventName
from realms.selectors import all_realms

_INSTALLATION = "-"  # a realm's slug begins with a letter or a digit


class NameFilter(admin.SimpleListFilter):
    """What happened. The names are known, so that no query has to collect them from a long table."""

    title = "event"
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002  (Django's)
        """Every name of the vocabulary."""
        return [(name.value, name.value) for name in sorted(EventName)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:  # noqa: ARG002
        """The events of this name."""
        return queryset.filter(name=self.value()) if self.value() in list(EventName) else queryset


class RealmFilter(admin.SimpleListFilter):
    """Where it happened."""

    title = "realm"
    parameter_name = "realm"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Every realm, and the installation itself."""
        return [*((realm.slug, realm.slug) for realm in all_realms()), (_INSTALLATION, "the installation")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:  # noqa: ARG002
        """The events of this realm."""
        if self.value() not in [slug for slug, _ in self.lookup_choices]:
            return queryset
        return queryset.filter(realm="" if self.value() == _INSTALLATION else self.value())


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Read-only; the newest first."""

    list_display = ("when", "name", "realm", "target", "actor", "reason")
    list_display_links = ("when", "name")
    list_filter = (NameFilter, RealmFilter)
    search_fields = ("target", "actor", "reason", "name")
    search_help_text = "Part of a kid, a subject, a client_id, an actor, a reason or an event's name."
    fields = ("when", "name", "realm", "actor", "target", "reason", "what_else")
    readonly_fields = fields
    ordering = ("-id",)
    actions = None
    list_per_page = 50
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:  # noqa: ARG002
        """Only what the filters of the list need."""
        return lookup in (NameFilter.parameter_name, RealmFilter.parameter_name)

    @admin.display(description="when (UTC)", ordering="id")
    def when(self, event: Event) -> str:
        """The moment, to the second."""
        return f"{event.occurred_at:%d %b %Y %H:%M:%S}"

    @admin.display(description="details")
    def what_else(self, event: Event) -> SafeString | str:
        """The further facts of an event, one a line."""
        facts = format_html_join("", "<li><b>{}</b> {}</li>", sorted(event.details.items()))
        return format_html('<ul class="facts">{}</ul>', facts) if facts else "none"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, under a plain title."""
        return super().changelist_view(request, {**(extra_context or {}), "title": "Security events"})

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """No: events are written by what happens."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:  # noqa: ARG002
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Event | None = None) -> bool:  # noqa: ARG002
        """No."""
        return False

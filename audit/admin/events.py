"""Security events in the admin: to search and to read. The database refuses to change one."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit.admin.filters import TAKEN, DayFilter, NameFilter, PersonFilter, RealmFilter, TargetFilter
from audit.hooks import SEALED, VIEW_PERSONAL
from audit.models import Event
from audit.selectors import matching, places
from audit.services import open_personal_fields
from realms.acting import actor_of

_MOST_COUNTED = 5_000


class LatestPages(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Pages of the latest rows. Nobody waits for a count of millions, or leafs to the end of them."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, of at most so many."""
        rows: Any = self.object_list
        return int(rows.order_by()[:_MOST_COUNTED].count())


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Read-only; the newest first."""

    list_display = ("when", "name", "realm", "about", "by_whom", "reason")
    list_display_links = ("when", "name")
    list_filter = (PersonFilter, TargetFilter, DayFilter, RealmFilter, NameFilter)
    search_fields = ("target",)  # what is looked through: audit/selectors.py
    search_help_text = (
        "The beginning of a kid, a subject, a client_id or an actor, or part of a reason or of an event's name. "
        f"The latest {_MOST_COUNTED:,} are listed: narrow them by days."
    )
    fields = ("when", "name", "realm", "by_whom", "about", "reason", "what_else")
    readonly_fields = (*fields, "personal")
    ordering = ("-id",)
    actions = None
    list_per_page = 50
    paginator = LatestPages
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would be a count of all that there is

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:  # noqa: ARG002
        """What the filters take, and nothing that Django would make of a column."""
        return lookup in TAKEN

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002  (Django's)
        queryset: QuerySet[Event],
        search_term: str,
    ) -> tuple[QuerySet[Event], bool]:
        """What fits what was typed, as one."""
        words = search_term.strip()
        return (queryset.filter(matching(words)) if words else queryset), False

    @admin.display(description="when (UTC)", ordering="id")
    def when(self, event: Event) -> str:
        """The moment, to the second."""
        return f"{event.occurred_at:%d %b %Y %H:%M:%S}"

    @admin.display(description="target")
    def about(self, event: Event) -> SafeString | str:
        """What it happened to; a link where that is still there."""
        return _linked(event.target, _places(event)[0])

    @admin.display(description="actor")
    def by_whom(self, event: Event) -> SafeString | str:
        """Who did it."""
        return _linked(event.actor, _places(event)[1])

    @admin.display(description="details")
    def what_else(self, event: Event) -> SafeString | str:
        """The further facts of an event, one a line."""
        return _list({name: value for name, value in event.details.items() if name != SEALED})

    @admin.display(description="personal")
    def personal(self, event: Event) -> SafeString | str:
        """Where somebody was, as the page opened it; nothing once they are deleted, with whom the key of it went."""
        return _list(getattr(event, "opened", None) or {})

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,  # noqa: FBT001, FBT002  (Django's)
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: Any = None,
    ) -> Any:
        """The page of an event; what is personal is opened for those who may see it, and that leaves an event."""
        if obj is not None and request.user.has_perm(VIEW_PERSONAL):
            obj.opened = open_personal_fields(obj, actor=actor_of(request), now=timezone.now())
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_fields(self, request: HttpRequest, obj: Event | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """What is personal is opened for those alone who have the permission."""
        return (*self.fields, "personal") if request.user.has_perm(VIEW_PERSONAL) else self.fields

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with the addresses of all that is on the page."""
        changelist = super().get_changelist_instance(request)
        events = list(changelist.result_list)
        found = places(events)
        for event in events:
            event.places = found[event.pk]
        changelist.result_list = events
        return changelist

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


def _list(facts: Mapping[str, Any]) -> SafeString | str:
    lines = format_html_join("", "<li><b>{}</b> {}</li>", sorted(facts.items()))
    return format_html('<ul class="facts">{}</ul>', lines) if lines else "none"


def _places(event: Event) -> tuple[str, str]:
    """The addresses that the list found for all at once; on an event's own page, for it alone."""
    found: tuple[str, str] | None = getattr(event, "places", None)
    return found if found is not None else places([event])[event.pk]


def _linked(identity: str, address: str) -> SafeString | str:
    return format_html('<a href="{}">{}</a>', address, identity) if address else identity

"""Sessions in the admin: who is signed in, to look at, and to end."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.admin.to_look_at import ToLookAt
from accounts.models import Session
from accounts.services.sessions import end_sessions
from accounts.vocabulary import SessionEnd
from realms.acting import actor_of


class EndFilter(admin.SimpleListFilter):
    """Whether somebody ended it, and why."""

    title = "end"
    parameter_name = "end"
    _STANDS = "none"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002  (Django's)
        """None, and every reason."""
        return [(self._STANDS, "not ended"), *((reason.value, reason.replace("_", " ")) for reason in SessionEnd)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:  # noqa: ARG002
        """The sessions that ended so; what there is not chooses nothing."""
        chosen = self.value()
        if chosen == self._STANDS:
            return queryset.filter(ended_at=None)
        return queryset.filter(end_reason=chosen) if chosen in set(SessionEnd) else queryset


@admin.register(Session)
class SessionAdmin(ToLookAt):
    """Sessions that people have with their browsers."""

    list_display = ("user", "realm", "auth_time", "authentication_methods", "end", "sid")
    list_filter = ("realm", EndFilter)
    search_fields = ("=sid", "user__username_canonical", "=user__subject")
    search_help_text = "A whole sid or subject, or part of a user name."
    list_select_related = ("user", "realm")
    show_full_result_count = False
    fields = (
        "sid", "lineage", "user", "realm", "auth_time", "authentication_methods", "created_at", "ended_at",
        "end_reason",
    )  # fmt: skip
    readonly_fields = fields
    actions = ("end_selected",)

    @admin.display(description="end", ordering="end_reason")
    def end(self, session: Session) -> str:
        """Why it ended, in words."""
        return session.end_reason.replace("_", " ") or "–"

    @admin.display(description="methods")
    def authentication_methods(self, session: Session) -> str:
        """The `amr` of its sign-in."""
        return " ".join(session.methods)

    @admin.action(description="End the selected sessions", permissions=["end"])
    def end_selected(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        """End the chosen, and what the same browsers had of the same people before; clients are told."""
        chosen = set(queryset.values_list("pk", flat=True))
        ended = end_sessions(chosen, reason=SessionEnd.OPERATOR, actor=actor_of(request), now=timezone.now())
        messages.success(request, f"Sessions ended: {ended}.")

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may end sessions: a permission of its own."""
        return self.has_view_permission(request) and request.user.has_perm("accounts.end_session")

"""Grants in the admin: to look at, and to end. None can be written by hand."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods

from accounts.admin.confirmation import confirm
from accounts.admin.to_look_at import ToLookAt
from accounts.models import User
from realms.acting import actor_of
from tokens.models import Client, Grant
from tokens.selectors import unended
from tokens.services.revocation import end_grants
from tokens.vocabulary import RevocationReason

_only_pages = method_decorator(require_http_methods(["GET", "HEAD", "POST"]))


@admin.register(Grant)
class GrantAdmin(ToLookAt):
    """Grants."""

    list_display = ("created_at", "user", "client", "revoked_at", "revocation_reason", "rotated_at", "realm", "id")
    list_filter = ("realm", "client", "revocation_reason")
    search_fields = ("=id", "user__username_canonical", "user__subject")
    list_select_related = ("realm", "client", "user")
    ordering = ("-created_at",)
    show_full_result_count = False
    actions = ("end_selected",)

    @admin.action(description="End the selected grants", permissions=["end"])
    def end_selected(self, request: HttpRequest, queryset: QuerySet[Grant]) -> HttpResponse | None:
        """Ask why, and end the chosen."""
        chosen = Grant.objects.filter(pk__in=queryset.order_by().values("pk"))
        return self._end(request, chosen, title="End the selected grants", back=request.get_full_path())

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may end grants: a permission of its own."""
        return self.has_view_permission(request) and request.user.has_perm("tokens.end_grant")

    def get_urls(self) -> Any:
        """The pages that end all of a person or a client stand before Django's own, which would catch their address."""
        of_person, of_client = (self.admin_site.admin_view(view) for view in (self.end_of_person, self.end_of_client))
        return [
            path("of-person/<int:pk>/end/", of_person, name="tokens_grant_end_of_person"),
            path("of-client/<int:pk>/end/", of_client, name="tokens_grant_end_of_client"),
            *super().get_urls(),
        ]

    @_only_pages
    def end_of_person(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why, and end all grants of a person, in every realm."""
        self._require_end_permission(request)
        person = get_object_or_404(User, pk=pk)
        back = reverse("admin:accounts_user_change", args=[pk])
        grants = Grant.objects.filter(user=person)
        return self._end(request, grants, title=f"End all grants of {person}", back=back) or redirect(back)

    @_only_pages
    def end_of_client(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why, and end all grants of a client."""
        self._require_end_permission(request)
        client = get_object_or_404(Client, pk=pk)
        back = reverse("admin:tokens_client_change", args=[pk])
        grants = Grant.objects.filter(client=client)
        return self._end(request, grants, title=f"End all grants of {client.client_id}", back=back) or redirect(back)

    def _require_end_permission(self, request: HttpRequest) -> None:
        if not self.has_end_permission(request):
            raise PermissionDenied

    def _end(self, request: HttpRequest, grants: QuerySet[Grant], *, title: str, back: str) -> HttpResponse | None:
        now = timezone.now()

        def act(said: Mapping[str, Any]) -> str:
            actor, reason = actor_of(request), RevocationReason.OPERATOR
            return f"Grants ended: {end_grants(grants, reason=reason, actor=actor, now=now, because=said['reason'])}."

        hits = f"Grants that would end: {unended(grants, now).count()}."
        return confirm(self, request, title=title, hits=hits, act=act, back=back)

"""Consents in the admin: what people allowed which client, to look at, and to withdraw."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.admin.confirmation import confirm
from accounts.admin.to_look_at import ToLookAt
from realms.acting import actor_of
from tokens.models import Consent
from tokens.selectors import resting_on, unended
from tokens.services.consent import withdraw_each


@admin.register(Consent)
class ConsentAdmin(ToLookAt):
    """Consents."""

    list_display = ("user", "client", "realm", "allowed", "granted_at")
    list_filter = ("client__realm", "client")
    search_fields = ("user__username_canonical", "=user__subject", "=client__client_id")
    search_help_text = "A whole subject or client_id, or part of a user name."
    list_select_related = ("user", "client__realm")
    show_full_result_count = False
    fields = ("user", "client", "realm", "allowed", "granted_at")
    readonly_fields = fields
    actions = ("withdraw_selected",)

    @admin.display(description="realm", ordering="client__realm__slug")
    def realm(self, consent: Consent) -> str:
        """The client's realm."""
        return consent.client.realm.slug

    @admin.display(description="scope")
    def allowed(self, consent: Consent) -> str:
        """What was allowed, as in a token."""
        return " ".join(consent.scopes)

    @admin.action(description="Withdraw the selected consents", permissions=["withdraw"])
    def withdraw_selected(self, request: HttpRequest, queryset: QuerySet[Consent]) -> HttpResponse | None:
        """Ask why, and withdraw the chosen with all grants that go with them."""
        now = timezone.now()
        chosen = Consent.objects.filter(pk__in=queryset.order_by().values("pk"))

        def act(said: Mapping[str, Any]) -> str:
            consents = set(chosen.values_list("pk", flat=True))
            done = withdraw_each(consents, actor=actor_of(request), now=now, because=said["reason"])
            return f"Consents withdrawn: {done.consents}. Grants ended with them: {done.grants}."

        grants = unended(resting_on(chosen), now).count()
        hits = f"Consents that would be withdrawn: {chosen.count()}. Grants that would end with them: {grants}."
        title, back = "Withdraw the selected consents", request.get_full_path()
        return confirm(self, request, title=title, hits=hits, act=act, back=back)

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may withdraw consents: a permission of its own."""
        return self.has_view_permission(request) and request.user.has_perm("tokens.withdraw_consent")

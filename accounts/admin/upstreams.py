"""Upstream providers in the admin, and who is linked with them."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils import timezone

from accounts.admin.to_look_at import SoundSelections, ToLookAt
from accounts.errors import ProviderRefused, ProviderTaken, UpstreamAway, UpstreamRefused
from accounts.models import UpstreamLink, UpstreamProvider
from accounts.provider_form import UpstreamProviderForm
from accounts.selectors.upstreams import callback_address
from accounts.services.upstreams import Keep, change_provider, create_provider, delete_providers, unlink
from accounts.upstream.discovery import auth_method
from accounts.upstream.http import check
from keys.errors import KeysError
from realms.acting import actor_of
from realms.selectors import default_realm

_CHECKED_AT_ONCE = 5  # each may take seconds


@admin.register(UpstreamProvider)
class UpstreamProviderAdmin(SoundSelections):
    """Other OpenID providers that people of a realm sign in with. Who they are never changes."""

    form = UpstreamProviderForm
    list_display = ("name", "realm", "slug", "issuer", "enabled")
    list_filter = ("realm", "enabled")
    list_select_related = ("realm",)
    search_fields = ("name", "slug", "issuer")
    actions = ("check_now",)
    _identity = ("realm", "slug", "issuer", "redirect_uri", "created_at")
    _decided = ("name", "enabled", "trusts_second_factor", "allowed_domains")
    _client = ("client_id", "scopes", "new_secret")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UpstreamProvider]:
        """With the realm, which the redirect URI begins with."""
        return super().get_queryset(request).select_related("realm")

    def get_fieldsets(self, request: HttpRequest, obj: UpstreamProvider | None = None) -> Any:  # noqa: ARG002
        """Who it is, what is decided of it, and this realm's client there."""
        if obj is None:
            first: tuple[str, ...] = ("realm", "slug", "issuer")
            return ((None, {"fields": first + self._decided}), ("Our client there", {"fields": self._client}))
        client = (*self._client[:2], "stored_secret", "new_secret", "forget_secret")
        return ((None, {"fields": self._identity + self._decided}), ("Our client there", {"fields": client}))

    def get_readonly_fields(self, request: HttpRequest, obj: UpstreamProvider | None = None) -> Any:  # noqa: ARG002
        """The identity, once it is there."""
        return (*self._identity, "stored_secret") if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The default realm."""
        return {"realm": default_realm(), **super().get_changeform_initial_data(request)}

    @admin.display(description="redirect URI")
    def redirect_uri(self, provider: UpstreamProvider) -> str:
        """What has to be registered at the provider."""
        return callback_address(provider)

    @admin.display(description="client secret", boolean=True)
    def stored_secret(self, provider: UpstreamProvider) -> bool:
        """Whether there is one; that is all that is ever told of it."""
        return provider.client_secret is not None

    def save_model(self, request: HttpRequest, obj: UpstreamProvider, form: Any, change: bool) -> None:  # noqa: FBT001
        """Through the service, with the event, in Django's one transaction."""
        actor, now, secret = actor_of(request), timezone.now(), form.secret()
        if change:
            provider = UpstreamProvider.objects.select_related("realm").get(pk=obj.pk)
            change_provider(provider, terms=form.terms(), secret=secret, actor=actor, now=now)
            return
        secret = None if isinstance(secret, Keep) else secret
        made = create_provider(realm=obj.realm, slug=obj.slug, terms=form.terms(), secret=secret, actor=actor, now=now)
        obj.pk, obj.created_at = made.pk, made.created_at

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Django's own; what stands in the way only when it is saved is told, not thrown."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (ProviderTaken, ProviderRefused, KeysError) as error:
            messages.error(request, str(error))
            return redirect("admin:accounts_upstreamprovider_changelist")

    def delete_model(self, request: HttpRequest, obj: UpstreamProvider) -> None:
        """Delete it with its links, and write the event."""
        delete_providers([obj], actor=actor_of(request), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[UpstreamProvider]) -> None:
        """Delete several, with an event each."""
        delete_providers(list(queryset), actor=actor_of(request), now=timezone.now())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with them; nobody needs a permission of its own for the links."""
        found, count, _permissions, protected = super().get_deleted_objects(objs, request)
        return found, count, set(), protected

    @admin.action(description="Check now", permissions=["change"])
    def check_now(self, request: HttpRequest, queryset: QuerySet[UpstreamProvider]) -> None:
        """Fetch metadata and keys of the chosen, and say what is wrong with them."""
        chosen = list(queryset[: _CHECKED_AT_ONCE + 1])
        if len(chosen) > _CHECKED_AT_ONCE:
            messages.error(request, f"Check {_CHECKED_AT_ONCE} at once at most: each may take seconds.")
            return
        for provider in chosen:
            try:
                metadata, keys = check(provider.issuer, loopback=settings.IDP_PLAIN_HTTP)
                method = auth_method(metadata, has_secret=provider.client_secret is not None)
            except (UpstreamAway, UpstreamRefused) as error:
                messages.error(request, f"{provider.name}: {error}")
            else:
                messages.success(request, f"{provider.name}: all is well; usable keys: {keys}, client by {method}.")


@admin.register(UpstreamLink)
class UpstreamLinkAdmin(ToLookAt):
    """Who a subject of a provider is here. Only people make links; operators end them."""

    list_display = ("user", "provider", "subject", "created_at", "last_used_at")
    list_filter = ("provider__realm", "provider__name")
    list_select_related = ("user", "provider")
    search_fields = ("user__username_canonical", "=user__subject", "=subject")
    search_help_text = "A whole subject, here or there, or part of a user name."
    show_full_result_count = False
    fields = ("user", "provider", "subject", "created_at", "last_used_at")
    readonly_fields = fields
    actions = ("unlink_selected",)

    @admin.action(description="End the selected links", permissions=["unlink"])
    def unlink_selected(self, request: HttpRequest, queryset: QuerySet[UpstreamLink]) -> None:
        """End the chosen; the people's sessions go on."""
        chosen = list(queryset.select_related("user", "provider__realm"))
        ended = unlink(chosen, actor=actor_of(request), now=timezone.now())
        messages.success(request, f"Links ended: {ended}.")

    def has_unlink_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may end links: Django's permission to delete them."""
        return self.has_view_permission(request) and request.user.has_perm("accounts.delete_upstreamlink")

"""Clients in the admin: registered by the rules that `create_client` has. A secret is shown once, when it is made."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from realms.acting import actor_of
from realms.selectors import default_realm
from tokens.admin.trial import TrialPages
from tokens.client_fieldsets import fieldsets
from tokens.forms import ClientForm
from tokens.models import Client
from tokens.services.clients import ClientIdTaken, ClientRefused, add_secret, create_client, record_client_changed
from tokens.vocabulary import AuthMethod, ClientKind


@admin.register(Client)
class ClientAdmin(TrialPages):
    """Clients: registered by the same rules as by `create_client`, and a secret is shown once, when it is made."""

    list_display = ("client_id", "realm", "name", "kind", "auth_method", "enabled")
    list_filter = ("realm", "kind", "enabled")
    search_fields = ("client_id", "name")
    change_form_template = "admin/tokens/client/change_form.html"
    # Another subject type or sector would make strangers of all the people whom the client knows.
    _identity = ("realm", "client_id", "kind", "auth_method", "subject_type", "sector_identifier", "created_at")

    def get_form(
        self,
        request: HttpRequest,
        obj: Client | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  (Django's)
        **kwargs: Any,
    ) -> Any:
        """The form with the rules; the built-in client has nothing to register."""
        form = forms.ModelForm if _is_built_in(obj) else ClientForm
        return super().get_form(request, obj, change, **{**kwargs, "form": form})

    def get_fieldsets(self, request: HttpRequest, obj: Client | None = None) -> Any:  # noqa: ARG002
        """Who it is cannot be changed, what it may do can; the built-in client has neither groups nor rules."""
        if obj is None:
            return tuple(fieldsets(ClientForm.Meta.fields))
        if _is_built_in(obj):
            return ((None, {"fields": (*self._identity, "name", "enabled")}),)
        return tuple(fieldsets({*self._identity, *ClientForm.Meta.fields}))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What most clients have: the default realm, and a secret."""
        usual = {"realm": default_realm(), "auth_method": AuthMethod.BASIC}
        return {**usual, **super().get_changeform_initial_data(request)}

    def get_readonly_fields(self, request: HttpRequest, obj: Client | None = None) -> Any:  # noqa: ARG002
        """The identity, once it is there."""
        return self._identity if obj else ()

    def get_urls(self) -> Any:
        """The page that makes a further secret, and those of a trial."""
        guarded = self.admin_site.admin_view
        return [
            path("<int:pk>/secret/", guarded(self.new_secret), name="tokens_client_secret"),
            path("<int:pk>/try/", guarded(self.try_it), name="tokens_client_try"),
            path("trial/", guarded(self.trial_answer), name="tokens_client_trial_answer"),
            *super().get_urls(),
        ]

    def has_delete_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:  # noqa: ARG002
        """No: grants point at it. Switch it off instead."""
        return False

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:  # noqa: FBT001
        """Register through the service, or save; with the event, in Django's one transaction."""
        actor, now = actor_of(request), timezone.now()
        if change:
            # Of what the form shows and no more: a secret that was made meanwhile would be lost with it.
            obj.save(update_fields=list(form.cleaned_data))
            record_client_changed(obj, actor=actor, now=now)
            return
        made, form.secret = create_client(
            realm=obj.realm,
            client_id=obj.client_id,
            name=obj.name,
            metadata=form.metadata(),
            actor=actor,
            now=now,
        )
        if not obj.enabled:
            Client.objects.filter(pk=made.pk).update(enabled=False)
        obj.pk = made.pk

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Django's own; a client_id that was taken meanwhile is told, not thrown."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (ClientIdTaken, ClientRefused) as error:
            messages.error(request, str(error))
            return redirect("admin:tokens_client_add")

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Django's own; the form's secret goes to the page and nowhere else."""
        request.made_secret = getattr(form, "secret", None)  # type: ignore[attr-defined]
        return super().construct_change_message(request, form, formsets, add)

    def response_add(self, request: HttpRequest, obj: Client, post_url_continue: str | None = None) -> HttpResponse:
        """The secret, this once; never by a redirect, whose message would lie in a cookie."""
        secret = getattr(request, "made_secret", None)
        return self._show(request, obj, secret) if secret else super().response_add(request, obj, post_url_continue)

    def new_secret(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, and on POST make a further secret; the newest two are valid."""
        client = get_object_or_404(Client.objects.select_related("realm"), pk=pk)
        if not self.has_change_permission(request, client):
            raise PermissionDenied
        if request.method != "POST":
            return self._show(request, client, None)
        try:
            return self._show(request, client, add_secret(client, actor=actor_of(request), now=timezone.now()))
        except ClientRefused as error:
            messages.error(request, str(error))
            return redirect("admin:tokens_client_change", pk)

    def _show(self, request: HttpRequest, client: Client, secret: str | None) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "client": client,
            "secret": secret,
            "title": "Client secret",
        }
        response = TemplateResponse(request, "admin/tokens/client/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response


def _is_built_in(client: Client | None) -> bool:
    return client is not None and client.kind == ClientKind.BUILT_IN

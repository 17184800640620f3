"""Invitations in the admin: who was invited and hasn't come yet; send one, take some back."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from accounts.admin.to_look_at import ToLookAt
from accounts.errors import AccountsError, NameRefused
from accounts.models import MailedLink
from accounts.names import check_email, check_roles
from accounts.services.invitations import invite, withdraw
from accounts.vocabulary import LinkPurpose
from realms.acting import actor_of
from realms.models import Realm
from realms.vocabulary import Registration


class InvitationForm(forms.Form):
    """Whom to invite, where to, and what they will be there."""

    realm = forms.ModelChoiceField(
        queryset=Realm.objects.none(), help_text="Realms whose registration is closed take nobody in."
    )
    email = forms.CharField(
        label="Email address",
        max_length=254,
        help_text="The link is mailed there, and the new account has this address.",
        widget=forms.EmailInput,
    )
    roles = forms.CharField(required=False, help_text="Words between spaces; each access token carries them.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        realm: Any = self.fields["realm"]
        realm.queryset = Realm.objects.filter(enabled=True).exclude(registration=Registration.CLOSED)

    def clean_email(self) -> str:
        """An address by the rules of all others."""
        try:
            return check_email(self.cleaned_data["email"])
        except NameRefused as error:
            raise forms.ValidationError(str(error)) from error

    def clean_roles(self) -> list[str]:
        """The roles as a list."""
        try:
            return check_roles(self.cleaned_data["roles"].split())
        except NameRefused as error:
            raise forms.ValidationError(str(error)) from error


@admin.register(MailedLink)
class InvitationAdmin(ToLookAt):
    """Invitations that are open. The links themselves are known to nobody but who got them."""

    list_display = ("email", "realm", "given_roles", "created_at", "expires_at")
    list_filter = ("realm",)
    search_fields = ("email",)
    list_select_related = ("realm",)
    show_full_result_count = False
    fields = ("email", "realm", "given_roles", "created_at", "expires_at")
    readonly_fields = fields
    actions = ("withdraw_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[MailedLink]:
        """Invitations alone, and of these the ones that still let somebody in."""
        found: QuerySet[MailedLink] = super().get_queryset(request)
        return found.filter(purpose=LinkPurpose.INVITATION, used_at=None, expires_at__gt=timezone.now())

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the way to a new one."""
        may_invite = self.has_invite_permission(request)
        return super().changelist_view(request, {**(extra_context or {}), "may_invite": may_invite})

    @admin.display(description="roles")
    def given_roles(self, invitation: MailedLink) -> str:
        """What it gives."""
        return " ".join(invitation.roles) or "–"

    @admin.action(description="Withdraw the selected invitations", permissions=["invite"])
    def withdraw_selected(self, request: HttpRequest, queryset: QuerySet[MailedLink]) -> None:
        """Take them back: their links are no longer good."""
        chosen = list(queryset.values_list("pk", flat=True))
        ended = withdraw(chosen, actor=actor_of(request), now=timezone.now())
        messages.success(request, f"Invitations withdrawn: {ended}.")

    def has_invite_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may invite and take back: a permission of its own."""
        return self.has_view_permission(request) and request.user.has_perm("accounts.invite_person")

    def get_urls(self) -> Any:
        """The form stands before Django's own pages, which would catch its address."""
        page = self.admin_site.admin_view(self.invite_view)
        return [path("invite/", page, name="accounts_mailedlink_invite"), *super().get_urls()]

    def invite_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whom, and send the mail."""
        if not self.has_invite_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        form = InvitationForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and self._send(request, form):
            return HttpResponseRedirect(reverse("admin:accounts_mailedlink_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Invite somebody",
            "opts": self.opts,
            "form": form,
        }
        return TemplateResponse(request, "admin/accounts/mailedlink/invite.html", context)

    def _send(self, request: HttpRequest, form: InvitationForm) -> bool:
        """Whether it is sent; else the reason stands on the form."""
        asked = form.cleaned_data
        try:
            invite(
                realm=asked["realm"],
                email=asked["email"],
                roles=asked["roles"],
                actor=actor_of(request),
                now=timezone.now(),
            )
        except AccountsError as error:
            form.add_error(None, str(error))
            return False
        messages.success(request, f"The invitation is on its way to {asked['email']}; it works for seven days.")
        return True

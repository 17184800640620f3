"""People and memberships in Django's admin. Each change leaves an event."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet, ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods

from accounts.admin.attempts import attempts_page
from accounts.admin.interventions import in_words, lift_page, may_do, reset_page
from accounts.admin.last_owner import KeepsAnOwner
from accounts.admin.roles import is_owner
from accounts.admin.to_look_at import SoundSelections
from accounts.forms import CLAIM_COLUMNS, MembershipForm, OthersPasswordForm, PersonChangeForm, PersonCreationForm
from accounts.models import Membership, User
from accounts.selectors import may_touch, with_rights
from accounts.selectors.factors import factors_of
from accounts.services.deletion import part_with
from accounts.services.operators import hold_owners, require_an_owner
from accounts.services.people import (
    record_membership,
    record_person_changed,
    record_person_created,
)
from accounts.services.sessions import end_sessions_of
from accounts.vocabulary import SessionEnd
from realms.acting import actor_of
from realms.models import Realm

_only_gets = method_decorator(require_http_methods(["GET", "HEAD"]))
_only_pages = method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
# What somebody may do in the admin. Owners alone see it, give it and take it.
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


def sign_out(*people: User, request: HttpRequest, realm: Realm | None = None) -> None:
    """End what an operator's change has made void already, so that clients are told of it."""
    end_sessions_of(*people, reason=SessionEnd.OPERATOR, actor=actor_of(request), now=timezone.now(), realm=realm)


class LabelledRows(BaseInlineFormSet):  # type: ignore[type-arg]
    """Rows whose box to delete them has a name of its own, for those who don't see what stands above it."""

    def add_fields(self, form: "ModelForm[Any]", index: int | None) -> None:
        """Name the box."""
        super().add_fields(form, index)
        if "DELETE" in form.fields:
            row = str(form.instance) if form.instance.pk else "this row"
            form.fields["DELETE"].widget.attrs["aria-label"] = f"Delete {row}"


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    """The realms of a person."""

    model = Membership
    form = MembershipForm
    formset = LabelledRows
    fields = ("realm", "roles")
    extra = 0


@admin.register(User)
class PersonAdmin(SoundSelections, KeepsAnOwner, UserAdmin):  # type: ignore[type-arg]
    """People."""

    form = PersonChangeForm
    add_form = PersonCreationForm
    inlines = (MembershipInline,)
    list_display = ("username", "email", "is_active", "is_staff", "created_at")
    list_filter = ("is_active", "is_staff", "memberships__realm")
    search_fields = ("username_canonical", "email_canonical", "subject")
    ordering = ("username_canonical",)
    readonly_fields = ("subject", "second_factors", "created_at", "updated_at", "last_login", "signed_out_at")
    fieldsets = (
        (None, {"fields": ("username", "password", "email", "email_verified", "subject")}),
        (
            "Claims",
            {
                "fields": (
                    "name",
                    "given_name",
                    "family_name",
                    "locale",
                    "zoneinfo",
                    "phone_number",
                    "phone_number_verified",
                    "address",
                )
            },
        ),
        ("Proves besides a password", {"fields": ("second_factors",)}),
        ("May", {"fields": ("is_active", *RIGHTS)}),
        ("Dates", {"fields": ("created_at", "updated_at", "last_login", "signed_out_at")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "email", "usable_password", "password1", "password2")}),
    )

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever may change people, but none who has rights in the admin: see `may_touch`."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """The same for the end of an account."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Without the rights for whoever is no owner: what is not on a form can't be sent with it.

        Whoever only looks sees nothing of a password either, of which Django would show a few letters of the hash.
        """
        found = super().get_fieldsets(request, obj)
        if is_owner(request):
            return found
        hidden = RIGHTS if obj is None or self.has_change_permission(request, obj) else (*RIGHTS, "password")
        return tuple(
            (title, {**options, "fields": tuple(each for each in options["fields"] if each not in hidden)})
            for title, options in found
        )

    def get_list_display(self, request: HttpRequest) -> Any:
        """The columns; who is an operator is for owners to see."""
        return _without_rights(request, super().get_list_display(request))

    def get_list_filter(self, request: HttpRequest) -> Any:
        """The filters, the same."""
        return _without_rights(request, super().get_list_filter(request))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Nobody but an owner narrows the list by rights, in no address either."""
        of_rights = lookup.split("__", maxsplit=1)[0] in RIGHTS
        allowed = super().lookup_allowed(lookup, value, cast("Any", request))
        return allowed and (not of_rights or (request is not None and is_owner(request)))

    def has_reset_factors_permission(self, request: HttpRequest, obj: User) -> bool:
        """Whether the operator may take this person's second factors away: a permission of its own."""
        return may_do(request, "accounts.reset_factors", obj)

    def has_lift_limit_permission(self, request: HttpRequest, obj: User) -> bool:
        """Whether the operator may give this person their attempts back: a permission of its own."""
        return may_do(request, "accounts.lift_limit", obj)

    @admin.display(description="second factors")
    def second_factors(self, person: User) -> str:
        """How many of each kind; what they are is nobody else's business."""
        return in_words(factors_of(person))

    def get_urls(self) -> Any:
        """The pages beside Django's own stand before them, which would catch their addresses."""
        attempts, reset, lift = (
            self.admin_site.admin_view(view) for view in (self.attempts_view, self.reset_view, self.lift_view)
        )
        return [
            path("attempts/", attempts, name="accounts_user_attempts"),
            path("<int:pk>/reset-factors/", reset, name="accounts_user_reset_factors"),
            path("<int:pk>/lift-limit/", lift, name="accounts_user_lift_limit"),
            *super().get_urls(),
        ]

    @_only_gets
    def attempts_view(self, request: HttpRequest) -> HttpResponse:
        """Who tried to sign in, and what the limits leave them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return attempts_page(self, request)

    @_only_pages
    def reset_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why, and take a person's second factors away."""
        return reset_page(self, request, pk)

    @_only_pages
    def lift_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask why, and give a person their attempts back."""
        return lift_page(self, request, pk)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's own, with the way to what else can be done."""
        person = self.get_object(request, unquote(object_id))
        may_reset = person is not None and self.has_reset_factors_permission(request, person)
        context = {**(extra_context or {}), "may_reset_factors": may_reset}
        return super().change_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001  (Django's)
        """Save, and write the event; Django holds both in one transaction."""
        now = timezone.now()
        if not change:
            obj.created_at = now
        fields = {*form.changed_data, *form.withdrawn} if change else set()
        if fields & CLAIM_COLUMNS:
            obj.updated_at = now
        was_owner = change and User.objects.filter(pk=obj.pk, is_superuser=True).exists()
        if was_owner:
            hold_owners()
        super().save_model(request, obj, form, change)
        if was_owner:
            require_an_owner()
        if change:
            record_person_changed(obj, fields=sorted(fields), actor=actor_of(request), now=now)
            if "is_active" in fields and not obj.is_active:
                sign_out(obj, request=request)
        else:
            record_person_created(obj, actor=actor_of(request), now=now)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete, and write the event; first their sessions end, so that clients are told."""
        with transaction.atomic(), self._parting_with([obj], request):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Delete several, with an event each."""
        with transaction.atomic(), self._parting_with(list(queryset), request):
            super().delete_queryset(request, queryset)

    @contextmanager
    def _parting_with(self, people: list[User], request: HttpRequest) -> Iterator[None]:
        held = part_with(people, reason=SessionEnd.OPERATOR, actor=actor_of(request), now=timezone.now())
        yield
        if any(person.is_superuser for person in held):
            require_an_owner()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with them; nobody needs a permission of its own for each kind of it."""
        found, count, _permissions, protected = super().get_deleted_objects(objs, request)
        chosen = [person.pk for person in objs]
        untouchable = not is_owner(request) and with_rights(User.objects.filter(pk__in=chosen)).exists()
        return found, count, {"people with rights in the admin"} if untouchable else set(), protected

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """Django's own page for another password, with a form that knows who acts."""
        page: Any = copy(self)  # Django asks the admin for the form, and this one serves other requests as well
        page.change_password_form = partial(OthersPasswordForm, actor=actor_of(request))
        response: HttpResponse = UserAdmin.user_change_password(page, request, id, form_url)
        return response

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001, ARG002  (Django's)
        """Save the memberships, and write their events."""
        now = timezone.now()
        changed: list[Membership] = formset.save(commit=False)
        for membership in formset.deleted_objects:
            record_membership(membership, actor=actor_of(request), now=now, ended=True)
            sign_out(membership.user, request=request, realm=membership.realm)
            membership.delete()
        for membership in changed:
            membership.created_at = membership.created_at or now
            membership.save()
            record_membership(membership, actor=actor_of(request), now=now)
        formset.save_m2m()


def _may_touch(request: HttpRequest, person: User | None) -> bool:
    return person is None or may_touch(cast("User", request.user), person)


def _without_rights(request: HttpRequest, columns: Any) -> tuple[Any, ...]:
    return tuple(each for each in columns if each not in RIGHTS or is_owner(request))

"""People and memberships in Django's admin. Each change leaves an event."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.admin.acting import acting
from accounts.forms import CLAIM_COLUMNS, MembershipForm, PersonChangeForm, PersonCreationForm
from accounts.models import Membership, User
from accounts.services.people import (
    record_membership,
    record_people_deleted,
    record_person_changed,
    record_person_created,
)
from accounts.services.sessions import end_sessions_of
from accounts.vocabulary import SessionEnd
from realms.models import Realm


def sign_out(*people: User, request: HttpRequest, realm: Realm | None = None) -> None:
    """End what an operator's change has made void already, so that clients are told of it."""
    end_sessions_of(*people, reason=SessionEnd.OPERATOR, actor=acting(request), now=timezone.now(), realm=realm)


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    """The realms of a person."""

    model = Membership
    form = MembershipForm
    fields = ("realm", "roles")
    extra = 0


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    """People."""

    form = PersonChangeForm
    add_form = PersonCreationForm
    inlines = (MembershipInline,)
    list_display = ("username", "email", "is_active", "is_staff", "created_at")
    list_filter = ("is_active", "is_staff", "memberships__realm")
    search_fields = ("username_canonical", "email_canonical", "subject")
    ordering = ("username_canonical",)
    readonly_fields = ("subject", "created_at", "updated_at", "last_login", "signed_out_at")
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
        ("May", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("created_at", "updated_at", "last_login", "signed_out_at")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "email", "usable_password", "password1", "password2")}),
    )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001  (Django's)
        """Save, and write the event; Django holds both in one transaction."""
        now = timezone.now()
        if not change:
            obj.created_at = now
        fields = {*form.changed_data, *form.withdrawn} if change else set()
        if fields & CLAIM_COLUMNS:
            obj.updated_at = now
        super().save_model(request, obj, form, change)
        if change:
            record_person_changed(obj, fields=sorted(fields), actor=acting(request), now=now)
            if "is_active" in fields and not obj.is_active:
                sign_out(obj, request=request)
        else:
            record_person_created(obj, actor=acting(request), now=now)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete, and write the event; first their sessions end, so that clients are told."""
        with transaction.atomic():
            self._part_with([obj], request)
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Delete several, with an event each."""
        with transaction.atomic():
            self._part_with(list(queryset), request)
            super().delete_queryset(request, queryset)

    def _part_with(self, people: list[User], request: HttpRequest) -> None:
        sign_out(*people, request=request)
        record_people_deleted(people, actor=acting(request), now=timezone.now())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with them; nobody needs a permission of its own for each kind of it."""
        found, count, _permissions, protected = super().get_deleted_objects(objs, request)
        return found, count, set(), protected

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """Django's own page for another password; a change leaves an event too, and none goes without it."""
        with transaction.atomic():
            response: HttpResponse = super().user_change_password(request, id, form_url)
            changed = response.status_code == HTTPStatus.FOUND and response["Location"] != request.get_full_path()
            if request.method == "POST" and changed:  # what contradicts itself leads back to the same page
                person = User.objects.get(pk=id)
                record_person_changed(person, fields=["password"], actor=acting(request), now=timezone.now())
                sign_out(person, request=request)
        return response

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:  # noqa: FBT001, ARG002  (Django's)
        """Save the memberships, and write their events."""
        now = timezone.now()
        changed: list[Membership] = formset.save(commit=False)
        for membership in formset.deleted_objects:
            record_membership(membership, actor=acting(request), now=now, ended=True)
            sign_out(membership.user, request=request, realm=membership.realm)
            membership.delete()
        for membership in changed:
            membership.created_at = membership.created_at or now
            membership.save()
            record_membership(membership, actor=acting(request), now=now)
        formset.save_m2m()

"""The forms of the admin: Django's own, with names compared in their canonical form and roles as words."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm, UserChangeForm
from django.db import transaction
from django.utils import timezone

from accounts.errors import NameRefused
from accounts.models import Membership, User
from accounts.names import MAX_USERNAME, check_roles
from accounts.selectors import address_taken, name_taken
from accounts.services.people import record_person_changed
from accounts.services.sessions import end_sessions_of
from accounts.trust import MOST_TRUST
from accounts.vocabulary import SessionEnd

_VERIFIED = {"email": "email_verified", "phone_number": "phone_number_verified"}
CLAIM_COLUMNS = frozenset(
    {
        "username",
        "name",
        "given_name",
        "family_name",
        "locale",
        "zoneinfo",
        "address",
        *_VERIFIED,
        *_VERIFIED.values(),
    }
)


class UniqueNames(forms.ModelForm):  # type: ignore[type-arg]
    """Refuses a name or an address that reads like somebody else's."""

    def clean_username(self) -> str:
        """The name."""
        username: str = self.cleaned_data["username"]
        if name_taken(username, by_other_than=self.instance.pk):
            raise forms.ValidationError("Somebody has this user name, or one that reads the same.")
        return username

    def clean_email(self) -> str:
        """The address."""
        email: str = self.cleaned_data["email"]
        if address_taken(email, by_other_than=self.instance.pk):
            raise forms.ValidationError("Somebody has this email address, or one that reads the same.")
        return email


class PersonCreationForm(UniqueNames, AdminUserCreationForm):  # type: ignore[type-arg]
    """A new person."""

    class Meta:
        model = User
        fields = ("username", "email")


class PersonChangeForm(UniqueNames, UserChangeForm):  # type: ignore[type-arg]
    """A person; the password is changed on a page of its own.

    Attributes:
        withdrawn: columns that went from yes to no because what they vouched for changed.
    """

    class Meta:
        model = User
        fields = "__all__"  # noqa: DJ007  (the admin's fieldsets choose)
        widgets = {"address": forms.Textarea(attrs={"rows": 4})}

    withdrawn: tuple[str, ...] = ()

    def clean_address(self) -> str:
        """The address, with the line breaks of OpenID Connect Core §5.1.1; browsers send two characters."""
        address: str = self.cleaned_data["address"]
        return address.replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        """Take back what was verified of another address or number, so that nobody vouches for the new one unseen."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for column, verified in _VERIFIED.items():
            changed = column in self.changed_data and verified not in self.changed_data
            if cleaned.get(verified) and changed:
                cleaned[verified] = False
                self.withdrawn += (verified,)
            elif cleaned.get(verified) and not cleaned.get(column, "invalid"):
                self.add_error(verified, "There is nothing that is verified.")
        return cleaned


class OthersPasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """Another password for somebody, or none any more; it leaves an event, ends sessions, and none goes without.

    Arguments:
        actor: opaque id of the operator, for the audit.
    """

    def __init__(self, *args: Any, actor: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._actor = actor

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002  (Django's)
        """Save what was hashed before: no transaction waits for a hash, or for a list of breached passwords."""
        person: User = super().save(commit=False)
        if commit:
            now = timezone.now()
            with transaction.atomic():
                person.save(update_fields=["password", "signed_out_at"])
                record_person_changed(person, fields=["password"], actor=self._actor, now=now)
                end_sessions_of(person, reason=SessionEnd.OPERATOR, actor=self._actor, now=now)
        return person


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]
    """A membership, with its roles as words between spaces."""

    roles = forms.CharField(
        label="Roles", required=False, help_text="Words between spaces; each access token carries them."
    )

    class Meta:
        model = Membership
        fields = ("user", "realm", "roles")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["roles"] = " ".join(self.instance.roles)
            self.fields["realm"].disabled = True  # to move somebody is to end one membership and begin another
        for field in self.fields.values():  # in a table the heading of the column is no label
            widget: Any = getattr(field.widget, "widget", field.widget)  # the admin wraps a choice of rows
            widget.attrs["aria-label"] = str(field.label)

    def clean_roles(self) -> list[str]:
        """The roles as a list."""
        try:
            return check_roles(self.cleaned_data["roles"].split())
        except NameRefused as error:
            raise forms.ValidationError(str(error)) from error


class ReasonForm(forms.Form):
    """Why an operator does something to others."""

    reason = forms.CharField(
        max_length=500,  # of the column in the audit
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text="In your words. It stands in the audit for ever: no names of people.",
    )


class WhoseAttemptsForm(forms.Form):
    """Whose sign-in attempts an operator wants to see."""

    username = forms.CharField(label="User name", required=False, max_length=MAX_USERNAME)
    address = forms.GenericIPAddressField(
        label="IP address", required=False, help_text="From which somebody tries: an IPv4 or IPv6 address."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs |= {"class": "vTextField", "autocomplete": "off"}


class TrustForm(ReasonForm):
    """How far an operator says that a device is trusted, and why."""

    trust = forms.IntegerField(
        min_value=0,
        max_value=MOST_TRUST,
        required=False,
        help_text=f"From 0 to {MOST_TRUST}, in the place of what the rules say; empty to have them decide again.",
    )
    field_order = ("trust", "reason")

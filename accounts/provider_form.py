"""The admin's form of an upstream provider: the rules of `accounts.upstream.terms`, each beside its field."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.validators import RegexValidator

from accounts.models import UpstreamProvider
from accounts.services.upstreams import Keep
from accounts.upstream.terms import DEFAULT_SCOPES, MAX_SECRET, ProviderTerms, faults, secret_fault
from realms.models import SLUG_PATTERN

_FORGET = "Forget the stored secret: the client is a public one."


class UpstreamProviderForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """An upstream provider; its client secret goes in and never comes out."""

    slug = forms.CharField(
        max_length=63,
        validators=[RegexValidator(SLUG_PATTERN, "Small letters, digits and hyphens, and no hyphen at an end.")],
        help_text="In its addresses here, so also in the redirect URI. It never changes.",
    )
    scopes = forms.CharField(initial=" ".join(DEFAULT_SCOPES), help_text="Words between spaces, openid among them.")
    allowed_domains = forms.CharField(
        required=False,
        help_text="Host names between spaces, such as example.org: only people with a verified address there sign "
        "in. Empty allows any address, and none.",
    )
    new_secret = forms.CharField(
        label="New client secret",
        required=False,
        strip=True,
        max_length=MAX_SECRET,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "class": "vTextField"}),
        help_text="What the provider gave out for the client_id. It is sealed, and never shown again; empty keeps "
        "the stored one.",
    )
    forget_secret = forms.BooleanField(label=_FORGET, required=False)

    class Meta:
        model = UpstreamProvider
        fields = (
            "realm",
            "slug",
            "name",
            "issuer",
            "client_id",
            "scopes",
            "allowed_domains",
            "enabled",
            "trusts_second_factor",
        )
        help_texts = {
            "name": "People read: Sign in with NAME.",
            "issuer": "Letter by letter as the provider's metadata have it. It never changes.",
            "trusts_second_factor": "Whoever had a second factor there, by the claim amr, needs none here.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.created_at is not None:
            self.initial["scopes"] = " ".join(self.instance.scopes)
            self.initial["allowed_domains"] = " ".join(self.instance.allowed_domains)

    def clean_scopes(self) -> list[str]:
        """The scopes as a list."""
        return list(self.cleaned_data["scopes"].split())

    def clean_allowed_domains(self) -> list[str]:
        """The domains as a list, in small letters."""
        return list(self.cleaned_data["allowed_domains"].lower().split())

    def clean(self) -> dict[str, Any]:
        """The rules, and that a secret is not both given and forgotten."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            for name, sentence in faults(self.terms(), loopback=settings.IDP_PLAIN_HTTP):
                self.add_error(name if name in self.fields else None, sentence)
        given = cleaned.get("new_secret")
        if given and (why := secret_fault(given)):
            self.add_error("new_secret", why)
        if given and cleaned.get("forget_secret"):
            self.add_error("forget_secret", "Either a new secret or none.")
        return cleaned

    def terms(self) -> ProviderTerms:
        """What the form says; of what it doesn't show, what is there."""
        said = {**{name: getattr(self.instance, name) for name in ("issuer",)}, **self.cleaned_data}
        return ProviderTerms(
            name=said["name"],
            issuer=said["issuer"],
            client_id=said["client_id"],
            scopes=tuple(said["scopes"]),
            allowed_domains=tuple(said["allowed_domains"]),
            enabled=said["enabled"],
            trusts_second_factor=said["trusts_second_factor"],
        )

    def secret(self) -> str | Keep | None:
        """The new client secret, None for none any more, or that it stays."""
        if self.cleaned_data["forget_secret"]:
            return None
        return self.cleaned_data["new_secret"] or Keep.SECRET

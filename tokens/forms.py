"""The admin's form for a client: the same rules as the command's (tokens/client_metadata.py)."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from keys import api
from keys.errors import ForeignKeyRefused
from tokens.client_metadata import ClientMetadata
from tokens.models import Client
from tokens.services.clients import ClientRefused, refuse_faults, refuse_identity
from tokens.vocabulary import AuthMethod, GrantType


class WordsField(forms.Field):
    """A list of words, one a line."""

    widget = forms.Textarea(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        """The list as lines; what was typed comes back as it was."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        """The lines as a list."""
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]


class KeysField(forms.Field):
    """A JWK Set as JSON, read as strictly as the command's file."""

    widget = forms.Textarea(attrs={"rows": 8, "autocomplete": "off"})

    def prepare_value(self, value: Any) -> Any:
        """The set as JSON; what was typed comes back as it was."""
        return json.dumps(value, indent=2) if isinstance(value, dict) else value

    def to_python(self, value: Any) -> dict[str, Any] | None:
        """The set as it is stored, or None where there is none."""
        text = str(value or "").strip()
        try:
            return api.parse_jwks(text) if text else None
        except ForeignKeyRefused as error:
            raise ValidationError(str(error)) from error


class ClientForm(forms.ModelForm):  # type: ignore[type-arg]
    """What an operator may register and change."""

    jwks = KeysField(required=False, label="JWK Set", help_text="Its public keys, for private_key_jwt.")
    grant_types = forms.MultipleChoiceField(
        choices=[(item.value, item.value) for item in GrantType],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    redirect_uris = WordsField(required=False, help_text="Where codes may go, compared letter by letter; one a line.")
    post_logout_redirect_uris = WordsField(
        required=False, help_text="Where people may be sent after they signed out; one a line."
    )
    id_token_alg = forms.ChoiceField(
        choices=[(name, name) for name in api.signing_algorithms()], initial="RS256", label="ID token algorithm"
    )
    scopes = WordsField(required=False, help_text="The most that it may ask for; one a line.")
    resources = WordsField(required=False, help_text="Audiences that it may ask for; one a line.")
    introspects = WordsField(
        required=False, help_text="Audiences that it is; tokens for these it may introspect. One a line."
    )

    class Meta:
        model = Client
        fields = (
            "realm", "client_id", "name", "enabled", "auth_method", "jwks", "redirect_uris",
            "post_logout_redirect_uris",
            "first_party", "require_pkce", "id_token_alg", "grant_types", "scopes", "resources",
            "introspects", "access_token_lifetime",
        )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Hold the whole client against the rules."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            refuse_identity(client_id=cleaned.get("client_id", self.instance.client_id), name=cleaned["name"])
            refuse_faults(self.metadata(), realm=cleaned.get("realm") or self.instance.realm)
        except ClientRefused as error:
            raise ValidationError(str(error)) from error
        return cleaned

    def metadata(self) -> ClientMetadata:
        """The client as it would be registered; a method that is fixed comes from the row."""
        values = self.cleaned_data
        return ClientMetadata(
            auth_method=AuthMethod(values.get("auth_method", self.instance.auth_method)),
            redirect_uris=tuple(values["redirect_uris"]),
            post_logout_redirect_uris=tuple(values["post_logout_redirect_uris"]),
            first_party=values["first_party"],
            require_pkce=values["require_pkce"],
            id_token_alg=values["id_token_alg"],
            jwks=values.get("jwks", self.instance.jwks),
            grant_types=tuple(GrantType(name) for name in values["grant_types"]),
            scopes=tuple(values["scopes"]),
            resources=tuple(values["resources"]),
            introspects=tuple(values["introspects"]),
            access_token_lifetime=values["access_token_lifetime"],
        )

"""The admin's form for a client: the same rules as the command's (tokens/client_rules.py)."""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from keys import api
from keys.errors import ForeignKeyRefused
from tokens.client_metadata import ClientMetadata, completed
from tokens.models import Client
from tokens.registration import metadata_of
from tokens.services.algorithm_changes import refuse_early_algorithms
from tokens.services.clients import ClientRefused, refuse_faults, refuse_identity
from tokens.vocabulary import AuthMethod, GrantType, ResponseType, SubjectType


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


def _algorithms(names: Sequence[str], *, none: str = "") -> list[tuple[str, str]]:
    """Choices of an algorithm; with a first one for none where `none` says what that means."""
    return [*([("", none)] if none else []), *((name, name) for name in names)]


_LIFETIMES = ("access_token_lifetime", "refresh_idle_lifetime", "refresh_absolute_lifetime")
_LIFETIME = "At most the realm's, such as PT5M or 00:05:00; empty for the realm's own."


class ClientForm(forms.ModelForm):  # type: ignore[type-arg]
    """What an operator may register and change."""

    jwks = KeysField(
        required=False,
        label="JWK Set",
        help_text="Its public keys, for private_key_jwt and for what is encrypted for it.",
    )
    grant_types = forms.MultipleChoiceField(
        choices=[(item.value, item.value) for item in GrantType],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="What its token requests may rest on.",
    )
    response_types = forms.MultipleChoiceField(
        choices=[(item.value, item.value) for item in ResponseType],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="What it may ask the authorization endpoint for. None ticked is code for a client with "
        "authorization_code. All others are for old clients.",
    )
    redirect_uris = WordsField(
        required=False,
        label="Redirect URIs",
        help_text="Where codes and tokens may go, compared letter by letter; of a loopback address the port is free. "
        "One a line.",
    )
    post_logout_redirect_uris = WordsField(
        required=False,
        label="Post-logout redirect URIs",
        help_text="Where people may be sent after they signed out, compared letter by letter; one a line.",
    )
    id_token_alg = forms.ChoiceField(
        choices=_algorithms(api.signing_algorithms()),
        initial="RS256",
        label="ID token algorithm",
        help_text="How its ID tokens are signed: an algorithm of the realm's rings. Libraries expect RS256.",
    )
    userinfo_alg = forms.ChoiceField(
        choices=_algorithms(api.signing_algorithms(), none="plain JSON"),
        required=False,
        label="Userinfo algorithm",
        help_text="How userinfo is signed for it.",
    )
    id_token_encryption_alg = forms.ChoiceField(
        choices=_algorithms(api.encryption_algorithms(), none="signed only"),
        required=False,
        label="ID token encryption: key",
        help_text="id_token_encrypted_response_alg: its JWK Set needs a key for it, of the use enc.",
    )
    id_token_encryption_enc = forms.ChoiceField(
        choices=_algorithms(api.content_encryptions(), none="signed only"),
        required=False,
        label="ID token encryption: content",
        help_text="id_token_encrypted_response_enc.",
    )
    userinfo_encryption_alg = forms.ChoiceField(
        choices=_algorithms(api.encryption_algorithms(), none="not encrypted"),
        required=False,
        label="Userinfo encryption: key",
        help_text="userinfo_encrypted_response_alg: userinfo is signed first, so it needs an algorithm for that too.",
    )
    userinfo_encryption_enc = forms.ChoiceField(
        choices=_algorithms(api.content_encryptions(), none="not encrypted"),
        required=False,
        label="Userinfo encryption: content",
        help_text="userinfo_encrypted_response_enc.",
    )
    access_token_alg = forms.ChoiceField(
        choices=_algorithms(api.signing_algorithms()),
        initial="ES256",
        label="Access token algorithm",
        help_text="How its access tokens are signed: an algorithm of the realm's rings.",
    )
    scopes = WordsField(
        required=False, help_text="The most that it may ask for, such as openid, profile, email; one a line."
    )
    resources = WordsField(
        required=False, help_text="Audiences that it may ask for; the issuer alone where there are none. One a line."
    )
    introspects = WordsField(
        required=False,
        help_text="For a service: the audiences that it is. Tokens for these, and no others, it may introspect. "
        "One a line.",
    )
    cors_origins = WordsField(
        required=False,
        label="CORS origins",
        help_text="Origins of its pages, such as https://app.example.org: their scripts may call token, userinfo and "
        "revocation. One a line.",
    )
    contacts = WordsField(required=False, help_text="Email addresses of those who answer for it; one a line.")

    class Meta:
        model = Client
        fields = (
            "realm", "client_id", "name", "enabled", "auth_method", "jwks", "redirect_uris",
            "post_logout_redirect_uris", "first_party", "require_second_factor", "require_pkce", "grant_types",
            "response_types", "scopes", "resources", "introspects", "id_token_alg", "id_token_encryption_alg",
            "id_token_encryption_enc", "userinfo_alg", "userinfo_encryption_alg", "userinfo_encryption_enc",
            "access_token_alg", "require_dpop", "opaque_access_tokens", "subject_type", "sector_identifier",
            "access_token_lifetime",
            "refresh_idle_lifetime", "refresh_absolute_lifetime", "backchannel_logout_uri",
            "backchannel_logout_session_required", "cors_origins", "client_uri", "logo_uri", "policy_uri", "tos_uri",
            "contacts",
        )  # fmt: skip
        labels = {
            "client_id": "Client ID",
            "auth_method": "Authentication method",
            "first_party": "First-party",
            "require_second_factor": "Require a second factor",
            "require_pkce": "Require PKCE",
            "require_dpop": "Require DPoP",
            "backchannel_logout_uri": "Back-channel logout URI",
            "backchannel_logout_session_required": "Back-channel logout needs the session",
            "client_uri": "Home page",
            "logo_uri": "Logo",
            "policy_uri": "Privacy policy",
            "tos_uri": "Terms of service",
        }
        help_texts = {
            "client_id": "Unique in the realm; 1 to 64 letters, digits and . _ ~ -. It never changes.",
            "name": "What people read where they consent.",
            "enabled": "Switched off, nothing that it was granted works any more.",
            "auth_method": "How it proves who it is; one method and no other. A secret is shown once, when it is made.",
            "require_second_factor": "People prove one before it gets anything; who has none sets one up first.",
            "client_uri": "Linked where people consent.",
            "logo_uri": "A picture, shown where people consent; their browsers fetch it from there.",
            "policy_uri": "How it deals with what it learns of people; linked where they consent.",
            "tos_uri": "Linked where people consent.",
            **dict.fromkeys(_LIFETIMES, _LIFETIME),
        }

    def clean(self) -> dict[str, Any]:
        """Hold the whole client against the rules."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            refuse_identity(client_id=cleaned.get("client_id", self.instance.client_id), name=cleaned["name"])
            metadata = self.metadata()
            refuse_faults(metadata, realm=cleaned.get("realm") or self.instance.realm)
            if self.instance.pk:
                refuse_early_algorithms(metadata_of(self.instance), metadata, realm=self.instance.realm)
        except ClientRefused as error:
            raise ValidationError(str(error)) from error
        return {**cleaned, "response_types": list(metadata.response_types)}

    def _get_validation_exclusions(self) -> set[str]:
        """All fields once a rule has said what is wrong: the names of constraints would say it again, and worse."""
        if self.has_error(NON_FIELD_ERRORS):
            return {field.name for field in Client._meta.fields}
        return set(super()._get_validation_exclusions())  # type: ignore[misc]

    def metadata(self) -> ClientMetadata:
        """The client as it would be registered; what is fixed comes from the row."""
        values = {
            name.name: self.cleaned_data.get(name.name, getattr(self.instance, name.name))
            for name in fields(ClientMetadata)
        }
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        words = {
            "auth_method": AuthMethod(values["auth_method"]),
            "subject_type": SubjectType(values["subject_type"]),
            "grant_types": tuple(GrantType(name) for name in values["grant_types"]),
            "response_types": tuple(ResponseType(name) for name in values["response_types"]),
        }
        return completed(ClientMetadata(**{**values, **lists, **words}))

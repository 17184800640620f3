"""Client: columns and constraints, no behaviour."""

from datetime import timedelta

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import Exact, LessThanOrEqual

from realms.models import Realm
from tokens.vocabulary import AuthMethod, ClientKind, SubjectType

CLIENT_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$"
MAX_SECRETS = 2  # an old one and its successor, so that a client can change without a gap


CONFIDENTIAL_METHODS = [item.value for item in AuthMethod if item is not AuthMethod.NONE]
_USES_ITS_KEYS = (
    Q(auth_method=AuthMethod.PRIVATE_KEY_JWT) | ~Q(id_token_encryption_alg="") | ~Q(userinfo_encryption_alg="")
)


class Client(models.Model):
    """Who may ask for tokens in a realm (RFC 6749 §2)."""

    realm = models.ForeignKey(Realm, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=16, choices=[(item.value, item.value) for item in ClientKind])
    auth_method = models.CharField(
        max_length=32,
        choices=[(item.value, item.value) for item in AuthMethod],
        default=AuthMethod.NONE,
        help_text="How it proves who it is; one method and no other.",
    )
    secret_digests = models.JSONField(default=list, blank=True, editable=False)
    jwks = models.JSONField(
        null=True, blank=True, help_text="Its public keys, for private_key_jwt and for what is encrypted for it."
    )
    redirect_uris = models.JSONField(
        default=list, blank=True, help_text="Compared letter by letter; of a loopback address the port is free."
    )
    post_logout_redirect_uris = models.JSONField(
        default=list, blank=True, help_text="Where people may be sent after they signed out; compared letter by letter."
    )
    first_party = models.BooleanField(default=False, help_text="People are not asked for their consent.")
    require_second_factor = models.BooleanField(
        default=False,
        db_default=False,
        help_text="People have to prove a second factor for it, in any realm.",
    )
    require_dpop = models.BooleanField(
        default=False, db_default=False, help_text="dpop_bound_access_tokens: its tokens are bound to a key of its own."
    )
    require_pkce = models.BooleanField(default=True, help_text="A public client needs it in any case.")
    id_token_alg = models.CharField(
        max_length=16, default="RS256", help_text="id_token_signed_response_alg: an algorithm of the realm's rings."
    )
    id_token_encryption_alg = models.CharField(
        max_length=20,
        blank=True,
        help_text="id_token_encrypted_response_alg; empty for signed ones.",
    )
    id_token_encryption_enc = models.CharField(max_length=20, blank=True, help_text="id_token_encrypted_response_enc.")
    userinfo_alg = models.CharField(
        max_length=16, blank=True, help_text="userinfo_signed_response_alg; empty for plain JSON."
    )
    userinfo_encryption_alg = models.CharField(
        max_length=20, blank=True, help_text="userinfo_encrypted_response_alg; userinfo is signed first."
    )
    userinfo_encryption_enc = models.CharField(max_length=20, blank=True, help_text="userinfo_encrypted_response_enc.")
    access_token_alg = models.CharField(
        max_length=16, default="ES256", help_text="How its access tokens are signed: an algorithm of the realm's rings."
    )
    moved_algorithms = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        editable=False,
        help_text="From which algorithm a migration took each column, so that it can be taken back.",
    )
    opaque_access_tokens = models.BooleanField(
        default=False, help_text="Access tokens that nobody can read: services have to introspect them."
    )
    subject_type = models.CharField(
        max_length=8,
        choices=[(item.value, item.value) for item in SubjectType],
        default=SubjectType.PUBLIC,
        help_text="Pairwise: it knows people by other subjects than clients of other sectors do.",
    )
    sector_identifier = models.CharField(
        max_length=253,
        blank=True,
        help_text="For pairwise subjects: the host that stands for its sector; the one host of its redirect URIs.",
    )
    grant_types = models.JSONField(default=list, blank=True)
    response_types = models.JSONField(
        default=list, blank=True, help_text="What it may ask the authorization endpoint for; code alone is safe."
    )
    scopes = models.JSONField(default=list, blank=True, help_text="The most that it may ask for.")
    resources = models.JSONField(
        default=list, blank=True, help_text="Audiences that it may ask for; the issuer alone where there are none."
    )
    introspects = models.JSONField(
        default=list, blank=True, help_text="Audiences that it is: only tokens for these does it get introspected."
    )
    access_token_lifetime = models.DurationField(
        null=True, blank=True, help_text="Shorter than the realm's, or empty for the realm's own."
    )
    refresh_idle_lifetime = models.DurationField(
        null=True, blank=True, help_text="Shorter than the realm's, or empty for the realm's own."
    )
    refresh_absolute_lifetime = models.DurationField(
        null=True, blank=True, help_text="Shorter than the realm's, or empty for the realm's own."
    )
    backchannel_logout_uri = models.CharField(
        max_length=2_000,
        blank=True,
        help_text="Where it is told that a session ended.",
    )
    backchannel_logout_session_required = models.BooleanField(
        default=False, help_text="It needs to be told which session."
    )
    cors_origins = models.JSONField(
        default=list, blank=True, help_text="Origins of its pages, from which scripts may call the token endpoint."
    )
    client_uri = models.CharField(max_length=2_000, blank=True, help_text="Its home page.")
    logo_uri = models.CharField(max_length=2_000, blank=True, help_text="Its logo, shown where people consent.")
    policy_uri = models.CharField(max_length=2_000, blank=True, help_text="How it deals with what it learns of people.")
    tos_uri = models.CharField(max_length=2_000, blank=True, help_text="Its terms of service.")
    contacts = models.JSONField(default=list, blank=True, help_text="Addresses of those who answer for it.")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["realm_id", "client_id"]
        indexes = [GinIndex(fields=["cors_origins"], opclasses=["jsonb_path_ops"], name="client_cors_origins")]
        constraints = [
            models.UniqueConstraint(name="client_id_once_a_realm", fields=["realm", "client_id"]),
            models.UniqueConstraint(name="client_and_realm", fields=["id", "realm"]),
            models.CheckConstraint(name="client_id_form", condition=Q(client_id__regex=CLIENT_ID_PATTERN)),
            models.CheckConstraint(
                name="client_at_most_two_secrets",
                condition=LessThanOrEqual(
                    Func(F("secret_digests"), function="jsonb_array_length", output_field=models.IntegerField()),
                    Value(MAX_SECRETS),
                ),
            ),
            models.CheckConstraint(
                name="client_secrets_for_confidential_alone",
                condition=Q(kind=ClientKind.CONFIDENTIAL)
                | Q(
                    Exact(
                        Func(F("secret_digests"), function="jsonb_array_length", output_field=models.IntegerField()),
                        Value(0),
                    )
                ),
            ),
            models.CheckConstraint(
                name="client_auth_method_fits_its_kind",
                condition=Q(kind=ClientKind.CONFIDENTIAL, auth_method__in=CONFIDENTIAL_METHODS)
                | (~Q(kind=ClientKind.CONFIDENTIAL) & Q(auth_method=AuthMethod.NONE)),
            ),
            models.CheckConstraint(
                name="client_keys_where_they_are_used",
                condition=(_USES_ITS_KEYS & Q(jwks__isnull=False)) | (~_USES_ITS_KEYS & Q(jwks__isnull=True)),
            ),
            models.CheckConstraint(
                name="client_encryption_has_both_algorithms",
                condition=(
                    Q(id_token_encryption_alg="", id_token_encryption_enc="")
                    | (~Q(id_token_encryption_alg="") & ~Q(id_token_encryption_enc=""))
                )
                & (
                    Q(userinfo_encryption_alg="", userinfo_encryption_enc="")
                    | (~Q(userinfo_encryption_alg="") & ~Q(userinfo_encryption_enc="") & ~Q(userinfo_alg=""))
                ),
            ),
            models.CheckConstraint(
                name="client_pairwise_has_a_sector",
                condition=Q(subject_type=SubjectType.PUBLIC, sector_identifier="")
                | (Q(subject_type=SubjectType.PAIRWISE) & ~Q(sector_identifier="")),
            ),
            models.CheckConstraint(
                name="client_refresh_lifetimes_above_nought",
                condition=(Q(refresh_idle_lifetime__isnull=True) | Q(refresh_idle_lifetime__gt=timedelta(0)))
                & (Q(refresh_absolute_lifetime__isnull=True) | Q(refresh_absolute_lifetime__gt=timedelta(0))),
            ),
            models.CheckConstraint(
                name="client_access_token_lifetime_above_nought",
                condition=Q(access_token_lifetime__isnull=True) | Q(access_token_lifetime__gt=timedelta(0)),
            ),
            models.CheckConstraint(name="client_kind_known", condition=Q(kind__in=list(ClientKind))),
        ]

    def __str__(self) -> str:
        return self.client_id

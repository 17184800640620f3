"""Everything that a client can register, and the claims that a grant was asked for."""

import datetime

from django.db import migrations, models

CODES_FOLLOW_FROM_THE_GRANT_TYPE = """
    UPDATE tokens_client SET response_types = '["code"]' WHERE grant_types @> '["authorization_code"]'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("realms", "0003_pairwise_salt"),
        ("tokens", "0006_grants_of_a_session"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="client",
            name="client_keys_for_private_key_jwt",
        ),
        migrations.AddField(
            model_name="client",
            name="access_token_alg",
            field=models.CharField(
                default="ES256",
                help_text="How its access tokens are signed: an algorithm of the realm's rings.",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="backchannel_logout_session_required",
            field=models.BooleanField(default=False, help_text="It needs to be told which session."),
        ),
        migrations.AddField(
            model_name="client",
            name="backchannel_logout_uri",
            field=models.CharField(
                blank=True,
                help_text="Where it is told that a session ended.",
                max_length=2000,
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="client_uri",
            field=models.CharField(blank=True, help_text="Its home page.", max_length=2000),
        ),
        migrations.AddField(
            model_name="client",
            name="contacts",
            field=models.JSONField(blank=True, default=list, help_text="Addresses of those who answer for it."),
        ),
        migrations.AddField(
            model_name="client",
            name="cors_origins",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Origins of its pages, from which scripts may call the token endpoint.",
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="id_token_encryption_alg",
            field=models.CharField(
                blank=True,
                help_text="id_token_encrypted_response_alg; empty for signed ones.",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="id_token_encryption_enc",
            field=models.CharField(blank=True, help_text="id_token_encrypted_response_enc.", max_length=20),
        ),
        migrations.AddField(
            model_name="client",
            name="logo_uri",
            field=models.CharField(blank=True, help_text="Its logo, shown where people consent.", max_length=2000),
        ),
        migrations.AddField(
            model_name="client",
            name="opaque_access_tokens",
            field=models.BooleanField(
                default=False, help_text="Access tokens that nobody can read: services have to introspect them."
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="policy_uri",
            field=models.CharField(
                blank=True, help_text="How it deals with what it learns of people.", max_length=2000
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="refresh_absolute_lifetime",
            field=models.DurationField(
                blank=True, help_text="Shorter than the realm's, or empty for the realm's own.", null=True
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="refresh_idle_lifetime",
            field=models.DurationField(
                blank=True, help_text="Shorter than the realm's, or empty for the realm's own.", null=True
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="response_types",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="What it may ask the authorization endpoint for; code alone is safe.",
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="sector_identifier",
            field=models.CharField(
                blank=True,
                help_text="For pairwise subjects: the host that stands for its sector; the one host of its redirect URIs.",
                max_length=253,
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="subject_type",
            field=models.CharField(
                choices=[("public", "public"), ("pairwise", "pairwise")],
                default="public",
                help_text="Pairwise: it knows people by other subjects than clients of other sectors do.",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="tos_uri",
            field=models.CharField(blank=True, help_text="Its terms of service.", max_length=2000),
        ),
        migrations.AddField(
            model_name="client",
            name="userinfo_alg",
            field=models.CharField(
                blank=True, help_text="userinfo_signed_response_alg; empty for plain JSON.", max_length=16
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="userinfo_encryption_alg",
            field=models.CharField(
                blank=True, help_text="userinfo_encrypted_response_alg; userinfo is signed first.", max_length=20
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="userinfo_encryption_enc",
            field=models.CharField(blank=True, help_text="userinfo_encrypted_response_enc.", max_length=20),
        ),
        migrations.AddField(
            model_name="grant",
            name="claims",
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.AlterField(
            model_name="client",
            name="jwks",
            field=models.JSONField(
                blank=True,
                help_text="Its public keys, for private_key_jwt and for what is encrypted for it.",
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="client",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(
                            ("auth_method", "private_key_jwt"),
                            models.Q(("id_token_encryption_alg", ""), _negated=True),
                            models.Q(("userinfo_encryption_alg", ""), _negated=True),
                            _connector="OR",
                        ),
                        ("jwks__isnull", False),
                    ),
                    models.Q(
                        models.Q(
                            ("auth_method", "private_key_jwt"),
                            models.Q(("id_token_encryption_alg", ""), _negated=True),
                            models.Q(("userinfo_encryption_alg", ""), _negated=True),
                            _connector="OR",
                            _negated=True,
                        ),
                        ("jwks__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="client_keys_where_they_are_used",
            ),
        ),
        migrations.AddConstraint(
            model_name="client",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("id_token_encryption_alg", ""), ("id_token_encryption_enc", "")),
                        models.Q(
                            models.Q(("id_token_encryption_alg", ""), _negated=True),
                            models.Q(("id_token_encryption_enc", ""), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    models.Q(
                        models.Q(("userinfo_encryption_alg", ""), ("userinfo_encryption_enc", "")),
                        models.Q(
                            models.Q(("userinfo_encryption_alg", ""), _negated=True),
                            models.Q(("userinfo_encryption_enc", ""), _negated=True),
                            models.Q(("userinfo_alg", ""), _negated=True),
                        ),
                        _connector="OR",
                    ),
                ),
                name="client_encryption_has_both_algorithms",
            ),
        ),
        migrations.AddConstraint(
            model_name="client",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("sector_identifier", ""), ("subject_type", "public")),
                    models.Q(
                        ("subject_type", "pairwise"),
                        models.Q(("sector_identifier", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="client_pairwise_has_a_sector",
            ),
        ),
        migrations.AddConstraint(
            model_name="client",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("refresh_idle_lifetime__isnull", True),
                        ("refresh_idle_lifetime__gt", datetime.timedelta(0)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("refresh_absolute_lifetime__isnull", True),
                        ("refresh_absolute_lifetime__gt", datetime.timedelta(0)),
                        _connector="OR",
                    ),
                ),
                name="client_refresh_lifetimes_above_nought",
            ),
        ),
        migrations.RunSQL(CODES_FOLLOW_FROM_THE_GRANT_TYPE, migrations.RunSQL.noop),
    ]

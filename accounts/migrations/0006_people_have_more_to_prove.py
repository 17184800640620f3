"""Second factors, devices, mailed links, other providers and personal keys."""

import uuid

import django.db.models.deletion
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import accounts.vocabulary

# The device of a session may go, also once the session has ended; all else stays as it was.
TRIGGER = """
DROP TRIGGER session_stays ON accounts_session;
CREATE TRIGGER session_stays BEFORE UPDATE ON accounts_session
    FOR EACH ROW WHEN (
        (OLD.ended_at IS NOT NULL AND (OLD.ended_at, OLD.end_reason) IS DISTINCT FROM (NEW.ended_at, NEW.end_reason))
        OR (NEW.device_id IS NOT NULL AND NEW.device_id IS DISTINCT FROM OLD.device_id)
        OR (OLD.sid, OLD.user_id, OLD.realm_id, OLD.auth_time, OLD.methods, OLD.created_at, OLD.lineage)
            IS DISTINCT FROM
            (NEW.sid, NEW.user_id, NEW.realm_id, NEW.auth_time, NEW.methods, NEW.created_at, NEW.lineage)
    )
    EXECUTE FUNCTION accounts_session_stays();
"""
BEFORE = """
DROP TRIGGER session_stays ON accounts_session;
CREATE TRIGGER session_stays BEFORE UPDATE ON accounts_session
    FOR EACH ROW WHEN (
        OLD.ended_at IS NOT NULL
        OR (OLD.sid, OLD.user_id, OLD.realm_id, OLD.auth_time, OLD.methods, OLD.created_at, OLD.lineage)
            IS DISTINCT FROM
            (NEW.sid, NEW.user_id, NEW.realm_id, NEW.auth_time, NEW.methods, NEW.created_at, NEW.lineage)
    )
    EXECUTE FUNCTION accounts_session_stays();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_sessions_are_ended_by_permission"),
        ("realms", "0005_second_factor_and_looks"),
    ]

    operations = [
        migrations.CreateModel(
            name="Device",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("browser", "browser"), ("key", "key")], max_length=16)),
                ("thumbprint", models.CharField(blank=True, db_default="", default="", max_length=43)),
                ("name", models.CharField(max_length=100)),
                ("created_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField()),
                ("second_factor_at", models.DateTimeField(null=True)),
                ("address_digest", models.BinaryField(max_length=32, null=True)),
                ("address_changed_at", models.DateTimeField(null=True)),
                ("address_changes", models.PositiveIntegerField(db_default=0, default=0)),
                ("operator_trust", models.PositiveSmallIntegerField(null=True)),
                ("removed_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-last_used_at"],
                "permissions": [
                    ("remove_device", "Can remove devices"),
                    ("trust_device", "Can say how far a device is trusted"),
                ],
            },
        ),
        migrations.CreateModel(
            name="MailedLink",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("confirm_address", "confirm_address"),
                            ("reset_password", "reset_password"),
                            ("invitation", "invitation"),
                        ],
                        max_length=24,
                    ),
                ),
                ("email", models.CharField(max_length=254)),
                ("roles", models.JSONField(default=list)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="OutgoingMail",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("content", models.BinaryField(null=True)),
                ("created_at", models.DateTimeField()),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["next_attempt_at"],
            },
        ),
        migrations.CreateModel(
            name="Passkey",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("credential_id", models.BinaryField(max_length=1023, unique=True)),
                ("credential", models.BinaryField(max_length=8192)),
                ("sign_count", models.BigIntegerField(default=0)),
                ("backup_eligible", models.BooleanField(default=False)),
                ("transports", models.JSONField(default=list)),
                ("created_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["created_at"],
            },
        ),
        migrations.CreateModel(
            name="PersonalKey",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("secret", models.BinaryField()),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.BinaryField(max_length=32)),
                ("created_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="SignInChallenge",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("methods", models.JSONField(default=list)),
                ("proved_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("completed_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="TotpSecret",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("secret", models.BinaryField()),
                ("created_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("last_step", models.BigIntegerField(default=0)),
                ("last_used_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="UpstreamLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="UpstreamProvider",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("slug", models.CharField(max_length=63)),
                ("name", models.CharField(max_length=200)),
                ("issuer", models.CharField(max_length=500)),
                ("client_id", models.CharField(max_length=255)),
                ("client_secret", models.BinaryField(null=True)),
                ("scopes", models.JSONField(default=list)),
                ("allowed_domains", models.JSONField(default=list)),
                ("enabled", models.BooleanField(default=True)),
                ("trusts_second_factor", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(editable=False)),
            ],
            options={
                "ordering": ["realm_id", "slug"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="session",
            name="session_ends_with_a_reason",
        ),
        migrations.AlterField(
            model_name="session",
            name="end_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("signed_out", "signed_out"),
                    ("replaced", "replaced"),
                    ("operator", "operator"),
                    ("device_removed", "device_removed"),
                ],
                max_length=32,
            ),
        ),
        migrations.AddField(
            model_name="device",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="devices", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="device",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="accounts.device"
            ),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("end_reason", ""), ("ended_at__isnull", True)),
                    models.Q(
                        ("end_reason__in", ["signed_out", "replaced", "operator", "device_removed"]),
                        ("ended_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="session_ends_with_a_reason",
            ),
        ),
        migrations.AddField(
            model_name="mailedlink",
            name="realm",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="realms.realm"),
        ),
        migrations.AddField(
            model_name="mailedlink",
            name="user",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddIndex(
            model_name="outgoingmail",
            index=models.Index(fields=["next_attempt_at"], name="outgoing_mail_next"),
        ),
        migrations.AddField(
            model_name="passkey",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="passkeys", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="recoverycode",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="recovery_codes", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="signinchallenge",
            name="realm",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="realms.realm"),
        ),
        migrations.AddField(
            model_name="signinchallenge",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="totpsecret",
            name="user",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="totp_secret", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="upstreamlink",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="upstream_links", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="upstreamprovider",
            name="realm",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="realms.realm"),
        ),
        migrations.AddField(
            model_name="upstreamlink",
            name="provider",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="links", to="accounts.upstreamprovider"
            ),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(fields=["user", "-last_used_at"], name="device_of_a_person"),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.UniqueConstraint(
                condition=models.Q(models.Q(("thumbprint", ""), _negated=True), ("removed_at__isnull", True)),
                fields=("user", "thumbprint"),
                name="device_once_a_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", accounts.vocabulary.DeviceKind["BROWSER"]), ("thumbprint", "")),
                    models.Q(
                        ("kind", accounts.vocabulary.DeviceKind["KEY"]), ("thumbprint__regex", "^[A-Za-z0-9_-]{43}$")
                    ),
                    _connector="OR",
                ),
                name="device_has_a_key_if_it_proves_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(("last_used_at__gte", models.F("created_at"))), name="device_used_since_it_is"
            ),
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.CheckConstraint(
                condition=models.Q(("operator_trust__isnull", True), ("operator_trust__lte", 100), _connector="OR"),
                name="device_operator_trust_to_100",
            ),
        ),
        migrations.AddIndex(
            model_name="mailedlink",
            index=models.Index(fields=["expires_at"], name="mailed_link_end"),
        ),
        migrations.AddConstraint(
            model_name="mailedlink",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("created_at"))), name="mailed_link_ends"
            ),
        ),
        migrations.AddConstraint(
            model_name="mailedlink",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("purpose", accounts.vocabulary.LinkPurpose["INVITATION"]), ("user__isnull", True)),
                    models.Q(
                        models.Q(("purpose", accounts.vocabulary.LinkPurpose["INVITATION"]), _negated=True),
                        ("user__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="mailed_link_is_somebodys_or_invites",
            ),
        ),
        migrations.AddConstraint(
            model_name="passkey",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="passkey_has_a_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="passkey",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.Exact(
                    models.Func(models.F("transports"), function="jsonb_typeof", output_field=models.TextField()),
                    models.Value("array"),
                ),
                name="passkey_transports_are_a_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="recoverycode",
            constraint=models.UniqueConstraint(fields=("user", "digest"), name="recovery_code_once_a_person"),
        ),
        migrations.AddIndex(
            model_name="signinchallenge",
            index=models.Index(fields=["expires_at"], name="sign_in_challenge_end"),
        ),
        migrations.AddConstraint(
            model_name="signinchallenge",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("proved_at"))), name="sign_in_challenge_ends"
            ),
        ),
        migrations.AddConstraint(
            model_name="signinchallenge",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.Exact(
                    models.Func(models.F("methods"), function="jsonb_typeof", output_field=models.TextField()),
                    models.Value("array"),
                ),
                name="sign_in_challenge_methods_are_a_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="upstreamprovider",
            constraint=models.UniqueConstraint(fields=("realm", "slug"), name="upstream_once_a_realm"),
        ),
        migrations.AddConstraint(
            model_name="upstreamprovider",
            constraint=models.CheckConstraint(
                condition=models.Q(("slug__regex", "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")), name="upstream_slug_form"
            ),
        ),
        migrations.AddConstraint(
            model_name="upstreamprovider",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.Exact(
                    models.Func(models.F("scopes"), function="jsonb_typeof", output_field=models.TextField()),
                    models.Value("array"),
                ),
                name="upstream_scopes_are_a_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="upstreamprovider",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.Exact(
                    models.Func(models.F("allowed_domains"), function="jsonb_typeof", output_field=models.TextField()),
                    models.Value("array"),
                ),
                name="upstream_domains_are_a_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="upstreamlink",
            constraint=models.UniqueConstraint(fields=("provider", "subject"), name="upstream_subject_is_one_person"),
        ),
        migrations.AddConstraint(
            model_name="upstreamlink",
            constraint=models.UniqueConstraint(fields=("provider", "user"), name="upstream_once_a_person"),
        ),
        migrations.RunSQL(TRIGGER, BEFORE),
    ]

"""Sessions of people, and what is told of people; the database holds what a session is and that it ended."""

import django.db.models.deletion
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import accounts.fields
import accounts.models

TRIGGER = """
CREATE FUNCTION accounts_session_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'A session never changes but for its end, which is final.' USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER session_stays BEFORE UPDATE ON accounts_session
    FOR EACH ROW WHEN (
        OLD.ended_at IS NOT NULL
        OR (OLD.sid, OLD.user_id, OLD.realm_id, OLD.auth_time, OLD.methods, OLD.created_at)
            IS DISTINCT FROM (NEW.sid, NEW.user_id, NEW.realm_id, NEW.auth_time, NEW.methods, NEW.created_at)
    )
    EXECUTE FUNCTION accounts_session_stays();
"""
UNDO = """
DROP TRIGGER session_stays ON accounts_session;
DROP FUNCTION accounts_session_stays();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_subject_never_changes"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("realms", "0002_issuer_is_immutable"),
    ]

    operations = [
        migrations.CreateModel(
            name="Session",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sid", models.CharField(default=accounts.models.new_sid, editable=False, max_length=22, unique=True)),
                ("auth_time", models.DateTimeField()),
                ("methods", models.JSONField(default=list)),
                ("created_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "end_reason",
                    models.CharField(
                        blank=True,
                        choices=[("signed_out", "signed_out"), ("replaced", "replaced"), ("operator", "operator")],
                        max_length=32,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.AddField(
            model_name="user",
            name="address",
            field=models.CharField(
                blank=True,
                help_text="As on an envelope.",
                max_length=500,
                validators=[accounts.fields.validate_address],
                verbose_name="postal address",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="email_verified",
            field=models.BooleanField(
                default=False,
                help_text="Somebody made sure that the address is theirs. Another address takes this back.",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="family_name",
            field=models.CharField(blank=True, max_length=150, validators=[accounts.fields.validate_name]),
        ),
        migrations.AddField(
            model_name="user",
            name="given_name",
            field=models.CharField(blank=True, max_length=150, validators=[accounts.fields.validate_name]),
        ),
        migrations.AddField(
            model_name="user",
            name="locale",
            field=models.CharField(
                blank=True,
                help_text="A language tag, such as pt-PT.",
                max_length=35,
                validators=[accounts.fields.validate_locale],
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="name",
            field=models.CharField(blank=True, max_length=150, validators=[accounts.fields.validate_name]),
        ),
        migrations.AddField(
            model_name="user",
            name="phone_number",
            field=models.CharField(
                blank=True, help_text="+351211234567", max_length=16, validators=[accounts.fields.validate_phone_number]
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="phone_number_verified",
            field=models.BooleanField(
                default=False, help_text="Somebody made sure that the number is theirs. Another number takes this back."
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="updated_at",
            field=models.DateTimeField(
                editable=False, help_text="When a claim about the person changed last; empty for never.", null=True
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="zoneinfo",
            field=models.CharField(
                blank=True,
                help_text="Europe/Lisbon",
                max_length=64,
                validators=[accounts.fields.validate_zoneinfo],
                verbose_name="time zone",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("email_verified", False), models.Q(("email", ""), _negated=True), _connector="OR"),
                name="user_verified_email_is_there",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("phone_number_verified", False), models.Q(("phone_number", ""), _negated=True), _connector="OR"
                ),
                name="user_verified_phone_number_is_there",
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="realm",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="realms.realm"),
        ),
        migrations.AddField(
            model_name="session",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="sessions", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.UniqueConstraint(fields=("id", "realm"), name="session_and_realm"),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=models.Q(("sid__regex", "^[A-Za-z0-9_-]{22}$")), name="session_sid_form"
            ),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=models.Q(("auth_time__lte", models.F("created_at"))), name="session_begins_with_a_proof"
            ),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.Exact(
                    models.Func(models.F("methods"), function="jsonb_typeof", output_field=models.TextField()),
                    models.Value("array"),
                ),
                name="session_methods_are_a_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("end_reason", ""), ("ended_at__isnull", True)),
                    models.Q(("end_reason__in", ["signed_out", "replaced", "operator"]), ("ended_at__isnull", False)),
                    _connector="OR",
                ),
                name="session_ends_with_a_reason",
            ),
        ),
        migrations.RunSQL(TRIGGER, UNDO),
    ]

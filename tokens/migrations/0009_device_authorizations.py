"""What devices ask for (RFC 8628).

A request's client is one of its own realm, and it goes with its grant: without it, it would be open again.
"""

import datetime

import django.db.models.deletion
from django.db import migrations, models

import tokens.models

RULES = """
ALTER TABLE tokens_deviceauthorization ADD CONSTRAINT device_client_of_its_realm
    FOREIGN KEY (client_id, realm_id) REFERENCES tokens_client (id, realm_id);
ALTER TABLE tokens_deviceauthorization ADD CONSTRAINT device_goes_with_its_grant
    FOREIGN KEY (grant_id) REFERENCES tokens_grant (id) ON DELETE CASCADE;
ALTER TABLE tokens_deviceauthorization ADD CONSTRAINT device_user_code_digest_length
    CHECK (octet_length(user_code_digest) = 32);
"""
UNDO = """
ALTER TABLE tokens_deviceauthorization DROP CONSTRAINT device_client_of_its_realm;
ALTER TABLE tokens_deviceauthorization DROP CONSTRAINT device_goes_with_its_grant;
ALTER TABLE tokens_deviceauthorization DROP CONSTRAINT device_user_code_digest_length;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("realms", "0003_pairwise_salt"),
        ("tokens", "0008_cors_origins"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeviceAuthorization",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=tokens.models.new_grant_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("scopes", models.JSONField(default=list)),
                ("resources", models.JSONField(default=list)),
                ("user_code_digest", models.BinaryField(max_length=32, unique=True)),
                ("asked_from", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                ("poll_interval", models.DurationField(default=datetime.timedelta(seconds=5))),
                ("last_polled_at", models.DateTimeField(null=True)),
                ("decided_at", models.DateTimeField(null=True)),
                ("redeemed_at", models.DateTimeField(null=True)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tokens.client"
                    ),
                ),
                (
                    "grant",
                    models.OneToOneField(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tokens.grant",
                    ),
                ),
                (
                    "realm",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="realms.realm"),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("expires_at__gt", models.F("created_at"))),
                        name="device_expires_after_it_asked",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("poll_interval__gte", datetime.timedelta(seconds=5)),
                            ("poll_interval__lte", datetime.timedelta(seconds=60)),
                        ),
                        name="device_interval_within_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("grant__isnull", True), ("decided_at__isnull", False), _connector="OR"),
                        name="device_grant_by_decision",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("redeemed_at__isnull", True), ("grant__isnull", False), _connector="OR"),
                        name="device_redeems_what_was_granted",
                    ),
                ],
            },
        ),
        migrations.RunSQL(RULES, UNDO),
    ]

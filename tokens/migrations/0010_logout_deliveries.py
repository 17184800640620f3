"""Who has to be told that a session ended; the client is one of the row's own realm."""

import django.db.models.deletion
from django.db import migrations, models

RULE = """
ALTER TABLE tokens_logoutdelivery ADD CONSTRAINT logout_delivery_client_of_its_realm
    FOREIGN KEY (client_id, realm_id) REFERENCES tokens_client (id, realm_id);
"""
UNDO = "ALTER TABLE tokens_logoutdelivery DROP CONSTRAINT logout_delivery_client_of_its_realm;"


class Migration(migrations.Migration):
    dependencies = [
        ("realms", "0003_pairwise_salt"),
        ("tokens", "0009_device_authorizations"),
    ]

    operations = [
        migrations.CreateModel(
            name="LogoutDelivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sid", models.CharField(max_length=22, verbose_name="session")),
                ("subject", models.CharField(max_length=22)),
                ("created_at", models.DateTimeField(verbose_name="session ended")),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(verbose_name="next attempt")),
                ("delivered_at", models.DateTimeField(null=True, verbose_name="delivered")),
                ("given_up_at", models.DateTimeField(null=True, verbose_name="given up")),
                ("last_outcome", models.CharField(blank=True, max_length=32)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tokens.client"
                    ),
                ),
                (
                    "realm",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="realms.realm"),
                ),
            ],
            options={
                "verbose_name": "logout delivery",
                "verbose_name_plural": "logout deliveries",
                "ordering": ["-created_at", "-id"],
                "permissions": [("retry_logoutdelivery", "Can have a logout delivered again")],
                "indexes": [
                    models.Index(
                        condition=models.Q(("delivered_at__isnull", True), ("given_up_at__isnull", True)),
                        fields=["next_attempt_at"],
                        name="logout_delivery_waiting",
                    ),
                    models.Index(fields=["created_at"], name="logout_delivery_created"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("client", "sid"), name="logout_delivery_once_a_session"),
                    models.CheckConstraint(
                        condition=models.Q(("sid__regex", "^[A-Za-z0-9_-]{22}$")), name="logout_delivery_sid_form"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("subject", ""), _negated=True), name="logout_delivery_has_a_subject"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("delivered_at__isnull", True), ("given_up_at__isnull", True), _connector="OR"
                        ),
                        name="logout_delivery_one_end",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("delivered_at__isnull", True), ("given_up_at__isnull", True)),
                            ("attempts__gt", 0),
                            _connector="OR",
                        ),
                        name="logout_delivery_ends_after_an_attempt",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("last_outcome__regex", "^[a-z0-9_]*$")),
                        name="logout_delivery_outcome_is_a_word",
                    ),
                ],
            },
        ),
        migrations.RunSQL(RULE, UNDO),
    ]

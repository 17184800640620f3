"""A reason why grants end: the device that they were granted on was removed."""

from django.db import migrations, models

REASONS = ("logout", "revoked", "withdrawn", "operator", "device_removed", "code_replay", "reuse", "ahead_of_database")


class Migration(migrations.Migration):
    dependencies = [
        ("tokens", "0012_bound_to_devices"),
    ]

    operations = [
        migrations.AlterField(
            model_name="grant",
            name="revocation_reason",
            field=models.CharField(blank=True, choices=[(reason, reason) for reason in REASONS], max_length=32),
        ),
    ]

"""Grants that are bound to a device or a key, and what clients demand."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_people_have_more_to_prove"),
        ("tokens", "0011_consents_are_withdrawn"),
    ]

    operations = [
        migrations.AddField(
            model_name="client",
            name="require_dpop",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="dpop_bound_access_tokens: its tokens are bound to a key of its own.",
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="require_second_factor",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="People have to prove a second factor for it, in any realm.",
            ),
        ),
        migrations.AddField(
            model_name="grant",
            name="device",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.device"
            ),
        ),
        migrations.AddField(
            model_name="grant",
            name="jkt",
            field=models.CharField(blank=True, db_default="", default="", max_length=43),
        ),
    ]

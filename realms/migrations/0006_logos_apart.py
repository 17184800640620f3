"""Logos in rows of their own, so that no request loads a picture which it doesn't show."""

import django.db.models.deletion
from django.db import migrations, models

_TYPES = ("image/jpeg", "image/png", "image/webp")


class Migration(migrations.Migration):
    dependencies = [
        ("realms", "0005_second_factor_and_looks"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="realm", name="realm_logo_has_a_type"),
        migrations.RemoveField(model_name="realm", name="logo"),
        migrations.RemoveField(model_name="realm", name="logo_type"),
        migrations.AddField(
            model_name="realm",
            name="logo_digest",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=16),
        ),
        migrations.CreateModel(
            name="Logo",
            fields=[
                (
                    "realm",
                    models.OneToOneField(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="realms.realm",
                    ),
                ),
                ("media_type", models.CharField(choices=[(item, item) for item in _TYPES], max_length=16)),
                ("picture", models.BinaryField(max_length=131072)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("media_type__in", _TYPES)), name="logo_is_a_picture"),
                ],
            },
        ),
    ]

"""Who has to prove a second factor, invitations, and what a realm's pages look like."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("realms", "0004_registration"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="realm",
            name="realm_registration_is_known",
        ),
        migrations.AddField(
            model_name="realm",
            name="accent",
            field=models.CharField(blank=True, db_default="", default="", max_length=7),
        ),
        migrations.AddField(
            model_name="realm",
            name="accent_dark",
            field=models.CharField(blank=True, db_default="", default="", max_length=7),
        ),
        migrations.AddField(
            model_name="realm",
            name="logo",
            field=models.BinaryField(max_length=131072, null=True),
        ),
        migrations.AddField(
            model_name="realm",
            name="logo_type",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=32),
        ),
        migrations.AddField(
            model_name="realm",
            name="require_second_factor",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name="realm",
            name="registration",
            field=models.CharField(
                choices=[("closed", "closed"), ("invited", "invited"), ("open", "open")],
                db_default="closed",
                default="closed",
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="realm",
            constraint=models.CheckConstraint(
                condition=models.Q(("registration__in", ["closed", "invited", "open"])),
                name="realm_registration_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="realm",
            constraint=models.CheckConstraint(
                condition=models.Q(("accent__regex", "^(#[0-9a-f]{6})?$"), ("accent_dark__regex", "^(#[0-9a-f]{6})?$")),
                name="realm_colours_are_colours",
            ),
        ),
        migrations.AddConstraint(
            model_name="realm",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("logo__isnull", True), ("logo_type", "")),
                    models.Q(("logo__isnull", False), models.Q(("logo_type", ""), _negated=True)),
                    _connector="OR",
                ),
                name="realm_logo_has_a_type",
            ),
        ),
    ]

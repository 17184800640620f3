from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0006_restore")]

    operations = [
        migrations.AddField(
            model_name="keyring",
            name="looked_after_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When a rotation of it last ended well, whether anything was due or not.",
                null=True,
            ),
        ),
        # The upgrade counts as a run: nobody is called overdue before the next one had its time.
        migrations.RunSQL("UPDATE keys_keyring SET looked_after_at = now()", migrations.RunSQL.noop),
    ]

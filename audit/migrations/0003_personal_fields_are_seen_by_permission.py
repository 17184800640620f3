"""A permission to see personal fields, and what somebody did is found as quickly as what happened to them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append_only")]
    operations = [
        migrations.AlterModelOptions(
            name="event",
            options={
                "ordering": ["-id"],
                "permissions": [("view_personal", "Can see personal fields of security events")],
            },
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["actor", "-id"], name="audit_event_actor"),
        ),
    ]

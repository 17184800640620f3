"""Operators find events by their beginning, their actor, their name and their day."""

import django.db.models.fields.json
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0003_personal_fields_are_seen_by_permission"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="event",
            name="audit_event_actor",
        ),
        migrations.RemoveIndex(
            model_name="event",
            name="audit_event_target",
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                fields=["target", "-id"], name="audit_event_target", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                fields=["actor", "-id"], name="audit_event_actor", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["name", "-id"], name="audit_event_name"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["occurred_at"], name="audit_event_moment"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                django.db.models.fields.json.KeyTransform("subject", "details"),
                condition=models.Q(("details__has_key", "subject")),
                name="audit_event_subject",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("reason", ""), _negated=True), fields=["-id"], name="audit_event_with_a_reason"
            ),
        ),
    ]

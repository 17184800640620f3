"""The hash chain: its rows are appended; a head's signature, which comes a moment later, is written once."""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION audit_seal_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.token = '' AND (NEW.number, NEW.previous, NEW.head, NEW.sealed_at)
       IS NOT DISTINCT FROM (OLD.number, OLD.previous, OLD.head, OLD.sealed_at) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'seals are append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_seal_once BEFORE UPDATE OR DELETE ON audit_seal
    FOR EACH ROW EXECUTE FUNCTION audit_seal_once();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_sealedevent
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
"""
BACKWARD = """
DROP TRIGGER audit_append_only ON audit_sealedevent;
DROP TRIGGER audit_seal_once ON audit_seal;
DROP FUNCTION audit_seal_once();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_events_are_searched_for")]
    operations = [
        migrations.CreateModel(
            name="Seal",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                ("previous", models.BinaryField(unique=True)),
                ("head", models.BinaryField(unique=True)),
                ("sealed_at", models.DateTimeField()),
                (
                    "token",
                    models.TextField(blank=True, help_text="The head, signed by the realm's key; empty until it is."),
                ),
            ],
            options={
                "ordering": ["number"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("number__gte", 1)), name="seal_numbered_from_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="SealedEvent",
            fields=[
                ("event", models.BigIntegerField(primary_key=True, serialize=False)),
                ("position", models.PositiveIntegerField()),
                ("digest", models.BinaryField()),
                (
                    "seal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="events", to="audit.seal"
                    ),
                ),
            ],
            options={
                "ordering": ["seal_id", "position"],
                "constraints": [models.UniqueConstraint(fields=("seal", "position"), name="seal_position_once")],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]

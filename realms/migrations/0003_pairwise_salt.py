"""Each realm's own salt for pairwise subjects; it never changes, or everybody would be somebody else."""

import secrets

from django.db import migrations, models

import realms.models

FORWARD = """
CREATE FUNCTION realms_salt_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.pairwise_salt IS DISTINCT FROM OLD.pairwise_salt THEN
        RAISE EXCEPTION 'the salt of a realm never changes'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER realms_salt_is_immutable BEFORE UPDATE ON realms_realm
    FOR EACH ROW EXECUTE FUNCTION realms_salt_is_immutable();
"""
BACKWARD = """
DROP TRIGGER realms_salt_is_immutable ON realms_realm;
DROP FUNCTION realms_salt_is_immutable();
"""


def a_salt_each(apps, _schema_editor):
    """One default would give all realms the same."""
    for realm in apps.get_model("realms", "Realm").objects.all():
        realm.pairwise_salt = secrets.token_bytes(32)
        realm.save(update_fields=["pairwise_salt"])


class Migration(migrations.Migration):
    dependencies = [("realms", "0002_issuer_is_immutable")]
    operations = [
        migrations.AddField(
            model_name="realm",
            name="pairwise_salt",
            field=models.BinaryField(default=realms.models.new_pairwise_salt, max_length=32),
        ),
        migrations.RunPython(a_salt_each, migrations.RunPython.noop),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]

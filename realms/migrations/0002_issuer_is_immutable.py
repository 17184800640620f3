"""An issuer never changes once made: every token and every service names it."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION realms_issuer_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.issuer IS DISTINCT FROM OLD.issuer OR NEW.slug IS DISTINCT FROM OLD.slug THEN
        RAISE EXCEPTION 'the issuer and the slug of a realm never change'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER realms_issuer_is_immutable BEFORE UPDATE ON realms_realm
    FOR EACH ROW EXECUTE FUNCTION realms_issuer_is_immutable();
"""
BACKWARD = """
DROP TRIGGER realms_issuer_is_immutable ON realms_realm;
DROP FUNCTION realms_issuer_is_immutable();
"""


class Migration(migrations.Migration):
    dependencies = [("realms", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]

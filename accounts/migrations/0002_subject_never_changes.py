"""`sub` is what every service knows a person by, so the database refuses to change it."""

from django.db import migrations

TRIGGER = """
CREATE FUNCTION accounts_subject_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The subject of a person never changes.' USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER subject_never_changes BEFORE UPDATE OF subject ON accounts_user
    FOR EACH ROW WHEN (OLD.subject IS DISTINCT FROM NEW.subject)
    EXECUTE FUNCTION accounts_subject_never_changes();
"""
UNDO = """
DROP TRIGGER subject_never_changes ON accounts_user;
DROP FUNCTION accounts_subject_never_changes();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(TRIGGER, UNDO)]

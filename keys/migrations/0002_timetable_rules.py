"""What the database itself refuses beyond checks and exclusions: gaps, changed identities, lost history."""

from django.db import migrations

# Every uncompromised key that stops signing is relieved at that very moment by a key of its ring, and
# that key was still trusted then. It may have been declared compromised later: the past stays as it was.
# The ring's row is locked, so that two transactions can't each see only their own half; a re-wrap touches
# none of these columns, and so can't meet a rotation in a deadlock.
NO_GAP = """
CREATE FUNCTION keys_no_gap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gap text;
BEGIN
    PERFORM 1 FROM keys_keyring WHERE id = NEW.ring_id FOR UPDATE;
    SELECT k.kid INTO gap
      FROM keys_keypair k
     WHERE k.ring_id = NEW.ring_id
       AND k.compromised_at IS NULL
       AND k.deactivates_at IS NOT NULL
       AND NOT EXISTS (
           SELECT 1 FROM keys_keypair s
            WHERE s.ring_id = k.ring_id
              AND s.id <> k.id
              AND s.activates_at = k.deactivates_at
              AND (s.compromised_at IS NULL OR s.compromised_at >= s.activates_at))
     LIMIT 1;
    IF gap IS NOT NULL THEN
        RAISE EXCEPTION 'nobody signs after key % stops', gap
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'key_no_gap';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER key_no_gap
    AFTER INSERT OR UPDATE OF ring_id, activates_at, deactivates_at, compromised_at ON keys_keypair
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keys_no_gap();
"""
NO_GAP_BACKWARD = "DROP TRIGGER key_no_gap ON keys_keypair; DROP FUNCTION keys_no_gap();"

GUARD = """
CREATE FUNCTION keys_identity_and_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a key is never deleted: its public half is history'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.id, NEW.ring_id, NEW.realm_id, NEW.kid, NEW.created_at, NEW.published_at)
       IS DISTINCT FROM (OLD.id, OLD.ring_id, OLD.realm_id, OLD.kid, OLD.created_at, OLD.published_at)
       OR NEW.public_jwk IS DISTINCT FROM OLD.public_jwk THEN
        RAISE EXCEPTION 'the identity of a key never changes'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.compromised_at IS NOT NULL AND NEW.compromised_at IS DISTINCT FROM OLD.compromised_at)
       OR (OLD.destroyed_at IS NOT NULL AND NEW.destroyed_at IS DISTINCT FROM OLD.destroyed_at) THEN
        RAISE EXCEPTION 'a compromised or destroyed key never comes back'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.max_lifetime < OLD.max_lifetime THEN
        RAISE EXCEPTION 'the longest life of what a key signed only grows'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keys_identity_and_history BEFORE UPDATE OR DELETE ON keys_keypair
    FOR EACH ROW EXECUTE FUNCTION keys_identity_and_history();
"""
GUARD_BACKWARD = """
DROP TRIGGER keys_identity_and_history ON keys_keypair;
DROP FUNCTION keys_identity_and_history();
"""

# A key belongs to the realm of its ring.
ONE_REALM = """
ALTER TABLE keys_keypair ADD CONSTRAINT key_in_the_realm_of_its_ring
    FOREIGN KEY (ring_id, realm_id) REFERENCES keys_keyring (id, realm_id) DEFERRABLE INITIALLY DEFERRED;
"""
ONE_REALM_BACKWARD = "ALTER TABLE keys_keypair DROP CONSTRAINT key_in_the_realm_of_its_ring;"


class Migration(migrations.Migration):
    dependencies = [("keys", "0001_initial")]
    operations = [
        migrations.RunSQL(NO_GAP, NO_GAP_BACKWARD),
        migrations.RunSQL(GUARD, GUARD_BACKWARD),
        migrations.RunSQL(ONE_REALM, ONE_REALM_BACKWARD),
    ]

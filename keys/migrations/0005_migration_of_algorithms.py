"""The end of a retired ring: its last key stops and nobody relieves it; what waited behind it never signs."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.constraints
from django.db import migrations, models

import keys.algorithms
import keys.models
import keys.timetable

# As in 0002, but for the last key of a retired ring; and a successor that was withdrawn relieves nobody. A ring that
# is retired has no key without an end: whatever is written to it, it comes to rest.
NO_GAP = """
CREATE OR REPLACE FUNCTION keys_no_gap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gap text;
BEGIN
    PERFORM 1 FROM keys_keyring WHERE id = NEW.ring_id FOR UPDATE;
    SELECT k.kid INTO gap
      FROM keys_keypair k
     WHERE k.ring_id = NEW.ring_id
       AND k.compromised_at IS NULL
       AND k.withdrawn_at IS NULL
       AND NOT k.ends_ring
       AND k.deactivates_at IS NOT NULL
       AND NOT EXISTS (
           SELECT 1 FROM keys_keypair s
            WHERE s.ring_id = k.ring_id
              AND s.id <> k.id
              AND s.activates_at = k.deactivates_at
              AND s.withdrawn_at IS NULL
              AND (s.compromised_at IS NULL OR s.compromised_at >= s.activates_at))
     LIMIT 1;
    IF gap IS NOT NULL THEN
        RAISE EXCEPTION 'nobody signs after key % stops', gap
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'key_no_gap';
    END IF;
    PERFORM keys_retired_ring_ends(NEW.ring_id);
    RETURN NULL;
END $$;
DROP TRIGGER key_no_gap ON keys_keypair;
CREATE CONSTRAINT TRIGGER key_no_gap
    AFTER INSERT OR UPDATE OF ring_id, activates_at, deactivates_at, compromised_at, withdrawn_at, ends_ring
    ON keys_keypair
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keys_no_gap();
"""
NO_GAP_BACKWARD = """
DROP TRIGGER key_no_gap ON keys_keypair;
CREATE CONSTRAINT TRIGGER key_no_gap
    AFTER INSERT OR UPDATE OF ring_id, activates_at, deactivates_at, compromised_at ON keys_keypair
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keys_no_gap();
CREATE OR REPLACE FUNCTION keys_no_gap() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""

RETIRED_RING_ENDS = """
CREATE FUNCTION keys_retired_ring_ends(ring bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    endless text;
BEGIN
    SELECT k.kid INTO endless
      FROM keys_keypair k JOIN keys_keyring r ON r.id = k.ring_id
     WHERE r.id = ring
       AND r.retired_at IS NOT NULL
       AND k.compromised_at IS NULL
       AND k.withdrawn_at IS NULL
       AND k.deactivates_at IS NULL
     LIMIT 1;
    IF endless IS NOT NULL THEN
        RAISE EXCEPTION 'key % of a retired ring signs without an end', endless
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ring_retired_ends';
    END IF;
END $$;
CREATE FUNCTION keys_ring_retired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM keys_retired_ring_ends(NEW.id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ring_retired_ends AFTER INSERT OR UPDATE OF retired_at ON keys_keyring
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keys_ring_retired();
"""
RETIRED_RING_ENDS_BACKWARD = """
DROP TRIGGER ring_retired_ends ON keys_keyring;
DROP FUNCTION keys_ring_retired();
DROP FUNCTION keys_retired_ring_ends(bigint);
"""

# Only a retired ring ends, and what it took back stays so. A trigger of its own beside that of 0002.
ENDINGS = """
CREATE FUNCTION keys_endings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    retired boolean;
BEGIN
    IF (OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at)
       OR (OLD.ends_ring AND NOT NEW.ends_ring) THEN
        RAISE EXCEPTION 'the end of a ring is never taken back: its successors are new keys'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    SELECT r.retired_at IS NOT NULL INTO retired FROM keys_keyring r WHERE r.id = NEW.ring_id;
    IF NOT retired THEN
        RAISE EXCEPTION 'only the keys of a retired ring come to an end without a successor'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keys_endings BEFORE UPDATE OF withdrawn_at, ends_ring ON keys_keypair FOR EACH ROW
    WHEN (NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at OR NEW.ends_ring IS DISTINCT FROM OLD.ends_ring)
    EXECUTE FUNCTION keys_endings();
"""
ENDINGS_BACKWARD = "DROP TRIGGER keys_endings ON keys_keypair; DROP FUNCTION keys_endings();"


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0004_evidence"),
        ("realms", "0006_logos_apart"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="keypair",
            name="key_one_signer_at_a_time",
        ),
        migrations.AddField(
            model_name="keypair",
            name="ends_ring",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Its ring was retired with it: nobody relieves it."
            ),
        ),
        migrations.AddField(
            model_name="keypair",
            name="noted_state",
            field=models.CharField(
                choices=[
                    ("pre_active", "pre_active"),
                    ("active", "active"),
                    ("deactivated", "deactivated"),
                    ("archived", "archived"),
                ],
                db_default=keys.timetable.KeyState["PRE_ACTIVE"],
                default=keys.timetable.KeyState["PRE_ACTIVE"],
                help_text="The last state that it came into by the clock and that the audit tells of.",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="keypair",
            name="withdrawn_at",
            field=models.DateTimeField(help_text="Its ring was retired while it waited: it never signs.", null=True),
        ),
        migrations.AlterField(
            model_name="keyring",
            name="retired_at",
            field=models.DateTimeField(
                blank=True, help_text="Since when nothing is made for it; its keys verify what they signed.", null=True
            ),
        ),
        migrations.AddConstraint(
            model_name="keypair",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("withdrawn_at__isnull", True),
                    models.Q(("destroyed_at__isnull", False), ("withdrawn_at__lt", models.F("activates_at"))),
                    _connector="OR",
                ),
                name="key_withdrawn_before_it_signed",
            ),
        ),
        migrations.AddConstraint(
            model_name="keypair",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_ring", False),
                    models.Q(("deactivates_at__isnull", False), ("withdrawn_at__isnull", True)),
                    _connector="OR",
                ),
                name="key_that_ends_its_ring_has_an_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="keypair",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                condition=models.Q(("compromised_at__isnull", True), ("withdrawn_at__isnull", True)),
                deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                expressions=[
                    (keys.models._RowRange(models.F("ring_id"), models.F("ring_id"), models.Value("[]")), "&&"),
                    (
                        models.Func(
                            models.F("activates_at"),
                            models.F("deactivates_at"),
                            function="tstzrange",
                            output_field=django.contrib.postgres.fields.ranges.DateTimeRangeField(),
                        ),
                        "&&",
                    ),
                ],
                name="key_one_signer_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="keyring",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("retired_at__isnull", True), ("purpose", keys.algorithms.Purpose["SIGN"]), _connector="OR"
                ),
                name="ring_retires_only_where_it_signs",
            ),
        ),
        migrations.RunSQL(RETIRED_RING_ENDS, RETIRED_RING_ENDS_BACKWARD),
        migrations.RunSQL(NO_GAP, NO_GAP_BACKWARD),
        migrations.RunSQL(ENDINGS, ENDINGS_BACKWARD),
    ]

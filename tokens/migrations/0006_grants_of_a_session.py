"""A grant's session is one of the grant's own realm."""

from django.db import migrations

RULE = """
ALTER TABLE tokens_grant ADD CONSTRAINT grant_session_of_its_realm
    FOREIGN KEY (session_id, realm_id) REFERENCES accounts_session (id, realm_id) DEFERRABLE INITIALLY DEFERRED;
"""
UNDO = "ALTER TABLE tokens_grant DROP CONSTRAINT grant_session_of_its_realm;"


class Migration(migrations.Migration):
    dependencies = [("tokens", "0005_sign_out"), ("accounts", "0003_sessions_and_claims")]
    operations = [migrations.RunSQL(RULE, UNDO)]

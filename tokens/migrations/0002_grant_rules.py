"""Rules for grants that Django has no words for.

Room on every page, so that a rotation rewrites a row without touching an index; and a grant's client is
one of the grant's own realm.
"""

from django.db import migrations

RULES = """
ALTER TABLE tokens_grant SET (fillfactor = 80);
ALTER TABLE tokens_grant ADD CONSTRAINT grant_client_of_its_realm
    FOREIGN KEY (client_id, realm_id) REFERENCES tokens_client (id, realm_id);
"""
UNDO = """
ALTER TABLE tokens_grant DROP CONSTRAINT grant_client_of_its_realm;
ALTER TABLE tokens_grant RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("tokens", "0001_initial")]
    operations = [migrations.RunSQL(RULES, UNDO)]

"""Sessions that one browser had of one person, one after the other, know their first; that never changes either."""

from django.db import migrations, models

_TRIGGER = """
DROP TRIGGER session_stays ON accounts_session;
CREATE TRIGGER session_stays BEFORE UPDATE ON accounts_session
    FOR EACH ROW WHEN (
        OLD.ended_at IS NOT NULL
        OR ({old}) IS DISTINCT FROM ({new})
    )
    EXECUTE FUNCTION accounts_session_stays();
"""


def trigger(*columns: str) -> str:
    """The trigger of migration 0003 over these columns."""
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    return _TRIGGER.format(old=old, new=new)


BEFORE = ("sid", "user_id", "realm_id", "auth_time", "methods", "created_at")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_sessions_and_claims")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="lineage",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=22),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                condition=models.Q(("lineage", ""), _negated=True), fields=["lineage"], name="session_lineage"
            ),
        ),
        migrations.RunSQL(trigger(*BEFORE, "lineage"), trigger(*BEFORE)),
    ]

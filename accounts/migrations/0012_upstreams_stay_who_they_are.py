"""Whose people a provider's links mean never changes: another issuer's subjects would be other people."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION accounts_upstream_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.issuer, NEW.slug, NEW.realm_id) IS DISTINCT FROM (OLD.issuer, OLD.slug, OLD.realm_id) THEN
        RAISE EXCEPTION 'the issuer, the slug and the realm of an upstream provider never change'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_upstream_is_immutable BEFORE UPDATE ON accounts_upstreamprovider
    FOR EACH ROW EXECUTE FUNCTION accounts_upstream_is_immutable();
CREATE FUNCTION accounts_upstream_link_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.provider_id, NEW.user_id, NEW.subject) IS DISTINCT FROM (OLD.provider_id, OLD.user_id, OLD.subject) THEN
        RAISE EXCEPTION 'who a subject of an upstream provider is never changes: the link ends, and another is made'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_upstream_link_is_immutable BEFORE UPDATE ON accounts_upstreamlink
    FOR EACH ROW EXECUTE FUNCTION accounts_upstream_link_is_immutable();
"""
BACKWARD = """
DROP TRIGGER accounts_upstream_link_is_immutable ON accounts_upstreamlink;
DROP FUNCTION accounts_upstream_link_is_immutable();
DROP TRIGGER accounts_upstream_is_immutable ON accounts_upstreamprovider;
DROP FUNCTION accounts_upstream_is_immutable();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_operators_may_reset_and_lift")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]

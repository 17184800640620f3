from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        """Hear of what changes in realms, which know of no audit."""
        from audit.services import record_realm_changed  # noqa: PLC0415  (models, once they are loaded)
        from realms.hooks import register_realm_changed  # noqa: PLC0415

        register_realm_changed(record_realm_changed)

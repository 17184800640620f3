from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "keys"
    verbose_name = "Keys"

    def ready(self) -> None:
        """Register the checks, the column that a rewrap has to reach, and this app's own chores."""
        from keys import checks, hooks  # noqa: F401, PLC0415  (models load first)
        from keys.selectors import PRIVATE_COLUMN  # noqa: PLC0415
        from keys.services.dead_keys import remember_all  # noqa: PLC0415
        from keys.services.destruction import destroy_everything_kept  # noqa: PLC0415
        from keys.services.evidence import forget_fetchers, forget_signatures  # noqa: PLC0415
        from keys.services.restore_marks import mark_database  # noqa: PLC0415

        hooks.register_housekeeping("keys that custodians destroyed", destroy_everything_kept)
        hooks.register_sealed_column(PRIVATE_COLUMN)
        hooks.register_housekeeping("dead keys written down", remember_all)
        hooks.register_housekeeping("restore of the database", mark_database)
        hooks.register_housekeeping("expired counts of signatures", forget_signatures)
        hooks.register_housekeeping("fetchers that went away", forget_fetchers)

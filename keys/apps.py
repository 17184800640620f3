from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "keys"
    verbose_name = "Keys"

    def ready(self) -> None:
        """Register the checks, and the column that a rewrap has to reach."""
        from keys import checks, hooks  # noqa: F401, PLC0415  (models load first)
        from keys.selectors import PRIVATE_COLUMN  # noqa: PLC0415

        hooks.register_sealed_column(PRIVATE_COLUMN)

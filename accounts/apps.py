from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        """Tell the apps below what they are to do for this one."""
        from accounts.registering import register_all  # noqa: PLC0415  (models, once they are loaded)

        register_all()

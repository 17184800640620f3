"""Who may end sessions: a permission of its own."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_sessions_of_a_browser"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="session",
            options={"ordering": ["-created_at"], "permissions": [("end_session", "Can end sessions")]},
        ),
    ]

"""Who may end grants and withdraw consents, and the two reasons that go with it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tokens", "0010_logout_deliveries"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="consent",
            options={"ordering": ["-granted_at"], "permissions": [("withdraw_consent", "Can withdraw consents")]},
        ),
        migrations.AlterModelOptions(
            name="grant",
            options={"permissions": [("end_grant", "Can end grants")]},
        ),
        migrations.AlterField(
            model_name="grant",
            name="revocation_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("logout", "logout"),
                    ("revoked", "revoked"),
                    ("withdrawn", "withdrawn"),
                    ("operator", "operator"),
                    ("code_replay", "code_replay"),
                    ("reuse", "reuse"),
                    ("ahead_of_database", "ahead_of_database"),
                ],
                max_length=32,
            ),
        ),
    ]

"""Who may reset second factors and lift limits: a permission each."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_people_are_invited"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "ordering": ["username_canonical"],
                "permissions": [
                    ("reset_factors", "Can reset second factors"),
                    ("lift_limit", "Can lift limits on attempts"),
                ],
                "verbose_name": "person",
                "verbose_name_plural": "people",
            },
        ),
    ]

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_people_have_more_to_prove")]

    operations = [
        migrations.AlterModelOptions(
            name="mailedlink",
            options={
                "ordering": ["-created_at"],
                "verbose_name": "invitation",
                "permissions": [("invite_person", "Can invite people and withdraw invitations")],
            },
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0005_migration_of_algorithms")]
    operations = [
        migrations.CreateModel(
            name="MarkCount",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("count", models.PositiveBigIntegerField()),
            ],
        ),
    ]

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("keys", "0005_migration_of_algorithms")]
    operations = []

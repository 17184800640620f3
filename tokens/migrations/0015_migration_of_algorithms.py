from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tokens", "0014_removed_devices_end_grants")]
    operations = []

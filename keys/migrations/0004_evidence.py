from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("keys", "0003_custody")]
    operations = []

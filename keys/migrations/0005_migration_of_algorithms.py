from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("keys", "0004_evidence")]
    operations = []

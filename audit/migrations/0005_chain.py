from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_events_are_searched_for")]
    operations = []

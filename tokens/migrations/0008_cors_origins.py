"""An origin is looked up with each request of a script: by an index, however many clients there are."""

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tokens", "0007_client_metadata")]

    operations = [
        migrations.AddIndex(
            model_name="client",
            index=GinIndex(fields=["cors_origins"], name="client_cors_origins", opclasses=["jsonb_path_ops"]),
        ),
    ]

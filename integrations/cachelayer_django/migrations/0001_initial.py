"""The permissions of the dashboard. It makes no table."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """See `django.db.migrations`."""

    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.CreateModel(
            name="Dashboard",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                )
            ],
            options={
                "verbose_name": "dashboard",
                "verbose_name_plural": "dashboard",
                "permissions": [
                    ("view_dashboard", "Can view the cache's dashboard"),
                    ("purge_cache", "Can purge the cache"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        )
    ]

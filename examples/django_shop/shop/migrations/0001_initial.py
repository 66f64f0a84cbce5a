"""The tables."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def _id():
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    """See `django.db.migrations`."""

    initial = True
    dependencies = (migrations.swappable_dependency(settings.AUTH_USER_MODEL),)
    operations = (
        migrations.CreateModel(
            name="Product",
            fields=[
                ("id", _id()),
                ("name", models.CharField(max_length=80)),
                ("price", models.DecimalField(decimal_places=2, max_digits=8)),
                ("stock", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", _id()),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("product", models.ForeignKey("shop.product", on_delete=django.db.models.deletion.PROTECT)),
                (
                    "user",
                    models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=django.db.models.deletion.CASCADE),
                ),
            ],
        ),
    )

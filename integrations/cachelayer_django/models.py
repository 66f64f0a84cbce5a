"""What permissions hang on: there is no table."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Dashboard(models.Model):
    """The page in the admin."""

    class Meta:
        """See `django.db.models.Options`."""

        managed = False
        default_permissions = ()
        permissions: ClassVar = [
            ("view_dashboard", "Can view the cache's dashboard"),
            ("purge_cache", "Can purge the cache"),
        ]
        verbose_name = "dashboard"
        verbose_name_plural = "dashboard"

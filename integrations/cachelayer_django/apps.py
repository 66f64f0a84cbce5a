"""The application: put "cachelayer_django" into `INSTALLED_APPS` for the tag, the command, the checks and the admin."""

from __future__ import annotations

from django.apps import AppConfig


class CacheLayerConfig(AppConfig):
    """See `django.apps.AppConfig`."""

    name = "cachelayer_django"
    verbose_name = "Cache"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks."""
        # Not earlier: they look at settings.
        from cachelayer_django.checks import register_all  # noqa: PLC0415

        register_all()

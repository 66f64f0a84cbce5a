"""The dashboard within Django's admin: for staff with a permission, see `cachelayer_django.dashboard`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from cachelayer_django.dashboard import PURGE, VIEW, dashboard_view
from cachelayer_django.models import Dashboard

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Dashboard]
else:  # Django's class takes no arguments when it runs
    _Base = admin.ModelAdmin


@admin.register(Dashboard)
class DashboardAdmin(_Base):
    """An entry in the admin's index that leads to the dashboard."""

    def get_urls(self) -> list[URLPattern]:
        """Return the dashboard's."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        # It checks its own forms.
        view: Any = csrf_exempt(self.admin_site.admin_view(dashboard_view()))
        return [path("", view, name=name), path("<path:path>", view)]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the index shows it."""
        user: Any = request.user
        return bool(user.has_perm(VIEW) or user.has_perm(PURGE))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the index shows the application."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is nothing to add."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """There is nothing to change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """There is nothing to delete."""
        return False

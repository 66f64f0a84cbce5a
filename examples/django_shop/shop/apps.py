"""The application."""

from cachelayer_django.signals import tie
from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Ties the tags of pages, functions and fragments to the models that they show."""

    name = "shop"

    def ready(self) -> None:
        """Saving one of these, in the admin or anywhere else, invalidates what shows it."""
        tie("shop.Product", "products", "product:{pk}")
        tie("shop.Order", "orders:{user_id}")

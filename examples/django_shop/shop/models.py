"""What the shop keeps."""

from django.conf import settings
from django.db import models, transaction


class SoldOutError(Exception):
    """There is none left."""


class Product(models.Model):
    """Something to buy."""

    name = models.CharField(max_length=80)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.name

    @transaction.atomic
    def order(self, user) -> "Order":
        """Sell one: either the order and the stock are written, or neither is, and nothing is invalidated."""
        order = Order.objects.create(product=self, user=user)
        current = Product.objects.select_for_update().get(pk=self.pk)
        current.stock -= 1
        if current.stock < 0:
            raise SoldOutError(self.name)
        current.save()
        return order


class Order(models.Model):
    """Somebody has bought something."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    at = models.DateTimeField(auto_now_add=True)

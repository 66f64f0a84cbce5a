"""What the admin shows, beside the cache's dashboard."""

from django.contrib import admin

from shop.models import Order, Product

admin.site.register([Order, Product])

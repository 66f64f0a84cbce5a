"""The shop's pages."""

from typing import Any

from cachelayer_django import cached
from cachelayer_django.decorators import cached_view
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST

from shop.models import Order, Product, SoldOutError


@cached(ttl="5m", tags=["products"])
def cheapest() -> list[dict[str, Any]]:
    """Return the three cheapest products; a function's result has the same tags as pages."""
    return [{"pk": found.pk, "name": found.name} for found in Product.objects.order_by("price", "pk")[:3]]


@cache_control(public=True, max_age=60)
def home(request: HttpRequest) -> HttpResponse:
    """Show what is cheap: the page itself says that it may be kept, and CacheLayerMiddleware does."""
    return render(request, "shop/home.html", {"products": cheapest()})


@cached_view(ttl="5m", tags=["products"])
def api(request: HttpRequest) -> HttpResponse:
    """List products in pages. The page's number is in the URL, and so in the key."""
    pages = Paginator(Product.objects.order_by("pk"), 10)
    page = pages.get_page(request.GET.get("page"))
    products = [{"id": found.pk, "name": found.name, "stock": found.stock} for found in page]
    return JsonResponse({"page": page.number, "pages": pages.num_pages, "products": products})


def product(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a product with a form: the page has a token and is not cached, the fragment in it is."""
    return render(request, "shop/product.html", {"product": get_object_or_404(Product, pk=pk)})


@require_POST
@login_required
def order(request: HttpRequest, pk: int) -> HttpResponse:
    """Order a product. What shows it is invalidated once that is committed."""
    try:
        get_object_or_404(Product, pk=pk).order(request.user)
        messages.success(request, "ordered")
    except SoldOutError:
        messages.error(request, "sold out")
    return redirect("product", pk=pk)


@login_required
@cached_view(ttl="5m", tags=[lambda request: f"orders:{request.user.pk}"])
def account(request: HttpRequest) -> HttpResponse:
    """Show a user's own orders: since the session is looked at, nobody else is given this page."""
    orders = Order.objects.filter(user=request.user).select_related("product")
    return render(request, "shop/account.html", {"orders": orders})

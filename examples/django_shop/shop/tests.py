"""Nobody gets another one's page, and nobody an old one."""

# ruff: noqa: PT009 - Django's own test cases

import re

from cachelayer_django import get_cache, stats
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client, TransactionTestCase

from shop.metrics import answered
from shop.models import Order, Product


class ShopTest(TransactionTestCase):
    """The shop, with transactions that are committed."""

    def setUp(self) -> None:
        """Begin with empty caches, and some products."""
        get_cache().clear()
        get_cache().reset_stats()
        cache.clear()
        for number in range(1, 26):
            Product.objects.create(name=f"product {number}", price=number, stock=2)
        self.first = Product.objects.get(name="product 1")
        self.ann, self.bob = (self.visitor(name) for name in ("ann", "bob"))

    def visitor(self, name: str) -> Client:
        """Return a client of somebody who is logged in."""
        client = Client(enforce_csrf_checks=True)
        client.force_login(User.objects.create_user(name))
        return client

    def order(self, client: Client, product: Product) -> None:
        """Order by the form on the product's page."""
        page = f"/products/{product.pk}/"
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', client.get(page).content.decode())
        done = client.post(f"{page}order/", {"csrfmiddlewaretoken": token[1]})
        self.assertRedirects(done, page, fetch_redirect_response=False)

    def test_a_public_page_is_made_once(self) -> None:
        """For visitors and users alike, and without a query."""
        self.client.get("/")
        with self.assertNumQueries(0):
            for client in (self.client, self.ann, self.bob):
                self.assertContains(client.get("/"), "product 1")
        self.assertEqual(stats().routes["GET /"].hit, 3)

    def test_an_account_is_its_users_own(self) -> None:
        """Each gets their own page, from the cache too; who is logged out gets none."""
        self.order(self.ann, self.first)
        for _ in range(2):
            self.assertContains(self.ann.get("/account/"), "product 1")
            self.assertNotContains(self.bob.get("/account/"), "product 1")
            self.assertContains(self.bob.get("/account/"), "bob")
            self.assertRedirects(self.client.get("/account/"), "/login/?next=/account/")
        self.assertGreaterEqual(stats().routes["GET /account/"].hit, 3)
        self.order(self.bob, Product.objects.get(name="product 2"))
        self.assertContains(self.bob.get("/account/"), "product 2")
        self.ann.logout()
        self.assertEqual(self.ann.get("/account/").status_code, 302)

    def test_a_form_has_its_visitors_own_token(self) -> None:
        """The page is never from the cache, the fragment in it is."""
        pages = [client.get(f"/products/{self.first.pk}/").content for client in (self.ann, self.bob)]
        self.assertNotEqual(*pages)
        self.assertEqual(stats().functions["fragment product"].hit, 1)
        self.assertEqual(stats().routes["GET /products/<int:pk>/"].reasons, {"SET-COOKIE": 2})

    def test_an_order_is_seen_at_once(self) -> None:
        """In the API, in the fragment, and in what functions return."""
        self.assertEqual(self.client.get("/api/products").json()["products"][0]["stock"], 2)
        self.order(self.ann, self.first)
        self.assertEqual(self.client.get("/api/products").json()["products"][0]["stock"], 1)
        self.assertContains(self.bob.get(f"/products/{self.first.pk}/"), "1 left")

    def test_a_sold_out_product_changes_nothing(self) -> None:
        """The transaction is rolled back, and what is cached stays."""
        for client in (self.ann, self.bob):
            self.order(client, self.first)
        before = self.client.get("/api/products").json()
        self.order(self.ann, self.first)
        self.assertContains(self.ann.get(f"/products/{self.first.pk}/"), "sold out")
        self.assertEqual(Order.objects.count(), 2)
        with self.assertNumQueries(0):
            self.assertEqual(self.client.get("/api/products").json(), before)

    def test_pages_of_the_api_are_apart(self) -> None:
        """Each by its number, and all forgotten together."""
        names = [
            self.client.get(f"/api/products?page={page}").json()["products"][0]["name"] for page in (1, 2, 3)
        ]
        self.assertEqual(names, ["product 1", "product 11", "product 21"])
        with self.assertNumQueries(0):
            self.client.get("/api/products?page=2")
        Product.objects.filter(name="product 11").get().delete()
        self.assertEqual(self.client.get("/api/products?page=2").json()["products"][0]["name"], "product 12")

    def test_metrics_count_hits(self) -> None:
        """They stand outside of the cache."""
        answered.clear()
        for _ in range(3):
            self.client.get("/")
        self.assertEqual(answered[200], 3)

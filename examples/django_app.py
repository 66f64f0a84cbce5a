"""Django: the middleware and its setting, in one file.

To serve it: python examples/django_app.py runserver
"""

import sys
from typing import Any

import django
from cachelayer_django import Rule, stats
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1", "testserver"],
    DEBUG=True,
    ROOT_URLCONF=__name__,
    SECRET_KEY="an example has no secrets",
    MIDDLEWARE=[
        "cachelayer_django.middleware.CacheLayerMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    CACHELAYER={"BACKEND": "memory://", "RULES": [Rule(path="/primes/*", ttl="10m")]},
)
django.setup()


def primes(request: HttpRequest, limit: int) -> HttpResponse:
    """List the prime numbers below a limit."""
    found = [n for n in range(2, limit) if all(n % d for d in range(2, int(n**0.5) + 1))]
    return JsonResponse(found, safe=False)


def show_stats(request: HttpRequest) -> HttpResponse:
    """Show what the cache counted."""
    return JsonResponse(stats().to_dict())


urlpatterns: list[Any] = [path("primes/<int:limit>", primes), path("stats", show_stats)]


def main() -> None:
    """Ask twice for the same page, and then for the statistics."""
    client = Client()
    for _ in range(2):
        response = client.get("/primes/20000")
        print(len(response.json()), "primes |", response.headers["cache-status"])
    for label, counted in client.get("/stats").json()["routes"].items():
        print(label, "| hit rate", counted["hit_rate"])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        execute_from_command_line(sys.argv)
    else:
        main()

"""The shop's settings."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ.get("SECRET_KEY", "an example has no secrets")
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "shop.urls"
USE_TZ = True
STATIC_URL = "static/"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "account"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "cachelayer_django",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "shop.apps.ShopConfig",
]

MIDDLEWARE = [
    # What counts requests stands outside of the cache: it sees the hits, too.
    "shop.metrics.count_requests",
    "django.middleware.security.SecurityMiddleware",
    "cachelayer_django.middleware.CacheLayerMiddleware",
    # What changes responses stands inside: what it did is stored.
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

# One store for pages, functions and fragments, and one for Django's own cache: sessions, and what else asks for it.
STORE = os.environ.get("CACHELAYER_URL", "memory://")
CACHELAYER = {"BACKEND": STORE, "NAMESPACE": "shop"}
CACHES = {
    "default": {
        "BACKEND": "cachelayer_django.cache.CacheLayerCache",
        "LOCATION": STORE,
        "KEY_PREFIX": "shop",
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

DATABASE = os.environ.get("SHOP_DATABASE", HERE / "shop.sqlite3")
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

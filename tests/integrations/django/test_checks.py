"""System checks."""

import pytest
from django.core.checks import run_checks
from django.test.utils import override_settings

from cachelayer import InMemoryBackend
from tests.integrations.django.conftest import OURS
from tests.shells import SixMethods

LAYER, UPDATE, FETCH = (
    f"cachelayer_django.middleware.{name}"
    for name in ("CacheLayerMiddleware", "UpdateCacheMiddleware", "FetchFromCacheMiddleware")
)
DJANGOS = "django.middleware.cache.UpdateCacheMiddleware"
GZIP = "django.middleware.gzip.GZipMiddleware"
PAGES = "cachelayer_django.middleware.CacheMiddleware"
LOCALE = "django.middleware.locale.LocaleMiddleware"
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
SHARED = {"CACHELAYER": {"BACKEND": SixMethods()}}


def found(*, deploy=False, **settings):
    """Return the ids that these settings give, and the texts."""
    settings = {"CACHES": {"default": {"BACKEND": LOCMEM}}, **SHARED, **settings}
    with override_settings(**settings):
        messages = run_checks(tags=["cachelayer"], include_deployment_checks=deploy)
    return [message.id.removeprefix("cachelayer.") for message in messages], "\n".join(map(str, messages))


def caches(**settings):
    """Return CACHES with one of ours."""
    return {"default": {"BACKEND": OURS, **settings}}


@pytest.mark.parametrize(
    ("settings", "ids", "said"),
    [
        ({}, [], ""),
        ({"CACHES": caches(LOCATION=SixMethods(), TIMEOUT=None), "MIDDLEWARE": [LAYER, LOCALE]}, [], ""),
        ({"MIDDLEWARE": [UPDATE, LOCALE, FETCH]}, [], ""),
        ({"CACHELAYER": {"TTL": 5}}, ["E001"], "CACHELAYER has TTL"),
        ({"CACHELAYER": {"DEFAULT_TTL": "soon"}}, ["E001"], "default_ttl='soon'"),
        ({"CACHES": caches(LOCATION="localhost:6379")}, ["E002"], r"CACHES\['default'\]"),
        ({"CACHES": caches(OPTIONS={"SIGN": 1})}, ["E002"], "OPTIONS has SIGN"),
        ({"CACHES": caches(LOCATION=SixMethods(), OPTIONS={"SIGNED": False})}, ["W004"], "not signed"),
        ({"CACHES": caches(LOCATION=InMemoryBackend(), OPTIONS={"SIGNED": False})}, [], ""),
        ({"CACHES": caches(TIMEOUT="ten")}, ["W005"], "TIMEOUT='ten'"),
        ({"MIDDLEWARE": [FETCH, LOCALE, UPDATE]}, ["E003"], "UpdateCacheMiddleware after"),
        ({"MIDDLEWARE": [LAYER, LOCALE, LAYER]}, ["E004", "W002"], "more than once"),
        ({"MIDDLEWARE": [LAYER, DJANGOS]}, ["W002"], "more than once"),
        ({"MIDDLEWARE": [UPDATE, LAYER, FETCH]}, ["W002"], "more than once"),
        ({"MIDDLEWARE": [GZIP, LOCALE, LAYER]}, ["W001"], "GZipMiddleware before"),
        ({"MIDDLEWARE": [LAYER, LOCALE, PAGES]}, ["W002"], "more than once"),
        (
            {"MIDDLEWARE": [UPDATE, LOCALE]},
            ["W006"],
            "UpdateCacheMiddleware without FetchFromCacheMiddleware",
        ),
        ({"MIDDLEWARE": [FETCH]}, ["W006"], "FetchFromCacheMiddleware without UpdateCacheMiddleware"),
        ({"MIDDLEWARE": [PAGES], "CACHE_MIDDLEWARE_ALIAS": "nope"}, ["E006"], "ALIAS, or cache=, is 'nope'"),
    ],
    ids=range(19),
)
def test_a_setting_that_is_wrong_is_named(settings, ids, said):
    """And those that are right are not [integrations 19]."""
    import re

    got, text = found(**settings)
    assert got == ids
    assert re.search(said, text)


def test_memory_is_named_for_production():
    """Each worker has its own: the check does not know how many there are [integrations 19]."""
    settings = {
        "CACHELAYER": {"BACKEND": InMemoryBackend()},
        "MIDDLEWARE": [LAYER],
        "CACHES": caches(LOCATION="memory://"),
    }
    assert found(**settings)[0] == []
    ids, text = found(deploy=True, **settings)
    assert ids == ["W003"]
    assert "CACHELAYER and CACHES['default']" in text
    assert "Where there are several workers" in text
    assert found(deploy=True, DEBUG=True, **settings)[0] == []
    assert found(deploy=True)[0] == []


def test_the_number_of_workers_is_said_where_it_is_known(monkeypatch):
    """As servers take it from the environment [integrations 19]."""
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    ids, text = found(deploy=True, DEBUG=True, CACHES=caches())
    assert ids == ["W003"]
    assert "WEB_CONCURRENCY=4" in text

"""Cached functions that are called before the site's settings were read."""

import subprocess
import sys

SITE = """
from django.conf import settings
settings.configure(SECRET_KEY="a test's", CACHELAYER={"DEFAULT_TTL": 30})
import django
django.setup()
import cachelayer, cachelayer_django

@cachelayer.cached
def warm():
    return 1

if %r:
    cachelayer_django.get_cache()
warm()
print(cachelayer_django.get_cache().default_ttl, warm.cache_parameters()["ttl"])
"""


def run(*, first):
    """Run a site that warms a function before or after it asks for its cache."""
    return subprocess.run([sys.executable, "-c", SITE % first], capture_output=True, text=True, check=False)


def test_a_function_called_too_early_is_named_with_the_remedy():
    """The settings would not hold for it, so the site does not start, and is told what to call first."""
    assert "ImproperlyConfigured" in (said := run(first=False).stderr)
    assert "cachelayer_django.get_cache() before it" in said


def test_with_the_remedy_the_settings_hold():
    """A function that is called after get_cache() has the lifetime of the settings."""
    assert run(first=True).stdout.split() == ["30.0", "30.0"]

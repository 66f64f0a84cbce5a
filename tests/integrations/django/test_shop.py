"""The example application: its own tests pass, over a store of this process and over a shared one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SHOP = Path(__file__).parents[3] / "examples" / "django_shop"


def manage(*args, url="memory://", **more):
    """Run one of its commands, in which warnings are errors."""
    command = [sys.executable, "-W", "error", "-B", "manage.py", *args]
    environment = {**os.environ, "CACHELAYER_URL": url, "SHOP_DATABASE": ":memory:", **more}
    return subprocess.run(
        command, cwd=SHOP, env=environment, capture_output=True, text=True, check=False, timeout=55
    )


@pytest.mark.parametrize("store", ["memory", "redis"])
def test_the_shops_tests_pass(request, tmp_path, store):
    """Nobody gets another one's page, and nobody an old one [integrations 17, 18, 21]."""
    server = request.getfixturevalue("redis_server") if store == "redis" else None
    url = f"{server.url}?namespace={tmp_path.name}" if server else "memory://"
    done = manage("test", url=url)
    assert (done.returncode, re.findall(r"Ran (\d+) tests", done.stderr)) == (0, ["7"]), done.stderr


def test_the_shop_has_no_migration_to_make_and_passes_its_checks():
    """Those of Django and ours [integrations 19]."""
    assert manage("makemigrations", "--check", "--dry-run").returncode == 0
    assert "no issues" in manage("check").stdout


def test_several_workers_in_memory_are_named():
    """By the checks, where the environment says how many there are [integrations 19]."""
    assert "cachelayer.W003" in manage("check", WEB_CONCURRENCY="2").stderr

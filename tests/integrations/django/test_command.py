"""`manage.py cachelayer`, and the dashboard in the admin and elsewhere."""

import io
import json

import pytest
from cachelayer_django import get_cache, stats
from cachelayer_django.dashboard import dashboard_urls
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.test import Client
from django.test.utils import override_settings
from django.urls import include, path

import cachelayer
from cachelayer import Cache, InMemoryBackend
from cachelayer.dashboard import User as Visitor
from tests.integrations.browsers import Browser
from tests.integrations.django.conftest import OURS
from tests.shells import SixMethods

LAYER = "cachelayer_django.middleware.CacheLayerMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
SITE = {"ROOT_URLCONF": "tests.integrations.django.site", "MIDDLEWARE": [LAYER]}


def run(*args):
    """Run the command; return what it wrote, and what it noted."""
    out, err = io.StringIO(), io.StringIO()
    call_command("cachelayer", *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture(params=["memory", "redis"])
def backend(request, tmp_path):
    """The store of a site, of this process or shared."""
    if request.param == "memory":
        yield InMemoryBackend()
        return
    server = request.getfixturevalue("redis_server")
    with cachelayer.backends.backend_from_url(f"{server.url}?namespace={tmp_path.name}") as made:
        yield made


@pytest.fixture
def browser(backend):
    """A client of a site over that store."""
    with override_settings(CACHELAYER={"BACKEND": backend, "DEFAULT_TTL": 60}, **SITE):
        yield Browser("sync")


def test_stats_and_routes_say_what_was_counted(browser):
    """As a table, or as JSON [integrations 19]."""
    for _ in range(4):
        browser.get("/plain")
    assert run("stats")[0].splitlines()[1].split()[:7] == ["default", "4", "75%", "100%", "3", "0", "1"]
    told = json.loads(run("stats", "--json")[0])
    assert told["default"]["routes"]["GET /plain"]["hit"] == 3
    (row,) = [line for line in run("routes")[0].splitlines() if line.startswith("GET /plain")]
    assert row.split()[2:8] == ["4", "75%", "100%", "3", "0", "1"]


def test_keys_are_listed_up_to_a_limit(browser):
    """Those that match [integrations 19]."""
    for number in range(3):
        browser.get(f"/plain?{number}")
    assert len([line for line in run("keys")[0].splitlines() if "/plain?" in line]) == 3
    assert run("keys", "*plain[?]1*")[0].count("/plain?1") == 1
    limited, note = run("keys", "--limit", "2")
    assert (len(limited.splitlines()), "--limit 0" in note) == (2, True)
    assert len(run("keys", "--limit", "0")[0].splitlines()) > 2


@pytest.mark.parametrize(
    "what",
    [
        ("--tag", "items"),
        ("--url", "http://testserver/items/1/"),
        ("--route", "GET /items/<int:id>/"),
        ("--prefix", "http://testserver/items/"),
    ],
    ids=lambda what: what[0],
)
def test_purge_removes_what_is_named(browser, what):
    """By tag, URL, route or prefix; not with --dry-run [integrations 19]."""
    rule = cachelayer.Rule(path="/items/*", ttl=60, tags=["items"])
    with override_settings(CACHELAYER={"BACKEND": get_cache().backend, "RULES": [rule]}, **SITE):
        browser.get("/items/1/")
        before = browser.get("/items/1/")
        assert before.is_hit
        assert "would purge" in run("purge", *what, "--dry-run")[0]
        assert browser.get("/items/1/").body == before.body
        assert "purged" in run("purge", *what)[0]
        assert browser.get("/items/1/").body != before.body


def test_clear_removes_everything(browser):
    """Of the site's cache [integrations 19]."""
    first = browser.get("/plain").body
    assert "removed" in run("clear")[0]
    assert browser.get("/plain").body != first


def test_a_cache_in_memory_is_said_to_be_the_commands_own(browser, backend):
    """What workers have is not to be seen here [integrations 19]."""
    for command in (["stats"], ["keys"], ["clear"], ["purge", "--tag", "x"], ["routes"]):
        assert ("own memory" in run(*command)[1]) is (not backend.shared)


def test_doctor_looks_at_all_stores():
    """Of the site's cache and of CACHES [integrations 19]."""
    settings = {"CACHELAYER": {"BACKEND": InMemoryBackend()}, "CACHES": {"default": {"BACKEND": OURS}}}
    with override_settings(**settings):
        out = run("doctor")[0]
    assert "CACHELAYER: InMemoryBackend, in memory" in out
    assert "CACHES['default']: InMemoryBackend, in memory" in out
    assert "all is well" in out


def test_doctor_fails_where_something_is_wrong():
    """And says what [integrations 19]."""
    url = "redis://127.0.0.1:1/?timeout=0.2"
    with (
        override_settings(CACHELAYER={"BACKEND": url}),
        pytest.raises(CommandError, match="something is wrong"),
    ):
        run("doctor")


@pytest.mark.parametrize(
    "args", [["purge"], ["purge", "--tag", "a", "--url", "b"], ["nosuch"], []], ids=range(4)
)
def test_a_command_that_makes_no_sense_says_so(args):
    """As Django's commands do [integrations 19]."""
    with pytest.raises(CommandError):
        run(*args)


def test_what_the_store_cannot_do_is_an_error_without_a_traceback():
    """Such as a list of keys [integrations 19]."""
    with override_settings(CACHELAYER={"BACKEND": SixMethods()}), pytest.raises(CommandError, match="keys"):
        run("keys")


# -- the dashboard -----------------------------------------------------------------------------------------------

urlpatterns = [path("admin/", admin.site.urls), path("cache/", include(dashboard_urls()))]


class Open:
    """A site whose dashboard lets everybody in."""

    urlpatterns = (path("cache/", include(dashboard_urls(lambda request: Visitor("anybody")))),)


@pytest.fixture
def client(database):
    """A client of a site with the admin."""
    settings = {
        "ROOT_URLCONF": __name__,
        "CACHELAYER": {"CACHE": Cache(InMemoryBackend())},
        "MIDDLEWARE": [LAYER, SESSIONS, AUTH, MESSAGES],
        "SESSION_ENGINE": "django.contrib.sessions.backends.db",
        "TEMPLATES": [
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
        ],
        "STATIC_URL": "static/",
    }
    with override_settings(**settings):
        yield Client()


PAGES = ("/admin/cachelayer_django/dashboard/", "/cache/")


def user(name, *permissions, **fields):
    """Make a user with permissions of ours."""
    made = User.objects.create_user(name, **fields)
    for codename in permissions:
        made.user_permissions.add(Permission.objects.get(codename=codename))
    return made


@pytest.mark.parametrize("page", PAGES)
def test_the_dashboard_takes_staff_with_a_permission(client, page):
    """Nobody else learns anything of it [integrations 20]."""
    refused = 302 if page.startswith("/admin") else 404
    assert client.get(page).status_code == refused
    allowed = {
        "staff": (user("staff", is_staff=True), 404),
        "permission": (user("permission", "view_dashboard"), refused),
        "both": (user("both", "view_dashboard", is_staff=True), 200),
        "super": (User.objects.create_superuser("super"), 200),
    }
    for name, (who, status) in allowed.items():
        client.force_login(who)
        assert (name, client.get(page).status_code) == (name, status)


def test_the_admin_lists_it_for_those_who_may_see_it(client):
    """And for nobody else [integrations 20]."""
    for name, permissions, is_listed in (("a", [], False), ("b", ["view_dashboard"], True)):
        client.force_login(user(name, *permissions, is_staff=True))
        index = client.get("/admin/").content.decode()
        assert (PAGES[0] in index) is is_listed


@pytest.mark.parametrize("page", PAGES)
def test_the_dashboard_shows_figures_and_is_never_cached(client, page):
    """Those of the site's cache, with its own scripts and styles [integrations 20]."""
    client.force_login(user("a", "view_dashboard", is_staff=True))
    get_cache().routes.counters("GET /shown").record(cachelayer.outcomes.Outcome.HIT, seconds=0.1)
    shown = client.get(page)
    assert "GET /shown" in shown.content.decode()
    assert "no-store" in shown.headers["Cache-Control"]
    report = client.get(page + "api/report").json()
    assert [route["route"] for route in report["routes"]] == ["GET /shown"]
    assert stats().total.hit == 1


@pytest.mark.parametrize("page", PAGES)
def test_to_purge_takes_another_permission(client, page):
    """And the dashboard's own token [integrations 20]."""
    cached = cachelayer.cached(cache=get_cache(), tags=["x"], name="cached")(lambda: 1)
    cached()
    for name, permissions, status in (("a", ["view_dashboard"], 403), ("b", ["purge_cache"], 200)):
        client.force_login(user(name, *permissions, is_staff=True))
        session = client.get(page + "api/session").json()
        token = next(value for name, value in session.items() if name not in ("user", "roles"))
        fields = {"kind": "tag", "value": "x", "soft": "false"}
        field = next(name for name in session if name not in ("user", "roles"))
        without = client.post(page + "api/purge", fields, content_type="application/json")
        assert without.status_code == 403
        done = client.post(
            page + "api/purge",
            {**fields, field: token},
            content_type="application/json",
            headers={"Origin": "http://testserver"},
        )
        assert done.status_code == status
        assert (cached.peek() is None) is (status == 200)


def test_a_dashboard_that_lets_strangers_in_is_found_by_the_checks(client):
    """With --deploy; one that takes a permission is not [integrations 19]."""

    def found():
        messages = run_checks(tags=["cachelayer"], include_deployment_checks=True)
        return [message.id for message in messages if message.id == "cachelayer.E005"]

    assert found() == []
    with override_settings(ROOT_URLCONF=Open):
        assert found() == ["cachelayer.E005"]


def test_no_migration_is_missing(database):
    """A site's `makemigrations` makes none for us [integrations 20]."""
    call_command("makemigrations", "cachelayer_django", check=True, dry_run=True, verbosity=0)

"""The pytest plugin, in projects of its users: each is run by a pytest of its own. Issue 3, point 8."""

import pytest

from tests.testing.projects import Project

#: An application whose functions and middleware were used before any test, as happens at import or in other tests.
SHOP = """
    import cachelayer
    import cachelayer.wsgi
    from cachelayer import Cache, InMemoryBackend, cached, default_cache

    prices = {"pen": 1}
    real = Cache(name="reports")

    @cached(ttl=60, tags=["prices"])
    def price(article):
        return prices[article]

    @cached
    async def stock(article):
        return prices[article]

    @cached(cache=real)
    def report():
        return dict(prices)

    def app(environ, start_response):
        start_response("200 OK", [("Cache-Control", "max-age=60")])
        return [str(prices["pen"]).encode()]

    site = cachelayer.wsgi.CacheMiddleware(app)

    def visit():
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "shop", "SERVER_PORT": "80",
                   "wsgi.url_scheme": "http"}
        lines = []
        body = b"".join(site(environ, lambda status, headers: lines.extend(headers)))
        return body, dict(lines).get("Cache-Status") or dict(lines).get("cache-status")

    price("pen")
    visit()
    report()
    prices["pen"] = 2
"""
OPTING_IN = """
    pytest_plugins = ["cachelayer.testing.plugin"]
"""


@pytest.fixture
def project(tmp_path):
    """A project whose conftest.py opts in."""
    made = Project(tmp_path)
    made.write(shop=SHOP, conftest=OPTING_IN)
    return made


def test_each_test_has_a_cache_of_its_own(project):
    """In sync and async tests and in each case of a parametrized one: nothing is there before or after."""
    project.write(
        test_shop="""
        import pytest
        import shop
        from cachelayer import default_cache

        @pytest.mark.parametrize("number", range(3))
        def test_sync(cache, number):
            assert cache is default_cache()
            assert [shop.price("pen"), shop.price("pen")] == [2, 2]
            assert (cache.stats().total.miss, cache.stats().total.hit) == (1, 1)
            assert shop.visit() == (b"2", "cachelayer; fwd=uri-miss; stored")
            assert shop.visit() == (b"2", "cachelayer; hit; ttl=60")
            assert cache.invalidate_tags("prices") == 1

        @pytest.mark.asyncio
        @pytest.mark.parametrize("number", range(2))
        async def test_async(cache, number):
            assert [await shop.stock("pen"), await shop.stock("pen")] == [2, 2]
            assert (cache.stats().total.miss, cache.stats().total.hit) == (1, 1)

        def test_without_it_the_application_has_its_own():
            assert shop.price("pen") == 1
            assert shop.visit()[0] == b"1"
            assert default_cache().stats().total.requests == 4
        """
    )
    project.run(passed=6)


def test_a_test_moves_its_clock(project):
    """`cache_clock` is the clock of `cache`; a project that wants another time overrides it."""
    project.write(
        test_shop="""
        import time
        import pytest
        import shop
        from cachelayer.testing import FakeClock

        def test_time(cache, cache_clock):
            assert cache.clock is cache_clock
            assert abs(cache_clock() - time.time()) < 60
            shop.price("pen")
            cache_clock.advance(59)
            shop.price("pen")
            cache_clock.advance(1)
            shop.price("pen")
            assert (shop.price.stats().hit, shop.price.stats().miss) == (1, 2)

        class TestLongAgo:
            @pytest.fixture
            def cache_clock(self):
                return FakeClock(5.0)

            def test_time(self, cache):
                assert cache.clock() == 5.0
        """
    )
    project.run(passed=2)


def test_caching_can_be_off(project):
    """`no_cache`: functions and middlewares compute each time, in both colours; afterwards all is as before."""
    project.write(
        test_shop="""
        import pytest
        import shop

        def test_off(no_cache):
            assert shop.price("pen") == 2
            shop.prices["pen"] = 3
            assert shop.price("pen") == 3
            assert shop.price.stats().bypass == 2
            assert [shop.visit(), shop.visit()] == [(b"3", None)] * 2

        @pytest.mark.asyncio
        @pytest.mark.usefixtures("no_cache")
        async def test_async():
            shop.prices["pen"] = 4
            assert await shop.stock("pen") == 4
            shop.prices["pen"] = 5
            assert await shop.stock("pen") == 5

        def test_on_again():
            assert shop.price("pen") == 1
        """
    )
    project.run(passed=3)


def test_a_projects_own_fixtures(project):
    """One for all tests by autouse, and one for a cache that functions name."""
    project.write(
        conftest="""
        import pytest
        import shop
        from cachelayer.testing import isolated_cache

        pytest_plugins = ["cachelayer.testing.plugin"]

        @pytest.fixture(autouse=True)
        def _isolated(cache):
            pass

        @pytest.fixture
        def reports():
            with isolated_cache(shop.real) as cache:
                yield cache
        """,
        test_shop="""
        import shop

        def test_first():
            assert shop.price("pen") == 2

        def test_second():
            assert shop.price.stats().requests == 0

        def test_explicit(reports):
            assert shop.report() == {"pen": 2}
            assert reports.stats().total.miss == 1

        def test_explicit_again():
            assert shop.report() == {"pen": 1}
        """,
    )
    project.run(passed=4)


def test_a_test_that_fails_does_not_spoil_the_next(project):
    """What a failed test cached is gone too, and the failure is its own."""
    project.write(
        test_shop="""
        import shop

        def test_fails(cache):
            assert shop.price("pen") == 2
            assert cache.stats().total.hit == 1, "no hit"

        def test_next(cache):
            assert cache.stats().total.requests == 0
        """
    )
    assert "no hit" in project.run(failed=1, passed=1)


BUILTIN = """
    def test_the_builtin_fixture(cache):
        cache.set("shop/key", 5)
        assert cache.get("shop/key", None) == 5
"""


def test_it_does_not_load_by_itself(project):
    """Where cachelayer is merely installed, `cache` is pytest's own fixture."""
    project.write(conftest="", test_shop=BUILTIN)
    project.run(passed=1)


def test_it_loads_by_an_option(project):
    """`-p cachelayer.testing.plugin` does as conftest.py does."""
    project.write(
        conftest="",
        test_shop="from cachelayer import Cache\ndef test(cache): assert isinstance(cache, Cache)",
    )
    project.run("-p", "cachelayer.testing.plugin", passed=1)


def test_pytests_own_cache_goes_on_working(project):
    """`--lf` runs what failed, and `request.config.cache` is where pytest's cache is."""
    project.write(
        test_shop="""
        import shop

        def test_passes(cache):
            shop.price("pen")

        def test_fails(cache, request):
            request.config.cache.set("shop/key", 5)
            assert request.config.cache.get("shop/key", None) == 5
            assert shop.price("pen") == "something else"
        """
    )
    project.run(passed=1, failed=1)
    project.run("--lf", failed=1)

"""`vary=`: what a result depends on beside its arguments. Acceptance functions.md 8, 9."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from cachelayer import KeyingError, OptionTypeError, cached
from cachelayer.flow import background
from tests.functions.support import Calls, World

language: ContextVar[str] = ContextVar("language")
tenant: ContextVar[str] = ContextVar("tenant", default="none")


@pytest.fixture(autouse=True)
def _as_it_was():
    """Leave the variables as they were."""
    token = language.set("en")
    yield
    language.reset(token)


def greeting(world, calls, **options):
    """Return a cached function whose result depends on the language."""
    options.setdefault("vary", language)
    return world.cached(**options)(lambda name: [language.get(None), name, calls()])


def test_a_context_variable_is_part_of_the_key(world):
    """Each value of it has an entry, and each is a hit where it is that value's again (8)."""
    calls = Calls()
    function = greeting(world, calls)
    expected = {"en": ["en", "Ann", 1], "de": ["de", "Ann", 2]}
    for each in ("en", "de", "en", "de"):
        language.set(each)
        assert world.run(function("Ann")) == expected[each]
    assert calls.count == 2


@pytest.mark.parametrize(
    "options",
    [{}, {"key": "greeting:{name}"}, {"key": lambda name: name}],
    ids=["all", "template", "callable"],
)
def test_it_is_part_of_a_key_of_ones_own_too(world, options):
    """A template or callable says what the key is of the arguments; the variation comes on top (7, 8)."""
    function = greeting(world, Calls(), **options)
    english = function.key_for("Ann")
    assert world.run(function("Ann"))[0] == "en"
    language.set("de")
    assert function.key_for("Ann") != english
    assert world.run(function("Ann"))[0] == "de"


def test_a_callable_is_asked_at_each_call(world):
    """It takes no arguments, and what it returns is keyed by value and type (8)."""
    given = []
    function = world.cached(vary=lambda: given[-1])(lambda: [type(given[-1]).__name__, given[-1]])
    for value in (1, 1.0, True, "1", None, (1, [2])):
        given.append(value)
        assert world.run(function()) == [type(value).__name__, value]
    assert function.stats().miss == 6
    given.append(1)
    assert world.run(function()) == ["int", 1]
    assert function.stats().hit == 1


def test_several_are_kept_apart(world):
    """Two variations do not run into each other, whatever their values (3, 8)."""
    values = [("a", "bc"), ("ab", "c"), ("a:b", "c"), ("a", "b:c"), ("", "abc"), (None, "abc")]
    here = []
    function = world.cached(vary=[lambda: here[-1][0], lambda: here[-1][1]])(lambda: list(here[-1]))
    for pair in values:
        here.append(pair)
        assert world.run(function()) == list(pair)
    assert function.stats().miss == len(values)


def test_an_argument_is_not_taken_for_a_variation(world):
    """f("x") that varies with "y" shares no entry with f("xy"), nor with that of a function without vary= (3, 8)."""
    value = [""]
    function = world.cached(vary=lambda: value[0], key="k:{a}")(lambda a: a)
    plain = world.cached(key="k:{a}")(lambda a: a)
    texts = ("", "y", "1:y~", "~", "s1:y", "x", "xy", "3:k:x~s1:y", "'")
    keys = {}
    for text in texts:
        keys[plain, text] = plain.key_for(text)
        for part in texts:
            value[0] = part
            keys[function, text, part] = function.key_for(text)
    assert len(set(keys.values())) == len(keys)


def test_a_variable_without_a_value_has_an_entry_of_its_own(world):
    """Unset is not None; a default is the value it stands for (8)."""

    def unset():
        return contextless.get("unset")

    contextless: ContextVar[str | None] = ContextVar("contextless")
    function = world.cached(vary=contextless)(unset)
    assert world.run(function()) == "unset"
    contextless.set(None)
    assert world.run(function()) is None
    by_default = world.cached(vary=tenant)(lambda: [tenant.get()])
    key = by_default.key_for()
    token = tenant.set("none")
    assert by_default.key_for() == key
    tenant.reset(token)


def test_explain_key_names_them(world):
    """Each variation stands beside the arguments, by its name; two of one name are both there (9)."""

    def site():
        return 7

    function = world.cached(vary=[language, site, lambda: 1, lambda: 2])(lambda name: name)
    explained = function.explain_key("Ann")
    assert explained["name"] == "s3:Ann"
    assert explained["vary=language"] == "s2:en"
    assert explained[f"vary={site.__qualname__}"] == "i7;"
    assert [part for name, part in explained.items() if "<lambda>" in name] == ["i1;", "i2;"]


def test_methods_vary(world):
    """A bound method, a classmethod and a static one have their variations too (8, 11, 12)."""

    class Page:
        def __cache_key__(self):
            return "page"

        @world.cached(vary=language)
        def title(self):
            return f"title {language.get()}"

        @world.cached(vary=language)
        @classmethod
        def kind(cls):
            return f"kind {language.get()}"

        @world.cached(vary=language)
        @staticmethod
        def site():
            return f"site {language.get()}"

    page = Page()
    for _ in range(2):
        for each in ("en", "de"):
            language.set(each)
            for method, word in ((page.title, "title"), (Page.kind, "kind"), (Page.site, "site")):
                assert world.run(method()) == f"{word} {each}"
    assert page.title.stats().hit == Page.kind.stats().hit == Page.site.stats().hit == 2


def test_control_means_the_callers_variation(world):
    """peek, set and invalidate are about the entry that a call here would have; tags are about all (8, 36)."""
    function = greeting(world, Calls(), tags=["greetings"])
    for each in ("en", "de"):
        language.set(each)
        world.run(function("Ann"))
    assert world.run(function.invalidate("Ann"))
    assert world.run(function.peek("Ann")) is None
    language.set("en")
    assert world.run(function.peek("Ann"))[0] == "en"
    world.run(function.set("mine", "Ann"))
    assert world.run(function("Ann")) == "mine"
    world.cache.invalidate_tags("greetings")
    assert world.run(function.peek("Ann")) is None


def test_threads_and_tasks_have_their_own(store):
    """What varies is what it is in the caller's context, also where many call at once (8, 32)."""
    world = World("async", store)
    function = greeting(world, Calls())

    async def one(which):
        language.set(which)
        return (await function("Ann"))[0]

    async def scenario():
        asked = [("en", "de", "fr")[number % 3] for number in range(60)]
        tasks = [asyncio.create_task(one(which)) for which in asked]
        assert await asyncio.gather(*tasks) == asked

    asyncio.run(scenario())
    assert function.stats().miss == 3


def test_a_refresh_in_the_background_has_the_callers_variation(world):
    """What is computed behind a stale hit is stored under the variation that it was computed in (8, 25)."""
    function = greeting(world, Calls(), ttl=10, stale_while_revalidate=100)

    def call():
        async def scenario():
            result = await function("Ann")
            await background.ajoin()
            return result

        result = function("Ann") if world.colour == "sync" else asyncio.run(scenario())
        assert background.join(20)
        return result

    for each in ("en", "de"):
        language.set(each)
        call()
    world.clock.advance(15)
    for each in ("en", "de"):
        language.set(each)
        assert call()[0] == each
    for number, each in enumerate(("en", "de"), 3):
        language.set(each)
        assert call() == [each, "Ann", number]


def test_batches_vary():
    """Each item of a batch has a variation (8, 37)."""
    world = World("sync", "six methods")
    load = lambda ids: {number: [language.get(), number] for number in ids}  # noqa: E731 - cached below
    function = cached.batch(cache=world.cache, name="load", vary=language)(load)
    for _ in range(2):
        for each in ("en", "de"):
            language.set(each)
            assert function([1, 2]) == {1: [each, 1], 2: [each, 2]}
    assert function.stats().miss == function.stats().hit == 4


def test_generators_vary():
    """A run has a variation (8, 17)."""
    world, runs = World("sync", "memory"), Calls()

    @cached(cache=world.cache, vary=language)
    def words():
        runs()
        yield language.get()

    for _ in range(2):
        for each in ("en", "de"):
            language.set(each)
            assert list(words()) == [each]
    assert runs.count == 2


def test_a_value_that_cannot_be_keyed_is_told(world):
    """The error names the function and what varies (5, 8)."""
    function = world.cached(vary=[object], name="app.page")(lambda: "value")
    with pytest.raises(
        KeyingError, match=r"app\.page: vary=object gave <object object .*cannot be part of a key"
    ):
        world.run(function())


def test_what_it_raises_is_the_callers(world):
    """An error of the callable reaches the caller, a LookupError too, and nothing is computed (8)."""

    def unknown():
        raise LookupError("no request")

    calls = Calls()
    function = world.cached(vary=unknown)(lambda: [calls()])
    with pytest.raises(LookupError, match="no request"):
        world.run(function())
    assert calls.count == 0


@pytest.mark.parametrize("vary", ["language", 7, [language, None]], ids=["text", "int", "None"])
def test_what_cannot_vary_is_refused_at_decoration(vary):
    """The error says what vary= takes (8)."""
    with pytest.raises(OptionTypeError, match="vary must be a ContextVar or a callable"):
        cached(vary=vary)


def test_a_coroutine_function_is_refused_at_decoration():
    """Keys are made without awaiting anything (8)."""

    async def ask():
        return "en"

    with pytest.raises(OptionTypeError, match="is a coroutine function"):
        cached(vary=[ask])


def test_a_thread_that_set_nothing_has_the_default(store):
    """A new thread has a context of its own (8)."""
    function = World("sync", store).cached(vary=tenant)(lambda: [tenant.get()])
    tenant.set("acme")
    assert function() == ["acme"]
    seen = []
    thread = threading.Thread(target=lambda: seen.append(function()))
    thread.start()
    thread.join()
    assert seen == [["none"]]
    tenant.set("none")

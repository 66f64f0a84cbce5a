"""`{% load cachelayer %}{% cachelayer %}`: fragments of templates."""

import itertools
import threading

import pytest
from cachelayer_django import get_cache, invalidate_tags, stats
from django.conf import settings
from django.contrib.auth.models import User
from django.template import Context, Engine, RequestContext, TemplateSyntaxError
from django.test import RequestFactory
from django.test.utils import override_settings
from django.utils import timezone, translation

from cachelayer import Cache, InMemoryBackend
from cachelayer.testing import FakeClock
from tests.shells import SixMethods

ENGINE = Engine(
    libraries={"cachelayer": "cachelayer_django.templatetags.cachelayer"},
    context_processors=[
        "django.template.context_processors.csrf",
        "django.template.context_processors.request",
    ],
    builtins=["cachelayer_django.templatetags.cachelayer"],
)


@pytest.fixture(params=["memory", "six methods"])
def clock(request):
    """A site's cache in a store, by this clock."""
    clock = FakeClock()
    store = (InMemoryBackend if request.param == "memory" else SixMethods)(clock=clock)
    with override_settings(CACHELAYER={"CACHE": Cache(store, clock=clock)}):
        yield clock


@pytest.fixture
def render(clock):
    """Render a template, in which {{ n }} grows with each look at it."""
    numbers = itertools.count(1)

    def render(template, request=None, **values):
        context = {"n": lambda: next(numbers), **values}
        made = Context(context) if request is None else RequestContext(request, context)
        return ENGINE.from_string(template).render(made)

    return render


def test_a_fragment_is_made_once(render, clock):
    """Until its lifetime has passed, in seconds or as text [integrations 18]."""
    for lifetime, seconds in (("60", 60), ('"5m"', 300), ("seconds", 7)):
        name = f"f{seconds}"
        template = (
            f"{{% load cachelayer %}}{{% cachelayer {lifetime} {name} %}}{{{{ n }}}}{{% endcachelayer %}}"
        )
        first = render(template, seconds=7)
        assert render(template, seconds=7) == first
        clock.advance(seconds + 1)
        assert render(template, seconds=7) != first


def test_none_is_for_ever(render, clock):
    """As in Django's own tag [integrations 18]."""
    template = "{% cachelayer None f %}{{ n }}{% endcachelayer %}"
    first = render(template)
    clock.advance(10**9)
    assert render(template) == first


def test_what_it_varies_by_is_told_apart(render):
    """Also by type: 1 is not "1"; and names are apart [integrations 18]."""
    template = "{% cachelayer 60 f a b %}{{ n }}{% endcachelayer %}"
    given = [(1, 2), ("1", 2), ("1", "2"), (None, 2), (12, ""), ("a", "b"), ("b", "a")]
    made = [render(template, a=a, b=b) for a, b in given]
    assert len(set(made)) == len(given)
    assert [render(template, a=a, b=b) for a, b in given] == made
    assert render("{% cachelayer 60 g a b %}{{ n }}{% endcachelayer %}", a=1, b=2) not in made


def test_two_instances_with_one_text_are_two(render):
    """A user is told apart by its key, not by its name [integrations 18]."""
    template = "{% cachelayer 60 f user %}{{ user.pk }}{% endcachelayer %}"
    users = [User(pk=number, username="same") for number in (1, 2)]
    assert [render(template, user=user) for user in users] == ["1", "2"]


def test_language_and_time_zone_are_told_apart_by_themselves(render):
    """A fragment in German is no English one [integrations 18]."""
    template, made = "{% cachelayer 60 f %}{{ n }}{% endcachelayer %}", []
    for language, zone in (("de", "UTC"), ("en", "UTC"), ("en", "Europe/Oslo")):
        with translation.override(language), timezone.override(zone):
            made.append(render(template))
            assert render(template) == made[-1]
    assert len(set(made)) == 3


@pytest.mark.parametrize(
    ("tags", "dead"),
    [
        ('"notes,note:{note.pk}"', ["notes", "note:7"]),
        ("'notes'", ["notes"]),
        ("listed", ["a", "b"]),
        ("text", ["c", "d"]),
        ('text|default:"x"', ["c"]),
    ],
    ids=["template", "one", "list", "variable", "filter"],
)
def test_tags_invalidate_fragments(render, tags, dead):
    """Those of functions and responses do [integrations 18]."""
    template = f"{{% cachelayer 60 f tags={tags} %}}{{{{ n }}}}{{% endcachelayer %}}"
    values = {"note": User(pk=7), "listed": ["a", "b"], "text": "c, d"}
    for tag in dead:
        first = render(template, **values)
        invalidate_tags("else", "note:8")
        assert render(template, **values) == first
        invalidate_tags(tag)
        assert render(template, **values) != first


def test_a_visitors_text_is_no_template(render):
    """Only what stands in the tag itself is one [integrations 18]."""
    template = "{% cachelayer 60 f tags=text %}{{ n }}{% endcachelayer %}"
    first = render(template, text="{secret.key}")
    invalidate_tags("{secret.key}")
    assert render(template, text="{secret.key}") != first


def test_a_fragment_is_safe_html(render):
    """What was escaped is not escaped again, on a hit neither [integrations 18]."""
    template = "{% cachelayer 60 f %}<b>{{ text }}</b>{% endcachelayer %}"
    assert [render(template, text="<") for _ in range(2)] == ["<b>&lt;</b>"] * 2


def test_fragments_within_fragments(render):
    """The inner one lives on when the outer one is made again [integrations 18]."""
    inner = "{% cachelayer 60 inner %}{{ n }}{% endcachelayer %}"
    template = "{% cachelayer 60 outer tags='outer' %}{{ n }}-" + inner + "{% endcachelayer %}"
    first = render(template)
    invalidate_tags("outer")
    second = render(template)
    assert first != second
    assert first.partition("-")[2] == second.partition("-")[2]


@pytest.mark.parametrize("form", ["{% csrf_token %}", "{{ csrf_token }}"])
def test_a_fragment_with_a_csrf_token_is_each_visitors_own(render, form, caplog):
    """It is not cached, and the log says so; the page knows that the token was used [integrations 17]."""
    template = "{% cachelayer 60 f %}" + form + "{{ n }}{% endcachelayer %}"
    requests = [RequestFactory().get("/") for _ in range(2)]
    pages = [render(template, request) for request in requests]
    assert len(set(pages)) == 2
    assert all(request.META["CSRF_COOKIE_NEEDS_UPDATE"] for request in requests)
    assert "'f' holds a CSRF token" in caplog.text


def test_a_token_outside_of_a_fragment_is_no_matter(render):
    """A page with a form may have cached fragments, and is known to have the form [integrations 17]."""
    template = "{% csrf_token %}|{% cachelayer 60 f %}{{ n }}{% endcachelayer %}"
    requests = [RequestFactory().get("/") for _ in range(2)]
    fragments = {render(template, request).partition("|")[2] for request in requests}
    assert len(fragments) == 1
    assert all(request.META["CSRF_COOKIE_NEEDS_UPDATE"] for request in requests)


def test_a_fragment_is_computed_by_one_of_many(clock):
    """The others wait for it [integrations 18]."""
    begun, may_end, calls, pages = threading.Event(), threading.Event(), [], []

    def slow():
        calls.append(1)
        begun.set()
        assert may_end.wait(30)
        return "slow"

    template = ENGINE.from_string("{% cachelayer 60 f %}{{ slow }}{% endcachelayer %}")
    threads = [
        threading.Thread(target=lambda: pages.append(template.render(Context({"slow": slow}))))
        for _ in range(5)
    ]
    threads[0].start()
    assert begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    may_end.set()
    for thread in threads:
        thread.join()
    assert (len(calls), pages) == (1, ["slow"] * 5)


def test_statistics_count_fragments_by_name(render):
    """Beside functions [integrations 18]."""
    for _ in range(3):
        render("{% cachelayer 60 sidebar %}{{ n }}{% endcachelayer %}")
    counted = stats().functions["fragment sidebar"]
    assert (counted.hit, counted.miss) == (2, 1)


def test_an_error_in_a_fragment_is_the_templates(render):
    """And nothing is stored [integrations 18]."""
    calls = []

    def fail():
        calls.append(1)
        raise OSError("gone")

    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            render("{% cachelayer 60 f %}{{ fail }}{% endcachelayer %}", fail=fail)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("cachelayer", "takes a lifetime, a name"),
        ("cachelayer 60", "takes a lifetime, a name"),
        ("cachelayer 60 tags='x'", "takes a lifetime, a name"),
        ("cachelayer 60 f tags='x' tags='y'", "takes a lifetime, a name"),
        ("cachelayer 60 f using='x' using='y'", "takes a lifetime, a name"),
        ("cachelayer 'soon' f", "cachelayer f: the lifetime='soon'"),
        ("cachelayer missing f", "cachelayer f: the lifetime=''"),
        ("cachelayer -5 f", "cachelayer f: the lifetime=-5"),
        ("cachelayer 60 f tags=5", "tags= must be text or a list, not 5"),
        ("cachelayer 60 f using='none'", "cachelayer f: using= is 'none'"),
        ("cachelayer 60 f using='plain'", "CACHES\\['plain'\\] is DummyCache"),
    ],
    ids=range(11),
)
def test_a_tag_that_cannot_work_is_a_syntax_error(render, tag, said):
    """That says what is wrong [integrations 18]."""
    plain = {"plain": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    with (
        override_settings(CACHES={**settings.CACHES, **plain}),
        pytest.raises(TemplateSyntaxError, match=said),
    ):
        render("{% " + tag + " %}x{% endcachelayer %}")


@pytest.mark.parametrize("using", ['"fragments"', "alias"], ids=["text", "variable"])
def test_a_fragment_may_be_in_a_cache_of_caches(render, use_caches, using):
    """It is apart from that of the same name in the site's cache, and has the same tags [integrations 18]."""
    use_caches(default={}, fragments={"LOCATION": f"memory://#{using}"})
    here, there = "{% cachelayer 60 f tags='t' %}", "{% cachelayer 60 f tags='t' using=" + using + " %}"
    pages = [render(tag + "{{ n }}{% endcachelayer %}", alias="fragments") for tag in (here, there) * 2]
    assert pages[:2] == pages[2:]
    assert pages[0] != pages[1]
    invalidate_tags("t")
    assert render(there + "{{ n }}{% endcachelayer %}", alias="fragments") != pages[1]


@pytest.mark.parametrize("location", ["redis", "memcached"], indirect=True)
def test_what_another_process_has_put_into_a_shared_cache_is_reached_too(use_caches, location):
    """By tags, although nothing here has looked at that cache before [integrations 19]."""
    template = ENGINE.from_string("{% cachelayer 60 f tags='t' using='default' %}{{ n }}{% endcachelayer %}")

    def render_in_new_process(n):
        # What is known of the stores goes with the settings.
        use_caches(default={"LOCATION": location})
        return template.render(Context({"n": n}))

    assert [render_in_new_process(n) for n in (1, 2)] == ["1", "1"]
    use_caches(default={"LOCATION": location})
    invalidate_tags("t")
    assert render_in_new_process(3) == "3"


def test_a_fragment_is_in_the_sites_own_cache(clock):
    """Whichever that is now: overridden settings hold [integrations 20]."""
    template = ENGINE.from_string("{% cachelayer 60 f %}x{% endcachelayer %}")
    template.render(Context())
    first = get_cache()
    with override_settings(CACHELAYER={"BACKEND": InMemoryBackend()}):
        template.render(Context())
        assert get_cache() is not first
        assert stats().functions["fragment f"].miss == 1

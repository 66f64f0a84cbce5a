"""`{% cache %}` in templates: names, what they vary on, tags, one rendering for all who ask."""

import itertools
import threading

import pytest
from cachelayer_flask import CacheLayer
from cachelayer_flask.compat import Cache as CompatCache
from flask import Flask, render_template_string
from jinja2 import TemplateSyntaxError

from cachelayer import Cache, CacheLayerError, InMemoryBackend, bypass
from cachelayer.testing import FakeClock
from tests.shells import SixMethods


@pytest.fixture
def clock():
    """The time of the store."""
    return FakeClock()


@pytest.fixture(params=["memory", "bytes"])
def app(request, clock):
    """An application whose templates count their renderings."""
    app = Flask(__name__)
    backend = InMemoryBackend(clock=clock) if request.param == "memory" else SixMethods()
    CacheLayer(app, cache=Cache(backend, clock=clock))
    app.jinja_env.globals["count"] = itertools.count(1).__next__
    return app


def render(app, tag, body="{{ count() }}", **values):
    """Return a template that is one fragment."""
    with app.test_request_context():
        return render_template_string(f"{{% cache {tag} %}}{body}{{% endcache %}}", **values)


def cache_of(app):
    """Return the application's cache."""
    return app.extensions["cachelayer"]


def test_a_fragment_is_rendered_once(app):
    """Under its name, in whatever template it stands; counted under it [integrations 10]."""
    assert [render(app, "'sidebar', ttl=60") for _ in range(3)] == ["1"] * 3
    assert render(app, "'sidebar'", body="other") == "1"
    assert render(app, "'footer'") == "2"
    counted = cache_of(app).stats().functions["fragment:sidebar"]
    assert (counted.miss, counted.hit) == (1, 3)


def test_a_fragment_lives_as_long_as_its_ttl_says(app, clock):
    """Text or seconds; for ever where neither it nor the application says [integrations 10]."""
    for tag in ("'a', ttl='10s'", "'b', ttl=10", "'c', ttl=none", "'d'"):
        render(app, tag)
    clock.advance(11)
    assert [render(app, tag) for tag in ("'a', ttl='10s'", "'b', ttl=10", "'c'", "'d'")] == [
        "5",
        "6",
        "3",
        "4",
    ]


def test_a_default_ttl_of_the_application(clock):
    """It is for fragments too [integrations 10]."""
    app = Flask(__name__)
    CacheLayer(app, cache=Cache(InMemoryBackend(clock=clock), default_ttl=10))
    app.jinja_env.globals["count"] = itertools.count(1).__next__
    assert [render(app, "'a'"), render(app, "'a'")] == ["1", "1"]
    clock.advance(11)
    assert render(app, "'a'") == "2"


def test_what_it_varies_on_keeps_fragments_apart(app):
    """Each value with its type, so that no two lists are one [integrations 10]."""
    lists = [[1, "ab"], ["1", "ab"], ["1a", "b"], [1, "ab"], [(1, "ab")]]
    assert [render(app, "'a', vary=v", v=values) for values in lists] == ["1", "2", "3", "1", "4"]


def test_tags_are_those_of_functions_and_responses(app):
    """One invalidation removes them all [integrations 10]."""
    tag = "'post', vary=[id], tags=['posts', 'post:' ~ id]"
    assert [render(app, tag, id=number) for number in (1, 2, 1)] == ["1", "2", "1"]
    cache_of(app).invalidate_tags("post:1")
    assert [render(app, tag, id=number) for number in (1, 2)] == ["3", "2"]
    cache_of(app).purge(tag="posts")
    assert [render(app, tag, id=number) for number in (1, 2)] == ["4", "5"]


def test_what_is_invalidated_while_it_is_rendered_is_not_stored(app):
    """By its tags [integrations 10]."""
    during = [lambda: cache_of(app).invalidate_tags("posts")]
    app.jinja_env.globals["look"] = lambda: "".join("" for invalidate in during if invalidate() is None)
    tag = "'posts', tags=['posts']"
    assert render(app, tag, body="{{ look() }}{{ count() }}") == "1"
    during.clear()
    assert [render(app, tag, body="{{ look() }}{{ count() }}") for _ in range(2)] == ["2", "2"]


def test_text_is_escaped_once(app):
    """On the miss and on the hit, in a template that escapes [integrations 10]."""
    body = "<b>{{ text }}</b>"
    assert [render(app, "'a'", body, text="<i>") for _ in range(2)] == ["<b>&lt;i&gt;</b>"] * 2


def test_fragments_within_fragments_and_loops(app):
    """With the variables of the template around them [integrations 10]."""
    body = "{% for n in (1, 2) %}{% cache 'item', vary=[n] %}{{ n }}:{{ count() }} {% endcache %}{% endfor %}"
    assert [render(app, "'list'", body) for _ in range(2)] == ["1:1 2:2 "] * 2


def test_of_those_who_ask_at_the_same_time_one_renders(app):
    """The others get what it rendered [integrations 10]."""
    started, go_on = threading.Event(), threading.Event()

    def slow():
        started.set()
        assert go_on.wait(20)
        return app.jinja_env.globals["count"]()

    app.jinja_env.globals["slow"] = slow
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(render(app, "'a'", "{{ slow() }}"))) for _ in range(4)
    ]
    threads[0].start()
    assert started.wait(20)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert answers == ["1"] * 4


def test_caching_that_is_off_renders_each_time(app):
    """In a bypass block, or over no store [integrations 10]."""
    assert render(app, "'a'") == "1"
    with bypass():
        assert render(app, "'a'") == "2"
    off = Flask("off")
    CacheLayer(off, backend="null://")
    off.jinja_env.globals["count"] = itertools.count(1).__next__
    assert [render(off, "'a'"), render(off, "'a'")] == ["1", "2"]


@pytest.mark.parametrize(
    ("tag", "named"),
    [("'a', tll=5", "ttl, vary, tags"), ("'a', ttl=5, ttl=6", "once each"), ("'a', 60", "name")],
    ids=range(3),
)
def test_mistakes_in_the_tag_show_when_the_template_is_read(app, tag, named):
    """With the line [integrations 10]."""
    with pytest.raises(TemplateSyntaxError, match=named):
        render(app, tag)


@pytest.mark.parametrize(
    ("tag", "named"),
    [
        ("'a', vary='ab'", "vary"),
        ("'a', tags='ab'", "tags"),
        ("'a', vary=[thing]", "vary"),
        ("'a', ttl=-1", "ttl"),
    ],
    ids=range(4),
)
def test_values_that_cannot_work_are_refused(app, tag, named):
    """By the name of the option [integrations 10]."""
    with pytest.raises(CacheLayerError, match=named):
        render(app, tag, thing=object())


def test_the_tag_comes_to_an_environment_that_is_there_already():
    """And leaves another extension's tag of that name alone [integrations 10]."""
    app = Flask(__name__)
    app.jinja_env.globals["count"] = itertools.count(1).__next__
    CacheLayer(app)
    assert [render(app, "'a'"), render(app, "'a'")] == ["1", "1"]
    other = Flask("other")
    other.jinja_env.globals["count"] = itertools.count(1).__next__
    CompatCache(other, config={"CACHE_TYPE": "SimpleCache"})
    CacheLayer(other)
    assert [render(other, "60, 'a'"), render(other, "60, 'a'")] == ["1", "1"]

"""Tags that are tied to models."""

import asyncio

import pytest
from cachelayer_django import get_cache
from cachelayer_django.signals import invalidate_on_commit, tie
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test.utils import override_settings

import cachelayer
from cachelayer import InMemoryBackend
from cachelayer.errors import ConfigurationError, OptionTypeError
from tests.integrations.django.notes.models import Label, Note, OldNote

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _site():
    with override_settings(CACHELAYER={"BACKEND": InMemoryBackend()}):
        yield


@pytest.fixture
def tied():
    """Tie tags to a model for the test."""
    ties = []

    def add(*args):
        ties.append(tie(*args))
        return ties[-1]

    yield add
    for each in ties:
        each.undo()


class Watch:
    """An entry for each tag: tells which of them were invalidated since it was last asked."""

    def __init__(self, *tags):
        self._functions = {tag: self._make(tag) for tag in tags}
        self.gone()

    def gone(self):
        """Return the tags that were invalidated."""
        found = [tag for tag, function in self._functions.items() if function.peek() is None]
        for tag in found:
            self._functions[tag]()
        return found

    @staticmethod
    def _make(tag):
        return cachelayer.cached(cache=get_cache(), name=f"watch {tag}", tags=[tag])(lambda: "there")


def test_saving_and_deleting_invalidates(tied):
    """Those of the instance alone, and those of all [integrations 21]."""
    tied(Note, "notes", "note:{pk}")
    one, other = Note.objects.create(), Note.objects.create()
    watch = Watch("notes", f"note:{one.pk}", f"note:{other.pk}", "else")
    one.save()
    assert watch.gone() == ["notes", f"note:{one.pk}"]
    mine = f"note:{one.pk}"
    one.delete()
    assert watch.gone() == ["notes", mine]
    Note.objects.all().delete()
    assert watch.gone() == ["notes", f"note:{other.pk}"]


def test_it_is_done_on_commit(tied):
    """While the transaction is open others would only read what was there before [integrations 21]."""
    tied("notes.Note", "notes")
    watch = Watch("notes")
    with transaction.atomic():
        Note.objects.create()
        assert watch.gone() == []
    assert watch.gone() == ["notes"]


def test_what_is_rolled_back_invalidates_nothing(tied):
    """Neither the transaction nor a savepoint within it [integrations 21]."""
    tied(Note, "notes", "by:{author}")
    watch = Watch("notes", "by:ann", "by:bob")

    def fail(author):
        with transaction.atomic():
            Note.objects.create(author=author)
            raise OSError("no")

    with pytest.raises(OSError, match="no"):
        fail("ann")
    assert watch.gone() == []
    with transaction.atomic():
        Note.objects.create(author="bob")
        with pytest.raises(OSError, match="no"):
            fail("ann")
    assert watch.gone() == ["notes", "by:bob"]


def test_what_an_instance_was_before_counts(tied):
    """A note that goes from one author to another changes the pages of both [integrations 21]."""
    tied(Note, "by:{author}", lambda note: f"initial:{note.author[0]}")
    note = Note.objects.create(author="ann")
    watch = Watch("by:ann", "by:bob", "by:cy", "initial:a", "initial:b")
    note.author = "bob"
    note.save()
    assert watch.gone() == ["by:ann", "by:bob", "initial:a", "initial:b"]


def test_lasting_tags_read_nothing(tied, django_assert_queries):
    """An instance is read again only where its tags could have been others [integrations 21]."""
    tied(Note, "notes", "note:{pk}", "note:{id}")
    note = Note.objects.create()
    assert django_assert_queries(note.save) == 1
    tied(Note, "by:{author}")
    assert django_assert_queries(note.save) == 2


@pytest.fixture
def django_assert_queries():
    """Count the queries of a call."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def count(call):
        with CaptureQueriesContext(connection) as captured:
            call()
        return sum(query["sql"].startswith(("SELECT", "UPDATE", "INSERT")) for query in captured)

    return count


def test_a_proxy_is_the_model(tied):
    """Whichever of its classes saves [integrations 21]."""
    tied(Note, "notes")
    watch = Watch("notes")
    OldNote.objects.create()
    assert watch.gone() == ["notes"]


def test_many_to_many_relations_count_from_both_sides(tied):
    """Adding, removing, setting and clearing [integrations 21]."""
    tied(Note, "note:{pk}")
    note, other, label = Note.objects.create(), Note.objects.create(), Label.objects.create()
    mine = f"note:{note.pk}"
    watch = Watch(mine, f"note:{other.pk}")
    changes = (
        lambda: note.labels.add(label),
        lambda: note.labels.remove(label),
        lambda: label.notes.add(note),
        label.notes.clear,
        lambda: note.labels.set([label]),
        note.labels.clear,
    )
    for change in changes:
        change()
        assert watch.gone() == [mine]


def test_a_callable_may_name_none_or_several(tied):
    """As it does for functions [integrations 21]."""
    tied(Note, lambda note: None, lambda note: ["a", "b"])
    watch = Watch("a", "b", "c")
    Note.objects.create()
    assert watch.gone() == ["a", "b"]


def test_async_saves_invalidate(tied):
    """Django runs them in a thread [integrations 21]."""
    tied(Note, "notes")
    watch = Watch("notes")
    asyncio.run(Note.objects.acreate())
    assert watch.gone() == ["notes"]


def test_without_signals_one_says_so():
    """After `QuerySet.update`, say; at once where no transaction is open [integrations 21]."""
    watch = Watch("notes")
    with transaction.atomic():
        invalidate_on_commit("notes")
        assert watch.gone() == []
    assert watch.gone() == ["notes"]
    invalidate_on_commit("notes")
    assert watch.gone() == ["notes"]


def test_undone_ties_do_nothing(tied):
    """For tests [integrations 21]."""
    tied(Note, "notes").undo()
    watch = Watch("notes")
    Note.objects.create().labels.add(Label.objects.create())
    assert watch.gone() == []


def test_a_tie_that_cannot_work_is_refused(monkeypatch):
    """Where it is made [integrations 21]."""
    with pytest.raises(ConfigurationError, match="at least one tag"):
        tie(Note)
    with pytest.raises(OptionTypeError, match="5"):
        tie(Note, 5)
    monkeypatch.setattr(apps, "models_ready", False)
    with pytest.raises(ImproperlyConfigured, match="ready"):
        tie("notes.Note", "notes")

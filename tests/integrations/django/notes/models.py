"""Models for the tests."""

from django.db import models


class Label(models.Model):
    """A label that notes have."""

    name = models.CharField(max_length=50)


class Note(models.Model):
    """A note of somebody's."""

    author = models.CharField(max_length=50)
    labels = models.ManyToManyField(Label, related_name="notes")


class OldNote(Note):
    """The same notes."""

    class Meta:
        """As Django has it."""

        proxy = True

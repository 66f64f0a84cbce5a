"""Invalidation when models are saved, as soon as the transaction is committed, and not at all where it is rolled back.

    from cachelayer_django.signals import tie

    class ShopConfig(AppConfig):
        def ready(self):
            tie(Product, "products", "product:{pk}", "category:{category_id}")

Saving, deleting and changing many-to-many relations of a product then invalidates these tags: of functions, responses
and template fragments alike. `QuerySet.update`, `bulk_create`, `bulk_update` and raw SQL send no signals, in Django as
here: call `invalidate_on_commit` beside them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from string import Formatter
from typing import Any, Final

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import models, router, transaction
from django.db.models import signals

from cachelayer.errors import ConfigurationError, OptionTypeError
from cachelayer_django.conf import invalidate_tags

#: A template such as "product:{pk}", or a callable of the instance that returns a tag, several, or None.
Tag = str | Callable[[Any], str | Iterable[str] | None]

#: What cannot change while an instance stays the same.
_LASTING: Final = re.compile(r"(pk|id)\b")
_FORMER: Final = "_cachelayer_former_tags"


def invalidate_on_commit(*tags: str, using: str | None = None) -> None:
    """Invalidate tags of the site's cache once the transaction under way is committed; at once where there is none.

    Args:
        tags: as functions, rules, responses and fragments have them.
        using: the database; None is the default one.
    """
    if tags:
        # robust: what is committed has been done, whatever becomes of the cache.
        transaction.on_commit(lambda: invalidate_tags(*tags), using=using, robust=True)


def tie(model: type[models.Model] | str, *tags: Tag) -> Tie:
    """Invalidate tags whenever an instance of a model is saved or deleted, or its many-to-many relations change.

    Call it in an `AppConfig.ready`. Where a tag depends on more than the primary key, an instance is read once more
    before it is saved, so that the tags which it had are invalidated beside those that it has.

    Args:
        model: the class, or its name, such as "shop.Product". Proxies of it count, too.
        tags: templates whose fields are the instance's attributes, such as "product:{pk}" or
            "category:{category.slug}", or callables.

    Returns:
        What has been tied, to `undo()` it.

    Raises:
        ConfigurationError: there is no tag.
        OptionTypeError: a tag is neither text nor callable.
        ImproperlyConfigured: the models are not loaded yet.
    """
    if not tags:
        raise ConfigurationError(
            "tie() needs at least one tag, such as tie(Product, 'products', 'product:{pk}')"
        )
    for tag in tags:
        if not isinstance(tag, str) and not callable(tag):
            raise OptionTypeError(f"a tag must be str or a callable of the instance, not {tag!r}")
    if not apps.models_ready:
        raise ImproperlyConfigured(
            "tie() was called before the models were loaded: call it in AppConfig.ready()"
        )
    return Tie(apps.get_model(model) if isinstance(model, str) else model, tags)


class Tie:
    """Tags that are tied to a model."""

    def __init__(self, model: type[models.Model], tags: tuple[Tag, ...]) -> None:
        self._model, self._tags = model, tags
        self._reads_former = any(map(_can_change, tags))
        self._connected: list[tuple[Any, Any, Any]] = []
        for kind in (model, *_proxies_of(model)):
            self._connect(signals.pre_save, self._before_save, kind)
            self._connect(signals.post_save, self._after_save, kind)
            self._connect(signals.post_delete, self._after_delete, kind)
        for field in model._meta.many_to_many:
            relation: Any = field.remote_field
            self._connect(signals.m2m_changed, self._relations(field.name), relation.through)

    def undo(self) -> None:
        """Tie them no longer."""
        for signal, receiver, sender in self._connected:
            signal.disconnect(receiver, sender)
        self._connected.clear()

    def _connect(self, signal: Any, receiver: Any, sender: Any) -> None:
        signal.connect(receiver, sender, weak=False)
        self._connected.append((signal, receiver, sender))

    def _before_save(self, *, instance: Any, raw: bool, using: str, **_: Any) -> None:
        if not self._reads_former or raw or instance.pk is None or instance._state.adding:
            return
        former = self._model._base_manager.using(using).filter(pk=instance.pk).first()
        if former is not None:
            setattr(instance, _FORMER, self._tags_of(former))

    def _after_save(self, *, instance: models.Model, using: str, **_: Any) -> None:
        former: set[str] = vars(instance).pop(_FORMER, set[str]())
        invalidate_on_commit(*sorted(former | self._tags_of(instance)), using=using)

    def _after_delete(self, *, instance: Any, using: str, **_: Any) -> None:
        invalidate_on_commit(*sorted(self._tags_of(instance)), using=using)

    def _relations(self, field: str) -> Callable[..., None]:
        """Return what is told of changes of one many-to-many field, from either side."""

        def changed(
            *, instance: Any, action: str, reverse: bool, pk_set: Any, using: str | None, **_: Any
        ) -> None:
            is_due = action in {"post_add", "post_remove", "post_clear"}
            if not reverse:
                changes = [instance] if is_due else []
            elif pk_set is not None:
                changes = self._found(using, pk__in=pk_set) if is_due else []
            else:
                # Cleared from the other side: only before it is done can anybody tell what it was.
                changes = self._found(using, **{field: instance}) if action == "pre_clear" else []
            tags = set[str]().union(*map(self._tags_of, changes))
            invalidate_on_commit(*sorted(tags), using=using or router.db_for_write(self._model))

        return changed

    def _found(self, using: str | None, **wanted: Any) -> list[Any]:
        return list(self._model._base_manager.using(using).filter(**wanted))

    def _tags_of(self, instance: Any) -> set[str]:
        return {made for tag in self._tags for made in _made(tag, instance)}


class _Attributes(dict[str, Any]):
    """An instance's attributes as a format's fields."""

    def __init__(self, instance: Any) -> None:
        super().__init__()
        self._instance = instance

    def __missing__(self, name: str) -> Any:
        return getattr(self._instance, name)


def _made(tag: Tag, instance: Any) -> Iterable[str]:
    if isinstance(tag, str):
        return (tag.format_map(_Attributes(instance)),)
    made = tag(instance)
    return () if made is None else (made,) if isinstance(made, str) else made


def _can_change(tag: Tag) -> bool:
    if not isinstance(tag, str):
        return True
    fields = (name for _, name, _, _ in Formatter().parse(tag) if name is not None)
    return not all(map(_LASTING.fullmatch, fields))


def _proxies_of(model: type[models.Model]) -> list[type[models.Model]]:
    known: Iterable[type[models.Model]] = apps.get_models(include_auto_created=True)
    return [other for other in known if other._meta.proxy and other._meta.concrete_model is model]

"""Generations in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cachelayer.backends.generations import generation_key, new_generation
from cachelayer.backends.redis.core import GENERATION_LIFETIME
from cachelayer.backends.redis.exchange import Command
from cachelayer.backends.redis.scripts import GENERATION, SOFTEN
from cachelayer.backends.redis.writing import Writing
from cachelayer.flows import Flow, arun, run


class Tags(Writing):
    """What tags, namespaces and fences stand on."""

    def soften_generations(self, names: Iterable[str]) -> None:
        """Change each name's generation so that what was stored under the old one is stale, and not dead."""
        run(self.flow("soften_generations", list(names)))

    async def asoften_generations(self, names: Iterable[str]) -> None:
        """Async twin of `soften_generations`."""
        await arun(self.flow("soften_generations", list(names)))

    def _generations(self, names: Sequence[str]) -> Flow[dict[str, bytes]]:
        keys = {name: generation_key(name) for name in names}
        replies = yield from self._read(list(keys.values()))
        held = {name: self._text(reply) for name, reply in zip(keys, replies, strict=True)}
        missing = [name for name, generation in held.items() if generation is None]
        if missing:
            made = yield from self._demand(*[self._make_generation(keys[name]) for name in missing])
            held.update(zip(missing, made, strict=True))
        return {name: generation for name, generation in held.items() if generation is not None}

    def _make_generation(self, key: str) -> Command:
        return GENERATION.call([self.layout.name(key)], new_generation(), GENERATION_LIFETIME)

    def _bump_generations(self, names: Sequence[str]) -> Flow[None]:
        if names:
            yield from self._write(
                {generation_key(name): new_generation() for name in names}, GENERATION_LIFETIME
            )

    def _soften_generations(self, names: Sequence[str]) -> Flow[None]:
        commands = [
            SOFTEN.call(
                [self.layout.name(generation_key(name))],
                new_generation(),
                new_generation(),
                GENERATION_LIFETIME,
            )
            for name in names
        ]
        if commands:
            yield from self._demand(*commands)

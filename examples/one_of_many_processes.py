"""Four processes want one value, from a store that they share: one of them computes it."""

import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from cachelayer import Cache, cached
from cachelayer.backends.disk import DiskBackend

WORKERS = 4


def work(folder: str, everybody: Any, answers: Any) -> None:
    """Ask for the report at the same time as the others."""
    with DiskBackend(Path(folder) / "cache.db") as backend:

        @cached(cache=Cache(backend), ttl="1h", lock="distributed", name="report")
        def report(year: int) -> str:
            (Path(folder) / f"computed-by-{os.getpid()}").touch()
            time.sleep(0.1)  # so that the others ask meanwhile
            return f"report of {year}"

        everybody.wait()
        answers.put(report(2024))


def main() -> None:
    """Start the processes, and see who did what."""
    context = multiprocessing.get_context("spawn")
    everybody, answers = context.Barrier(WORKERS), context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        workers = [context.Process(target=work, args=(folder, everybody, answers)) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        print(f"{WORKERS} answers:", {answers.get() for _ in workers})
        for worker in workers:
            worker.join()
        print("computed by:", len(list(Path(folder).glob("computed-by-*"))))


if __name__ == "__main__":
    main()

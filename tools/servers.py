"""The programs that tests talk to, servers and a browser, named as commands: Debian calls their packages the same."""

import os
import shutil
import subprocess
from typing import Final

PROGRAMS: Final = ("redis-server", "memcached", "chromium")


def missing() -> list[str]:
    """Return the programs that are not on PATH."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def remedy(names: list[str]) -> str:
    """Return the command that brings them."""
    return f"apt-get install {' '.join(names)}"


def install() -> None:
    """Install what is missing, where that can be done: as root, with apt. Elsewhere the rest is tested without."""
    names = missing()
    apt = shutil.which("apt-get")
    if not names or os.geteuid() != 0 or apt is None:
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-qq", "--yes", "--no-install-recommends", *names]):
        done = subprocess.run([apt, *words], env=environment, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            print(f"apt-get {' '.join(words)} failed with {done.returncode}", flush=True)
            return

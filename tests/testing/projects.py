"""Projects of users, with a pytest of their own."""

import os
import re
import subprocess
import sys
import textwrap


class Project:
    """A folder with an application and tests."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, **files):
        """Write modules."""
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(textwrap.dedent(text))

    def run(self, *options, **expected):
        """Run pytest and compare its counts with those expected; return what it says."""
        said = self.run_and_see(*options)
        counts = re.findall(r"(\d+) (passed|failed|error)", said.splitlines()[-1])
        assert {word: int(count) for count, word in counts} == expected, said
        return said

    def run_and_see(self, *options):
        """Run pytest, strict and with warnings as errors; return what it says."""
        settings = ["-o", "strict=true", "-o", "asyncio_default_fixture_loop_scope=function"]
        # Of the plugins installed here a project has the one that its async tests need; finding the others takes long.
        command = [
            sys.executable,
            "-W",
            "error",
            "-m",
            "pytest",
            "-p",
            "pytest_asyncio.plugin",
            "-W",
            "error",
        ]
        ours = ("CACHELAYER_URL", "PYTEST_ADDOPTS")
        environment = {name: text for name, text in os.environ.items() if name not in ours}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        process = subprocess.run(
            [*command, *settings, "--rootdir", self.folder, *options],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return (process.stderr + process.stdout).strip()

"""The test suites of frameworks that come with their source distributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Suite:
    """One framework's tests.

    Attributes:
        release: what pip is to download.
        needs: what its tests import, beside the framework.
        tests: the folder that they are in.
        collapse: the middleware's option. Of equal requests at the same time all but one wait for a second, which is
            meant so; tests that count how many are in an endpoint at once go without.
    """

    release: str
    needs: tuple[str, ...] = ()
    tests: str = "tests"
    collapse: bool = True


#: What the middleware and the tests of any framework import.
COMMON: Final = (
    "httpx", "httpx2[zstd]", "pytest>=9,<9.2", "pytest-timeout", "anyio[trio]", "msgspec", "http-sf", "wrapt",
)  # fmt: skip
SUITES: Final = {
    "starlette": Suite(
        "starlette[full]>=1.10,<1.11", ("blockbuster", "importlib-metadata", "opentelemetry-sdk", "trio")
    ),
    "fastapi": Suite(
        "fastapi[all]>=0.165,<0.166",
        (
            "dirty-equals", "inline-snapshot", "pyjwt", "sqlmodel", "orjson", "ujson", "flask", "a2wsgi",
            "strawberry-graphql", "python-slugify", "pwdlib[argon2]", "typer", "pyyaml", "pydantic-extra-types",
            "opentelemetry-instrumentation-fastapi", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http",
            "sentry-sdk", "logfire", "ty", "mypy", "pytest-xdist",
        ),
        collapse=False,
    ),
    "falcon": Suite(
        "falcon>=4.4,<4.5",
        (
            "pyyaml", "requests", "aiofiles", "uvicorn", "websockets", "cbor2", "msgpack", "mujson", "ujson",
            "python-rapidjson", "orjson",
        ),
    ),
    "flask": Suite("flask[async,dotenv]>=3.1,<3.2", ("greenlet", "pytest<9.1")),
    "werkzeug": Suite("werkzeug[watchdog]>=3.1,<3.2", ("cffi", "cryptography", "ephemeral-port-reserve")),
    "bottle": Suite("bottle>=0.13,<0.14", ("mako", "jinja2"), tests="test"),
    "webob": Suite("webob>=1.8,<1.9", ("legacy-cgi; python_version >= '3.13'",)),
    "pyramid": Suite("pyramid>=2.1,<2.2", ("webtest", "zope.component")),
}  # fmt: skip

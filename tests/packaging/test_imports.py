"""What importing cachelayer loads, and above all what it does not."""

import subprocess
import sys

import pytest

FOREIGN = {
    "anyio", "click", "django", "fastapi", "flask", "gunicorn", "httpx", "numpy", "opentelemetry", "pandas",
    "pyarrow", "zstandard",
    "prometheus_client", "pydantic", "pymemcache", "pytest", "redis", "rich", "starlette", "trio", "uvicorn",
    "werkzeug",
}  # fmt: skip

# Each of these is one of the places that may depend on more than the core does.
IMPORT_ALL_OF_THE_CORE = """
import cachelayer, importlib, pkgutil
outside = {"cachelayer." + name for name in ("__main__", "cli", "demo", "doctor", "testing")}
def walk(package):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if module.name not in outside:
            imported = importlib.import_module(module.name)
            if module.ispkg:
                walk(imported)
walk(cachelayer)
"""


@pytest.mark.parametrize(
    "code", ["import cachelayer", IMPORT_ALL_OF_THE_CORE], ids=["the package", "all core modules"]
)
def test_importing_loads_no_framework_and_no_client_library(code: str):
    """Frameworks and client libraries are loaded by those who use them, when they use them."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    process = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in process.stdout.split()}
    assert "cachelayer" in loaded
    assert loaded & FOREIGN == set()

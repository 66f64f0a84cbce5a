"""FastAPI: a view that is cached behind its dependencies, with tags, and a handle that invalidates it.

To serve it: uvicorn fastapi_app:app --app-dir examples
"""

from typing import Annotated

from cachelayer_starlette import CacheControl, CacheMiddleware, cache_control, cached_view
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from cachelayer import Cache

cache = Cache()
notes = {"milk": "two bottles"}

app = FastAPI()
app.add_middleware(CacheMiddleware, cache=cache)
Caching = Annotated[CacheControl, Depends(cache_control())]


@app.get("/notes/{name}")
@cached_view(ttl="10m", tags=["note:{name}"])
def read_note(name: str) -> dict[str, str]:
    """Show a note: cached, under a tag of its own."""
    return {"name": name, "text": notes.get(name, "")}


@app.put("/notes/{name}")
async def write_note(name: str, text: str, caching: Caching) -> dict[str, str]:
    """Change a note, and invalidate what shows it."""
    notes[name] = text
    await caching.ainvalidate(f"note:{name}")
    return {"name": name, "text": text}


@app.get("/stats")
def stats() -> dict[str, dict[str, object]]:
    """Show what the cache counted, by path template."""
    return {label: counted.to_dict() for label, counted in cache.stats().routes.items()}


def main() -> None:
    """Read a note twice, change it, and read it again."""
    client = TestClient(app)
    for step in ("read", "read", "write", "read"):
        if step == "write":
            client.put("/notes/milk", params={"text": "three bottles"})
            continue
        response = client.get("/notes/milk")
        print(response.json()["text"], "|", response.headers["cache-status"])
    for label, counted in client.get("/stats").json().items():
        print(label, "| hit", counted["hit"], "| miss", counted["miss"], "| bypass", counted["bypass"])


if __name__ == "__main__":
    main()

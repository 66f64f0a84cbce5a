"""FastAPI: the middleware, rules with tags, and one call that invalidates a page when its data change.

To serve it: uvicorn fastapi_app:app --app-dir examples
"""

from cachelayer_starlette import CacheMiddleware, Rule
from fastapi import FastAPI
from fastapi.testclient import TestClient

from cachelayer import Cache

cache = Cache()
notes = {"milk": "two bottles"}

app = FastAPI()
app.add_middleware(
    CacheMiddleware, cache=cache, rules=[Rule(path="/notes/{name}", ttl="10m", tags=["note:{name}"])]
)


@app.get("/notes/{name}")
def read_note(name: str) -> dict[str, str]:
    """Show a note: cached, under a tag of its own."""
    return {"name": name, "text": notes.get(name, "")}


@app.put("/notes/{name}")
async def write_note(name: str, text: str) -> dict[str, str]:
    """Change a note, and invalidate what shows it."""
    notes[name] = text
    await cache.ainvalidate_tags(f"note:{name}")
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

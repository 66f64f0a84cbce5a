"""Flask: pages cached by their own Cache-Control, or by a decorator on the view, and a cached function behind both.

To serve it: flask --app examples/flask_app.py run
"""

from typing import Any

from cachelayer_flask import CacheLayer
from flask import Flask, Response, jsonify

app = Flask(__name__)
cache = CacheLayer(app)


@cache.cached(ttl="10m")
def primes(limit: int) -> list[int]:
    """Return the prime numbers below `limit`."""
    return [n for n in range(2, limit) if all(n % d for d in range(2, int(n**0.5) + 1))]


@app.get("/primes/<int:limit>")
def show_primes(limit: int) -> Response:
    """List prime numbers: everybody may keep the page for ten minutes."""
    response = jsonify(primes(limit))
    response.cache_control.public = True
    response.cache_control.max_age = 600
    return response


@app.get("/count/<int:limit>")
@cache.cached_view(ttl="5m", tags=["primes:{limit}"])
def count_primes(limit: int) -> dict[str, int]:
    """Count prime numbers: kept for five minutes here, and by nobody else."""
    return {"primes": len(primes(limit))}


@app.get("/stats")
def stats() -> dict[str, Any]:
    """Show what the cache counted."""
    return cache.stats().to_dict()


def main() -> None:
    """Ask twice for each page, and then for the statistics."""
    client = app.test_client()
    for path in ("/primes/20000", "/primes/20000", "/count/20000", "/count/20000"):
        print(path, "|", client.get(path).headers["cache-status"])
    counted = client.get("/stats").get_json()
    for label, one in (*counted["routes"].items(), *counted["functions"].items()):
        print(f"{label} | hit rate {one['hit_rate']:.0%}")


if __name__ == "__main__":
    main()

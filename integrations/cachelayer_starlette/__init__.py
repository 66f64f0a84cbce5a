"""cachelayer for Starlette."""

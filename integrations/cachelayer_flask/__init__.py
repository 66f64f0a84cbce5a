"""cachelayer for Flask."""

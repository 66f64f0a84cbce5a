"""cachelayer for Django."""

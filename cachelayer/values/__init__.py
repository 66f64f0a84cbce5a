"""Objects to bytes and back: the envelope, the codecs, and caller-safe copies within a process."""

# Each puts its codecs into the table of nodes.
from cachelayer.values import arrays, frames, standard

__all__ = ["arrays", "frames", "standard"]

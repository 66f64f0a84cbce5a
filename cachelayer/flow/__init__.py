"""Get or compute, once: written as generators that yield steps, and driven in either colour."""

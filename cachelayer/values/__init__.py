"""Objects to bytes and back: the envelope, the codecs, and caller-safe copies within a process."""

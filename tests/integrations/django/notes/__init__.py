"""An application with models."""

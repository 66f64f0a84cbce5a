"""Every test here runs through both shells, over two kinds of store; those with `any_site` over every kind."""

from tests.shells import any_site, any_store, site, store

__all__ = ["any_site", "any_store", "site", "store"]

"""The API: pages of posts as JSON, for programs with or without cookies."""

from typing import Any

from flask import Blueprint, request, url_for

from .caching import cache
from .posts import page_of, wanted_page

api = Blueprint("api", __name__, url_prefix="/api")


@api.get("/posts")
@cache.cached_view(ttl="1m", tags=["posts"], shared=True, only_query=["page", "per_page"], sort_query=True)
def list_posts() -> dict[str, Any]:
    """Return one page, with the URL of the next. Parameters that nobody reads make no entry of their own."""
    per_page = min(max(request.args.get("per_page", 5, type=int), 1), 50)
    found = page_of(wanted_page(), per_page)
    following = (
        url_for("api.list_posts", page=found["page"] + 1, per_page=per_page) if found["more"] else None
    )
    return {"posts": found["posts"], "next": following}

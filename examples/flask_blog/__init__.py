"""A blog with Flask: a database, sessions, login, forms, an API; and what is cached of it, for whom and how long.

To serve it: flask --app examples/flask_blog run

Log in as ann, with the password "ann's secret". Its tests are tests/integrations/flask/test_blog.py.
"""

import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from flask import Flask

from .accounts import accounts
from .api import api
from .caching import cache
from .database import close_database, fill, init_database
from .posts import posts


def create_app(**settings: Any) -> Flask:
    """Return the application.

    Args:
        settings: go before those of the environment: DATABASE, a file; CACHELAYER_BACKEND, a URL.
    """
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(),
        DATABASE=str(Path(tempfile.gettempdir()) / "cachelayer_blog.sqlite"),
        # A shared store lets several workers see each other's purges: redis://localhost.
        CACHELAYER_BACKEND=os.environ.get("CACHELAYER_URL", "memory://"),
    )
    app.config.update(settings)
    cache.init_app(app)
    for blueprint in (accounts, posts, api):
        app.register_blueprint(blueprint)
    app.teardown_appcontext(close_database)
    with app.app_context():
        if init_database():
            fill()
    return app

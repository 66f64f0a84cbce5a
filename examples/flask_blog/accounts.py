"""Who asks: sessions, login, and tokens that keep other sites from sending our forms."""

import functools
import hmac
import secrets
from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, flash, g, redirect, render_template, request, session, url_for
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response

from .database import rows

accounts = Blueprint("accounts", __name__)


@accounts.before_app_request
def load_user() -> None:
    """Find out who asks. It runs before anything of a view is served from the cache."""
    found = rows("SELECT id, name FROM user WHERE id = ?", [session["user"]]) if "user" in session else []
    g.user = found[0] if found else None


@accounts.before_app_request
def check_token() -> None:
    """Refuse forms that are not ours."""
    if request.method == "POST":
        sent, expected = request.form.get("token", ""), session.get("token", "")
        if not expected or not hmac.compare_digest(sent, expected):
            abort(400, "The form has expired.")


@accounts.app_template_global()
def token() -> str:
    """Return the token of this visitor's forms. It uses the session, so no page that has a form is shared."""
    return session.setdefault("token", secrets.token_hex())


def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Send those who are not logged in to the login; it goes above `cached_view`."""

    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if g.user is None:
            return redirect(url_for("accounts.login"))
        return view(*args, **kwargs)

    return wrapper


@accounts.route("/login", methods=["GET", "POST"])
def login() -> Response | str:
    """Log in."""
    if request.method == "POST":
        found = rows("SELECT id, password FROM user WHERE name = ?", [request.form["name"]])
        if found and check_password_hash(found[0]["password"], request.form["password"]):
            session.clear()
            session["user"] = found[0]["id"]
            return redirect(url_for("posts.index"))
        flash("Nobody has this name and password.")
    return render_template("login.html")


@accounts.post("/logout")
def logout() -> Response:
    """Log out."""
    session.clear()
    return redirect(url_for("posts.index"))

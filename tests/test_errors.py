"""The errors a user can meet."""

import inspect

import pytest

from cachelayer import errors
from cachelayer.errors import CacheLayerError, MissingExtraError

BUILTINS = {
    "ConfigurationError": ValueError,
    "OptionTypeError": TypeError,
    "KeyingError": TypeError,
    "EncodingError": TypeError,
    "DecodingError": ValueError,
    "BackendError": ConnectionError,
    "ComputationTimeoutError": TimeoutError,
    "BackendClosedError": RuntimeError,
    "UnsupportedOperationError": NotImplementedError,
    "MissingExtraError": ImportError,
}
ERRORS = dict(inspect.getmembers(errors, inspect.isclass))


def test_every_error_is_in_this_table():
    """Each error but the base has a builtin that one would expect."""
    assert set(ERRORS) == {"CacheLayerError", *BUILTINS}


@pytest.mark.parametrize("name", BUILTINS)
def test_an_error_is_ours_and_a_builtin(name: str):
    """Who catches the builtin, or all of ours, catches it; and it says what it is for."""
    assert issubclass(ERRORS[name], CacheLayerError)
    assert issubclass(ERRORS[name], BUILTINS[name])
    assert ERRORS[name].__doc__


def test_the_base_is_no_builtin_but_exception():
    """Catching CacheLayerError catches nothing of others."""
    assert CacheLayerError.__bases__ == (Exception,)


def test_a_missing_extra_has_the_install_line():
    """The message can be pasted into a shell."""
    error = MissingExtraError("RedisBackend", "redis")
    assert str(error) == "RedisBackend needs an optional dependency: pip install 'cachelayer[redis]'"


@pytest.mark.parametrize("name", sorted(set(BUILTINS) - {"MissingExtraError"}))
def test_an_error_is_its_message(name: str):
    """An error made of a message shows that message, and nothing else."""
    assert str(ERRORS[name]("what and why")) == "what and why"

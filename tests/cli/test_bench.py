"""`cachelayer bench`."""

import json

import pytest

from tests.cli.support import ask

OPERATIONS = [
    "set", "get", "get, missing", "get_many of 20", "function, hit", "function, miss", "delete",
]  # fmt: skip


def test_operations_are_measured_against_memory(tmp_path):
    """Each in the same run, with its ratio [observability 14]."""
    url = f"disk://{tmp_path}/cache.db"
    found = json.loads(ask("bench", "--backend", url, "--rounds", "40", "--json").stdout)
    assert [timing["operation"] for timing in found["timings"]] == OPERATIONS
    for timing in found["timings"]:
        assert 0 < timing["p50"] <= timing["p99"]
        assert timing["per_second"] == pytest.approx(1 / timing["p50"])
        assert timing["ratio"] > 0


def test_a_table_is_for_people(tmp_path):
    """With what was measured, and how often; the bar is not on the output [observability 14]."""
    result = ask("bench", "--backend", f"disk://{tmp_path}/cache.db", "--rounds", "20", "--size", "10")
    assert result.exit_code == 0
    assert "values of 10 B, 20 rounds" in result.stdout
    assert all(operation in result.stdout for operation in OPERATIONS)


def test_a_terminal_gets_a_progress_bar(tmp_path):
    """On the error output, so that the table can be kept [observability 14]."""
    result = ask("bench", "--backend", f"disk://{tmp_path}/cache.db", "--rounds", "20", FORCE_COLOR="1")
    assert "function, miss" in result.stderr
    assert "100%" in result.stderr


def test_memory_has_nothing_to_be_compared_with():
    """It is what others are compared with [observability 14]."""
    found = json.loads(ask("bench", "--rounds", "20", "--json").stdout)
    assert {timing["ratio"] for timing in found["timings"]} == {None}


def test_what_was_there_stays(store):
    """Its own entries are in a namespace of their own [observability 14]."""
    ask("bench", "--backend", store, "--rounds", "20")
    assert ask("get", "double(i1;)", "--backend", store).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--backend", "redis://:secret@127.0.0.1:9/0"), "nothing listens there"),
        (
            (
                "--backend",
                "memory://?max_size_bytes=500",
            ),
            "it takes no entry",
        ),
        (("--api", "http://host/cache"), "name it as --backend"),
        (("--rounds", "1"), "--rounds"),
    ],
    ids=["no server", "too small", "API", "rounds"],
)
def test_what_cannot_be_measured_exits_with_2(arguments, said):
    """And says why [observability 14]."""
    result = ask("bench", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr.replace("the store takes", "it takes")
    assert "secret" not in result.stderr

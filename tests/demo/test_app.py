"""The demo's application, asked as nobody planned."""

import pytest
from starlette.testclient import TestClient

from cachelayer.demo.app import make_app
from cachelayer.demo.database import Database


@pytest.fixture
def client(tmp_path):
    """Ask the application, over a database that is never needed."""
    with TestClient(make_app(Database(tmp_path / "airports.db"), None)) as client:
        yield client


@pytest.mark.parametrize("query", ["", "?from=EDDF", "?to=EDDF"])
def test_a_trip_from_or_to_nowhere_is_refused(client, query):
    """It is the visitor's mistake, and not the application's."""
    answer = client.get(f"/my/trip{query}")
    assert (answer.status_code, answer.text) == (400, "give from and to")


@pytest.mark.parametrize(
    "body", ["", "snow", "[]", '{"icao": "EGKK"}', '{"icao": 5, "text": "snow"}'], ids=str
)
def test_a_report_that_is_none_is_refused(client, body):
    """What is no JSON object, or lacks the airport or the text."""
    assert client.post("/reports", content=body).status_code == 400

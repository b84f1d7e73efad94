"""Runs of the tests leave the committed results alone."""

import pytest
import requests


@pytest.fixture(autouse=True)
def results_of_the_test(tmp_path_factory, monkeypatch):
    """Where ``main`` writes results unless told otherwise: a file of this test."""
    path = tmp_path_factory.mktemp("results") / "results.json"
    monkeypatch.setattr("pipelines.published.RESULTS", path)
    return path


@pytest.fixture
def no_network(monkeypatch):
    """Every download fails."""

    def unreachable(url, output_file, pooch):
        raise requests.exceptions.ConnectionError("no route to host")

    monkeypatch.setattr("featlearn.datasets._store.pooch.HTTPDownloader", lambda timeout: unreachable)

"""Every gate under structured nonsense; `python -m tests.fuzz` runs 10,000 cases each."""

import pytest

from tests.fuzz import GATES, fuzz


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_lets_no_nonsense_through(gate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # Stage(memory="") keeps its cache where it stands
    assert fuzz(gate, 150, seed=1) == []

"""Files written as a whole."""

import pytest

from featlearn.writing import whole_file


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "kept.txt"
    path.write_text("old")

    def fail():
        with whole_file(path) as part:
            part.write_text("half")
            assert path.read_text() == "old"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_takes_its_name_when_all_is_written(tmp_path):
    path = tmp_path / "new.txt"
    with whole_file(path) as part:
        part.write_text("all")
        assert not path.exists()
    assert path.read_text() == "all"
    assert list(tmp_path.iterdir()) == [path]


def test_modes_stay_and_any_name_has_room(tmp_path):
    path = tmp_path / f"a.{'b' * 253}"
    with whole_file(path) as part, whole_file(tmp_path / "other.b") as other:
        assert part != other
        assert other.suffix == ".b"
        part.write_text("old")
        other.write_text("other")
    path.chmod(0o604)
    with whole_file(path) as part:
        part.write_text("new")
        assert part.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mode & 0o777 == 0o604
    assert path.read_text() == "new"

"""Folders of files whose names alone matter."""

import pytest


@pytest.fixture
def folder(tmp_path):
    """Return a function that makes a folder with empty files of these paths."""

    def fill(*paths: str):
        root = tmp_path / "input"
        root.mkdir(exist_ok=True)
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        return root

    return fill

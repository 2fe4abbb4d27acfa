"""The code of the package's networks, in the key of what is kept of them."""

import hashlib

import pytest

from nnunetv2_mstkd.architectures import mstkd_network
from nnunetv2_mstkd.inference.engines import network_code
from nnunetv2_mstkd.inference.engines.network_code import architectures_sha256, sources_sha256


@pytest.fixture
def sources(tmp_path):
    """A folder of two modules, one of them in a folder of its own."""
    (tmp_path / "deeper").mkdir()
    (tmp_path / "unet.py").write_text("def forward(): return 1\n")
    (tmp_path / "deeper" / "block.py").write_text("")
    return tmp_path


def test_it_is_of_names_and_content(sources):
    files = {"deeper/block.py": b"", "unet.py": b"def forward(): return 1\n"}  # sorted
    lines = "".join(f"{name} {hashlib.sha256(content).hexdigest()}\n" for name, content in files.items())
    assert sources_sha256(sources) == hashlib.sha256(lines.encode()).hexdigest()


def test_another_forward_is_another_word(sources):
    before = sources_sha256(sources)
    (sources / "deeper" / "block.py").write_text("# mended\n")
    changed = sources_sha256(sources)
    (sources / "deeper" / "block.py").rename(sources / "deeper" / "other.py")
    assert len({before, changed, sources_sha256(sources)}) == 3


def test_what_python_compiled_is_no_source(sources):
    before = sources_sha256(sources)
    (sources / "__pycache__").mkdir()
    (sources / "__pycache__" / "unet.cpython-310.pyc").write_bytes(b"1")
    assert sources_sha256(sources) == before


def test_the_packages_own_networks_are_read_once(monkeypatch):
    read = []
    monkeypatch.setattr(network_code, "sources_sha256", lambda folder: read.append(folder) or "word")
    architectures_sha256.cache_clear()
    try:
        assert [architectures_sha256(), architectures_sha256()] == ["word"] * 2
    finally:
        architectures_sha256.cache_clear()
    (folder,) = read
    assert folder.joinpath("mstkd_network.py").samefile(mstkd_network.__file__)

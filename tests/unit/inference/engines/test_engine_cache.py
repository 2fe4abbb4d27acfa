"""What is kept beside a checkpoint."""

import pytest

from nnunetv2_mstkd.inference.engines import engine_cache
from nnunetv2_mstkd.inference.engines.engine_cache import FOLDER, EngineCache


@pytest.fixture
def cache(tmp_path):
    """Return a function that opens the cache of a checkpoint in fold_0."""
    (tmp_path / "fold_0").mkdir()
    warnings = []

    def make(weights="a", engine="torch-bfloat16", checkpoint="checkpoint_final.pth"):
        return EngineCache(tmp_path / "fold_0" / checkpoint, engine, {"weights_sha256": weights}, warnings.append)

    make.folder = tmp_path / "fold_0" / FOLDER
    make.warnings = warnings
    return make


def test_what_is_kept_is_there_for_the_next_run(cache):
    assert cache().get("compiled") is None
    cache().put("compiled", b"network")
    cache().put_json("agreement.json", {"share": 1.0})
    assert cache().get("compiled") == b"network"
    assert cache().get_json("agreement.json") == {"share": 1.0}
    assert cache.warnings == []


@pytest.mark.parametrize("package", ["torch", "nnunetv2_mstkd", "dynamic-network-architectures"])
@pytest.mark.parametrize("engine", ["torch-bfloat16", "openvino-float32"])
def test_another_version_of_what_makes_or_computes_a_network_starts_from_nothing(cache, monkeypatch, engine, package):
    monkeypatch.setattr(engine_cache, "version", lambda name: "1")
    cache(engine=engine).put("compiled", b"network")
    monkeypatch.setattr(engine_cache, "version", lambda name: "2" if name == package else "1")
    assert cache(engine=engine).get("compiled") is None


@pytest.mark.parametrize("engine", ["torch-bfloat16", "openvino-float32"])
def test_a_network_that_was_mended_in_a_checkout_starts_from_nothing(cache, monkeypatch, engine):
    monkeypatch.setattr(engine_cache, "version", lambda name: "1")
    cache(engine=engine).put("compiled", b"network")
    monkeypatch.setattr(engine_cache, "architectures_sha256", lambda: "of a mended forward")
    assert cache(engine=engine).get("compiled") is None


def test_other_weights_versions_and_cpus_have_nothing_to_do_with_it(cache, monkeypatch):
    cache().put("compiled", b"network")
    assert cache(weights="b").get("compiled") is None
    with monkeypatch.context() as patch:
        patch.setattr(engine_cache, "instruction_set", lambda: "AVX2")
        assert cache().get("compiled") is None
    with monkeypatch.context() as patch:
        patch.setattr(engine_cache, "version", lambda package: "0.1")
        assert cache().get("compiled") is None
    assert cache().get("compiled") == b"network"


def test_stale_files_go_and_those_of_others_stay(cache):
    cache().put("compiled", b"old")
    cache().put_json("agreement.json", {})
    cache(engine="torch-float32").put("compiled", b"another engine")
    cache(checkpoint="checkpoint_best.pth").put("compiled", b"another checkpoint")
    cache(weights="b").put("compiled", b"new")
    assert cache().get("compiled") is None
    assert cache(weights="b").get("compiled") == b"new"
    assert cache(engine="torch-float32").get("compiled") == b"another engine"
    assert cache(checkpoint="checkpoint_best.pth").get("compiled") == b"another checkpoint"
    assert len(list(cache.folder.iterdir())) == 3  # not the agreement of the old one


def test_what_other_subsets_have_of_the_same_key_stays_and_that_of_an_old_one_goes(cache):
    cache().put("channels_0.compiled", b"old")
    cache(weights="b").put("channels_1.compiled", b"one")
    cache(weights="b").put("channels_2.compiled", b"two")
    assert sorted(file.read_bytes() for file in cache.folder.iterdir()) == [b"one", b"two"]


def test_a_folder_that_cannot_be_written_is_told_and_memory_serves(cache):
    cache.folder.write_text("a file where the folder would be")  # root may write anywhere: no permission would stop it
    first = cache()
    first.put("compiled", b"network")
    assert first.get("compiled") == b"network"
    (warning,) = cache.warnings
    assert str(cache.folder) in warning


def test_memory_holds_one_network_at_most(cache):
    cache.folder.write_text("a file where the folder would be")
    kept = cache()
    kept.put_json("agreement.json", {"share": 1.0})
    for channel in (0, 1):
        kept.put(f"channels_{channel}.compiled", b"network")
    assert [kept.get(f"channels_{channel}.compiled") for channel in (0, 1)] == [None, b"network"]
    assert kept.get_json("agreement.json") == {"share": 1.0}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_damaged_json_is_none(cache, content):
    cache().put("agreement.json", content)
    assert cache().get_json("agreement.json") is None


@pytest.mark.parametrize("position", [0, 31, 32, 500, -1])
def test_one_byte_that_is_another_damages_what_is_checked(cache, position):
    content = bytes(range(256)) * 4
    assert cache().get_checked("compiled") is None
    cache().put_checked("compiled", content)
    assert cache().get_checked("compiled") == content
    (file,) = cache.folder.iterdir()
    kept = bytearray(file.read_bytes())
    kept[position] ^= 1
    file.write_bytes(kept)
    assert cache().get_checked("compiled") is None


@pytest.mark.parametrize("content", [b"", b"short", b"of an earlier version, which kept the network itself"])
def test_what_has_no_checksum_is_damaged(cache, content):
    cache().put("compiled", content)
    assert cache().get_checked("compiled") is None

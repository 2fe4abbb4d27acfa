"""Checkpoints of strangers."""

import os
import pickle
import re
import threading
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from nnunetv2_mstkd.checksum import sha256_of
from nnunetv2_mstkd.errors import CheckpointError, UntrustedCheckpointError
from nnunetv2_mstkd.inference.safe_checkpoint import _require_safe_loader, load_checkpoint, load_hashed_checkpoint


def checkpoint(**changes):
    """What nnU-Net writes, in small."""
    numbers = [np.float64(0.5), np.float32(0.25), np.int64(3), np.bool_(True), np.uint8(7), np.float16(2)]
    return {
        "network_weights": OrderedDict(weight=torch.arange(6.0).reshape(2, 3)),
        "optimizer_state": {"state": {0: {"momentum_buffer": torch.ones(1000)}}},
        "logging": {"mean_fg_dice": numbers, "dice_per_class_or_region": [[np.float64(0.5)]]},
        "_best_ema": np.float64(0.5),
        "init_args": {"plans": {"plans_name": "nnUNetPlans"}, "configuration": "2d", "device": torch.device("cuda", 0)},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1),
        **changes,
    }


@pytest.fixture
def save(tmp_path):
    def write(content, **options):
        torch.save(content, tmp_path / "checkpoint.pth", **options)
        return tmp_path / "checkpoint.pth"

    return write


class Touches:
    """Unpickling it makes a file."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


# --- what is loaded --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "legacy"])
def test_what_prediction_needs_is_loaded_and_nothing_else(save, as_zip):
    loaded = load_checkpoint(save(checkpoint(), _use_new_zipfile_serialization=as_zip))
    assert set(loaded) == {"network_weights", "trainer_name", "init_args", "inference_allowed_mirroring_axes"}
    assert torch.equal(loaded["network_weights"]["weight"], torch.arange(6.0).reshape(2, 3))
    assert loaded["init_args"]["configuration"] == "2d"
    assert loaded["inference_allowed_mirroring_axes"] == (0, 1)


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_numbers_of_numpy_1_and_2_become_numbers_of_python(save, module):
    values = [np.float64(0.5), np.float32(0.25), np.int64(-3), np.bool_(True), np.uint8(7), np.float16(2)]
    file = save(checkpoint(init_args={"configuration": "2d", "values": values}), _use_new_zipfile_serialization=False)
    file.write_bytes(re.sub(rb"numpy\._?core\.multiarray", module, file.read_bytes()))
    assert module in file.read_bytes()
    loaded = load_checkpoint(file)["init_args"]["values"]
    assert loaded == [0.5, 0.25, -3, True, 7, 2.0]
    assert [type(value) for value in loaded] == [float, float, int, bool, int, float]


def test_a_checkpoint_of_early_versions_has_no_mirroring_axes(save):
    content = checkpoint()
    del content["inference_allowed_mirroring_axes"]
    assert "inference_allowed_mirroring_axes" not in load_checkpoint(save(content))


def test_tensors_that_share_memory_still_do(save):
    """nnU-Net's decoder holds the encoder under a second name: a copy would double the checkpoint."""
    weight = torch.ones(3)
    loaded = load_checkpoint(save(checkpoint(network_weights={"encoder": weight, "decoder.encoder": weight})))
    weights = loaded["network_weights"]
    assert weights["encoder"].data_ptr() == weights["decoder.encoder"].data_ptr()


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "legacy"])
def test_a_checkpoint_and_its_hash_are_of_one_file_though_another_takes_its_place(save, tmp_path, monkeypatch, as_zip):
    file = save(checkpoint(), _use_new_zipfile_serialization=as_zip)
    sha256, load = sha256_of(file), torch.load
    torch.save(checkpoint(trainer_name="Later"), tmp_path / "later.pth")

    def load_after_a_replacement(*args, **options):
        os.replace(tmp_path / "later.pth", file)
        return load(*args, **options)

    monkeypatch.setattr(torch, "load", load_after_a_replacement)
    loaded, given = load_hashed_checkpoint(file)
    assert (loaded["trainer_name"], given) == ("nnUNetTrainer", sha256)
    assert sha256_of(file) != sha256


def test_a_checkpoint_that_is_written_to_while_it_is_read_is_an_error(save, monkeypatch):
    file, load = save(checkpoint()), torch.load

    def load_and_touch(*args, **options):
        loaded = load(*args, **options)
        os.utime(file, (0, 0))
        return loaded

    monkeypatch.setattr(torch, "load", load_and_touch)
    with pytest.raises(CheckpointError, match="was written to while it was read"):
        load_hashed_checkpoint(file)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("key", ["logging", "network_weights", "unknown"])
def test_a_malicious_checkpoint_is_refused_and_executes_nothing(save, tmp_path, as_zip, key):
    touched = tmp_path / "touched"
    file = save(checkpoint(**{key: Touches(touched)}), _use_new_zipfile_serialization=as_zip)
    with pytest.raises(UntrustedCheckpointError, match=r"mkdir.*execute code.*--trust-checkpoint"):
        load_checkpoint(file)
    assert not touched.exists()


@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_a_malicious_pickle_is_refused_and_executes_nothing(tmp_path, protocol):
    touched, file = tmp_path / "touched", tmp_path / "checkpoint.pth"
    file.write_bytes(pickle.dumps(Touches(touched), protocol=protocol))
    with pytest.raises(CheckpointError):
        load_checkpoint(file)
    assert not touched.exists()


def test_a_trusted_file_may_execute_code(save, tmp_path):
    touched = tmp_path / "touched"
    loaded = load_checkpoint(save(checkpoint(logging=Touches(touched))), trust=True)
    assert touched.exists()
    assert "logging" not in loaded


class Dtype:
    """Pickles as a dtype with a state of one's own."""

    def __init__(self, code, *state):
        self.code, self.state = code, state

    def __reduce__(self):
        return np.dtype, (self.code, False, True), (3, "<", *self.state)


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype("O"),
        np.dtype([("a", "f8")]),
        np.dtype("S8"),
        Dtype("f8", None, None, None, -1, -1, 0x3F),  # says of floats that they are pointers
        Dtype("f8", None, ("a",), {"a": (np.dtype("f8"), 0)}, -1, -1, 0),
    ],
)
def test_dtypes_that_are_no_numbers_are_refused(save, dtype):
    with pytest.raises(UntrustedCheckpointError, match=r"numpy\.dtype"):
        load_checkpoint(save(checkpoint(logging=dtype)))


def test_what_others_allow_in_this_process_is_not_allowed_here(save):
    file = save(checkpoint(logging=np.ones(3)))
    allowed = [np.ndarray, np.dtype, type(np.dtype("f8")), (np.ones(1).__reduce__()[0], "numpy._core.multiarray._x")]
    with torch.serialization.safe_globals(allowed):
        before = set(torch.serialization.get_safe_globals())
        with pytest.raises(UntrustedCheckpointError, match="_reconstruct"):
            load_checkpoint(file)
        assert load_checkpoint(save(checkpoint()))["trainer_name"] == "nnUNetTrainer"
        assert set(torch.serialization.get_safe_globals()) == before


def test_threads_do_not_disturb_each_other(save):
    file, failures = save(checkpoint()), []

    def load():
        try:
            for _ in range(5):
                load_checkpoint(file)
        except CheckpointError as error:
            failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("version", ["2.4.1", "2.5.1+cu124"])
def test_a_pytorch_with_a_leaky_loader_is_refused(version):
    with pytest.raises(UntrustedCheckpointError, match="CVE-2025-32434"):
        _require_safe_loader(version)


@pytest.mark.parametrize("version", ["2.6.0", "2.10.0a0+git1234", "3.0"])
def test_a_later_pytorch_is_not(version):
    _require_safe_loader(version)


# --- what is damaged -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_an_error(save, share, as_zip):
    file = save(checkpoint(), _use_new_zipfile_serialization=as_zip)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(file)


def test_a_flipped_bit_in_the_weights_is_an_error(save):
    """torch.load would give other weights, and say nothing."""
    file = save(checkpoint())
    content = bytearray(file.read_bytes())
    content[content.find(torch.arange(6.0).numpy().tobytes()) + 4] ^= 1
    file.write_bytes(content)
    assert not torch.equal(torch.load(file, weights_only=False)["network_weights"]["weight"], torch.arange(6.0))
    with pytest.raises(CheckpointError, match="checksum"):
        load_checkpoint(file)


@pytest.mark.parametrize("trust", [True, False])
def test_what_is_no_checkpoint_is_an_error_that_names_the_cause(tmp_path, trust):
    text = tmp_path / "notes.pth"
    text.write_text("no checkpoint at all\n" * 20)
    archive = tmp_path / "archive.pth"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("readme.txt", "no checkpoint")
    for file in (text, archive, tmp_path, tmp_path / "missing.pth"):
        with pytest.raises(CheckpointError, match=f"{file.name} cannot be read"):
            load_checkpoint(file, trust=trust)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (torch.ones(3), "one Tensor"),
        ({"state_dict": {}}, "no network_weights, trainer_name, init_args"),
        (checkpoint(network_weights=[torch.ones(1)]), "network_weights is a list"),
        (checkpoint(network_weights={"weight": 1}), "not all tensors"),
        (checkpoint(trainer_name=7), "trainer_name is a int"),
        (checkpoint(init_args={}), "no configuration"),
    ],
)
def test_a_checkpoint_of_something_else_is_an_error_that_says_what_is_wrong(save, content, problem):
    with pytest.raises(CheckpointError, match=problem):
        load_checkpoint(save(content))

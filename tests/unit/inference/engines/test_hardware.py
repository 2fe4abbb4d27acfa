"""What this machine offers to the engines."""

from importlib.metadata import PackageNotFoundError

import torch

from nnunetv2_mstkd.inference.engines import hardware
from nnunetv2_mstkd.inference.engines.hardware import bfloat16_units, has_openvino


def test_the_units_are_names(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert bfloat16_units() == ("AVX-512 BF16",)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert bfloat16_units() == ()


def test_openvino_is_a_package_that_can_be_imported(monkeypatch, tmp_path):
    (tmp_path / "openvino").mkdir()  # Python takes a bare folder for a module
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(hardware, "version", lambda name: "2026.4")
    assert has_openvino()

    def not_found(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(hardware, "version", not_found)
    assert not has_openvino()


def test_a_package_whose_files_are_gone_is_not_openvino(monkeypatch):
    monkeypatch.setattr(hardware, "version", lambda name: "2026.4")
    monkeypatch.setattr(hardware.importlib.util, "find_spec", lambda name: None)
    assert not has_openvino()

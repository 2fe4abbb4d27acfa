"""Checkpoints for others."""

import torch

from nnunetv2_mstkd.sharing.plain_checkpoint import plain_checkpoint


def checkpoint(weights):
    init_args = {"configuration": "2d", "plans": {"plans_name": "nnUNetPlans"}, "device": torch.device("cpu")}
    return {"network_weights": weights, "trainer_name": "nnUNetTrainer", "init_args": init_args}


def test_it_loads_with_nothing_allowed(tmp_path):
    weights = torch.nn.Conv2d(2, 3, 1).state_dict(keep_vars=True)  # parameters, and an OrderedDict with attributes
    plain = plain_checkpoint({**checkpoint(weights), "inference_allowed_mirroring_axes": [0, 1]})
    torch.save(plain, tmp_path / "plain.pth")
    loaded = torch.load(tmp_path / "plain.pth", weights_only=True)
    assert torch.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "plain.pth") == []
    assert loaded["init_args"] == {"configuration": "2d"}
    assert loaded["inference_allowed_mirroring_axes"] == (0, 1)
    assert type(loaded["network_weights"]) is dict
    assert all(type(tensor) is torch.Tensor for tensor in loaded["network_weights"].values())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in loaded["network_weights"].items())


def test_no_mirroring_axes_stay_none():
    assert plain_checkpoint(checkpoint({}))["inference_allowed_mirroring_axes"] is None


def test_a_tensor_under_two_names_is_written_once(tmp_path):
    weight = torch.rand(100, 100)
    for name, weights in {"one": {"a": weight}, "two": {"a": weight, "b": weight, "c": weight[:]}}.items():
        torch.save(plain_checkpoint(checkpoint(weights)), tmp_path / name)
    assert (tmp_path / "two").stat().st_size < 1.1 * (tmp_path / "one").stat().st_size


def test_views_do_not_bring_what_they_view(tmp_path):
    whole = torch.arange(10_000.0).reshape(100, 100)
    views = {"part": whole[:2], "transposed": whole[:3].T}
    torch.save(plain_checkpoint(checkpoint(views)), tmp_path / "views.pth")
    loaded = torch.load(tmp_path / "views.pth", weights_only=True)["network_weights"]
    assert (tmp_path / "views.pth").stat().st_size < whole.nbytes
    for name, tensor in loaded.items():
        assert tensor.is_contiguous()
        assert torch.equal(tensor, views[name])

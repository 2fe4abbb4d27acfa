"""Plans of strangers."""

import contextlib
import copy

import pytest
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

from nnunetv2_mstkd.errors import UntrustedPlansError
from nnunetv2_mstkd.inference.safe_plans import require_safe_plans

ARCHITECTURE = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": {
        "n_stages": 2,
        "features_per_stage": [2, 2],
        "conv_op": "torch.nn.modules.conv.Conv2d",
        "kernel_sizes": [[3, 3], [3, 3]],
        "strides": [[1, 1], [2, 2]],
        "n_conv_per_stage": [1, 1],
        "n_conv_per_stage_decoder": [1],
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    },
    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
}


@pytest.fixture
def plans():
    return {"configurations": {"2d": {"architecture": copy.deepcopy(ARCHITECTURE)}}}


def build(plans):
    architecture = plans["configurations"]["2d"]["architecture"]
    return get_network_from_plans(*architecture.values(), input_channels=1, output_channels=2)


def test_plans_of_nnunet_are_safe_and_build_a_network(plans):
    require_safe_plans(plans)
    assert build(plans)


def test_a_configuration_that_inherits_and_plans_of_the_first_versions_are_safe(plans):
    plans["configurations"]["2d_small"] = {"inherits_from": "2d", "batch_size": 2}
    plans["configurations"]["old"] = {"UNet_class_name": "PlainConvUNet"}
    require_safe_plans(plans)


def test_a_network_that_has_moved_within_its_package_is_safe(plans):
    moved = "dynamic_network_architectures.architectures.old_place.PlainConvUNet"
    plans["configurations"]["2d"]["architecture"]["network_class_name"] = moved
    require_safe_plans(plans)


def test_what_nnunet_would_execute_is_refused(plans, tmp_path):
    arguments = plans["configurations"]["2d"]["architecture"]["arch_kwargs"]
    arguments.update(nonlin="os.mkdir", nonlin_kwargs={"path": str(tmp_path / "touched")})
    with pytest.raises(UntrustedPlansError, match=r"'os\.mkdir'.*--trust-checkpoint"):
        require_safe_plans(plans)
    assert not (tmp_path / "touched").exists()
    with contextlib.suppress(FileExistsError):  # of the second layer: too late
        build(plans)
    assert (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "name",
    [
        "subprocess.Popen",
        "torch.hub.load",
        "torch.nn.functional.torch.os.system",  # found through what a module imports
        "torch.nn.init.xavier_uniform_",
        "nnunetv2.paths.nnUNet_raw",
        "os",
    ],
)
@pytest.mark.parametrize("key", ["network_class_name", "conv_op"])
def test_what_is_no_network_module_is_refused(plans, name, key):
    architecture = plans["configurations"]["2d"]["architecture"]
    (architecture if key in architecture else architecture["arch_kwargs"])[key] = name
    with pytest.raises(UntrustedPlansError, match=name):
        require_safe_plans(plans)


@pytest.mark.parametrize("broken", [{}, {"configurations": []}, {"configurations": {"2d": {"architecture": {}}}}])
def test_plans_of_something_else_are_an_error(broken):
    with pytest.raises(UntrustedPlansError, match="not those of nnU-Net"):
        require_safe_plans(broken)

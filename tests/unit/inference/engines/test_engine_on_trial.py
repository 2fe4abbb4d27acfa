"""An engine that agrees stays on trial until tiles told of each region."""

import pytest
import torch
from torch import nn

from nnunetv2_mstkd.inference.engines import choice
from nnunetv2_mstkd.inference.engines.agreement import Agreement
from nnunetv2_mstkd.inference.engines.choice import Choice
from nnunetv2_mstkd.inference.engines.engine_cache import FOLDER
from nnunetv2_mstkd.inference.engines.engine_network import EngineNetwork
from nnunetv2_mstkd.inference.engines.engine_trials import EngineTrials
from nnunetv2_mstkd.inference.engines.model_engines import ModelEngines
from nnunetv2_mstkd.modalities import Modalities

OV_BF16, OV_FP32, BF16, FP32 = "openvino-bfloat16", "openvino-float32", "torch-bfloat16", "torch-float32"
FAST = Choice(OV_BF16, "fast")
ALL = Modalities(("T1", "T1ce", "T2", "FLAIR")).all
SIZE = 400


class Float32(nn.Module):
    """A network whose logits are the tiles, and which counts them."""

    def __init__(self):
        super().__init__()
        self.computed = 0

    def forward(self, tiles):
        self.computed += len(tiles)
        return tiles.clone()


class Engine:
    """An engine whose logits are the tiles, but for an error, and which notes how much foreground they have."""

    def __init__(self, error, noted):
        self._error = error
        self._noted = noted

    def see(self, _subset):
        return True

    def __call__(self, tiles):
        self._noted.append(int((tiles > 0).sum()))
        return tiles + self._error(tiles)


def none(tiles):
    """No error."""
    return torch.zeros_like(tiles)


def tile_of(*voxels):
    """Return a tile (1, R, SIZE, 1) whose regions have so many voxels, near their bounds."""
    tile = torch.full((1, len(voxels), SIZE, 1), -0.5)
    for region, count in enumerate(voxels):
        tile[:, region, :count] = 0.5
    return tile


def losing(region, count):
    """Return an error that loses the first voxels of a region."""

    def error(tiles):
        lost = none(tiles)
        lost[:, region, :count] = -1
        return lost.where(tiles > 0, 0)

    return error


@pytest.fixture(autouse=True)
def _machine(monkeypatch):
    monkeypatch.setattr(choice, "bfloat16_units", lambda: ("AMX",))
    monkeypatch.setattr(choice, "has_openvino", lambda: True)


@pytest.fixture
def run(bare_model):
    """Return a function that begins a run on the same model: OpenVINO in bfloat16 errs, and all others are exact."""
    return lambda error=none, axes=(), first=FAST: Run(bare_model, error, axes, first)


class Run:
    """Trials of one run."""

    def __init__(self, model, error, axes, first):
        def make(name, *_):
            return Engine(error if name == OV_BF16 else none, self.noted)

        self.warnings, self.noted, self.float32 = [], [], Float32()
        self.engines = ModelEngines(model, self.warnings.append, mirrored=bool(axes))
        self.network = EngineNetwork(self.float32, [{}], first.name, make)
        self.trials = EngineTrials(
            first, self.network, self.engines, has_regions=True, mirror_axes=axes, warn=self.warnings.append
        )

    def predict(self, tile):
        """Return the logits of a case of one tile."""
        return self.trials.predict(tile.shape[1:], lambda: self.network(tile))

    @property
    def choice(self):
        return self.trials.choice


def test_a_region_that_the_first_case_lacks_is_compared_in_the_first_one_that_has_it(run):
    one, lacking, having = run(losing(1, 10)), tile_of(200, 0), tile_of(200, 150)
    assert torch.equal(one.predict(lacking), lacking)
    assert (one.choice.name, one.choice.is_settled) == (OV_BF16, False)
    assert one.choice.reason.endswith("told of 1 of 2 regions")
    assert torch.equal(one.predict(having), having)  # again, by one that does not lose 10 voxels
    assert (one.choice.name, one.choice.is_settled) == (OV_FP32, True)
    (warning,) = one.warnings
    assert "10 voxels differ" in warning
    again = run(losing(1, 10))  # what was found out is final
    assert (again.choice.name, again.choice.is_settled) == (OV_FP32, True)


def test_float32_computes_a_tile_for_each_region_at_most(run):
    one = run()
    cases = (0, 0, 0), (50, 0, 0), (99, 20, 0), (100, 0, 0), (300, 99, 0), (300, 100, 0), (0, 300, 99), (0, 0, 100)
    computed = []
    for voxels in cases:
        one.predict(tile_of(*voxels))
        computed.append(one.float32.computed)
    # what has no foreground leaves the question open; what has some closes it but for the regions that have enough
    assert computed == [1, 2, 2, 3, 3, 4, 4, 5]
    assert one.choice.is_settled
    one.predict(tile_of(300, 300, 300))
    assert one.float32.computed == 5


def test_what_was_told_is_kept_for_the_next_run(run):
    run().predict(tile_of(200, 0, 5))
    second = run()
    assert second.choice.agreement.region_voxels == (200, 0, 5)
    second.predict(tile_of(200, 0, 5))
    assert second.float32.computed == 0
    second.predict(tile_of(0, 300, 100))
    assert second.float32.computed == 1
    third = run()
    assert third.choice == second.choice
    assert third.choice.is_settled
    assert third.choice.agreement.region_voxels == (200, 300, 100)


def test_where_nothing_can_be_written_this_run_knows_what_was_told(run, bare_model):
    (bare_model.folder / "fold_0" / FOLDER).write_text("a file where the folder would be")
    one = run()
    for voxels in (200, 0), (200, 0), (200, 100):
        one.predict(tile_of(*voxels))
    assert (one.float32.computed, one.choice.is_settled) == (2, True)
    assert len(one.warnings) == 1


def test_a_few_voxels_of_a_small_region_do_not_tell_against_an_engine(run):
    one = run(losing(1, 2))
    one.predict(tile_of(200, 2))  # a Dice of 0
    assert (one.choice.name, one.choice.is_settled, one.warnings) == (OV_BF16, False, [])


def test_an_engine_that_agreed_is_not_tried_on_zeros_again(run):
    one = run()
    for _ in range(3):
        one.predict(tile_of(200, 0))
    assert one.noted == [0, 200, 200, 200, 200]  # zeros, the first case, its tile to compare, and two cases


# --- Mirroring --------------------------------------------------------------------------------------------------------


def slanted(tiles):
    """An error that the mirror image of the first axis takes back."""
    return torch.linspace(-0.9, 0.9, SIZE)[:, None].expand_as(tiles)


def test_with_mirroring_an_engine_is_judged_by_the_mean_over_the_mirror_images(run):
    case = tile_of(200, 150)
    mirrored = run(slanted, axes=(0,))
    mirrored.predict(case)
    assert (mirrored.choice.name, mirrored.choice.is_settled, mirrored.warnings) == (OV_BF16, True, [])
    assert mirrored.float32.computed == 2
    without = run(slanted)
    assert without.choice == FAST  # that it agrees with mirroring tells nothing
    without.predict(case)
    assert without.choice.name == OV_FP32
    assert run(slanted, axes=(0,)).choice == mirrored.choice


def test_what_the_mean_has_nothing_of_is_not_compared_again(run):
    one = run(slanted, axes=(0,))
    for _ in range(3):
        one.predict(tile_of(200, 0) + 0.2)  # each image has some of the second region, the mean has none
        assert one.float32.computed == 2
    assert one.choice.agreement.region_voxels == (200, 0)


# --- What may have predicted a case -----------------------------------------------------------------------------------


def test_until_it_is_settled_a_case_may_be_of_any_engine_that_is_left(run):
    one = run()
    assert one.trials.engines_for(ALL) == (OV_BF16, OV_FP32, BF16, FP32)
    one.predict(tile_of(200, 0))
    assert one.trials.engines_for(ALL) == (OV_BF16, OV_FP32, BF16, FP32)
    one.predict(tile_of(200, 200))
    assert one.trials.engines_for(ALL) == (OV_BF16,)


def test_a_case_is_not_of_an_engine_that_was_not_good_enough(run):
    one = run(losing(0, 10))
    one.predict(tile_of(200, 0))
    assert one.trials.engines_for(ALL) == (OV_FP32, BF16, FP32)
    one.engines.remember(BF16, None, Agreement(0.5, 100, 0, (200, 0)))
    assert one.trials.engines_for(ALL) == (OV_FP32, FP32)


def test_an_engine_that_was_asked_for_is_the_only_one(run):
    assert run(first=Choice(OV_BF16, "as asked for", is_asked_for=True)).trials.engines_for(ALL) == (OV_BF16,)

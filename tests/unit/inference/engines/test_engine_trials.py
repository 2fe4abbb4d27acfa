"""Engines are tried until one decides as torch in float32 does, for each network that is run."""

import pytest
import torch

from nnunetv2_mstkd.inference.engines import agreement, choice
from nnunetv2_mstkd.inference.engines.agreement import Agreement
from nnunetv2_mstkd.inference.engines.choice import Choice
from nnunetv2_mstkd.inference.engines.engine_network import EngineNetwork
from nnunetv2_mstkd.inference.engines.engine_trials import EngineTrials
from nnunetv2_mstkd.inference.engines.torch_engine import TorchFloat32
from nnunetv2_mstkd.inference.modality_encoders import seen_channels
from nnunetv2_mstkd.modalities import Modalities

MODALITIES = Modalities(("T1", "T1ce", "T2", "FLAIR"))
FIRST, SECOND = MODALITIES.subset("T1,T2"), MODALITIES.subset("FLAIR")
OV_BF16, OV_FP32, BF16, FP32 = "openvino-bfloat16", "openvino-float32", "torch-bfloat16", "torch-float32"
FAST = Choice(OV_BF16, "fast")
CLOSE, FAR = Agreement(1.0, 0, 0, (100, 100, 100)), Agreement(0.5, 100, 100, (100, 100, 100))


class Opposite(TorchFloat32):
    """An engine that decides the opposite of everything."""

    def __call__(self, tiles):
        return -super().__call__(tiles)


class Broken(TorchFloat32):
    """An engine that breaks."""

    def __call__(self, tiles):
        raise RuntimeError("no such instruction")


class Unmade(TorchFloat32):
    """An engine that cannot be made."""

    def __init__(self, network):
        raise RuntimeError("no memory")


class Kept(dict):
    """What ModelEngines keeps, (engine, subset) -> Agreement, and the subsets in the order in which they came."""

    def __init__(self, *args):
        super().__init__(*args)
        self.compared = []
        self.forgotten = []

    def remembered(self, name, subset):
        return self.get((name, subset))

    def remember(self, name, subset, agreement):
        self[name, subset] = agreement
        self.compared.append(subset)

    def forget(self, name):
        self.forgotten.append(name)


class Run:
    """Trials of one run.

    Args:
        plan: of the network.
        network: that is run.
        engines: (engine, channels) -> its class; any other one decides as the network does.
        kept: of earlier runs.
        first: engine to begin with.
        other_folds: networks that have the weights of further folds.
    """

    def __init__(self, plan, network, engines, kept, first=FAST, other_folds=()):
        def make(name, network, *_):
            self.made.append(name)
            return engines.get((name, seen_channels(network)), TorchFloat32)(network)

        self.made, self.warnings, self.tile = [], [], plan.image(batch=1)
        own = {name: weights.clone() for name, weights in network.state_dict().items()}
        self.weights = [own, *(other.state_dict() for other in other_folds)]
        self.network = EngineNetwork(network, self.weights, OV_BF16, make)
        self.trials = EngineTrials(first, self.network, kept, has_regions=True, warn=self.warnings.append)

    def settle(self, subset):
        """Predict a case that has a subset."""
        self.trials.see(subset)
        for state in self.weights:  # as nnU-Net goes through the folds
            self.network.load_state_dict(state)
            self.logits = self.trials.predict(self.tile.shape[1:], lambda: self.network(self.tile))
        assert self.network.engine_name == self.trials.choice.name
        return self.trials.choice


@pytest.fixture(autouse=True)
def _first_tile_tells_of_all_regions(monkeypatch):
    monkeypatch.setattr(agreement, "TELLING_VOXELS", 0)


@pytest.fixture(autouse=True)
def _cpu_without_bfloat16(monkeypatch):
    """Let torch in float32 be all that is left where OpenVINO cannot be made."""
    monkeypatch.setattr(choice, "bfloat16_units", tuple)


@pytest.fixture
def run(multi_encoder):
    """Return a function that makes a run on a network with an encoder for each modality."""

    def make(engines=None, kept=None):
        return Run(*multi_encoder, engines or {}, Kept() if kept is None else kept)

    return make


def test_a_subset_whose_engine_is_wrong_falls_back_and_the_others_do_not(run):
    kept = Kept()
    first = run({(OV_BF16, SECOND.channels): Opposite}, kept)
    found = first.settle(FIRST)
    assert (found.name, found.is_settled) == (OV_BF16, True)
    assert found.reason == f"fast; {found.agreement}, given T1+T2"
    assert (found.agreement.dice, found.agreement.clear_differences) == (1.0, 0)
    assert first.warnings == []
    found = first.settle(SECOND)
    assert (found.name, found.is_settled) == (OV_FP32, True)
    (warning,) = first.warnings
    assert warning.startswith(f"{OV_BF16} is not good enough for this model, given FLAIR: Dice 0.")
    assert warning.endswith(f"{OV_FP32} takes its place, which is slower")
    assert first.settle(FIRST).name == OV_BF16
    assert set(kept) == {(OV_BF16, FIRST), (OV_BF16, SECOND), (OV_FP32, SECOND)}
    assert len(first.warnings) == 1


def test_what_earlier_runs_found_out_is_known_for_each_subset(run):
    again = run(kept=Kept({(OV_BF16, FIRST): CLOSE, (OV_BF16, SECOND): FAR, (OV_FP32, SECOND): FAR}))
    assert (again.trials.choice.name, again.warnings) == (OV_BF16, [])  # before any case
    assert again.trials.engines_for(SECOND) == (FP32,)
    assert seen_channels(again.network.network) == MODALITIES.all.channels  # asking tells the network nothing
    assert [again.settle(subset).name for subset in (FIRST, SECOND, FIRST)] == [OV_BF16, FP32, OV_BF16]
    assert again.made == [OV_BF16, FP32, OV_BF16]
    assert again.trials._engines.compared == []
    assert len(again.warnings) == 2  # one for each engine that was passed over, once


def test_each_subset_is_compared_once(run):
    kept = Kept()
    first = run(kept=kept)
    for subset in (FIRST, SECOND, FIRST, SECOND):
        first.settle(subset)
    assert kept.compared == [FIRST, SECOND]
    assert first.made == [OV_BF16] * 3  # let go for each comparison, told for the fourth case


def test_a_network_with_one_encoder_has_one_engine_whatever_a_case_has(network_plan):
    plan, kept = network_plan(), Kept()
    one = Run(plan, plan.build().eval(), {(OV_BF16, None): Opposite}, kept)
    assert {one.settle(subset).name for subset in (FIRST, SECOND)} == {OV_FP32}
    assert set(kept) == {(OV_BF16, None), (OV_FP32, None)}
    assert "is not good enough for this model: Dice 0." in one.warnings[0]
    again = Run(plan, plan.build().eval(), {}, kept)
    assert (again.trials.choice.name,) == again.trials.engines_for(FIRST) == (OV_FP32,)  # known before the first case


def test_an_engine_that_breaks_given_one_subset_is_tried_again_in_the_next_run(run):
    kept = Kept()
    first = run({(OV_BF16, SECOND.channels): Broken}, kept)
    assert [first.settle(subset).name for subset in (FIRST, SECOND)] == [OV_BF16, FP32]
    assert "does not run here, given FLAIR: RuntimeError: no such instruction" in first.warnings[0]
    assert (OV_BF16, SECOND) not in kept


@pytest.fixture
def plan(network_plan):
    """A plan, whose networks have one encoder and find foreground in its images."""
    return network_plan()


@torch.inference_mode()
def test_a_case_is_predicted_again_by_the_engine_that_takes_the_place_of_a_wrong_one(plan):
    one = Run(plan, plan.build().eval(), {(OV_BF16, None): Opposite}, Kept())
    one.settle(FIRST)
    assert torch.equal(one.logits, one.network.network(one.tile))


@pytest.mark.parametrize("is_of_background", [True, False])
def test_of_several_folds_the_first_ones_network_is_compared_and_no_fold_has_another_engine(plan, is_of_background):
    networks = [plan.build().eval() for _ in range(2)]
    if is_of_background:  # to the first one all is, so that the case does not tell
        networks[0].decoder.seg_layers[-1].weight.data.zero_()
        networks[0].decoder.seg_layers[-1].bias.data.fill_(-1)
    kept, computed = Kept(), []

    class Wrong(TorchFloat32):
        """An engine that decides wrongly what the second fold decides."""

        def __call__(self, tiles):
            computed.append(folds.network.fold)
            return super().__call__(tiles) * (-1 if folds.network.fold else 1)

    folds = Run(plan, networks[0], {(OV_BF16, None): Wrong}, kept, other_folds=networks[1:])
    for _ in range(2):
        assert folds.settle(FIRST).name == OV_BF16
    assert (len(kept), folds.warnings) == (not is_of_background, [])
    # the first time, and while the question is open: a tile of zeros, the case, and its tile to compare
    assert computed == [0, 0, 0, 1, 0, 0, 0, 1] if is_of_background else [0, 0, 0, 1, 0, 1]


def test_an_engine_that_was_good_enough_and_cannot_be_made_any_more_gives_way(plan):
    kept = Kept({(OV_BF16, None): CLOSE})
    one = Run(plan, plan.build().eval(), {(OV_BF16, None): Unmade}, kept)
    assert one.settle(FIRST).name == FP32
    (warning,) = one.warnings
    assert warning.startswith(f"{OV_BF16} does not run here: RuntimeError: no memory. {FP32} takes its place")
    assert kept == {(OV_BF16, None): CLOSE}  # it may be made another time
    assert kept.forgotten == [OV_BF16]


@pytest.mark.parametrize(("units", "expected"), [(("AMX",), BF16), ((), FP32)])
@pytest.mark.parametrize("first", [OV_BF16, OV_FP32])
def test_another_librarys_bfloat16_takes_the_place_of_what_cannot_be_made(plan, monkeypatch, units, expected, first):
    monkeypatch.setattr(choice, "bfloat16_units", lambda: units)
    kept, unmade = Kept(), {(name, None): Unmade for name in (OV_BF16, OV_FP32)}
    one = Run(plan, plan.build().eval(), unmade, kept, Choice(first, "fast"))
    assert one.settle(FIRST).name == expected
    assert one.made == [first, expected]
    assert set(kept) == ({(BF16, None)} if units else set())  # float32 is not compared with itself


@pytest.mark.parametrize(
    ("engines", "tried"),
    [
        ({OV_BF16: Opposite, OV_FP32: Unmade}, [OV_BF16, OV_FP32, BF16]),
        ({OV_BF16: Opposite, OV_FP32: Unmade, BF16: Opposite}, [OV_BF16, OV_FP32, BF16, FP32]),
        ({OV_BF16: Unmade, BF16: Unmade}, [OV_BF16, BF16, FP32]),
        ({OV_BF16: Opposite, OV_FP32: Opposite}, [OV_BF16, OV_FP32, FP32]),
    ],
)
def test_auto_tries_one_after_the_other_and_none_twice(plan, monkeypatch, engines, tried):
    monkeypatch.setattr(choice, "bfloat16_units", lambda: ("AMX",))
    one = Run(plan, plan.build().eval(), {(name, None): engine for name, engine in engines.items()}, Kept())
    assert one.settle(FIRST).name == tried[-1]
    assert one.made == tried
    assert one.trials.engines_for(FIRST) == (tried[-1],)


def test_an_engine_that_was_asked_for_or_is_the_last_breaks_aloud(plan):
    asked = Choice(OV_BF16, "as asked for", is_asked_for=True)
    every = {(name, None): Unmade for name in (OV_BF16, OV_FP32, FP32)}
    for first, warnings in ((asked, 0), (FAST, 1)):
        one = Run(plan, plan.build().eval(), every, Kept(), first)
        with pytest.raises(RuntimeError, match="no memory"):
            one.settle(FIRST)
        assert len(one.warnings) == warnings


def test_a_case_of_zeros_leaves_the_question_to_the_next_one(plan):
    one = Run(plan, plan.build().eval(), {}, Kept())
    image, one.tile = one.tile, torch.zeros_like(one.tile)
    assert one.settle(FIRST) == FAST
    one.tile = image
    assert one.settle(FIRST).is_settled

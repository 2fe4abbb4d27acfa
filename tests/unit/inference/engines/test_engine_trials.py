"""Engines are tried until one decides as torch in float32 does, for each network that is run."""

import pytest

from nnunetv2_mstkd.inference.engines.agreement import Agreement
from nnunetv2_mstkd.inference.engines.choice import Choice
from nnunetv2_mstkd.inference.engines.engine_network import EngineNetwork
from nnunetv2_mstkd.inference.engines.engine_trials import EngineTrials
from nnunetv2_mstkd.inference.engines.torch_engine import TorchFloat32
from nnunetv2_mstkd.inference.modality_encoders import seen_channels
from nnunetv2_mstkd.modalities import Modalities

MODALITIES = Modalities(("T1", "T1ce", "T2", "FLAIR"))
FIRST, SECOND = MODALITIES.subset("T1,T2"), MODALITIES.subset("FLAIR")
OV_BF16, OV_FP32, FP32 = "openvino-bfloat16", "openvino-float32", "torch-float32"
CLOSE, FAR = Agreement(1.0, 0), Agreement(0.5, 100)


class Opposite(TorchFloat32):
    """An engine that decides the opposite of everything."""

    def __call__(self, tiles):
        return -super().__call__(tiles)


class Broken(TorchFloat32):
    """An engine that breaks."""

    def __call__(self, tiles):
        raise RuntimeError("no such instruction")


class Kept(dict):
    """What ModelEngines keeps, (engine, subset) -> Agreement, and the subsets in the order in which they came."""

    def __init__(self, *args):
        super().__init__(*args)
        self.compared = []

    def remembered(self, name, subset):
        return self.get((name, subset))

    def remember(self, name, subset, agreement):
        self[name, subset] = agreement
        self.compared.append(subset)


class Run:
    """Trials of one run.

    Args:
        plan: of the network.
        network: that is run.
        engines: (engine, channels) -> its class; any other one decides as the network does.
        kept: of earlier runs.
    """

    def __init__(self, plan, network, engines, kept):
        def make(name, network, *_):
            self.made.append(name)
            return engines.get((name, seen_channels(network)), TorchFloat32)(network)

        self.made, self.warnings, self.tile = [], [], plan.image(batch=1)
        self.network = EngineNetwork(network, [network.state_dict()], OV_BF16, make)
        first = Choice(OV_BF16, "fast")
        self.trials = EngineTrials(first, self.network, kept, has_regions=True, warn=self.warnings.append)

    def settle(self, subset):
        """Predict a case that has a subset."""
        self.trials.see(subset)
        self.trials.settle(lambda: iter([self.tile]))
        assert self.network.engine_name == self.trials.choice.name
        return self.trials.choice


@pytest.fixture
def run(multi_encoder):
    """Return a function that makes a run on a network with an encoder for each modality."""

    def make(engines=None, kept=None):
        return Run(*multi_encoder, engines or {}, Kept() if kept is None else kept)

    return make


def test_a_subset_whose_engine_is_wrong_falls_back_and_the_others_do_not(run):
    kept = Kept()
    first = run({(OV_BF16, SECOND.channels): Opposite}, kept)
    assert first.settle(FIRST) == Choice(OV_BF16, f"fast; {CLOSE}, given T1+T2", is_compared=True)
    assert first.warnings == []
    found = first.settle(SECOND)
    assert (found.name, found.is_compared) == (OV_FP32, True)
    (warning,) = first.warnings
    assert warning.startswith(f"{OV_BF16} is not good enough for this model, given FLAIR: 0.")
    assert warning.endswith(f"{OV_FP32} takes its place, which is slower")
    assert first.settle(FIRST).name == OV_BF16
    assert set(kept) == {(OV_BF16, FIRST), (OV_BF16, SECOND), (OV_FP32, SECOND)}
    assert len(first.warnings) == 1


def test_what_earlier_runs_found_out_is_known_for_each_subset(run):
    again = run(kept=Kept({(OV_BF16, FIRST): CLOSE, (OV_BF16, SECOND): FAR, (OV_FP32, SECOND): FAR}))
    assert (again.trials.choice.name, again.warnings) == (OV_BF16, [])  # before any case
    assert again.trials.choice_for(SECOND).name == FP32
    assert seen_channels(again.network.network) == MODALITIES.all.channels  # asking tells the network nothing
    assert [again.settle(subset).name for subset in (FIRST, SECOND, FIRST)] == [OV_BF16, FP32, OV_BF16]
    assert again.made == []  # nothing had to be compared
    assert len(again.warnings) == 2  # one for each engine that was passed over, once


def test_each_subset_is_compared_once(run):
    kept = Kept()
    first = run(kept=kept)
    for subset in (FIRST, SECOND, FIRST, SECOND):
        first.settle(subset)
    assert kept.compared == [FIRST, SECOND]
    assert first.made == [OV_BF16, OV_BF16]


def test_a_network_with_one_encoder_has_one_engine_whatever_a_case_has(network_plan):
    plan, kept = network_plan(), Kept()
    one = Run(plan, plan.build().eval(), {(OV_BF16, None): Opposite}, kept)
    assert {one.settle(subset).name for subset in (FIRST, SECOND)} == {OV_FP32}
    assert set(kept) == {(OV_BF16, None), (OV_FP32, None)}
    assert "is not good enough for this model: 0." in one.warnings[0]
    again = Run(plan, plan.build().eval(), {}, kept)
    assert again.trials.choice.name == again.trials.choice_for(FIRST).name == OV_FP32  # known before the first case


def test_an_engine_that_breaks_given_one_subset_is_tried_again_in_the_next_run(run):
    kept = Kept()
    first = run({(OV_BF16, SECOND.channels): Broken}, kept)
    assert [first.settle(subset).name for subset in (FIRST, SECOND)] == [OV_BF16, OV_FP32]
    assert "does not run here, given FLAIR: RuntimeError: no such instruction" in first.warnings[0]
    assert (OV_BF16, SECOND) not in kept

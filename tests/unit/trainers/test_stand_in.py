"""Another network in the place of a trainer's own."""

from types import SimpleNamespace

import pytest

from nnunetv2_mstkd.trainers.stand_in import stand_in


def test_the_trainers_own_network_comes_back_whatever_happens():
    trainer, seen = SimpleNamespace(network="own"), []

    def fail():
        with stand_in(trainer, "inner"):
            seen.append(trainer.network)
            raise InterruptedError

    with stand_in(trainer, "outer"):
        with pytest.raises(InterruptedError):
            fail()
        seen.append(trainer.network)
    assert [*seen, trainer.network] == ["inner", "outer", "own"]

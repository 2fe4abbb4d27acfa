import pytest

from nnunetv2_mstkd.losses import sigmoid_ramp_up


@pytest.mark.parametrize(
    ("epoch", "released"),
    # w(e) of the released code, which ramps over 20 epochs.
    [(0, 0.06737947), (1, 0.10970998), (5, 0.60054668), (10, 2.86504797), (19, 9.875778), (20, 10.0), (100, 10.0)],
)
def test_reproduces_the_released_weights(epoch, released):
    assert 10 * sigmoid_ramp_up(epoch / 20) == pytest.approx(released, rel=1e-7)


def test_clips_below_zero():
    assert sigmoid_ramp_up(-3.0) == sigmoid_ramp_up(0.0)

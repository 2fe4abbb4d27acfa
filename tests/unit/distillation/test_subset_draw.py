"""Which modalities a sample has: uniform, never empty, and a pure function of where the run is."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from nnunetv2_mstkd.distillation.subset_draw import (
    cycle_subset_codes,
    draw_subset_codes,
    mask_modalities,
    modality_mask_from_codes,
    seeded_rng,
)
from nnunetv2_mstkd.modalities import Modalities

FOUR = Modalities(("T1", "T1ce", "T2", "FLAIR"))
WHERE = {"seed": 0, "epoch": 0, "iteration": 0, "rank": 0}


def complete(num_modalities, batch_size):
    """What cases have that lack nothing."""
    return np.full(batch_size, 2**num_modalities - 1)


def draw(num_modalities, batch_size, **where):
    return draw_subset_codes(complete(num_modalities, batch_size), num_modalities, **where)


def test_draws_are_uniform_over_the_subsets_and_never_empty():
    codes = np.concatenate([draw(4, 10, **{**WHERE, "iteration": i}) for i in range(300)])
    counts = np.bincount(codes, minlength=16)
    assert counts[0] == 0
    assert len(counts) == 16
    # 3000 draws over 15 subsets; the draw is a pure function of its seed, so this cannot fail by chance
    assert chisquare(counts[1:]).pvalue > 0.01


@pytest.mark.parametrize("num_modalities", [2, 5])
def test_draws_reach_every_subset_of_other_numbers_of_modalities(num_modalities):
    codes = np.concatenate([draw(num_modalities, 20, **{**WHERE, "epoch": e}) for e in range(20)])
    assert set(codes) == set(range(1, 2**num_modalities))


def test_a_draw_is_repeated_where_the_run_is_the_same():
    assert np.array_equal(draw(4, 6, **WHERE), draw(4, 6, **WHERE))


@pytest.mark.parametrize("changed", ["seed", "epoch", "iteration", "rank"])
def test_a_draw_differs_elsewhere(changed):
    # 15^-20: by chance they cannot be equal
    assert not np.array_equal(draw(4, 20, **WHERE), draw(4, 20, **{**WHERE, changed: 1}))


def test_samples_of_a_batch_differ():
    assert len(set(draw(4, 20, **WHERE))) > 5


def test_a_draw_does_not_depend_on_the_batch_size():
    """A sample keeps its subset when memory forces a smaller batch."""
    assert np.array_equal(draw(4, 6, **WHERE)[:2], draw(4, 2, **WHERE))


def test_draws_stay_within_what_a_case_has_and_are_uniform_there():
    # T1 and T2, channels 0 and 2, of four: the subsets are 1 (T1), 4 (T2) and 5 (both)
    codes = np.concatenate([draw_subset_codes(np.array([5, 8]), 4, **{**WHERE, "iteration": i}) for i in range(900)])
    of_first, of_second = codes[::2], codes[1::2]
    assert set(of_second) == {8}, "one modality alone cannot be dropped"
    assert set(of_first) == {1, 4, 5}
    assert chisquare([(of_first == code).sum() for code in (1, 4, 5)]).pvalue > 0.01


def test_a_complete_sample_draws_the_same_beside_an_incomplete_one():
    alone = draw(4, 2, **WHERE)
    mixed = draw_subset_codes(np.array([5, 15]), 4, **WHERE)
    assert mixed[1] == alone[1]


def test_drop_probabilities_give_the_frequencies_that_follow_by_hand():
    # two modalities, dropped with 0.8 and 0.5, both together not counting: P(first alone) = 0.2 * 0.5 = 0.1,
    # P(second alone) = 0.8 * 0.5 = 0.4, P(both) = 0.2 * 0.5 = 0.1; of 0.6 in all
    draws = [draw(2, 10, **{**WHERE, "iteration": i}, drop_probabilities=(0.8, 0.5)) for i in range(300)]
    counts = np.bincount(np.concatenate(draws), minlength=4)
    assert counts[0] == 0
    assert chisquare(counts[1:], 3000 * np.array([0.1, 0.4, 0.1]) / 0.6).pvalue > 0.01


def test_drop_probabilities_count_for_what_a_case_has():
    # without the first two, the others' 0 leaves both of them always
    codes = draw_subset_codes(np.full(50, 12), 4, **WHERE, drop_probabilities=(0.9, 0.9, 0.0, 0.0))
    assert set(codes) == {12}


def test_equal_drop_probabilities_of_a_half_are_the_uniform_draw():
    draws = [draw(3, 10, **{**WHERE, "epoch": e}, drop_probabilities=(0.5, 0.5, 0.5)) for e in range(200)]
    assert chisquare(np.bincount(np.concatenate(draws), minlength=8)[1:]).pvalue > 0.01


def test_validation_shows_what_is_left_of_a_subset_or_all_there_is():
    # the canonical order begins with T1, T1ce, T2, FLAIR alone; the cases have T1 and T2 (code 5)
    codes = cycle_subset_codes(FOUR, np.full(4, 5), iteration=0)
    assert codes.tolist() == [1, 5, 4, 5]


@pytest.mark.parametrize(("world_size", "batch_size"), [(1, 1), (1, 4), (2, 2), (3, 5)])
def test_validation_covers_all_subsets_alike(world_size, batch_size):
    per_iteration = world_size * batch_size
    codes = [
        cycle_subset_codes(FOUR, complete(4, batch_size), iteration=i, rank=rank, world_size=world_size)
        for i in range(15)  # 15 iterations are a multiple of 15 samples, whatever the batch
        for rank in range(world_size)
    ]
    counts = np.bincount(np.concatenate(codes), minlength=16)
    assert counts[0] == 0
    assert set(counts[1:]) == {per_iteration}


@pytest.mark.parametrize("batch_size", [3, 5, 6, 15])
def test_validation_takes_each_subset_to_each_place_of_a_batch(batch_size):
    # nnU-Net forces foreground into the last places of a batch: no subset may be bound to one of them
    rounds = [cycle_subset_codes(FOUR, complete(4, batch_size), iteration=i) for i in range(15 * 15)]
    for place in range(batch_size):
        assert set(np.stack(rounds)[:, place]) == set(range(1, 16))


def test_ranks_validate_on_different_subsets():
    first, second = (
        cycle_subset_codes(FOUR, complete(4, 3), iteration=2, rank=rank, world_size=2) for rank in range(2)
    )
    assert not set(first) & set(second)


def test_validation_starts_with_the_canonical_order():
    codes = cycle_subset_codes(FOUR, complete(4, 15), iteration=0)
    assert [str(FOUR.subset_from_code(int(code))) for code in codes] == [str(subset) for subset in FOUR.subsets()]


def test_codes_become_masks():
    mask = modality_mask_from_codes(np.array([1, 8, 10, 15]), 4)
    assert mask.dtype is torch.bool
    # bit c is channel c: 1 = channel 0; 8 = channel 3; 10 = 2 + 8 = channels 1 and 3
    assert mask.tolist() == [
        [True, False, False, False],
        [False, False, False, True],
        [False, True, False, True],
        [True, True, True, True],
    ]


@pytest.mark.parametrize("axes", [2, 3])
def test_absent_modalities_become_zero_whatever_they_held(axes):
    image = torch.randn(2, 3, *(4,) * axes)
    image[0, 1] = torch.nan
    image[1, 2] = torch.inf
    original = image.clone()
    mask = torch.tensor([[True, False, True], [True, True, False]])
    masked = mask_modalities(image, mask)
    assert (masked[0, 1] == 0).all()
    assert (masked[1, 2] == 0).all()
    assert torch.equal(masked[mask], original[mask])
    assert torch.equal(image[mask], original[mask])  # the teacher still sees the whole
    assert image[0, 1].isnan().all()


def test_seeded_numbers_leave_the_generator_as_it_was():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with seeded_rng(torch.device("cpu"), 1, 2):
        first = torch.rand(4)
    assert torch.equal(torch.rand(2), expected)
    with seeded_rng(torch.device("cpu"), 1, 2):
        assert torch.equal(torch.rand(4), first)
    with seeded_rng(torch.device("cpu"), 2, 1):
        assert not torch.equal(torch.rand(4), first)


def test_seeded_numbers_put_the_generator_back_after_an_error():
    state = torch.get_rng_state()

    def fail():
        with seeded_rng(torch.device("cpu"), 0):
            torch.rand(1)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert torch.equal(torch.get_rng_state(), state)

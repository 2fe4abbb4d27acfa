"""Coarse label maps."""

import numpy as np
import pytest

from nnunetv2_mstkd.benchmark.preview import Preview, preview_stride, sampled
from nnunetv2_mstkd.errors import BenchmarkError


@pytest.mark.parametrize(
    ("spacing", "stride"),
    [((1, 1, 1), (2, 2, 2)), ((4, 4, 4), (1, 1, 1)), ((6, 0.5, 0.6), (1, 4, 3)), ((1.3, 1.4, 0.1), (2, 1, 20))],
)
def test_the_grid_is_about_two_millimetres(spacing, stride):
    assert preview_stride(spacing) == stride


def test_every_nth_voxel_is_kept():
    labels = np.arange(24).reshape(2, 3, 4)
    # voxels (0 | z = 0), (0, 2 | y), (0, 3 | x): 0, 3 and 8, 11
    assert np.array_equal(sampled(labels, (2, 2, 3)), [[[0, 3], [8, 11]]])


def test_large_labels_are_kept_apart_from_small_ones():
    assert sampled(np.array([[[1, 300]]]), (1, 1, 1)).tolist() == [[[1, 255]]]


def test_what_is_written_is_read(tmp_path):
    preview = Preview(
        ("T1", "T1+T2"), np.random.default_rng(0).integers(0, 4, (2, 3, 4, 5)).astype(np.uint8), (1, 2, 2)
    )
    preview.write(tmp_path / "records", "case")
    read = Preview.read(tmp_path / "records", "case")
    assert (read.subsets, read.stride) == (preview.subsets, preview.stride)
    assert np.array_equal(read.labels, preview.labels)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 and no more"])
def test_a_damaged_file_is_named(content, tmp_path):
    if content is not None:
        (tmp_path / "case.npz").write_bytes(content)
    with pytest.raises(BenchmarkError, match=r"case\.npz is missing or damaged .* Delete case\.json beside it"):
        Preview.read(tmp_path, "case")


@pytest.mark.parametrize("start", [200, 3000])  # in the header of the labels; in the labels, which are compressed
def test_a_file_with_damaged_contents_is_named(start, tmp_path):
    preview = Preview(("T1",), np.random.default_rng(0).integers(0, 4, (1, 30, 30, 30)).astype(np.uint8), (1, 1, 1))
    preview.write(tmp_path, "case")
    file = tmp_path / "case.npz"
    content = bytearray(file.read_bytes())
    content[start : start + 200] = b"\xff" * 200
    file.write_bytes(content)
    with pytest.raises(BenchmarkError, match=r"case\.npz is missing or damaged"):
        Preview.read(tmp_path, "case")

"""Simulated patients: physics by hand, what each modality shows, and the dataset that nnU-Net gets."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from scipy.ndimage import label as connected_components

from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.datasets.demonstration import template
from nnunetv2_mstkd.datasets.demonstration.anatomy import WHITE, tissue_fractions
from nnunetv2_mstkd.datasets.demonstration.cohort import Cohort, cases_of, splits_of
from nnunetv2_mstkd.datasets.demonstration.cohort_dataset import write_case, write_cohort
from nnunetv2_mstkd.datasets.demonstration.contrasts import (
    MODALITIES,
    TISSUES,
    Tissue,
    draw_protocol,
    inversion_recovery,
    signals,
    spin_echo,
)
from nnunetv2_mstkd.datasets.demonstration.grid import block_mean, head_grid, smooth_noise, volume_grid
from nnunetv2_mstkd.datasets.demonstration.patient import LABELS, draw_scans, simulate
from nnunetv2_mstkd.datasets.demonstration.tumour_fractions import OEDEMA, tumour_fractions
from nnunetv2_mstkd.errors import CohortError, MissingExtraError

SPACING = 4.0
CHANNEL = {name: i for i, name in enumerate(MODALITIES)}


@pytest.fixture(scope="module")
def patients():
    """Images and labels of ten patients."""
    scans = [draw_scans(seed=0, patient=i, num_scans=1)[0] for i in range(10)]
    return [(scan, *simulate(scan, SPACING)) for scan in scans]


class TestPhysics:
    def test_spin_echo_by_hand(self):
        tissue = Tissue(t1_ms=1000, t2_ms=100, density=0.8, uptake_per_s=1.0)
        assert spin_echo(tissue, tr_ms=500, te_ms=20) == pytest.approx(0.8 * (1 - np.exp(-0.5)) * np.exp(-0.2))
        # 1/T1 of 1 per second and an uptake of 1 per second: T1 is halved
        assert spin_echo(tissue, 500, 20, uptake=1) == pytest.approx(0.8 * (1 - np.exp(-1.0)) * np.exp(-0.2))

    def test_inversion_recovery_nulls_where_it_must(self):
        water = Tissue(t1_ms=4000, t2_ms=2000, density=1)
        nulling = 4000 * np.log(2)
        assert inversion_recovery(water, tr_ms=1e9, te_ms=100, ti_ms=nulling) == pytest.approx(0, abs=1e-9)
        assert inversion_recovery(water, 1e9, 0, 1e9) == pytest.approx(1)

    def test_contrasts_are_those_that_radiologists_know(self):
        for seed in range(20):
            table = signals(draw_protocol(np.random.default_rng(seed)))
            t1, t1ce, t2, flair = ({name: row[k] for k, name in enumerate(TISSUES)} for row in table)
            assert t1["white"] > t1["grey"] > t1["csf"]
            assert t2["csf"] > t2["necrosis"] > t2["oedema"] > t2["grey"] > t2["white"]
            assert flair["csf"] < 0.2 * flair["white"]
            assert flair["oedema"] > 1.2 * flair["white"]
            assert t1ce["enhancing"] > 1.2 * t1ce["white"], "enhancement shows in T1ce"
            assert abs(t1["enhancing"] / t1["non_enhancing"] - 1) < 0.15, "and not in T1"
            assert flair["lesion"] > 1.2 * flair["white"], "lesions of age look like oedema"


class TestGrid:
    def test_brats_geometry_at_1_mm(self):
        assert volume_grid(1.0).shape == (155, 240, 240)

    def test_smooth_noise_is_the_same_field_on_every_grid(self):
        coarse, fine = volume_grid(6.0), volume_grid(6.0).refined(3)
        on_coarse = smooth_noise(np.random.default_rng(0), coarse, 30.0)
        on_fine = smooth_noise(np.random.default_rng(0), fine, 30.0)[1::3, 1::3, 1::3]  # the blocks' centre voxels
        np.testing.assert_allclose(on_fine, on_coarse, atol=1e-4)

    def test_smooth_noise_has_unit_variance(self):
        field = smooth_noise(np.random.default_rng(0), volume_grid(4.0), 10.0)
        assert 0.9 < field.std() < 1.1
        assert abs(field.mean()) < 0.05

    def test_block_mean_by_hand(self):
        field = np.arange(64, dtype=np.float32).reshape(4, 4, 4)
        assert block_mean(field, 2)[0, 0, 0] == field[:2, :2, :2].mean()
        assert block_mean(field, 1) is field


class TestImages:
    def test_zero_outside_one_brain_mask_of_all_channels(self, patients):
        for _, images, labels in patients:
            brain = images[0] > 0
            assert images.dtype == np.int16
            assert all(((image > 0) == brain).all() for image in images)
            assert not labels[~brain].any()
            components, _ = connected_components(brain)
            assert np.bincount(components.ravel())[1:].max() > 0.99 * brain.sum()

    def test_brains_have_a_brain_s_size(self, patients):
        volumes = [(images[0] > 0).sum() * SPACING**3 / 1e6 for _, images, _ in patients]
        assert all(1.2 < litres < 2.0 for litres in volumes)

    def test_the_affine_and_the_deformation_differ_between_patients(self, patients):
        first, second = (images[0] > 0 for _, images, _ in patients[:2])
        overlap = 2 * (first & second).sum() / (first.sum() + second.sum())
        assert 0.8 < overlap < 0.99

    def test_every_tumour_has_a_core_and_some_do_not_enhance(self, patients):
        assert all((np.isin(labels, (1, 3))).any() for _, _, labels in patients)
        for scan, _, labels in patients:
            assert (labels == LABELS["enhancing"]).any() == scan.tumour.enhancing
        enhancing = [draw_scans(1, i, 1)[0].tumour.enhancing for i in range(30)]
        assert 0.6 < np.mean(enhancing) < 1
        foci = [len(draw_scans(1, i, 1)[0].tumour.foci) for i in range(30)]
        assert {1} < set(foci), "some are multifocal"

    def test_each_modality_shows_its_part_of_the_truth(self, patients):
        """Contrast to the brain around, in units of the brain's spread: high where it shows, low where it does not."""
        seen = {(name, part): [] for name in MODALITIES for part in ("enhancing", "oedema")}
        for _, images, labels in patients:
            brain = (images[0] > 0) & (labels == 0)
            for name, part in seen:
                region = labels == LABELS[part]
                if region.sum() > 30:
                    image = images[CHANNEL[name]].astype(float)
                    around = np.percentile(image[brain], (16, 50, 84))
                    seen[name, part].append((np.median(image[region]) - around[1]) / (around[2] - around[0]))
        contrast = {key: np.median(values) for key, values in seen.items()}
        assert contrast["T1ce", "enhancing"] > 1.2
        assert contrast["FLAIR", "oedema"] > 1.5
        assert contrast["T2", "oedema"] > 0.5
        assert abs(contrast["T1", "enhancing"]) < 0.7
        assert abs(contrast["T1ce", "oedema"]) < 0.7

    def test_scanners_have_scales_of_their_own(self, patients):
        scales = [np.median(images[0][images[0] > 0]) for _, images, _ in patients]
        assert max(scales) > 2 * min(scales)

    def test_oedema_prefers_white_matter(self):
        """Where white matter is, oedema is more often than elsewhere at the same distance from the core."""
        shares = []
        for patient in range(4):
            scan = draw_scans(0, patient, 1)[0]
            grid = head_grid(volume_grid(3.0))
            tissues, brain = tissue_fractions(scan.anatomy, grid, scan.tumour.mass_effects)
            oedema = tumour_fractions(scan.tumour, scan.anatomy, grid, tissues, brain)[OEDEMA] > 0.5
            centre = scan.tumour.foci[0].centre_mm
            distance = np.sqrt(sum((a - c) ** 2 for a, c in zip(grid.axes_mm, centre, strict=True)))
            shell = (distance < np.percentile(distance[oedema], 95)) & (distance > np.percentile(distance[oedema], 50))
            shell &= brain > 0.5
            white = tissues[WHITE] > 0.5
            shares.append(oedema[shell & white].mean() - oedema[shell & ~white].mean())
        assert np.mean(shares) > 0.1

    def test_the_same_patient_at_two_spacings(self):
        scan = draw_scans(0, 3, 1)[0]
        volumes = [(simulate(scan, spacing)[1] > 0).sum() * spacing**3 for spacing in (2.0, 4.0)]
        assert volumes[0] == pytest.approx(volumes[1], rel=0.15)

    def test_time_points_share_the_head_and_the_tumour_grows(self):
        first, second = draw_scans(0, 3, 2)
        assert first.anatomy == second.anatomy
        assert first.protocol != second.protocol
        assert first == draw_scans(0, 3, 1)[0]
        assert (simulate(second, SPACING)[1] > 0).sum() > (simulate(first, SPACING)[1] > 0).sum()


class TestCohort:
    def test_counts_and_patients(self):
        cases = cases_of(Cohort(cases=40, test_cases=10))
        training = [case for case in cases if case.split == "Tr"]
        test = [case for case in cases if case.split == "Ts"]
        assert (len(training), len(test)) == (40, 10)
        assert len({case.name for case in cases}) == 50
        assert not {case.patient for case in training} & {case.patient for case in test}
        times = np.bincount([case.patient for case in training])
        assert set(times) >= {1, 2}, "a few patients have several time points"

    @pytest.mark.parametrize("count", [2, 3, 7, 40])
    @pytest.mark.parametrize("seed", range(5))
    def test_splits_are_grouped_by_patient_and_hold_each_case_once(self, count, seed):
        cases = [case for case in cases_of(Cohort(cases=count, seed=seed)) if case.split == "Tr"]
        splits = splits_of(cases)
        patient_of = {case.name: case.patient for case in cases}
        for split in splits:
            assert split["train"]
            assert split["val"]
            assert sorted(split["train"] + split["val"]) == sorted(patient_of)
            assert not {patient_of[n] for n in split["train"]} & {patient_of[n] for n in split["val"]}
        assert sorted(name for split in splits for name in split["val"]) == sorted(patient_of)

    def test_bit_for_bit_by_seed(self, tmp_path):
        cohort = Cohort(2, 1, SPACING)
        case = cases_of(cohort)[0]
        for name in ("a", "b"):
            write_case(tmp_path / name, cohort, case)
        write_case(tmp_path / "other", Cohort(2, 1, SPACING, seed=1), case)
        first = sorted(file.relative_to(tmp_path / "a") for file in (tmp_path / "a").rglob("*.*"))
        assert len(first) == 6  # four channels, the labels, and what was drawn
        assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in first)
        image = f"imagesTr/{case.name}_0000.nii.gz"
        assert (tmp_path / "a" / image).read_bytes() != (tmp_path / "other" / image).read_bytes()

    @pytest.mark.slow
    def test_the_number_of_processes_changes_nothing(self, tmp_path):
        cohort = Cohort(2, 1, 6.0)
        for workers in (1, 2):
            write_cohort(tmp_path / str(workers) / "Dataset901_Simulated", cohort, workers)
        files = sorted(file.relative_to(tmp_path / "1") for file in (tmp_path / "1").rglob("*.*"))
        assert len(files) > 18
        assert all((tmp_path / "1" / f).read_bytes() == (tmp_path / "2" / f).read_bytes() for f in files)

    def test_geometry_on_disk(self, tmp_path):
        cohort = Cohort(2, 0, SPACING)
        case = cases_of(cohort)[0]
        write_case(tmp_path, cohort, case)
        files = [*(tmp_path / "imagesTr").iterdir(), *(tmp_path / "labelsTr").iterdir()]
        images = [SimpleITK.ReadImage(str(file)) for file in files]
        assert {image.GetSize() for image in images} == {(60, 60, 39)}
        assert {image.GetSpacing() for image in images} == {(SPACING,) * 3}
        assert {image.GetDirection() for image in images} == {(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)}
        # the corner of the volume is where it is in BraTS: half a voxel before (0, -239, 0)
        assert {image.GetOrigin() for image in images} == {(1.5, -237.5, 1.5)}

    def test_a_killed_run_continues_and_a_finished_one_rests(self, tmp_path):
        folder, cohort = tmp_path / "Dataset901_Simulated", Cohort(2, 1, SPACING)
        cases = cases_of(cohort)
        folder.mkdir()
        (folder / "cohort.json").write_text(json.dumps({"cases": 2, "test_cases": 1, "spacing_mm": SPACING, "seed": 0}))
        write_case(folder, cohort, cases[0])
        (folder / "imagesTr" / f".partial_{cases[1].name}_0000.nii.gz").write_bytes(b"half")
        kept = (folder / "labelsTr" / f"{cases[0].name}.nii.gz").stat().st_mtime_ns
        seen = []
        assert write_cohort(folder, cohort, progress=lambda done, total: seen.append((done, total)))
        assert seen == [(1, 3), (2, 3), (3, 3)]
        assert (folder / "labelsTr" / f"{cases[0].name}.nii.gz").stat().st_mtime_ns == kept
        assert not list(folder.rglob(".partial*"))
        dataset_json = json.loads((folder / "dataset.json").read_text())
        assert list(dataset_json["labels"]) == ["background", "whole_tumor", "tumor_core", "enhancing_tumor"]
        assert dataset_json["numTraining"] == len(list((folder / "labelsTr").iterdir())) == 2
        assert len(list((folder / "imagesTs").iterdir())) == 4
        assert not write_cohort(folder, cohort)

    def test_the_command_refuses_before_it_works(self, tmp_path, capsys):
        used = tmp_path / "Dataset901_Used"
        used.mkdir()
        (used / "notes.txt").write_text("mine")
        other = tmp_path / "Dataset902_Other"
        other.mkdir()
        (other / "cohort.json").write_text(json.dumps({"cases": 3}))
        wrong = {
            str(tmp_path / "mine"): "'mine'",
            str(used): "not empty",
            str(other): "other settings",
        }
        for out, words in wrong.items():
            assert main(["cohort", out]) == 1
            assert words in capsys.readouterr().err
        assert [file.name for file in used.iterdir()] == ["notes.txt"]

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"cases": 1}, "given: 1"),
            ({"test_cases": -1}, "given: -1"),
            ({"spacing_mm": 0.1}, "given: 0.1"),
            ({"spacing_mm": 9}, "given: 9"),
            ({"seed": -2}, "given: -2"),
        ],
    )
    def test_numbers_out_of_range(self, settings, words):
        with pytest.raises(CohortError, match=words):
            Cohort(**settings)

    def test_without_nilearn_the_error_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "nilearn", None)
        template.tissue_maps.cache_clear()
        with pytest.raises(MissingExtraError, match=r"nnunetv2_mstkd\[demo\]"):
            template.tissue_maps()


def test_it_is_an_nnunet_dataset(tmp_path: Path, monkeypatch):
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    folder = tmp_path / "Dataset901_Simulated"
    write_cohort(folder, Cohort(2, 0, 6.0))
    verify_dataset_integrity(str(folder), num_processes=1)

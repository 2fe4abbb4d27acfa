"""A model of 3D TIFF files, whose spacing nnU-Net keeps in a second file."""

import json

import numpy as np
import pytest
import SimpleITK
import tifffile

from nnunetv2_mstkd.cli.main import main
from nnunetv2_mstkd.inference.missing_modality_predictor import MissingModalityPredictor

pytestmark = pytest.mark.slow


def test_a_tiff_model_finds_the_spacing_and_writes_it_beside_the_labels(random_model, files, tmp_path):
    model = random_model(plans={"image_reader_writer": "Tiff3DIO"}, dataset_json={"file_ending": ".tif"})
    images, output = tmp_path / "images", tmp_path / "output"
    images.mkdir()
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(files["T1ce"])).astype(np.float32)
    tifffile.imwrite(images / "case_0001.tif", array, photometric="minisblack")
    spacing = {"spacing": [3.0, 3.0, 3.0]}
    (images / "case.json").write_text(json.dumps(spacing))
    command = ["predict", "-m", model, "-i", images, "-o", output, "-device", "cpu", "--disable_tta"]
    assert main([str(argument) for argument in command]) == 0
    written = {path.name for path in output.iterdir()}
    assert written == {"case.tif", "case.json", "case.mstkd.json", "dataset.json", "plans.json", "mstkd_run.json"}
    assert json.loads((output / "case.json").read_text()) == spacing
    predictor = MissingModalityPredictor(model, device="cpu", mirroring=False)
    expected = predictor.predict_case(T1ce=array, spacing_mm=(3, 3, 3)).labels
    assert np.array_equal(tifffile.imread(output / "case.tif"), expected)

"""What is said of folds, by what is known of the patients."""

from nnunetv2_mstkd.datasets.conversion.check import check_dataset
from nnunetv2_mstkd.datasets.conversion.convert import plan_conversion
from nnunetv2_mstkd.datasets.conversion.link_root import LinkRoot
from nnunetv2_mstkd.datasets.conversion.options import ConversionOptions
from nnunetv2_mstkd.datasets.conversion.splits import choose_splits
from nnunetv2_mstkd.datasets.conversion.summary import summary_lines


def test_folds_are_grouped_by_patient_only_where_patients_are_told(make_source, but, tmp_path):
    source = make_source()
    for index in range(len(source.cases)):
        if index:  # of the first one
            source = but(source, index - 1, is_patient_told=False)
            chosen = choose_splits(check_dataset(source), ConversionOptions())
            assert chosen.told == "grouped by patient where patients are told, else by case"
            assert f"nothing tells the patients of {index} case" in chosen.warnings[0]
    assert choose_splits(check_dataset(make_source()), ConversionOptions()).told == "grouped by patient"
    source = but(source, len(source.cases) - 1, is_patient_told=False)
    plan = plan_conversion(source, tmp_path / "Dataset001_X", LinkRoot.of(str(source.folder)), ConversionOptions())
    lines = list(summary_lines(plan))
    assert lines[0].endswith(f"(brats2021): {len(source.cases)} cases")
    assert any(line.startswith("folds: by case; ") for line in lines)
    assert any(line.startswith("warning: nothing tells the patients of") for line in lines)

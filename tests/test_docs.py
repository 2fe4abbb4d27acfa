"""What README and docs say holds: code runs, links lead somewhere, tables equal the code."""

import json
import re
from pathlib import Path

import nnunetv2
import numpy as np
import pytest
import SimpleITK

from nnunetv2_mstkd import planning, trainers
from nnunetv2_mstkd.distillation.settings import (
    ACNSettings,
    DedicatedSettings,
    DistillationSettings,
    SubsetSettings,
    settings_from_plans,
)

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = {str(page.relative_to(ROOT)): page for page in PAGES}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def blocks(page: Path, language: str) -> list[str]:
    return [code for found, code in FENCE.findall(page.read_text()) if found == language]


def pages_with(language: str) -> list[str]:
    return [name for name, page in NAMES.items() if blocks(page, language)]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name):
    broken = []
    for link in LINK.findall(prose(NAMES[name])):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        page = (NAMES[name].parent / target).resolve() if target else NAMES[name]
        if not page.exists() or (anchor and anchor not in anchors(page)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("name", NAMES)
def test_every_fence_is_closed_and_says_its_language(name):
    fences = re.findall(r"^```(.*)$", NAMES[name].read_text(), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert not [fence for fence in fences[::2] if fence not in ("bash", "json", "python", "text", "toml", "mermaid")]


def stock_trainers() -> set[str]:
    """Return the names of the trainers that nnU-Net's own source defines."""
    files = (Path(nnunetv2.__path__[0]) / "training" / "nnUNetTrainer").rglob("*.py")
    return {name for file in files for name in re.findall(r"^class (nnUNetTrainer\w*)", file.read_text(), re.MULTILINE)}


STOCK_TRAINERS = stock_trainers()
READERS_TRAINERS = {"nnUNetTrainerMSTKDMine"}  # of the how-to on subclasses


def unknown_trainers(text: str) -> set[str]:
    """Return what a text calls a trainer and is none, neither of ours nor of nnU-Net's."""
    # a results folder is <trainer>__<plans>__<configuration>, and <trainer>_<N>epochs a pattern
    names = {name.split("__")[0].removesuffix("_") for name in re.findall(r"nnUNetTrainer\w*", text)}
    return {name for name in names - STOCK_TRAINERS - READERS_TRAINERS if not hasattr(trainers, name)}


@pytest.mark.parametrize("name", NAMES)
def test_every_trainer_that_is_named_exists(name):
    assert not unknown_trainers(NAMES[name].read_text())


@pytest.mark.parametrize(
    "wrong",
    ["nnUNetTrainerMMformer", "nnUNetTrainerSMUnet", "nnUNetTrainerACN_0epochs", "nnUNetTrainer_3epochs"],
)
def test_the_name_of_no_trainer_would_be_seen(wrong):
    text = f"`{wrong}`, `nnUNetTrainerACN_3epochs`, `nnUNetTrainer_5epochs`, `nnUNetTrainerRMBTS__nnUNetPlans__2d`"
    assert unknown_trainers(text) == {wrong}


# --- Code ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """What the documented snippets find on a user's machine."""
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "OPEN_MS"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    (tmp_path / "nnUNet_preprocessed" / "Dataset902_OpenMS").mkdir()
    plans = tmp_path / "nnUNet_preprocessed" / "Dataset137_Glioma" / "nnUNetPlans.json"
    plans.parent.mkdir()
    plans.write_text(json.dumps({"plans_name": "nnUNetPlans"}))
    for patient in ("patient1", "patient2", "patient3"):
        for image in ("t1", "t1c", "t2", "flair", "seg"):
            file = tmp_path / "OPEN_MS" / patient / f"{image}.nii.gz"
            file.parent.mkdir(exist_ok=True)
            SimpleITK.WriteImage(SimpleITK.Image(2, 2, 2, SimpleITK.sitkUInt8), str(file))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name: str) -> dict:
    """Run the page's Python blocks one after the other; return what they define."""
    namespace: dict = {"__name__": "documentation"}
    for code in blocks(NAMES[name], "python"):
        exec(compile(code, name, "exec"), namespace)
    return namespace


@pytest.mark.parametrize("name", pages_with("python"))
def test_python_of_the_page_runs(name, surroundings):
    run(name)


def test_the_conversion_of_real_patients_makes_a_data_set(surroundings):
    run("docs/how-to/train-on-real-patients.md")
    dataset = surroundings / "nnUNet_raw" / "Dataset902_OpenMS"
    assert len(list((dataset / "imagesTr").iterdir())) == 3 * 4
    assert len(list((dataset / "labelsTr").iterdir())) == 3
    assert json.loads((dataset / "dataset.json").read_text())["numTraining"] == 3
    splits = json.loads((surroundings / "nnUNet_preprocessed" / "Dataset902_OpenMS" / "splits_final.json").read_text())
    assert [split["val"] for split in splits] == [["patient1"], ["patient2"], ["patient3"]]
    assert all(set(split["train"]) | set(split["val"]) == {"patient1", "patient2", "patient3"} for split in splits)


def write(file: Path, array: np.ndarray) -> None:
    image = SimpleITK.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetOrigin((-4.0, 5.0, 6.0))
    SimpleITK.WriteImage(image, str(file))


def test_the_snippet_completes_a_case(surroundings):
    functions = run("docs/how-to/mask-in-the-stock-command.md")
    for channel in (1, 3):
        write(surroundings / f"patientC_{channel:04d}.nii.gz", np.ones((2, 3, 4)))
    assert functions["complete_case"](surroundings, "patientC", 4) == "0101"
    for channel, value in enumerate((0, 1, 0, 1)):
        image = SimpleITK.ReadImage(str(surroundings / f"patientC_{channel:04d}.nii.gz"))
        assert (SimpleITK.GetArrayFromImage(image) == value).all()
        assert image.GetSpacing() == (1.0, 2.0, 3.0)
        assert image.GetOrigin() == (-4.0, 5.0, 6.0)


def test_the_snippet_compares_the_unions(surroundings):
    has_equal_union = run("docs/how-to/mask-in-the-stock-command.md")["has_equal_union"]
    small, large = np.zeros((2, 3, 4)), np.zeros((2, 3, 4))
    small[0], large[:] = 1, 1
    write(surroundings / "case_0000.nii.gz", small)
    write(surroundings / "case_0001.nii.gz", large)
    assert has_equal_union(surroundings, "case", 2, "01")
    assert not has_equal_union(surroundings, "case", 2, "10")


@pytest.mark.parametrize("name", pages_with("json"))
def test_json_of_the_page_is_valid_plans(name):
    for code in blocks(NAMES[name], "json"):
        plans = json.loads(code)
        if "mstkd" in plans:
            # a student of one subset needs a teacher with weights of its own, as ACN has
            with_teacher = ACNSettings() if "fixed_subset" in plans["mstkd"] else DistillationSettings()
            for defaults in (with_teacher, DedicatedSettings()):
                settings_from_plans(defaults, plans)


# --- Tables ----------------------------------------------------------------------------------------------------------


def table_rows(page: Path) -> list[list[str]]:
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_readme_lists_the_trainers():
    cells = [row[0] for row in table_rows(ROOT / "README.md") if row[0].startswith("`nnUNetTrainer")]
    listed = re.findall("`(nnUNetTrainer[^`]*)`", " ".join(cells))
    assert sorted(listed) == sorted(trainers.TRAINERS)


def test_readme_gives_the_default_weights():
    settings = DistillationSettings()
    weights = {row[0].strip("`"): row[2] for row in table_rows(ROOT / "README.md") if len(row) == 4}
    for term in ("multiscale", "extreme_value", "consistency", "logits", "style_matching", "content", "adversarial"):
        assert float(weights[term]) == pytest.approx(getattr(settings, f"weight_{term}"), rel=2e-3)  # three digits


def test_the_reference_describes_every_planner():
    page = (ROOT / "docs/reference/planners.md").read_text()
    assert tuple(re.findall(r"^## (nnUNetPlanner\w+)$", page, re.MULTILINE)) == planning.planner_names()


def test_the_reference_gives_what_differs_in_single_trainers():
    rows = {row[0].strip("`"): row[1] for row in table_rows(ROOT / "docs/reference/settings.md") if len(row) == 2}
    common = vars(DistillationSettings())
    for name in (n for n in trainers.TRAINERS if n.startswith("nnUNetTrainerMSTKD") and n != "nnUNetTrainerMSTKD"):
        own = vars(getattr(trainers, name).default_settings)
        listed = dict(re.findall(r"`(\w+)` ([^,|]+)", rows[name]))
        assert set(listed) == {key for key in own if own[key] != common[key]}
        for key, text in listed.items():
            assert own[key] == pytest.approx(eval(text)), key  # "0.2 / 2.4" is how the page derives it


def settings_by_section() -> dict[str, dict[str, str]]:
    """Return heading -> setting -> default, as the page writes it."""
    sections = re.split(r"^## (.*)$", (ROOT / "docs/reference/settings.md").read_text(), flags=re.MULTILINE)[1:]
    listed = {}
    for heading, text in zip(sections[::2], sections[1::2], strict=True):
        rows = re.findall(r"^\| `(\w+)` \| `?([^|`]+)`? \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE)
        listed[heading.replace("`", "")] = {name: default.strip() for name, default in rows}
    return listed


def settings_classes() -> dict[str, type]:
    """Return heading -> the class whose own settings the section gives."""
    classes = {"All trainers": SubsetSettings, "The MST-KD trainers": DistillationSettings}
    for name in trainers.TRAINERS:
        settings = type(getattr(trainers, name).default_settings)
        if settings not in classes.values():
            classes[name] = settings
    return classes


@pytest.mark.parametrize("heading", settings_classes())
def test_the_reference_gives_every_setting_and_its_default(heading):
    settings = settings_classes()[heading]
    own = {name: repr(getattr(settings, name)) for name in settings.__annotations__}
    assert settings_by_section()[heading] == own

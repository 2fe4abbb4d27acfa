"""What files are by their endings."""

import pytest

from nnunetv2_mstkd.cases.folder_listing import list_folder

ENDINGS = (".nii.gz", ".nii", ".nrrd")


@pytest.mark.parametrize(
    ("name", "stem"), [("a.nii.gz", "a"), ("a.NII.GZ", "a"), ("a.b.nrrd", "a.b"), ("a.nii", "a"), ("a.gz.nii", "a.gz")]
)
def test_images_lose_their_whole_ending(folder, name, stem):
    (image,) = list_folder(folder(name), ENDINGS).images
    assert (image.path.name, image.stem) == (name, stem)


@pytest.mark.parametrize(
    "name", ["a.dcm", "a.mha", "a.PNG", "a.npy", "a.mgz", "a.tiff", "a.img", "a.nrrd.jpg", "a.nii.xz"]
)
def test_images_of_other_formats_are_told(folder, name):
    listing = list_folder(folder(name), ENDINGS)
    assert [image.path.name for image in listing.foreign] == [name]
    assert not listing.images + listing.ignored


def test_a_longer_ending_is_another_format(folder):
    assert [image.stem for image in list_folder(folder("a.nii.gz"), (".nii",)).foreign] == ["a"]


def test_other_files_hidden_ones_and_derivatives_are_ignored(folder):
    root = folder("a.json", "README", "b.nii.txt", "._a.nii.gz", ".cache/a.nii.gz", "Derivatives/x/a.nii.gz", "p/a.nii")
    listing = list_folder(root, ENDINGS)
    assert [path.name for path in listing.ignored] == [
        "._a.nii.gz",
        ".cache",
        "Derivatives",
        "README",
        "a.json",
        "b.nii.txt",
    ]
    assert [image.path for image in listing.images] == [root / "p/a.nii"]


def test_linked_folders_are_followed_but_not_in_circles(folder, tmp_path):
    root = folder("p/t1.nii.gz")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/t2.nii.gz").touch()
    (root / "q").symlink_to(tmp_path / "elsewhere")
    (root / "p/up").symlink_to(root)
    listing = list_folder(root, ENDINGS)
    assert [image.path for image in listing.images] == [root / "p/t1.nii.gz", root / "q/t2.nii.gz"]
    assert listing.ignored == (root / "p/up",)


def test_a_broken_link_is_not_passed_over(folder):
    root = folder()
    (root / "a_t1.nii.gz").symlink_to(root / "gone.nii.gz")
    assert [image.stem for image in list_folder(root, ENDINGS).images] == ["a_t1"]

"""The range of nnU-Net versions, and what is said outside it."""

import re
from importlib import metadata

import pytest

from nnunetv2_mstkd import compatibility
from nnunetv2_mstkd.errors import MSTKDError, UnsupportedNNUNetError


@pytest.fixture
def installed(monkeypatch):
    def pretend(version):
        def answer(name):
            if version is None:
                raise metadata.PackageNotFoundError(name)
            return version

        monkeypatch.setattr(metadata, "version", answer)

    return pretend


@pytest.mark.parametrize("version", ["2.8", "2.8.0", "2.8.1", "2.8.99", "2.8.1.post1", "2.8rc1"])
def test_supported_versions_pass(installed, version):
    installed(version)
    compatibility.require_supported_nnunet()


@pytest.mark.parametrize("version", ["1.7.1", "2.7.9", "2.9.0", "2.10", "3.0"])
def test_other_versions_are_refused_with_the_line_that_mends_it(installed, version):
    installed(version)
    message = f"nnunetv2 {version}. Mend: pip install 'nnunetv2>=2.8,<2.9'"
    with pytest.raises(UnsupportedNNUNetError, match=re.escape(message)):
        compatibility.require_supported_nnunet()


def test_a_missing_nnunet_is_said_to_be_missing(installed):
    installed(None)
    assert compatibility.nnunet_version() is None
    with pytest.raises(UnsupportedNNUNetError, match=r"not installed\. Mend: pip install"):
        compatibility.require_supported_nnunet()


def test_the_tests_run_with_a_supported_version():
    compatibility.require_supported_nnunet()


def test_the_package_metadata_pins_the_same_range(checkout):
    assert f'"nnunetv2{compatibility.supported_range()}"' in (checkout / "pyproject.toml").read_text()


def test_the_error_is_an_import_error_too():
    assert issubclass(UnsupportedNNUNetError, ImportError)
    assert issubclass(UnsupportedNNUNetError, MSTKDError)

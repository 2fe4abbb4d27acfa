"""What the page of a made-up benchmark is made of; made once, for its statistics take a second."""

import pytest
from benchmark_records import MadeUpBenchmark, MadeUpModel, write_benchmark

from nnunetv2_mstkd.benchmark.report.summary_index import SummaryIndex
from nnunetv2_mstkd.benchmark.report.write import make_content
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.benchmark.results import read_results
from nnunetv2_mstkd.regions import Region

HOSTILE = '</script><script>alert("x")</script><img src=x onerror=alert(1)>'


@pytest.fixture(scope="session")
def benchmark_folder(tmp_path_factory):
    return write_benchmark(tmp_path_factory.mktemp("benchmark"), MadeUpBenchmark(cases=6, images=True))


@pytest.fixture(scope="session")
def results(benchmark_folder):
    return read_results(benchmark_folder)


@pytest.fixture(scope="session")
def content(results):
    return make_content(results, ReportOptions(published="FeTS2024"))


@pytest.fixture(scope="session")
def index(content):
    return SummaryIndex(content.summary)


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory):
    """Two modalities, one region, one model of a name that must not do anything, no images."""
    made_up = MadeUpBenchmark(
        models=(MadeUpModel(HOSTILE),),
        cases=3,
        modalities=("CT", "PET"),
        regions=(Region("liver", (1,)),),
    )
    return write_benchmark(tmp_path_factory.mktemp("small"), made_up)


@pytest.fixture(scope="session")
def small_content(small_folder):
    return make_content(read_results(small_folder), ReportOptions())

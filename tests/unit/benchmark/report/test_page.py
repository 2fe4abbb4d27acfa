"""The page is whole, loads nothing, and takes names for what they are."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from benchmark_records import NNUNET, MadeUpBenchmark, MadeUpModel, write_benchmark

from nnunetv2_mstkd.benchmark.report.number_text import typeset
from nnunetv2_mstkd.benchmark.report.page import make_page
from nnunetv2_mstkd.benchmark.report.page_security import content_security_policy, script_json
from nnunetv2_mstkd.benchmark.report.page_text import split_answer, told_cases
from nnunetv2_mstkd.benchmark.report.run_facts import report_command
from nnunetv2_mstkd.benchmark.report.vendored import NIIVUE_SHA256, NIIVUE_VERSION, niivue_licence, niivue_source
from nnunetv2_mstkd.benchmark.report.write import make_content
from nnunetv2_mstkd.benchmark.report_options import ReportOptions
from nnunetv2_mstkd.benchmark.results import read_results

LOADING = {
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("object", "data"),
}
HOSTILE = '</script><script>alert("x")</script><img src=x onerror=alert(1)>'


class Elements(HTMLParser):
    """All elements of a page, with their attributes and what the scripts hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.is_script = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.is_script = tag == "script"
        if self.is_script:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.is_script = False

    def handle_data(self, data):
        if self.is_script:
            self.scripts[-1] += data
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def page(content):
    return make_page(content)


@pytest.fixture(scope="module")
def elements(page):
    return Elements(page)


@pytest.fixture(scope="module")
def small(small_content):
    return Elements(make_page(small_content))


def test_nothing_is_loaded_from_anywhere(elements, page):
    loaded = [v for tag, attributes in elements.found for k, v in attributes.items() if (tag, k) in LOADING]
    assert loaded  # the still pictures
    assert [value[:5] for value in loaded if not value.startswith("data:")] == []
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL).group(1)
    assert "@import" not in style
    assert "url(" not in style
    assert not [a for _, a in elements.found if "url(" in (a.get("style") or "")]


def test_the_policy_allows_exactly_the_scripts_of_the_page(elements):
    policy = next(m["content"] for m in elements.of("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy
    scripts = [s for s, a in zip(elements.scripts, elements.of("script"), strict=True) if not a.get("type")]
    digests = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts}
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == digests
    assert len(digests) == 3  # NiiVue, the viewer, the tables


def test_the_answer_and_the_warning_come_first(elements, content):
    first = elements.text[: elements.text.index("Figure 1.")]
    assert split_answer(typeset(content.summary["headline"]["text"]))[0] in first
    assert content.summary["small_sample"] in first


def test_every_part_can_be_reached(elements):
    places = {attributes.get("id") for _, attributes in elements.found}
    links = [a["href"][1:] for a in elements.of("a") if a["href"].startswith("#")]
    assert {"tables", "ranks", "cases", "published", "method"} <= set(links)
    assert set(links) <= places


def test_links_to_the_world_are_only_those_that_are_cited(elements):
    remote = {a["href"] for a in elements.of("a") if a["href"].startswith("http")}
    assert remote == {"https://github.com/niivue/niivue", "https://arxiv.org/abs/2507.22626"}


def test_the_viewer_gets_its_data(elements):
    (data,) = [s for s, a in zip(elements.scripts, elements.of("script"), strict=True) if a.get("type")]
    assert [case["name"] for case in json.loads(data)["cases"]]


def test_the_page_stays_small(page):
    assert len(page) < 12e6


def test_a_hostile_title_is_only_a_name(small):
    assert HOSTILE in small.text
    assert not [a for _, attributes in small.found for a in attributes if a.startswith("on")]
    assert not small.of("img")
    assert len(small.scripts) == 1  # that of the tables: without images there is no viewer


def test_a_hostile_name_in_the_data_of_a_script_ends_nothing():
    text = script_json({"name": HOSTILE, "list": [1.5, None]})
    assert "<" not in text
    assert json.loads(text) == {"name": HOSTILE, "list": [1.5, None]}
    with pytest.raises(ValueError, match="JSON"):
        script_json(float("nan"))


def test_one_model_is_compared_with_nothing(small):
    assert "nothing to compare it with" in small.text
    assert "Difference to" not in small.text
    assert "ranks" not in {attributes.get("id") for _, attributes in small.found}


def test_missing_images_are_told_and_nothing_else_is_lost(small, small_content):
    assert small_content.viewer is None
    assert "No patient can be shown" in small.text
    assert "To make this report again" in small.text


def test_the_answer_is_its_first_sentence():
    text = "A reaches 0.6 (95 % interval +0.1 to +0.2). On average it is better. None differs."
    assert split_answer(text) == (
        "A reaches 0.6 (95 % interval +0.1 to +0.2).",
        "On average it is better. None differs.",
    )
    assert split_answer("Only one.") == ("Only one.", "")


def test_the_policy_names_hashes_not_scripts():
    # the SHA-256 of nothing is e3b0c442... in hexadecimal
    empty = base64.b64encode(bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")).decode()
    assert f"script-src 'sha256-{empty}';" in content_security_policy([""])


def test_the_vendored_viewer_is_unchanged_and_brings_its_licence(page):
    source = niivue_source()
    assert hashlib.sha256(source.encode()).hexdigest() == NIIVUE_SHA256
    assert "</script" not in source.lower()
    assert NIIVUE_VERSION in niivue_licence()
    assert "Copyright (c) 2021, Niivue" in page


def test_parts_that_need_every_subset_are_left_out_without_it(tmp_path):
    few = tuple(MadeUpModel(title, subsets=("CT",)) for title in ("a", "b", "c"))
    folder = write_benchmark(tmp_path, MadeUpBenchmark(models=few, cases=3, modalities=("CT", "PET")))
    elements = Elements(make_page(make_content(read_results(folder), ReportOptions())))
    places = {attributes.get("id") for _, attributes in elements.found}
    assert "modalities" not in places  # a Shapley value needs all subsets
    assert {a["href"][1:] for a in elements.of("a") if a["href"].startswith("#")} <= places


def test_the_page_says_what_it_holds_of_patients(elements):
    assert (
        "This page names the 6 patients of the benchmark and contains images and labels of 3 of them" in elements.text
    )
    assert told_cases(["worst", "median", "best"]) == "The worst, median and best patient"
    assert told_cases(["worst", "best"]) == "The worst and best patient"
    assert told_cases(["only"]) == "The only patient"


def test_without_the_viewer_there_is_no_image(results):
    options = ReportOptions(viewer=False)
    elements = Elements(make_page(make_content(results, options)))
    assert not elements.of("img")
    assert not elements.of("canvas")
    assert "This page was made without images of patients." in elements.text
    assert "No patient can be shown" not in elements.text
    assert "--no-viewer" in report_command(results.folder, options)


def test_models_of_some_subsets_are_no_match_for_the_others(tmp_path):
    models = (NNUNET, MadeUpModel("CT alone", needs="CT"))
    made_up = MadeUpBenchmark(models=models, cases=3, modalities=("CT", "PET"))
    text = Elements(make_page(make_content(read_results(write_benchmark(tmp_path, made_up)), ReportOptions()))).text
    assert "over 1 of 3 subsets" in text
    assert "a metric and a model: 3 tests" in text  # one subset and three regions

"""Imports point down only, and only one layer knows nnU-Net."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nnunetv2_mstkd

PACKAGE = Path(nnunetv2_mstkd.__file__).parent

# Top-level module or subpackage -> (rank, group). Imports go to the same group, or to a lower rank.
LAYERS = {
    "__init__": (0, "L0"),
    "modalities": (0, "L0"),
    "sequence_name": (0, "L0"),
    "regions": (0, "L0"),
    "errors": (0, "L0"),
    "whole_file": (0, "L0"),
    "checksum": (0, "L0"),
    "splits_file": (0, "L0"),
    "cores": (0, "L0"),
    "workflow": (0, "L0"),
    "compatibility": (0, "L0"),
    "unwrap": (1, "L1"),
    "architectures": (1, "L1"),
    "losses": (1, "L1"),
    "evaluation": (1, "L1'"),
    "datasets": (1, "L1'"),
    "cases": (1, "L1'"),
    "distillation": (2, "L2"),
    "benchmark": (2, "L2"),
    "demo": (2, "L2"),
    "trainers": (3, "L3"),
    "inference": (3, "L3"),
    "planning": (3, "L3"),
    "overlay": (3, "L3"),
    "doctor": (3, "L3"),
    "sharing": (3, "L3"),
    "cli": (4, "L4"),
}
WITHOUT_TORCH = ("L0", "L1'")
MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    parts = ("nnunetv2_mstkd", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> tuple[int, str]:
    parts = module.split(".")
    return LAYERS[parts[1] if len(parts) > 1 else "__init__"]


def imports_of(path: Path) -> Iterator[str]:
    """Yield every imported module, those inside functions and under TYPE_CHECKING included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; the house style is absolute"
            # `from nnunetv2_mstkd import trainers` imports the subpackage: the names count, too
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    """Return the own modules that a file imports, as far as they are modules (and not names in one)."""
    names = {name for name in imports_of(path) if name.split(".")[0] == "nnunetv2_mstkd"}
    return {name if name.split(".")[1] in LAYERS else "nnunetv2_mstkd" for name in names if "." in name}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_every_module_has_a_layer_and_imports_downward(path):
    rank, group = layer_of(dotted(path))
    for imported in own_imports(path):
        their_rank, their_group = layer_of(imported)
        assert their_rank < rank or their_group == group, f"{dotted(path)} ({group}) imports {imported} ({their_group})"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_only_layer_3_imports_nnunet(path):
    found = [name for name in imports_of(path) if name.split(".")[0] == "nnunetv2"]
    assert not found or layer_of(dotted(path))[1] == "L3", f"{dotted(path)} imports {found}"


def test_a_wrong_import_is_seen(tmp_path):
    source = tmp_path / "module.py"
    source.write_text("def f():\n    from nnunetv2_mstkd import trainers\n    import nnunetv2.paths\n")
    assert own_imports(source) == {"nnunetv2_mstkd.trainers"}
    assert "nnunetv2.paths" in set(imports_of(source))


def import_with_blocked(modules: list[str], blocked: list[str]) -> subprocess.CompletedProcess[str]:
    """Import modules in a fresh Python where others are missing; None in sys.modules makes Python raise."""
    code = f"import sys, importlib\nfor name in {blocked!r}: sys.modules[name] = None\n"
    code += f"for name in {modules!r}: importlib.import_module(name)\n"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PACKAGE.parent)


def test_lower_layers_import_without_nnunet():
    modules = [dotted(path) for path in MODULES if layer_of(dotted(path))[0] <= 2]
    done = import_with_blocked(modules, ["nnunetv2"])
    assert done.returncode == 0, done.stderr


def test_layers_without_torch_import_without_it():
    modules = [dotted(path) for path in MODULES if layer_of(dotted(path))[1] in WITHOUT_TORCH]
    done = import_with_blocked(modules, ["nnunetv2", "torch"])
    assert done.returncode == 0, done.stderr

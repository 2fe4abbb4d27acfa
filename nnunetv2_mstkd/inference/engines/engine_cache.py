"""What is kept of engines beside a checkpoint: compiled networks, and whether engines agree (L3)."""

import hashlib
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nnunetv2_mstkd.inference.engines.hardware import instruction_set
from nnunetv2_mstkd.inference.engines.names import OF_OPENVINO
from nnunetv2_mstkd.inference.engines.network_code import architectures_sha256
from nnunetv2_mstkd.inference.engines.openvino_conversion import CONVERSION
from nnunetv2_mstkd.whole_file import whole_file

FOLDER = ".engine_cache"
_KEY_LENGTH = 16
_CHECKSUM_BYTES = 32
# what computes a network, and what it is made of
_PACKAGES = ("torch", "nnunetv2_mstkd", "dynamic-network-architectures")


class EngineCache:
    """Keeps what holds for one checkpoint and one engine; in memory, the last of each type, where it cannot be written.

    Files of the same checkpoint and engine that are of another key are removed, whatever they hold: they are of earlier
    weights, of another version or another kind of CPU.

    Args:
        checkpoint: the file.
        engine: name.
        depends_on: what the engine's answers depend on, besides code and the CPU: the weights' checksum, the patch.
        warn: takes a line for people, each time that something cannot be written.
    """

    def __init__(
        self, checkpoint: Path, engine: str, depends_on: Mapping[str, Any], warn: Callable[[str], None]
    ) -> None:
        self._folder = checkpoint.parent / FOLDER
        self._prefix = f"{checkpoint.stem}.{engine}"
        self._key = key_of({"engine": engine, **depends_on, **_code(engine), "cpu": instruction_set()})
        self._warn = warn
        self._unwritten: dict[str, bytes] = {}

    def get(self, kind: str) -> bytes | None:
        """Return what was kept under a name; None if there is nothing."""
        try:
            return self._file(kind).read_bytes()
        except OSError:
            return self._unwritten.get(kind)

    def put(self, kind: str, content: bytes) -> None:
        """Keep something under a name."""
        try:
            self._folder.mkdir(exist_ok=True)
            for file in self._folder.glob(f"{self._prefix}.{'[0-9a-f]' * _KEY_LENGTH}.*"):
                if not file.name.startswith(f"{self._prefix}.{self._key}."):
                    file.unlink(missing_ok=True)
            with whole_file(self._file(kind)) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            self._warn(f"{self._folder} cannot be written ({error.strerror}): the next run starts from nothing")
            # one network for each subset would fill the memory
            others = {name: kept for name, kept in self._unwritten.items() if _type(name) != _type(kind)}
            self._unwritten = {**others, kind: content}

    def get_checked(self, kind: str) -> bytes | None:
        """Return what `put_checked` kept; None if there is nothing, or a byte of it is not what it was."""
        kept = self.get(kind) or b""
        checksum, content = kept[:_CHECKSUM_BYTES], kept[_CHECKSUM_BYTES:]
        return content if checksum == hashlib.sha256(content).digest() else None

    def put_checked(self, kind: str, content: bytes) -> None:
        """Keep something behind its SHA-256: damaged weights would load, and give other logits."""
        self.put(kind, hashlib.sha256(content).digest() + content)

    def get_json(self, kind: str) -> dict[str, Any] | None:
        """Return a JSON object; None if there is none, or it is damaged."""
        content = self.get(kind)
        try:
            found = json.loads(content or b"null")
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def put_json(self, kind: str, content: Mapping[str, Any]) -> None:
        """Keep a JSON object."""
        self.put(kind, (json.dumps(content, indent=2) + "\n").encode())

    def _file(self, kind: str) -> Path:
        return self._folder / f"{self._prefix}.{self._key}.{kind}"


def _type(kind: str) -> str:
    return kind.rpartition(".")[2]


def key_of(facts: Mapping[str, Any]) -> str:
    """Return a few letters that are another for other facts."""
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


def _code(engine: str) -> dict[str, Any]:
    own = {"openvino": version("openvino"), "conversion": CONVERSION} if engine in OF_OPENVINO else {}
    return {**{name: version(name) for name in _PACKAGES}, "architectures": architectures_sha256(), **own}

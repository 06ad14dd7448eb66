"""The texts of the scripts and of the modules beside them, read once: what was checked is what runs.

A script's process may have to be started again at any time, also while a file is half written or broken.
"""

import importlib.abc
import importlib.util
import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import msgspec

from bridge.errors import Problem, ProjectError

FILE_SIZE = 4 * 1024 * 1024


class Source(msgspec.Struct, frozen=True, array_like=True):
    """A file and its text."""

    path: str
    text: bytes


class Bundle(msgspec.Struct, frozen=True, array_like=True):
    """The scripts by name, in order, and the modules that they may import: those in the same folders."""

    scripts: dict[str, Source]
    modules: dict[str, Source]


def read_bundle(
    names: Sequence[str], find: Callable[[str], Path], before: Bundle | None = None
) -> tuple[Bundle, dict[str, Problem]]:
    """Reads the scripts of these names, and their folders' modules; script → why it cannot be read.

    `find` gives a script's path, or raises ProjectError. A script that cannot be read is as it was `before`, and so are
    the modules beside it: a folder may be gone for a moment.
    """
    problems: dict[str, Problem] = {}
    scripts: dict[str, Source] = {}
    for name in names:
        try:
            scripts[name] = _read(find(name))
        except ProjectError as error:
            problems[name] = error.problems[0]
            if before is not None:
                scripts[name] = before.scripts[name]
    folders = dict.fromkeys(Path(source.path).parent for source in scripts.values())
    modules = _modules(folders)
    if before is not None and problems:
        unread = {Path(scripts[name].path).parent for name in problems}
        modules |= {name: source for name, source in before.modules.items() if Path(source.path).parent in unread}
    return Bundle(scripts, modules), problems


def _modules(folders: Mapping[Path, None]) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.py")):
            if path.stem.isidentifier() and path.stem not in found:
                try:
                    found[path.stem] = _read(path)
                except ProjectError:
                    continue  # whoever imports it is told that there is no such module
    return found


def _read(path: Path) -> Source:
    try:
        with open(path, "rb", opener=_open) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise ProjectError([Problem(str(path), "", "is no file")])
            if about.st_size > FILE_SIZE:
                raise ProjectError([Problem(str(path), "", f"is larger than {FILE_SIZE} bytes")])
            return Source(str(path), file.read(FILE_SIZE))
    except OSError as error:
        raise ProjectError([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from error


def _open(path: str, flags: int) -> int:
    """Does not wait for the other end of a FIFO; to a file it makes no difference."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


class Neighbours(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets scripts import the modules beside them: after everything that is installed, and not through sys.path."""

    def __init__(self, modules: Mapping[str, Source]) -> None:
        self._modules = modules

    def install(self) -> None:
        sys.meta_path.append(self)

    def remove(self) -> None:
        """Forgets the modules too, so that the next to ask gets their new text."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in [name for name, module in sys.modules.items() if getattr(module, "__loader__", None) is self]:
            del sys.modules[name]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        source = self._modules.get(fullname)
        if source is None or path is not None:
            return None
        spec = importlib.util.spec_from_loader(fullname, self, origin=source.path)
        if spec is not None:
            spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        source = self._modules[module.__name__]
        exec(compile(source.text, source.path, "exec"), module.__dict__)  # noqa: S102 - the site's own code

"""A file → a script: found by its path, never through `sys.path`; mistakes are named by file and line."""

import ast
import importlib.util
import inspect
import sys
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from bridge.api import BridgeAccess, RequestHandler
from bridge.errors import Problem, ProjectError
from bridge.scripting.sources import Bundle

HOOKS = ("started", "stopped")
CONTRACT = (*RequestHandler.answers, *HOOKS)

# Low enough for `stop` (stopped) and `onAuthorize`, high enough to leave most helpers' names alone.
NEAR_MATCH = 0.72


@dataclass(frozen=True, slots=True)
class LoadedScript:
    """A script that is ready to be asked. `name` is its file's name, as the logs show it."""

    name: str
    path: Path
    handler: RequestHandler

    def methods(self) -> list[str]:
        """The methods of the contract that it has."""
        return [name for name in CONTRACT if self.method(name) is not None]

    def method(self, name: str) -> Callable[..., Any] | None:
        """The script's own method of this name; None where it leaves the base class's."""
        if getattr(type(self.handler), name) is getattr(RequestHandler, name):
            return None
        method: Callable[..., Any] = getattr(self.handler, name)
        return method


def load_script(
    path: Path,
    *,
    name: str = "",
    text: bytes | None = None,
    settings: Mapping[str, Any] | None = None,
    bridge: BridgeAccess | None = None,
) -> LoadedScript:
    """Runs the file (or the `text` that it had) and makes its `Handler`, which finds its settings there.

    Raises ProjectError with every problem that was found; a script that cannot be run has just one.
    """
    tree = _parse(path, text)
    handler_class = _handler_class(path, tree, _execute(path, tree))
    problems = list(_method_problems(path, tree, handler_class))
    if problems:
        raise ProjectError(problems)
    handler = handler_class.__new__(handler_class)
    handler.settings = MappingProxyType(dict(settings or {}))
    if bridge is not None:
        handler.bridge = bridge
    try:
        handler_class.__init__(handler)  # now that its settings are there
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _failed(path, error) from error
    return LoadedScript(name or path.name, path, handler)


def load_all(
    bundle: Bundle,
    settings: Mapping[str, Mapping[str, Any]],
    bridge: BridgeAccess,
    begins: Callable[[int], None] = lambda number: None,
) -> tuple[dict[str, LoadedScript], list[Problem]]:
    """All scripts of a bundle, and what is wrong with some. `begins` hears the number of each, from 1 on."""
    scripts: dict[str, LoadedScript] = {}
    problems: list[Problem] = []
    for number, (name, source) in enumerate(bundle.scripts.items(), 1):
        begins(number)
        table = settings.get(Path(name).stem, {})
        try:
            scripts[name] = load_script(Path(source.path), name=name, text=source.text, settings=table, bridge=bridge)
        except ProjectError as error:
            problems += error.problems
    return scripts, problems


def line_in(path: Path, error: BaseException) -> int | None:
    """The innermost line of the file at `path` that `error` went through; None where it never was there."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return lines[-1] if lines else None


def summary(error: BaseException) -> str:
    """`ValueError: what it says`, whatever the exception's own `__str__` does."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    return traceback.format_exception_only(error)[-1].strip()


def _parse(path: Path, text: bytes | None) -> ast.Module:
    try:
        return ast.parse(path.read_bytes() if text is None else text, str(path))
    except OSError as error:
        raise ProjectError([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from error
    except Exception as error:  # SyntaxError, and what the parser says of null bytes and deep nesting
        raise _failed(path, error) from error


def _execute(path: Path, tree: ast.Module) -> ModuleType:
    # The name is the path's own, so that two scripts of one file name in different folders stay apart.
    name = f"handler_{path.stem}_{zlib.crc32(str(path.resolve()).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ProjectError([Problem(str(path), "", "is no Python file: its name has to end in .py")])
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # pickle and typing.get_type_hints look a class's module up here
    try:
        # Not by the spec's loader: it would leave a __pycache__ in the site's folder, and run that instead
        # of a file that was changed within the same second.
        code = compile(tree, str(path), "exec")
        exec(code, module.__dict__)  # noqa: S102 - to run the site's script is what this room is for
    except BaseException as error:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _failed(path, error) from error
    return module


def _failed(path: Path, error: BaseException) -> ProjectError:
    line = line_in(path, error)
    return ProjectError([Problem(str(path), f"line {line}" if line else "", summary(error))])


def _handler_class(path: Path, tree: ast.Module, module: ModuleType) -> type[RequestHandler]:
    lines = [node.lineno for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Handler"]
    where = f"line {lines[-1]}" if lines else ""
    if len(lines) > 1:
        what = f"a second class Handler: the one of line {lines[0]} would never be asked"
        raise ProjectError([Problem(str(path), where, what)])
    found = getattr(module, "Handler", None)
    if found is None:
        raise ProjectError([_no_handler(path, tree, module)])
    if not isinstance(found, type) or not issubclass(found, RequestHandler) or found is RequestHandler:
        what = "Handler has to be a subclass of bridge.api.RequestHandler"
        raise ProjectError([Problem(str(path), where, what)])
    return found


def _no_handler(path: Path, tree: ast.Module, module: ModuleType) -> Problem:
    for node in tree.body:
        found = getattr(module, node.name, None) if isinstance(node, ast.ClassDef) else None
        if isinstance(node, ast.ClassDef) and isinstance(found, type) and issubclass(found, RequestHandler):
            return Problem(str(path), f"line {node.lineno}", f"class {node.name} has to be called Handler")
    return Problem(str(path), "", "has no class Handler(RequestHandler)")


def _method_problems(path: Path, tree: ast.Module, handler_class: type[RequestHandler]) -> Iterator[Problem]:
    class_line = next((node.lineno for node in tree.body if getattr(node, "name", "") == "Handler"), None)
    own = [base for base in handler_class.__mro__ if base is not RequestHandler and base is not object]
    for name, member in {name: value for base in reversed(own) for name, value in vars(base).items()}.items():
        what = _contract_problem(name, member) if name in CONTRACT else _name_problem(name, member)
        if what:
            line = _line_of(path, member) or class_line
            yield Problem(str(path), f"line {line}" if line else "", what)


def _contract_problem(name: str, member: object) -> str:
    arguments = "(self)" if name in HOOKS else "(self, request)"
    expected = f"{name} has to be a method that takes {arguments}"
    if not inspect.isfunction(member):
        return expected
    if inspect.isgeneratorfunction(member) or inspect.isasyncgenfunction(member):
        return f"{name} contains `yield`: it has to return its answer"
    try:
        inspect.signature(member).bind(*([None] if name in HOOKS else [None, None]))
    except TypeError:
        return expected
    return ""


def _name_problem(name: str, member: object) -> str:
    """A misspelt handler would silently never be asked."""
    if name.startswith("_") or not inspect.isroutine(member):
        return ""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")
    near = get_close_matches(snake, CONTRACT, n=1, cutoff=NEAR_MATCH)
    if not near:
        return ""
    return f"{name} is never asked for: did you mean {near[0]}? (a helper's name starts with _)"


def _line_of(path: Path, member: object) -> int | None:
    function = inspect.unwrap(getattr(member, "__func__", member))  # type: ignore[arg-type]
    code = getattr(function, "__code__", None)
    return code.co_firstlineno if code is not None and code.co_filename == str(path) else None

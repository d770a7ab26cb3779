"""Imports flow one way, and nothing grows past its budget. A new arrow here is a design decision."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

BELOW_TASKS = {"backend.methods", "backend.families", "backend.diffusion", "backend.media"}
API = {"backend.api", "backend.errors"}
METHODS_SHARE = {f"backend.methods.{name}" for name in ("absorber", "base", "losses", "wording")}

MAY_IMPORT = {  # file or folder (longest match wins) -> what of ours it may import, with all that is below
    "build.py": {"backend.api.environment", "backend.errors"},
    "tools": set(),
    "tools/blender_shots": {"tools.blender_shots"},
    "tools/blender_shots/plan.py": {"backend.starter"},
    "blender_addon": {"blender_addon"} | API,
    "backend/__init__.py": set(),
    "backend/__main__.py": {"backend.service"} | API,
    "backend/cli": {"backend.bench.commands", "backend.cli", "backend.service", "backend.tasks"}
    | BELOW_TASKS
    | API,
    "backend/bench": {"backend"},
    "backend/service": {"backend.service", "backend.tasks"} | API,
    "backend/tasks": {"backend.tasks"} | BELOW_TASKS | API,
    "backend/methods": {*METHODS_SHARE, "backend.api.settings"},  # a paper never imports another
    "backend/methods/__init__.py": {"backend.methods", "backend.api.settings"},
    "backend/methods/base.py": {"backend.diffusion", "backend.api.settings"},
    "backend/methods/losses.py": {"backend.methods.base", "backend.diffusion", "backend.api.settings"},
    "backend/methods/wording.py": {"backend.api.settings"},
    "backend/families": {"backend.families", "backend.diffusion"} | API,
    "backend/diffusion": {"backend.diffusion", "backend.errors"},
    "backend/media": {"backend.media"} | API,
    "backend/starter": {"backend.starter", "backend.families"},
    "backend/api": API,
    "backend/errors.py": set(),
}

MAY_USE = {  # where it matters: the third-party packages a folder may import
    "build.py": set(),
    "tools": {"bpy", "bl_ext"},
    "tools/blender_shots": {"bpy", "mathutils", "numpy"},
    "tools/blender_shots/plan.py": {"numpy", "torch", "cv2"},
    "blender_addon": {"bpy", "bpy_extras", "mathutils", "numpy"},
    "backend/__main__.py": set(),
    "backend/service": {"torch", "filelock"},
    "backend/methods": {"torch"},
    "backend/diffusion": {"torch", "diffusers", "peft", "safetensors", "numpy", "psutil"},
    "backend/media": {"numpy", "av", "cv2", "PIL"},
    "backend/api": set(),
    "backend/errors.py": set(),
}

FOLDERS = ("backend", "blender_addon", "tools", "tests")
FILES = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "build.py", *(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))]
)
PRODUCT = [file for file in FILES if not file.startswith("tests/")]


def rule(table: dict[str, set[str]], file: str) -> set[str] | None:
    """The rule of the longest name in `table` that is `file` or a folder it is in."""
    names = [name for name in table if file == name or file.startswith(f"{name}/")]
    return table[max(names, key=len)] if names else None


def imported(file: str, text: str) -> set[str]:
    """Every module that a file imports, at any depth, by its full name: `from ..api import client` too."""
    package = Path(file).parent.parts
    modules = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*above, *([node.module] if node.module else [])])
            modules |= {submodule(name, alias.name) for alias in node.names}
    # In the built extension the backend is a folder of the add-on.
    return {module.removeprefix("blender_addon.") if ".backend" in module else module for module in modules}


def submodule(module: str, name: str) -> str:
    """`module.name` when that is a module of ours, else `module`, of which `name` is something inside."""
    place = ROOT / Path(*module.removeprefix("blender_addon.").split("."))
    is_module = (place / name).is_dir() or (place / f"{name}.py").is_file()
    return f"{module}.{name}" if is_module else module


def is_ours(module: str) -> bool:
    return module.split(".")[0] in ("backend", "blender_addon", "build", "tests", "tools")


def within(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


@pytest.mark.parametrize("file", PRODUCT)
def test_imports_flow_one_way(file: str) -> None:
    allowed = rule(MAY_IMPORT, file)
    assert allowed is not None, f"{file} has no rule in MAY_IMPORT"
    ours = {module for module in imported(file, (ROOT / file).read_text()) if is_ours(module)}
    assert {module for module in ours if not within(module, allowed)} == set()


@pytest.mark.parametrize("file", [file for file in PRODUCT if rule(MAY_USE, file) is not None])
def test_third_party_packages_stay_where_they_belong(file: str) -> None:
    theirs = {module for module in imported(file, (ROOT / file).read_text()) if not is_ours(module)}
    packages = {module.split(".")[0] for module in theirs} - sys.stdlib_module_names
    assert packages <= (rule(MAY_USE, file) or set())


@pytest.mark.parametrize("file", [f for f in PRODUCT if f.startswith(("backend/api/", "backend/errors"))])
def test_what_blender_imports_of_the_backend_imports_relatively(file: str) -> None:
    nodes = ast.walk(ast.parse((ROOT / file).read_text()))
    absolute = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    assert {module for module in absolute if is_ours(module)} == set()


@pytest.mark.parametrize("name", sorted(MAY_IMPORT | MAY_USE))
def test_every_rule_is_about_something_that_exists(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize("file", FILES)
def test_a_file_has_at_most_300_lines_and_a_function_at_most_40(file: str) -> None:
    text = (ROOT / file).read_text()
    assert text.count("\n") <= 300
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = {
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, functions) and (node.end_lineno or 0) - node.lineno >= 40
    }
    assert long == set()


@pytest.mark.parametrize(
    ("file", "line", "module"),
    [
        ("backend/tasks/learn.py", "from backend import media", "backend.media"),
        ("backend/api/client.py", "from ..errors import UserError", "backend.errors"),
        ("backend/api/client.py", "from . import protocol", "backend.api.protocol"),
        ("backend/api/__init__.py", "from .protocol import Clip", "backend.api.protocol"),
        ("blender_addon/session.py", "from .backend.api import protocol", "backend.api.protocol"),
        ("blender_addon/session.py", "from .backend.api.protocol import Clip", "backend.api.protocol"),
        ("backend/tasks/learn.py", "def f():\n    import backend.cli.main", "backend.cli.main"),
    ],
)
def test_an_import_is_seen_in_every_form(file: str, line: str, module: str) -> None:
    assert imported(file, line) == {module}

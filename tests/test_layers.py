"""Which folder may import which: data flows one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Modules at the root that put parts together for one verb each.
COMPOSED = {
    *("annotations", "batch", "doctor", "exports", "feature_corpora", "mmsa_corpus"),
    *("own_videos", "reporting", "reporting_folder"),
}
ALLOWED = {
    "pipeline": {"pipeline"},
    "extractors": {"pipeline", "extractors"},
    "fusion": {"pipeline", "fusion"},
    # Composition: the verbs may use everything but the command line that is made of them.
    "commands": {"commands", "pipeline", "extractors", "fusion", "api", "serving", *COMPOSED},
    "serving": {"serving", "pipeline", "extractors", "batch", "reporting"},
}
# Modules too heavy to import before they are used, and who may import them at the top anyway.
HEAVY = {
    "torch": {"fusion"},
    "transformers": set(),
    "mediapipe": set(),
    "opensmile": set(),
    "whisper": set(),
    "faster_whisper": set(),
    "ctranslate2": set(),
    "moonshine_voice": set(),
    "onnxruntime": set(),
    "pocketsphinx": set(),
    "silero_vad": set(),
    "librosa": set(),
    "pandas": set(),
    "sklearn": set(),
    "matplotlib": set(),
    "jinja2": {"serving"},
    "plotly": set(),
    "starlette": {"serving"},
    "uvicorn": {"serving"},
    "python_multipart": {"serving"},
    "pathvalidate": {"serving"},
}
FILES = sorted(path for layer in ALLOWED for path in (ROOT / layer).rglob("*.py"))


def imported(tree: ast.AST) -> list[str]:
    """Names of all modules imported anywhere in a file, functions included."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def internal_layers(tree: ast.AST) -> set[str]:
    return {n.split(".")[1] for n in imported(tree) if n.startswith("affect_pipe.")}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    layer = path.relative_to(ROOT).parts[0]
    reached = internal_layers(ast.parse(path.read_text(encoding="utf-8")))
    assert reached <= ALLOWED[layer], f"{path} reaches up to {reached - ALLOWED[layer]}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_back_ends_are_imported_where_used(path):
    layer = path.relative_to(ROOT).parts[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
    found = {name.split(".")[0] for name in imported(top)} & HEAVY.keys()
    assert all(layer in HEAVY[name] for name in found), f"{path} imports {found} at the top"


def test_no_import_cycles():
    graph = {}
    # With the modules at the root, where imports inside of functions hide cycles too.
    for path in [*FILES, *sorted(ROOT.glob("*.py"))]:
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(("affect_pipe", *parts)).removesuffix(".__init__")
        graph[module] = imported(ast.parse(path.read_text(encoding="utf-8")))

    def targets(module):
        for name in graph[module]:
            known = name if name in graph else name.rpartition(".")[0]
            if known in graph and known != module:
                yield known

    done, open_ = set(), []

    def visit(module):
        if module in done:
            return
        assert module not in open_, f"import cycle: {' -> '.join([*open_, module])}"
        open_.append(module)
        for target in targets(module):
            visit(target)
        open_.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_every_folder_with_code_is_packaged():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(ROOT) for path in FILES}
    assert {".".join(("affect_pipe", *f.parts)) for f in folders} | {"affect_pipe"} == set(packages)

"""Fonts that have what is to be written.

DejaVu Sans, which matplotlib carries (licence of Bitstream Vera), has Latin, Greek, Cyrillic,
Armenian, Georgian, Hebrew and Arabic. Noto Sans CJK (SIL Open Font License 1.1), from PyPI, has
Chinese, Japanese and Korean. Any other script is written where this machine has a font for it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from affect_pipe.pipeline.optional import require

FEATURE = "drawing an overlay"
EXTRA = "overlay"
# DejaVu's picture of a character that nothing else has: a question mark, not an empty box.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Faces of the collection that draw a Han character as the language does; Japanese otherwise.
_CJK_FACES = {"ja": 0, "ko": 1, "zh": 2, "zh-cn": 2, "zh-hans": 2, "zh-tw": 3, "zh-hant": 3}
# What joins or parts letters, or says where they run to, without a picture of its own.
_INVISIBLE = frozenset({"Cf", "Zs"})


class FontFile(NamedTuple):
    """One font: a file, and which of the fonts in it."""

    path: str
    face: int = 0


def check_drawing() -> None:
    """Find out before the work whether an overlay can be drawn.

    Raises
    ------
    MissingDependencyError
        If a library or a font is not there.
    """
    for module in ("PIL.ImageFont", "matplotlib", "uniseg.linebreak", "noto_cjk_sans_otc"):
        needed(module)
    for module in ("bidi.algorithm", "arabic_reshaper"):
        needed(module)


def needed(module: str) -> Any:
    """Import what only drawing needs; see `affect_pipe.pipeline.optional.require`."""
    return require(module, feature=FEATURE, extra=EXTRA)


class Fonts:
    """Finds a font for every character; remembers what it found.

    Parameters
    ----------
    language : str, optional
        Of the words, as the transcript says: Chinese and Japanese write some characters
        differently.

    Attributes
    ----------
    missing : set of str
        Characters asked for that no font here has.
    """

    def __init__(self, language: str | None = None) -> None:
        tag = (language or "").lower().replace("_", "-")
        face = _CJK_FACES.get(tag, _CJK_FACES.get(tag.partition("-")[0], 0))
        matplotlib = needed("matplotlib")
        self._files = [
            FontFile(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))),
            FontFile(str(needed("noto_cjk_sans_otc").FONT_PATH), face),
        ]
        self._system: Iterator[FontFile] | None = None
        self._coverage: dict[FontFile, Any] = {}
        self._found: dict[str, FontFile | None] = {}
        self.missing: set[str] = set()

    @property
    def usual(self) -> FontFile:
        """The font of labels and numbers."""
        return self._files[0]

    def written(self, text: str) -> str:
        """Return ``text`` with a question mark for every letter that no font has."""
        return "".join(c if self.font_of(c) is not None else _instead(c) for c in text)

    def runs(self, text: str) -> list[tuple[FontFile, str]]:
        """Cut text into stretches of one font, in the order of reading; few where few will do."""
        whole = next((f for f in self._files if all(self._has(f, c) for c in text)), None)
        if whole is not None:
            return [(whole, text)] if text else []
        runs: list[tuple[FontFile, str]] = []
        for character in text:
            font = self.font_of(character) or self.usual
            if runs and (runs[-1][0] == font or self._has(runs[-1][0], character)):
                runs[-1] = (runs[-1][0], runs[-1][1] + character)
            else:
                runs.append((font, character))
        return runs

    def font_of(self, character: str) -> FontFile | None:
        """Return the first font that has a character; None where there is none."""
        if character not in self._found:
            self._found[character] = self._search(character)
            if self._found[character] is None:
                self.missing.add(character)
        return self._found[character]

    def _search(self, character: str) -> FontFile | None:
        for font in self._files:
            if self._has(font, character):
                return font
        # Most texts need none of the hundreds of fonts a machine may have.
        if self._system is None:
            self._system = iter(_system_fonts())
        for font in self._system:
            try:
                has = self._has(font, character)
            except (OSError, RuntimeError, ValueError):
                continue  # a broken font, or one of bitmaps
            self._files.append(font)
            if has:
                return font
        return None

    def _has(self, font: FontFile, character: str) -> bool:
        if unicodedata.category(character) in _INVISIBLE and ord(character) > 0x7F:
            return True
        if font not in self._coverage:
            self._coverage[font] = needed("matplotlib.ft2font").FT2Font(font.path)
        return bool(self._coverage[font].get_char_index(ord(character)))


def _instead(character: str) -> str:
    # A mark would stand on a question mark.
    return "" if unicodedata.category(character).startswith("M") else REPLACEMENT


def _system_fonts() -> list[FontFile]:
    """Fonts of this machine: upright Noto Sans first, then in order of their names."""
    paths = needed("matplotlib.font_manager").findSystemFonts()

    def preference(path: str) -> tuple[bool, bool, str, str]:
        name = Path(path).stem.lower()
        plain = not any(word in name for word in ("bold", "italic", "oblique", "mono", "light"))
        return not name.startswith("notosans"), not plain, name, path

    # Pictures in colour have one size only, which Pillow cannot scale.
    return [FontFile(p) for p in sorted(paths, key=preference) if "color" not in p.lower()]

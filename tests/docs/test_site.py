"""The documentation site: it builds without a warning, and leads nowhere that is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the site needs the extra docs")
pytest.importorskip("myst_parser", reason="the site needs the extra docs")

ROOT = Path(__file__).resolve().parents[2]
CHECK = ROOT / "docs/site_pages/check.py"


def check(site):
    return subprocess.run(
        [sys.executable, CHECK, site], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-n", "-W", "--keep-going", "-q"]
    done = subprocess.run(
        [*command, "-c", ROOT / "docs", "-d", folder / "doctrees", ROOT, folder / "html"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_no_link_of_the_site_or_the_repository_is_dead(site):
    done = check(site)
    assert done.returncode == 0, done.stdout
    assert "https://" in (site / "external-links.txt").read_text(encoding="utf-8")


def test_every_guide_is_on_the_site_and_can_be_reached(site):
    for guide in [*ROOT.glob("docs/*.md"), ROOT / "README.md"]:
        page = site / guide.relative_to(ROOT).with_suffix(".html")
        assert page.is_file(), f"{guide.name} is not on the site"
    # Every page has the search, which works from the built files alone.
    assert (site / "searchindex.js").stat().st_size > 50_000


def test_every_feature_and_column_is_described(site):
    page = (site / "docs/extractors.html").read_text(encoding="utf-8")
    for name in ("minilm", "egemaps", "covarep", "facemesh", "pyfeat"):
        assert f'id="{name}"' in page
    for column in ("shimmerLocaldB_sma3nz_amean", "peakSlope", "AU12_mean", "Has_Glasses"):
        assert column in page


def test_the_tables_of_the_papers_say_what_was_measured(site):
    page = (site / "docs/paper-tables.html").read_text(encoding="utf-8")
    assert page.count("affect-pipe reproduce ") >= 10
    assert "not measured here" in page


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ('<a href="gone.html">x</a>', "gone.html, which is not there"),
        ('<a href="#nowhere">x</a>', "no such place"),
        ('<a href="index.html#nowhere">x</a>', "no such place"),
        ('<a href="../outside.html">x</a>', "which is not there"),
        ('<img src="missing.png">', "missing.png, which is not there"),
        ('<script src="https://cdn.example/x.js"></script>', "from another host"),
        ('<link rel="stylesheet" href="//fonts.example/x.css">', "from another host"),
        ("<style>@import url(https://fonts.example/x.css);</style>", "from another host"),
        ('<p style="background: url(https://example.org/x.png)">x</p>', "from another host"),
        ('<img srcset="https://example.org/x.png 2x">', "from another host"),
        ('<a href="javascript:alert(1)">x</a>', "no file of the site"),
    ],
)
def test_the_check_sees_what_is_wrong(tmp_path, page, fault):
    (tmp_path / "index.html").write_text("<h1 id='top'>x</h1>", encoding="utf-8")
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    done = check(tmp_path)
    assert done.returncode == 1
    assert fault in done.stdout


def test_the_check_passes_what_is_right(tmp_path):
    (tmp_path / "index.html").write_text(
        "<h1 id='top'>x</h1><a href='#top'>x</a><a href='page.html?x=1#here'>x</a>"
        "<a href='https://example.org'>x</a><img src='data:image/gif;base64,R0lGOD'>",
        encoding="utf-8",
    )
    (tmp_path / "page.html").write_text("<a name='here'>x</a>", encoding="utf-8")
    done = check(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "2 pages, 2 internal links, 2 of them to a place" in done.stdout

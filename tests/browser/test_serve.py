"""The page of ``affect-pipe serve`` in a real browser, from a dropped file to the open report."""

import base64
import json
import time

import pytest

ONE_MINUTE_MS = 60_000
THREE_MINUTES_MS = 180_000
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def server(start_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    return start_server(folder, "--workers", "1", "--max-upload", "2MB")


@pytest.fixture
def page(chromium, server):
    """The page, whose console must stay empty and which must ask nobody else."""
    context = chromium.new_context()
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    context.on("request", lambda request: asked.append(request.url))
    page.goto(server.url)
    yield page
    context.close()
    # A refusal has a status that Chromium reports as a resource that failed.
    assert not [line for line in said if "status of 4" not in line]
    own = (server.url + "/", "data:", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []


def serious(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    found = axe.Axe().run(page).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS]


def test_from_an_upload_to_the_open_report(page, sample):
    from playwright.sync_api import expect

    expect(page.get_by_text("None yet.")).to_be_visible()
    assert serious(page) == []
    page.get_by_label("Add videos").set_input_files([sample, sample.with_suffix(".srt")])
    entry = page.locator("li.job[data-id]")
    expect(entry.get_by_role("heading", name="talking.mp4")).to_be_visible(timeout=ONE_MINUTE_MS)
    expect(entry).to_contain_text("with a transcript")
    bar = entry.get_by_role("progressbar", name="talking.mp4")
    expect(bar).to_be_visible(timeout=ONE_MINUTE_MS)
    page.evaluate(
        """() => {
          window.seen = new Set();
          const look = () => document.querySelectorAll("#list .percent").forEach(
            (at) => window.seen.add(at.textContent));
          new MutationObserver(look).observe(document.getElementById("list"),
            { subtree: true, childList: true, characterData: true });
        }"""
    )
    assert serious(page) == []
    link = entry.get_by_role("link", name="Open the report")
    expect(link).to_be_visible(timeout=THREE_MINUTES_MS)
    assert len(page.evaluate("[...window.seen]")) > 3, "progress is live"
    expect(entry).to_contain_text("11 utterances")
    expect(page.get_by_role("status")).to_have_text("talking.mp4: the report is ready")
    assert serious(page) == []
    with page.expect_popup() as opened:
        link.click()
    report = opened.value
    errors = []
    report.on("pageerror", lambda error: errors.append(str(error)))
    report.on("console", lambda message: errors.append(message.text))
    report.reload()
    expect(report.get_by_text("I am furious that they kept it secret!").first).to_be_visible()
    assert errors == []
    report.close()
    with page.expect_download() as download:
        entry.get_by_role("link", name="JSON").click()
    assert download.value.suggested_filename == "talking.affect.json"
    assert len(json.loads(download.value.path().read_text())["utterances"]) == 11


def test_what_is_no_video_is_said_on_the_page(page, tmp_path):
    from playwright.sync_api import expect

    notes = tmp_path / "notes.mp4"
    notes.write_text("These are notes.")
    alone = tmp_path / "alone.srt"
    alone.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello.\n")
    page.get_by_label("Add videos").set_input_files([notes, alone])
    uploads = page.get_by_role("list", name="Uploads")
    refused = uploads.get_by_role("listitem").filter(has_text="notes.mp4: this is not a video")
    expect(refused).to_be_visible(timeout=ONE_MINUTE_MS)
    expect(refused.get_by_role("progressbar")).to_have_count(0)
    expect(uploads).to_contain_text("Choose it together with its video")
    assert serious(page) == []
    for _ in range(2):
        uploads.get_by_role("button", name="Dismiss").first.press("Enter")
    expect(uploads.get_by_role("listitem")).to_have_count(0)


def test_what_is_too_large_is_said_before_and_while_it_is_sent(page, tmp_path):
    from playwright.sync_api import expect

    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(50_000_000))
    page.get_by_label("Add videos").set_input_files(large)
    uploads = page.get_by_role("list", name="Uploads")
    sentence = "The file is larger than 2.0 MB, the limit here"
    expect(uploads.get_by_text(sentence)).to_have_count(1)
    # As if the page did not know the limit: the server hangs up on what is still being sent.
    page.evaluate("maxBytes = Infinity")
    page.get_by_label("Add videos").set_input_files(large)
    expect(uploads.get_by_text(sentence)).to_have_count(2, timeout=ONE_MINUTE_MS)


def test_dropped_files_are_paired_and_deleted_by_keyboard(page, sample):
    from playwright.sync_api import expect

    content = base64.b64encode(sample.read_bytes()).decode()
    page.evaluate(
        """(content) => {
          const data = new DataTransfer();
          const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
          data.items.add(new File([bytes], "dropped <b>.mp4"));
          data.items.add(new File(["1\\n00:00:00,800 --> 00:00:03,860\\nHello.\\n"],
            "dropped <b>.en.srt"));
          window.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
        }""",
        content,
    )
    entry = page.locator("li.job[data-id]").filter(has_text="dropped <b>.mp4")
    expect(entry).to_contain_text("with a transcript", timeout=ONE_MINUTE_MS)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    entry.get_by_role("button", name="Delete").press("Enter")
    expect(entry).to_have_count(0)
    assert asked == ["Delete dropped <b>.mp4, with its results?"]
    assert page.evaluate("document.activeElement !== document.body"), "the keyboard has a place"


def test_a_server_that_went_away_is_said_and_found_again(chromium, start_server, tmp_path):
    from playwright.sync_api import expect

    server = start_server(tmp_path / "out")
    page = chromium.new_page()
    page.goto(server.url)
    expect(page.locator("#connection")).to_be_hidden()
    time.sleep(0.5)
    assert server.stop() == 130, "an open page does not keep it"
    expect(page.get_by_text("The server does not answer")).to_be_visible(timeout=ONE_MINUTE_MS)
    start_server(tmp_path / "out", "--port", str(server.port))
    expect(page.locator("#connection")).to_be_hidden(timeout=ONE_MINUTE_MS)
    page.close()

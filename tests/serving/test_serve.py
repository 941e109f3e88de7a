"""A real server over real HTTP: what it takes, what it refuses, what is left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import requests

from affect_pipe.cli import main
from affect_pipe.pipeline.batch.lock import only_one

GIB = 1 << 30
CUE = "1\n00:00:00,200 --> 00:00:01,800\n{}\n"
# A limit that is cut off at within a test.
MAX_UPLOAD = 30_000_000


@pytest.fixture(scope="module")
def clips(tmp_path_factory, sample, ffmpeg):
    """Two short clips of different parts of the sample, and a transcript for each."""
    folder = tmp_path_factory.mktemp("clips")
    small = ("-vf", "scale=160:160,fps=5")
    ffmpeg("-ss", 1, "-t", 2, "-i", sample, *small, folder / "one.mp4")
    ffmpeg("-ss", 33, "-t", 2, "-i", sample, *small, folder / "two.mp4")
    (folder / "one.srt").write_text(CUE.format("I took my old bicycle to the shop."))
    (folder / "two.srt").write_text(CUE.format("I am so happy!"))
    return folder


@pytest.fixture(scope="module")
def server(start_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    return start_server(folder, "--max-upload", str(MAX_UPLOAD), "--workers", "2")


@pytest.fixture(scope="module")
def done(server, clips):
    """One video that has been analysed."""
    answer = post(server, clips / "one.mp4", transcript=clips / "one.srt")
    assert answer.status_code == 201
    return server.wait_for(answer.json()["id"], "done", "failed")


def post(server, video, name=None, **beside):
    files = {"video": (name or video.name, video.read_bytes())}
    files |= {field: (path.name, path.read_bytes()) for field, path in beside.items()}
    return requests.post(f"{server.url}/jobs", files=files, timeout=60)


def files_below(folder):
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "cache" not in path.relative_to(folder).parts
    }


def raw(server, head, body=()):
    """Send bytes as they are; return the answer and how much of the body was taken."""
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        line.sendall(head)
        try:
            for block in body:
                line.sendall(block)
                sent += len(block)
        except OSError:
            pass  # it was hung up on, as it should be
        answer = b""
        try:
            while block := line.recv(65536):
                answer += block
        except OSError:
            pass
    return answer.decode("utf-8", "replace"), sent


def listed(server):
    return requests.get(f"{server.url}/list", timeout=10).text


def get(server, path, *headers):
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Connection: close"]
    return raw(server, "\r\n".join([*lines, *headers, "", ""]).encode("latin-1"))[0]


PART = (
    b"--xx\r\nContent-Disposition: form-data; name=video; filename=a.mp4\r\n"
    b"Content-Type: video/mp4\r\n\r\n"
)


def upload_head(server, *headers):
    lines = [
        "POST /jobs HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Content-Type: multipart/form-data; boundary=xx",
        "Accept: application/json",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def peak_bytes(server):
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError


# What is taken.


def test_an_upload_becomes_results_to_keep(server, done):
    assert done["phase"] == "done"
    assert done["utterances"] == 1
    base = f"{server.url}/jobs/{done['id']}"
    result = requests.get(f"{base}/result.json", timeout=10)
    assert result.json()["media"]["file"] == "one.mp4"
    assert result.json()["asr"]["model"] == "one.srt"
    assert 'filename="one.affect.json"' in result.headers["content-disposition"]
    table = requests.get(f"{base}/result.csv", timeout=10)
    assert "I took my old bicycle" in table.text


def test_a_report_has_a_name_to_be_kept_under(server, done):
    address = f"{server.url}/jobs/{done['id']}/report"
    end = time.monotonic() + 60
    while (answer := requests.get(address, timeout=10)).status_code == 404:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert answer.headers["content-disposition"] == 'inline; filename="one.report.html"'


def test_a_failure_is_told_without_where_things_lie(server, clips, tmp_path):
    (tmp_path / "one.srt").write_text("These are no subtitles.")
    job_id = post(server, clips / "one.mp4", transcript=tmp_path / "one.srt").json()["id"]
    failed = server.wait_for(job_id, "done", "failed")
    assert failed["phase"] == "failed"
    assert failed["reason"].startswith("one.srt ")
    assert str(server.folder) not in listed(server)
    # What made it fail may have been mended: it is tried once more when asked to.
    words = server.folder / "uploads" / job_id / "one.srt"
    words.write_text(CUE.format("I love it!"))
    assert requests.post(f"{server.url}/jobs/{job_id}/retry", timeout=10).status_code == 204
    assert server.wait_for(job_id, "done", "failed")["phase"] == "done"
    assert requests.post(f"{server.url}/jobs/{job_id}/retry", timeout=10).status_code == 409
    requests.post(f"{server.url}/jobs/{job_id}/delete", timeout=10)


def test_two_users_at_once_with_the_same_name_get_their_own_results(server, clips):
    heard, ids, opened = [], {}, threading.Event()

    def listen():
        ended = set()
        with requests.get(f"{server.url}/events", stream=True, timeout=120) as stream:
            opened.set()
            for line in stream.iter_lines():
                if line.startswith(b"data: "):
                    heard.append(json.loads(line[6:]))
                    if heard[-1].get("event") == "done":
                        ended.add(heard[-1]["target"])
                if len(ended) == 2:
                    return

    def send(which):
        answer = post(server, clips / f"{which}.mp4", "a.mp4", transcript=clips / f"{which}.srt")
        ids[which] = answer.json()["id"]

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert opened.wait(10)
    users = [threading.Thread(target=send, args=(which,)) for which in ("one", "two")]
    for user in users:
        user.start()
    for user in users:
        user.join()
    for job_id in ids.values():
        assert server.wait_for(job_id, "done", "failed")["phase"] == "done"
    listener.join(10)
    texts = {
        which: requests.get(f"{server.url}/jobs/{job_id}/result.json", timeout=10).json()
        for which, job_id in ids.items()
    }
    assert texts["one"]["utterances"][0]["text"] == "I took my old bicycle to the shop."
    assert texts["two"]["utterances"][0]["text"] == "I am so happy!"
    for job_id in ids.values():
        of_it = [e for e in heard if e.get("target", "").startswith(f"{job_id}/")]
        assert {"started", "stage", "done"} <= {e["event"] for e in of_it}
        # What pages hear does not tell where things lie on the server.
        assert str(server.folder) not in json.dumps(of_it)
    for job_id in ids.values():
        assert requests.post(f"{server.url}/jobs/{job_id}/delete", timeout=10).status_code == 204


@pytest.mark.parametrize(
    "name",
    [
        "../../../escaped.mp4",
        "..\\..\\escaped.mp4",
        "x" * 300 + ".mp4",
        "<script>alert(1)</script>.mp4",
        "talk.srt",
        "..",
    ],
)
def test_names_lead_nowhere_and_are_shown_as_text(server, clips, name):
    before = {path for path in server.folder.parent.rglob("*") if "escaped" in path.name}
    answer = post(server, clips / "one.mp4", name)
    assert answer.status_code == 201, answer.text
    job_id = answer.json()["id"]
    [own] = [p for p in (server.folder / "uploads" / job_id).iterdir() if p.name != "job.json"]
    assert own.is_file()
    assert own.name.encode()[0:1] != b"."
    assert "<script>alert" not in listed(server)
    after = {path for path in server.folder.parent.rglob("*") if "escaped" in path.name}
    assert all(job_id in str(path) for path in after - before)
    requests.post(f"{server.url}/jobs/{job_id}/delete", timeout=10)


def test_a_name_with_a_nul_character(server, clips):
    body = PART.replace(b"a.mp4", b'"a\0/../b.mp4"') + (clips / "one.mp4").read_bytes()
    body += b"\r\n--xx--\r\n"
    answer, _ = raw(
        server, upload_head(server, f"Content-Length: {len(body)}", "Connection: close"), [body]
    )
    assert "201 Created" in answer
    job = json.loads(answer.split("\r\n\r\n", 1)[1])
    assert job["title"] == "b.mp4"
    requests.post(f"{server.url}/jobs/{job['id']}/delete", timeout=10)


# What is refused, leaving nothing behind.


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("notes.mp4", b"These are notes. " * 50, "not a video or audio file"),
        ("picture.mp4", b"\x89PNG\r\n\x1a\n" + bytes(100), "still picture"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "playlist"),
        ("empty.mp4", b"", "is empty"),
    ],
)
def test_what_is_no_video_is_refused_in_a_sentence(server, done, name, content, says):
    before = files_below(server.folder)
    answer = requests.post(
        f"{server.url}/jobs", files={"video": (f"dir/{name}", content)}, timeout=60
    )
    assert answer.status_code == 422
    sentence = answer.json()["error"]
    assert says in sentence
    assert sentence.startswith(name)
    assert str(server.folder) not in sentence
    assert files_below(server.folder) <= before


@pytest.mark.parametrize("name", ["tiny.srt", "tiny.eaf", "tiny.rttm"])
def test_sound_that_is_called_a_transcript_is_refused_at_once(
    server, clips, ffmpeg, tmp_path, name
):
    ffmpeg("-i", clips / "one.mp4", "-t", "0.2", tmp_path / "tiny.flac")
    (tmp_path / name).write_bytes((tmp_path / "tiny.flac").read_bytes())
    field = "diarisation" if name.endswith(".rttm") else "transcript"
    answer = post(server, clips / "one.mp4", **{field: tmp_path / name})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"{name} is not a text file")


def test_a_browser_without_scripts_reads_the_refusal_on_the_page(server):
    answer = requests.post(
        f"{server.url}/jobs",
        files={"video": ("notes.mp4", b"text <b>")},
        headers={"Accept": "text/html,*/*"},
        timeout=60,
    )
    assert answer.status_code == 422
    assert 'role="alert">notes.mp4: this is not a video' in answer.text


def test_5_gb_that_are_announced_are_refused_before_they_are_sent(server):
    before = files_below(server.folder)
    answer, _ = raw(server, upload_head(server, f"Content-Length: {5 * GIB}"))
    assert answer.startswith("HTTP/1.1 413 ")
    assert "larger than 30.0 MB" in answer
    assert files_below(server.folder) == before


def test_5_gb_without_a_length_are_cut_off_at_the_limit(server):
    before, peak = files_below(server.folder), peak_bytes(server)
    block = bytes(1 << 20)
    framed = b"%x\r\n%s\r\n" % (len(block), block)

    def body():
        yield b"%x\r\n%s\r\n" % (len(PART), PART)
        for _ in range(5 * GIB // len(block)):
            yield framed

    answer, sent = raw(server, upload_head(server, "Transfer-Encoding: chunked"), body())
    assert answer == "" or answer.startswith("HTTP/1.1 413 ")
    assert sent < 3 * MAX_UPLOAD  # with what lies in buffers on the way
    assert peak_bytes(server) < peak + 40e6
    deadline = time.monotonic() + 10
    while files_below(server.folder) != before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert files_below(server.folder) == before


def test_an_upload_that_is_broken_off_leaves_nothing(server):
    before = files_below(server.folder)
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(upload_head(server, "Content-Length: 20000000") + PART + bytes(5_000_000))
        deadline = time.monotonic() + 10
        while files_below(server.folder) == before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert files_below(server.folder) != before
    deadline = time.monotonic() + 10
    while files_below(server.folder) != before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert files_below(server.folder) == before


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=xx"),
        (PART + b"never ends", "multipart/form-data; boundary=xx"),
        (b"--xx\r\nno header\r\n", "multipart/form-data; boundary=xx"),
        (b"video=a", "application/x-www-form-urlencoded"),
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=" + "y" * 5000),
        (PART + b"a\r\n" + PART + b"b\r\n--xx--\r\n", "multipart/form-data; boundary=xx"),
        ((PART.replace(b"video;", b"other;") + b"a\r\n") * 99, "multipart/form-data; boundary=xx"),
    ],
)
def test_forms_that_are_none(server, body, kind):
    answer = requests.post(
        f"{server.url}/jobs", data=body, headers={"Content-Type": kind}, timeout=10
    )
    assert answer.status_code in (400, 415)
    assert answer.json()["error"].endswith(".")


def test_a_full_folder_takes_nothing_more(start_server, tmp_path_factory, clips):
    small = start_server(tmp_path_factory.mktemp("small"), "--max-disk", "100kB")
    answer = requests.post(
        f"{small.url}/jobs", files={"video": ("a.mp4", bytes(200_000))}, timeout=10
    )
    assert answer.status_code == 507
    assert "--max-disk" in answer.json()["error"]
    assert not [name for name in files_below(small.folder) if "a.mp4" in name]
    assert small.stop() == 130


# Who may ask, and for what.


def test_every_answer_carries_the_headers(server, done):
    base = f"{server.url}/jobs/{done['id']}"
    for url in (
        *(f"{server.url}/", f"{server.url}/list", f"{server.url}/jobs", base, f"{base}/entry"),
        *(f"{base}/result.json", f"{server.url}/static/serve.js", f"{server.url}/no"),
    ):
        headers = requests.get(url, timeout=10).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "169.254.169.254"])
def test_another_name_for_this_machine_is_refused(server, host):
    answer = requests.get(f"{server.url}/jobs", headers={"Host": host}, timeout=10)
    assert answer.status_code == 400
    assert "--allow-host" in answer.json()["error"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_the_names_of_this_machine_are_taken(server, host):
    headers = {"Host": f"{host}:{server.port}"}
    assert requests.get(f"{server.url}/jobs", headers=headers, timeout=10).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_pages_of_other_sites_can_change_nothing(server, done, headers):
    for path in (f"/jobs/{done['id']}/delete", "/jobs"):
        answer = requests.post(f"{server.url}{path}", headers=headers, timeout=10)
        assert answer.status_code == 403
        assert "another site" in answer.json()["error"]
    assert requests.get(f"{server.url}/jobs/{done['id']}", timeout=10).status_code == 200


def test_pages_of_other_sites_can_link_here_but_load_nothing(server):
    load = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    frame = load | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    link = load | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    codes = [
        requests.get(server.url, headers=h, timeout=10).status_code for h in (load, frame, link)
    ]
    assert codes == [403, 403, 200]


def test_no_path_leads_out(server, done, tmp_path_factory):
    secret = server.folder.parent / "secret.txt"
    secret.write_text("the-secret-outside")
    job = f"/jobs/{done['id']}"
    ups = ["../" * 8, "..%2f" * 8, "%2e%2e/" * 8, "..%5c" * 8, "..%252f" * 8, "%c0%ae%c0%ae/" * 8]
    targets = ["etc/passwd", "secret.txt", str(secret), "job.json", "batch.jsonl"]
    paths = [f"{job}/job.json", f"{job}/one.srt", f"{job}/.", f"{job}/result.npz", f"{job}/%00"]
    paths += [f"{job}/one.mp4%00.json", f"{job}/result.json%00", f"/jobs/{'0' * 32}/result.json"]
    paths += [f"/jobs/{done['id'].upper()}x", "/uploads", f"/uploads/{done['id']}/one.mp4"]
    for up in ups:
        for target in targets:
            for start in ("/", "/static/", "/jobs/", f"{job}/", f"{job}/result."):
                paths.append(f"{start}{up}{target}")
    for path in paths:
        answer = get(server, path)
        status = answer.split(" ", 2)[1]
        assert status in ("404", "405", "400"), (path, answer[:200])
        assert "root:" not in answer
        assert "the-secret-outside" not in answer


def test_lengths_that_are_none(server):
    for length in ("9" * 5000, "-1", "1e9", "0x10"):
        answer, _ = raw(server, upload_head(server, f"Content-Length: {length}"))
        assert answer.split(" ", 2)[1] in ("400", "413"), length


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_no_other_methods(server, done, method):
    for path in ("/", "/jobs", f"/jobs/{done['id']}", f"/jobs/{done['id']}/delete"):
        answer = requests.request(method, server.url + path, timeout=10)
        assert answer.status_code == 405
        assert answer.headers["allow"]
        assert method in answer.json()["error"]


def test_an_unknown_path_is_refused_as_everything_is(server):
    answer = requests.get(f"{server.url}/no/such/place", timeout=10)
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_a_link_in_place_of_a_result_is_not_followed(server, done):
    secret = server.folder.parent / "secret2.txt"
    secret.write_text("the-secret-outside")
    table = server.folder / "results" / done["id"] / "one.affect.csv"
    kept = table.read_bytes()
    table.unlink()
    table.symlink_to(secret)
    answer = requests.get(f"{server.url}/jobs/{done['id']}/result.csv", timeout=10)
    assert answer.status_code == 404
    table.unlink()
    table.write_bytes(kept)


# What lasts.


def test_delete_leaves_nothing_of_a_video_also_while_it_is_analysed(server, done, clips):
    def of_it(job_id):
        return [name for name in files_below(server.folder) if job_id in name]

    def n_cached():
        return len(list((server.folder / "cache" / "entries").rglob("*.safetensors")))

    deadline = time.monotonic() + 60
    answer = post(server, clips / "two.mp4", "other.mp4", transcript=clips / "two.srt")
    running = answer.json()["id"]
    server.wait_for(running, "running", "done")
    before = n_cached()
    for job_id in (running, done["id"]):
        assert requests.post(f"{server.url}/jobs/{job_id}/delete", timeout=10).status_code == 204
        assert requests.get(f"{server.url}/jobs/{job_id}", timeout=10).status_code == 404
        assert requests.post(f"{server.url}/jobs/{job_id}/delete", timeout=10).status_code == 404
    while (of_it(running) or of_it(done["id"]) or n_cached()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not of_it(running)
    assert not of_it(done["id"])
    assert not list((server.folder / "results" / "utterances").rglob("*.parquet"))
    assert before
    assert n_cached() == 0


def test_what_was_queued_goes_on_after_a_kill_ctrl_c_and_trouble(
    start_server, tmp_path_factory, clips
):
    folder = tmp_path_factory.mktemp("kept")
    first = start_server(folder, "--workers", "1")
    ids = [
        post(first, clips / f"{which}.mp4", f"{which} ü.mp4").json()["id"]
        for which in ("one", "two")
    ]
    first.wait_for(ids[0], "running", "done")
    children = psutil.Process(first.process.pid).children(recursive=True)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    (folder / ".incoming" / "half an upload").mkdir()
    second = start_server(folder, "--workers", "1", "--asr", "transcript")
    titles = {job["title"] for job in requests.get(f"{second.url}/jobs", timeout=10).json()}
    assert titles == {"one ü.mp4", "two ü.mp4"}
    assert not list((folder / ".incoming").iterdir())
    children = psutil.Process(second.process.pid).children(recursive=True)
    assert second.stop() == 130
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    with only_one(folder / "results"):  # as by a batch that was started there by hand
        third = start_server(folder, "--workers", "1")
        deadline = time.monotonic() + 60
        while "Nothing is worked on" not in listed(third) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "Nothing is worked on: another batch is writing" in listed(third)
        assert str(folder) not in listed(third)
    ids.append(post(third, clips / "two.mp4", "wakes it.mp4").json()["id"])
    for job_id in ids:
        assert third.wait_for(job_id, "done", "failed")
    assert "Nothing is worked on" not in listed(third)


def test_one_server_a_folder(server):
    told = serve("--out", server.folder, "--port", 0)
    assert told.returncode == 2
    assert "another batch is writing" in told.stderr


# The command.


def serve(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "affect_pipe.cli", "serve", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
        check=False,
    )


def test_a_port_that_is_taken_is_told_in_a_sentence(server, tmp_path):
    told = serve("--out", tmp_path, "--port", server.port)
    assert told.returncode == 2
    assert "choose another --port" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--port", "99999"], "--port 99999"),
        (["--host", "192.0.2.1"], "cannot be listened at"),
        (["--max-upload", "lots"], "is not a size"),
        (["--transcript", "a.srt"], "drop it on the page"),
        (["--allow-host", "*"], "--allow-host"),
        (["--model", "nonesuch"], "nonesuch"),
    ],
)
def test_bad_use_is_told_before_anything_is_served(tmp_path, arguments, says, capsys):
    assert main(["serve", "--out", str(tmp_path), "--port", "0", *arguments]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_without_the_extra_it_says_what_to_install(tmp_path):
    (tmp_path / "starlette.py").write_text("raise ImportError('no such thing')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    told = serve("--out", tmp_path, PYTHONPATH=path)
    assert told.returncode == 1
    assert 'pip install "affect-pipe[app]"' in told.stderr


def test_elsewhere_than_on_this_machine_it_warns(start_server, tmp_path_factory):
    open_to_all = start_server(tmp_path_factory.mktemp("open"), "--host", "0.0.0.0")
    refused = requests.get(open_to_all.url, headers={"Host": "evil.example"}, timeout=10)
    assert refused.status_code == 400
    assert requests.get(open_to_all.url, timeout=10).status_code == 200
    open_to_all.process.send_signal(signal.SIGTERM)
    _, told = open_to_all.process.communicate(timeout=30)
    assert "there is no login" in told
    assert open_to_all.process.returncode == 130

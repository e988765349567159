"""Courses over HTTP, against a real hub: machines take them, trainers publish them."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from fakes.courses import COURSE_TOML, NOTEBOOK, make_files, write_folder
from fakes.forks import run_command
from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.courses import pack_course, unpack_course

NOTEBOOK_BYTES = json.dumps(NOTEBOOK).encode()


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        for name in ("ada", "bob"):
            running.start_server(name)
        yield running


@pytest.fixture(scope="module")
def ada(hub):
    return hub.server_token("ada")


def archive(text: str) -> bytes:
    return pack_course(make_files({"01-who/text.md": text.encode()})).data


def push(hub, data: bytes, *, token: str = "", name: str = "first-steps"):
    return hub.api("POST", f"vmlab/courses/{name}", token=token or hub.cli_token, data=data)


def listing(hub, token: str, **params):
    answer = hub.api("GET", "vmlab/courses", token=token, params=params)
    answer.raise_for_status()
    return answer.json()


class TestPublishing:
    def test_a_version_is_there_at_once(self, hub, ada):
        answer = push(hub, archive("one")).json()
        assert answer["unchanged"] is False
        (course,) = listing(hub, ada)["courses"]
        assert course == {
            "name": "first-steps",
            "version": answer["version"],
            "digest": answer["digest"],
            "title": {"en": "First steps", "fr": "Premiers pas"},
        }

    def test_the_same_again_makes_no_version(self, hub):
        first = push(hub, archive("same")).json()
        again = push(hub, archive("same")).json()
        assert again == first | {"unchanged": True}

    def test_a_trainer_may(self, hub):
        assert push(hub, archive("t"), token=hub.user_token("trainer")).status_code == 200

    @pytest.mark.parametrize("name", ["ada", "facilitator"])
    def test_others_may_not(self, hub, name):
        # Large enough to be still under way when the hub has seen who sends it.
        answer = push(hub, os.urandom(8 * 1024 * 1024), token=hub.user_token(name))
        assert answer.status_code == 403
        assert "custom:vmlab:courses" in answer.json()["message"]

    def test_a_machine_may_not(self, hub, ada):
        assert push(hub, archive("evil"), token=ada).status_code == 403

    def test_a_mistake_is_told_with_file_and_line(self, hub):
        files = make_files({"course.toml": COURSE_TOML.replace("folder", "foldr").encode()})
        answer = push(hub, pack_course(files).data)
        assert answer.status_code == 400
        assert "first-steps/course.toml:6" in answer.json()["message"]
        assert "did you mean 'folder'" in answer.json()["message"]

    @pytest.mark.parametrize("data", [b"", b"no archive", gzip.compress(b"no tar" * 200, mtime=0)])
    def test_rubbish_is_refused(self, hub, data):
        answer = push(hub, data)
        assert answer.status_code == 400
        assert "Traceback" not in answer.text

    @pytest.mark.parametrize("name", ["..", "A", "x" * 41, "a/b"])
    def test_no_name_leads_anywhere_else(self, hub, name):
        assert push(hub, archive("x"), name=name).status_code in {404, 405}

    def test_too_large_is_refused_in_words(self, hub):
        answer = push(hub, bytes(64 * 1024 * 1024 + 1))
        assert answer.status_code == 413


class TestTaking:
    def test_the_archive_is_what_was_pushed(self, hub, ada):
        published = push(hub, archive("two")).json()
        answer = hub.api("GET", f"vmlab/courses/first-steps/{published['version']}", token=ada)
        assert answer.headers["Content-Type"] == "application/gzip"
        assert hashlib.sha256(gzip.decompress(answer.content)).hexdigest() == published["digest"]
        assert unpack_course(answer.content)["01-who/text.md"] == b"two"
        assert "01-who/solution.ipynb" not in unpack_course(answer.content)

    @pytest.mark.parametrize("path", ["first-steps/999", "nothing/1", "first-steps/0"])
    def test_what_is_not_there(self, hub, ada, path):
        assert hub.api("GET", f"vmlab/courses/{path}", token=ada).status_code == 404

    def test_a_push_wakes_those_who_wait(self, hub, ada):
        known = listing(hub, ada)["digest"]
        with ThreadPoolExecutor(2) as pool:
            tokens = [ada, hub.server_token("bob")]
            waits = [pool.submit(listing, hub, token, known=known, wait=25) for token in tokens]
            # The hub counts those who wait; a fifth would be one too many, so none is sent here.
            # Whether the two are waiting yet or not, they must see the push.
            began = time.monotonic()
            version = push(hub, archive(f"news {began}")).json()["version"]
            answers = [wait.result() for wait in waits]
        assert time.monotonic() - began < 20
        assert {a["courses"][0]["version"] for a in answers} == {version}

    def test_without_news_the_wait_ends_in_time(self, hub, ada):
        known = listing(hub, ada)["digest"]
        began = time.monotonic()
        assert listing(hub, ada, known=known, wait=1)["digest"] == known
        assert 0.9 < time.monotonic() - began < 20

    @pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon"])
    def test_odd_waits_are_refused(self, hub, ada, wait):
        answer = hub.api("GET", "vmlab/courses", token=ada, params={"known": "x", "wait": wait})
        assert answer.status_code == 400

    def test_a_machine_cannot_pile_up_waits(self, hub, ada):
        known = listing(hub, ada)["digest"]
        params = {"known": known, "wait": 25}

        def ask(_: int) -> int:
            return hub.api("GET", "vmlab/courses", token=ada, params=params).status_code

        with ThreadPoolExecutor(10) as pool:
            answers = as_completed([pool.submit(ask, number) for number in range(10)])
            refused = [next(answers).result() for _ in range(6)]
            push(hub, archive(f"end {time.monotonic()}"))
            waited = [answer.result() for answer in answers]
        assert refused == [429] * 6
        assert waited == [200] * 4
        assert listing(hub, ada)["digest"] != known

    def test_only_machines_and_trainers(self, hub):
        assert hub.api("GET", "vmlab/courses", token=hub.cli_token).status_code == 200
        assert hub.api("GET", "vmlab/courses", token=hub.user_token("bob")).status_code == 403
        assert hub.api("GET", "vmlab/courses", token="nonsense").status_code == 403


class TestTakingBack:
    def remove(self, hub, name: str, *, token: str = "", **params):
        token = token or hub.cli_token
        return hub.api("DELETE", f"vmlab/courses/{name}", token=token, params=params)

    def test_it_is_gone_everywhere_and_comes_back(self, hub, ada):
        published = push(hub, archive("leak")).json()
        with ThreadPoolExecutor(1) as pool:
            known = listing(hub, ada)["digest"]
            wait = pool.submit(listing, hub, ada, known=known, wait=25)
            gone = self.remove(hub, "first-steps").json()
            listed = wait.result()
        version = published["version"] + 1
        assert gone == {"name": "first-steps", "version": version, "progress": "keep"}
        assert listed["courses"] == []
        assert listed["removed"] == [{"name": "first-steps", "version": version}]
        for each in range(1, version + 1):
            answer = hub.api("GET", f"vmlab/courses/first-steps/{each}", token=ada)
            assert answer.status_code == 404
        assert not list((hub.folder / "courses/first-steps").glob("*.gz"))
        board = hub.api("GET", "vmlab/board", token=hub.user_token("facilitator")).json()
        assert board["courses"] == []
        progress = {"course": "first-steps", "exercise": "01-who", "step": "user", "passed": True}
        assert hub.api("POST", "vmlab/progress", token=ada, json=progress).status_code == 400
        receipt = {"course": "first-steps", "version": version, "kept": ["01-who/text.md"]}
        hub.api("POST", "vmlab/receipts", token=ada, json=receipt).raise_for_status()
        assert self.remove(hub, "first-steps").json()["version"] == version, "once is enough"
        back = push(hub, archive("leak")).json()
        assert (back["version"], back["unchanged"]) == (version + 1, False)
        assert listing(hub, ada)["removed"] == []

    def test_progress_goes_when_it_is_said(self, hub, ada):
        push(hub, archive("p"))
        progress = {"course": "first-steps", "exercise": "01-who", "step": "user", "passed": True}

        def passed() -> int:
            board = hub.api("GET", "vmlab/board", token=hub.user_token("facilitator")).json()
            return next(row["passed"] for row in board["rows"] if row["user"] == "ada")

        hub.api("POST", "vmlab/progress", token=ada, json=progress).raise_for_status()
        self.remove(hub, "first-steps").raise_for_status()
        push(hub, archive("p"))
        assert wait_until(lambda: passed() == 1), "kept when nothing else is said"
        self.remove(hub, "first-steps", progress="drop").raise_for_status()
        push(hub, archive("p"))
        assert wait_until(lambda: passed() == 0)

    @pytest.mark.parametrize("name", ["ada", "facilitator"])
    def test_others_may_not(self, hub, name):
        assert self.remove(hub, "first-steps", token=hub.user_token(name)).status_code == 403

    def test_a_machine_may_not(self, hub, ada):
        assert self.remove(hub, "first-steps", token=ada).status_code == 403

    def test_what_is_not_there_or_not_said(self, hub):
        assert self.remove(hub, "nothing").status_code == 404
        assert self.remove(hub, "first-steps", progress="burn").status_code == 400


class TestReceipts:
    def test_what_a_machine_kept(self, hub, ada):
        version = push(hub, archive("three")).json()["version"]
        body = {"course": "first-steps", "version": version, "kept": ["01-who/exercise.ipynb"]}
        before = time.time()
        hub.api("POST", "vmlab/receipts", token=ada, json=body).raise_for_status()
        answer = hub.api("GET", "vmlab/courses/first-steps/receipts", token=hub.cli_token)
        (receipt,) = answer.json()["receipts"]
        assert before - 1 <= receipt.pop("at") <= time.time() + 1
        assert receipt == {
            "user": "ada",
            "server": "",
            "version": version,
            "kept": ["01-who/exercise.ipynb"],
            "obstacles": [],
            "refused": "",
            "refused_version": 0,
        }

    @pytest.mark.parametrize(
        "changes",
        [
            {"version": 999},
            {"version": -1},
            {"version": 2**70},
            {"version": "1"},
            {"version": True},
            {"course": "nothing"},
            {"course": "../first-steps"},
            {"kept": "all"},
            {"kept": ["/etc/passwd"]},
            {"kept": ["\u0000"]},
            {"kept": ["a"] * 501},
            {"kept": [1]},
            {"kept": None},
            {"obstacles": 1},
            {"obstacles": [1]},
            {"obstacles": [{"path": "a", "reason": "forbidden"}]},
            {"obstacles": [{"path": "a", "reason": 1, "beside": ""}]},
            {"obstacles": [{"path": "a" * 401, "reason": "forbidden", "beside": ""}]},
            {"refused": None},
            {"refused": "x" * 401},
        ],
    )
    def test_nonsense_is_refused(self, hub, ada, changes):
        body = {"course": "first-steps", "version": 1, "kept": []} | changes
        assert hub.api("POST", "vmlab/receipts", token=ada, json=body).status_code == 400

    def test_what_could_not_be_taken(self, hub, ada):
        version = push(hub, archive("four")).json()["version"]
        obstacles = [
            {"path": "a.md", "reason": "not-a-file", "beside": "first-steps/a.v4.md"},
            {"path": "b\x1b[2Jc", "reason": "from a newer agent", "beside": ""},
        ]
        body = {"course": "first-steps", "version": version, "kept": [], "obstacles": obstacles}
        hub.api("POST", "vmlab/receipts", token=ada, json=body).raise_for_status()
        newest = push(hub, archive("five")).json()["version"]
        refusal = {"course": "first-steps", "version": newest, "kept": [], "refused": "too odd"}
        hub.api("POST", "vmlab/receipts", token=ada, json=refusal).raise_for_status()
        answer = hub.api("GET", "vmlab/courses/first-steps/receipts", token=hub.cli_token).json()
        (receipt,) = answer["receipts"]
        assert (answer["version"], answer["removed"]) == (newest, False)
        assert receipt["version"] == version
        assert (receipt["refused"], receipt["refused_version"]) == ("too odd", newest)
        assert receipt["obstacles"] == [
            obstacles[0],
            {"path": "b·[2Jc", "reason": "failed", "beside": ""},
        ]

    def test_trainees_do_not_read_them(self, hub, ada):
        for token in (ada, hub.user_token("ada"), hub.user_token("facilitator")):
            answer = hub.api("GET", "vmlab/courses/first-steps/receipts", token=token)
            assert answer.status_code == 403


class TestCommandLine:
    def run(self, hub, *args: str, state: str = "") -> subprocess.CompletedProcess[str]:
        env = os.environ | {"VMLAB_STATE": state or str(hub.folder), "COLUMNS": "200"}
        return run_command("course", *args, environment=env)

    def json(self, hub, *args: str):
        done = self.run(hub, *args, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @pytest.fixture
    def folder(self, tmp_path):
        return write_folder(
            tmp_path / "course", make_files({"own.md": os.urandom(4).hex().encode()})
        )

    def test_push_list_status(self, hub, folder, ada):
        pushed = self.json(hub, "push", str(folder))
        assert pushed["unchanged"] is False
        assert "unchanged since" in self.run(hub, "push", str(folder)).stdout
        (course,) = self.json(hub, "list")["courses"]
        assert (course["version"], course["digest"]) == (pushed["version"], pushed["digest"])
        assert "Premiers pas" in self.run(hub, "list").stdout
        body = {"course": "first-steps", "version": pushed["version"], "kept": ["a.md"]}
        hub.api("POST", "vmlab/receipts", token=ada, json=body).raise_for_status()
        (known,) = self.json(hub, "status", "first-steps")["courses"]
        assert known["receipts"][0]["user"] == "ada"
        table = self.run(hub, "status").stdout
        assert "ada" in table
        assert "a.md" in table

    def test_a_push_tells_what_goes_out_and_asks_when_in_doubt(self, hub, folder):
        write_folder(folder, {".secret": b"x", "01-who/correction.ipynb": NOTEBOOK_BYTES})
        done = self.run(hub, "push", str(folder))
        assert done.returncode == 1
        shown = " ".join(done.stdout.split())
        assert "Delivered to trainees (3, " in shown
        assert "01-who/exercise.ipynb" in shown
        assert "not in home folders: 01-who/checks.py course.toml" in shown
        assert "Not delivered: .secret by-product or hidden 01-who/solution.ipynb a soluti" in shown
        assert "Please check: 01-who/correction.ipynb its name looks like that of a so" in shown
        assert f"not published: {folder}/01-who/correction.ipynb" in done.stderr
        assert "--yes" in done.stderr
        pushed = self.json(hub, "push", str(folder), "--yes")
        assert ["01-who/correction.ipynb", len(NOTEBOOK_BYTES)] in pushed["files"]["delivered"]

    def test_taking_back_and_what_is_told_of_it(self, hub, folder, ada):
        version = self.json(hub, "push", str(folder))["version"]
        done = self.run(hub, "remove", "first-steps")
        assert (done.returncode, "no terminal to ask on" in done.stderr) == (1, True)
        done = self.run(hub, "remove", "nothing")
        assert (done.returncode, "there is no course 'nothing'" in done.stderr) == (1, True)
        done = self.run(hub, "remove", "first-steps", "--yes")
        assert f"first-steps: withdrawn (version {version + 1})" in done.stdout
        assert "Their progress is kept" in done.stdout
        assert "No course is published" in self.run(hub, "list").stdout
        body = {"course": "first-steps", "version": version + 1, "kept": ["mine.md"]}
        hub.api("POST", "vmlab/receipts", token=ada, json=body).raise_for_status()
        table = self.run(hub, "status", "first-steps").stdout
        assert f"first-steps, withdrawn (version {version + 1})" in table
        assert "mine.md" in table
        assert "published as" in self.run(hub, "push", str(folder)).stdout

    def test_what_is_not_in_its_place_stands_in_the_status(self, hub, folder, ada):
        version = self.json(hub, "push", str(folder))["version"]
        held = [{"path": "a.md", "reason": "not-a-file", "beside": "first-steps/a.v2.md"}]
        body = {"course": "first-steps", "version": version, "kept": [], "obstacles": held}
        hub.api("POST", "vmlab/receipts", token=ada, json=body).raise_for_status()
        table = " ".join(self.run(hub, "status", "first-steps").stdout.split())
        assert "a.md: something that is not a file has its name; it is in ~/first-st" in table

    def test_a_mistake_in_the_course(self, hub, folder):
        (folder / "course.toml").write_text(COURSE_TOML.replace('"user"', '"User"'))
        done = self.run(hub, "push", str(folder))
        assert done.returncode == 1
        assert f"{folder}/course.toml:9" in done.stderr
        assert "Traceback" not in done.stderr

    def test_no_hub(self, hub, folder, tmp_path):
        done = self.run(hub, "push", str(folder), state=str(tmp_path))
        assert (done.returncode, "no hub was started here" in done.stderr) == (1, True)
        (tmp_path / "cli.json").write_text('{"url": "http://127.0.0.1:9/", "token": "x"}')
        done = self.run(hub, "list", state=str(tmp_path))
        assert (done.returncode, "does not answer" in done.stderr) == (1, True)
        assert "vmlab up" in done.stderr

    def test_a_token_that_is_refused(self, hub, folder, tmp_path):
        (tmp_path / "token").write_text(hub.user_token("ada") + "\n")
        done = self.run(hub, "push", str(folder), "--token-file", str(tmp_path / "token"))
        assert (done.returncode, "refuses the token" in done.stderr) == (1, True)

    def test_a_course_that_is_not_there(self, hub):
        done = self.run(hub, "status", "nothing")
        assert (done.returncode, "there is no course 'nothing'" in done.stderr) == (1, True)

"""Runs on disk: numbers, what is known of them, when they are complete."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from narval.config import config_folder
from narval.errors import NarvalError
from narval.runs import begin_run, check_number, end_run, list_runs, read_run


def test_numbers_count_up_and_the_topology_is_kept(tmp_path):
    first, second = (begin_run(tmp_path, "tandem", "<configuration/>") for _ in range(2))
    assert [first.number, second.number] == [1, 2]
    assert first.folder == tmp_path / "runs/tandem/run-0001"
    assert (first.folder / "topology.xml").read_text() == "<configuration/>"
    assert list_runs(tmp_path, "tandem") == (first, second)
    assert begin_run(tmp_path, "other", "").number == 1


def test_a_number_can_be_chosen_once_and_the_next_ones_follow_it(tmp_path):
    assert begin_run(tmp_path, "tandem", "", 17).folder.name == "run-0017"
    with pytest.raises(NarvalError, match=r"run_number 17 is already taken.*none for 18"):
        begin_run(tmp_path, "tandem", "", 17)
    assert begin_run(tmp_path, "tandem", "").number == 18
    for number in (0, -1, 10**9):
        with pytest.raises(NarvalError, match=f"run_number {number}: a run's number is 1 to"):
            begin_run(tmp_path, "tandem", "", number)
    assert [run.number for run in list_runs(tmp_path, "tandem")] == [17, 18]


def test_a_number_is_not_given_again_where_its_run_has_gone(tmp_path):
    first, second = (begin_run(tmp_path, "tandem", "") for _ in range(2))
    first.folder.rename(tmp_path / "kept elsewhere")
    shutil.rmtree(second.folder.parent.parent)
    assert begin_run(tmp_path, "tandem", "").number == 3
    for number in (1, 2, 3):
        with pytest.raises(NarvalError, match=f"run_number {number} is already taken"):
            begin_run(tmp_path, "tandem", "", number)
        with pytest.raises(NarvalError, match="none for 4"):
            check_number(tmp_path, "tandem", number)
    assert check_number(tmp_path, "tandem", 9) == 9
    assert begin_run(tmp_path, "tandem", "").number == 4, "asking does not take it"


def test_runs_of_before_numbers_were_kept_count_and_what_is_no_number_does_not(tmp_path):
    (tmp_path / "runs/tandem/run-0007").mkdir(parents=True)
    (tmp_path / "runs/tandem/run-\u0663").mkdir()
    (tmp_path / "run_numbers").mkdir()
    (tmp_path / "run_numbers/tandem").write_bytes(b"5\n\xff\n-3\n12 x\n" + b"9" * 5000)
    assert begin_run(tmp_path, "tandem", "").number == 13


def test_a_run_that_lost_frames_is_not_complete_and_says_how_many(tmp_path):
    folder = begin_run(tmp_path, "tandem", "").folder
    assert not end_run(folder, lost_frames=414).complete
    assert read_run(folder).lost_frames == 414
    (folder / "run.toml").write_text((folder / "run.toml").read_text().replace("414", "-1"))
    with pytest.raises(NarvalError, match="does not say"):
        read_run(folder)


def test_a_number_is_given_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: begin_run(tmp_path, "tandem", ""), range(24)))
    assert sorted(run.number for run in runs) == list(range(1, 25))


def test_a_run_is_complete_once_it_has_ended_well(tmp_path):
    run = begin_run(tmp_path, "tandem", "")
    assert not read_run(run.folder).complete
    ended = end_run(run.folder)
    assert ended.complete
    assert ended.ended >= ended.began
    assert read_run(run.folder) == ended == end_run(run.folder, failed=True)


def test_a_run_that_failed_or_has_partial_files_is_not_complete(tmp_path):
    failed, partial = (begin_run(tmp_path, "tandem", "").folder for _ in range(2))
    (partial / "data-000.mfm.partial").touch()
    assert not end_run(failed, failed=True).complete
    assert not end_run(partial).complete


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x"])
def test_a_sub_system_cannot_lead_elsewhere(tmp_path, name):
    with pytest.raises(NarvalError, match="sub-system's name"):
        begin_run(tmp_path / "config", name, "")


@pytest.mark.parametrize("text", ["number = ", "number = 1\n", "\x00"])
def test_a_damaged_record_is_told(tmp_path, text):
    folder = begin_run(tmp_path, "tandem", "").folder
    (folder / "run.toml").write_text(text)
    with pytest.raises(NarvalError, match=r"run\.toml: "):
        read_run(folder)


def test_the_folder_comes_from_the_environment(tmp_path):
    assert config_folder({"NARVAL_CONFIG": str(tmp_path)}) == tmp_path
    assert config_folder({}).name == ".narval"

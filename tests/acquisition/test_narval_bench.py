"""The bench measures real links and real actors; how fast they are is not tested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import narval
from narval.bench import program
from narval.bench.links import bench_links
from narval.bench.system import bench_system


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("PYTHONPATH", str(Path(narval.__file__).parent.parent))


def test_links_and_plain_ones_of_each_size(tmp_path):
    results = bench_links(0.5, sizes=(4096, 65536), rounds=1)
    assert [(each.port, each.block_bytes) for each in results] == [
        (port, size) for size in (4096, 65536) for port in ("fifo", "tcp")
    ]
    for each in results:
        assert each.narval_bytes_per_s > each.block_bytes
        assert each.ratio == pytest.approx(
            each.narval_bytes_per_s / each.plain_bytes_per_s, abs=0.001
        )


def test_a_system_of_a_few_actors(tmp_path):
    found = bench_system(0.5, actors=4)
    assert found.actors == 4
    assert found.start_s > 0
    assert found.actions_per_s > 0
    assert found.soak_bytes > 1e6


def test_the_command_writes_what_it_prints(tmp_path, capsys):
    file = tmp_path / "results.json"
    words = ["--seconds", "0.02", "--rounds", "1", "--soak", "0", "--json", str(file)]
    assert program.main(words) == 0
    assert len(json.loads(file.read_text())["links"]) == 6
    assert "1048576" in capsys.readouterr().out
    nowhere = str(tmp_path / "nowhere" / "x.json")
    assert program.main([*words[:-1], nowhere]) == 1
    assert "nowhere" in capsys.readouterr().err

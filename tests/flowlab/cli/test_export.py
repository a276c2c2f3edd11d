"""What a user does with a SAXS run that was recorded: export it, and analyse it again."""

import json
import subprocess
import sys

import h5py
import pytest

from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.live.frames import FrameReader
from flowlab.live.recorder import ResultsRecorder
from flowlab.stream import Recorder, RunStore
from tests.saxs_runs import RADII, series


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A store with one run and its analysis."""
    root = tmp_path_factory.mktemp("data")
    documents = list(series(root, {190.0: RADII[190.0], 200.0: RADII[200.0]}))
    store = RunStore(root)
    recorder, results = Recorder(store.open_documents), ResultsRecorder(store, None)
    for name, doc in documents:
        recorder(name, doc)
    recorder.close()
    with FrameReader(store.frames, within_s=0.0) as reader:
        analyzer = Analyzer(load_material, reader)
        for name, doc in documents:
            for result in analyzer.take(name, doc):
                results.take(*result)
    results.close()
    return root


def flowlab(*arguments, cwd):
    command = [sys.executable, "-m", "flowlab", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=100)


def test_an_export_is_named_after_its_run_and_says_what_was_written(data, tmp_path):
    (folder,) = data.glob("*-nucleation_scan-*")
    result = flowlab("export", folder, "--format", "nxcansas", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{folder.name}-nxcansas.h5\n"
    with h5py.File(tmp_path / result.stdout.strip()) as file:
        assert list(file) == ["saxs_000", "saxs_001"]


def test_a_replay_reads_the_frames_again_and_gives_the_same_results_to_the_last_byte(data, tmp_path):
    (folder,) = data.glob("*-nucleation_scan-*")
    result = flowlab("replay", folder, "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout)["identical"] is True

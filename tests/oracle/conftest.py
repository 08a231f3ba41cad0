"""Fixtures and the last line: every test takes the program, the models or the test data from here."""

import os
from pathlib import Path

import pytest
import torch
import transformers

import models
from driver import Cna

torch.set_num_threads(1)  # the program under test runs beside us
transformers.utils.logging.disable_progress_bar()


@pytest.fixture(scope="session")
def cna(tmp_path_factory):
    program = Path(os.environ.get("CNA_BIN", "build/cna")).resolve()
    if not program.is_file():
        pytest.exit(f"{program} does not exist; build it with 'make' or name it in CNA_BIN", returncode=1)
    return Cna(program, tmp_path_factory.mktemp("cna"))


@pytest.fixture(scope="session")
def testdata():
    folder = Path(os.environ.get("CNA_TESTDATA", "../shared/testdata")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; name it in CNA_TESTDATA")
    return folder


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """A function from a model's name to its folder; a model is built the first time it is asked for."""
    root = tmp_path_factory.mktemp("models")
    built = {}

    def folder(name):
        if name not in built:
            built[name] = models.build(models.SPECS[name], root / name)
        return built[name]

    return folder


def pytest_unconfigure(config):
    """Prints the counts on a line of their own, after everything that pytest prints itself."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    count = {kind: len(reporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped")}
    skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
    print(f"{count['passed']} passed, {count['failed'] + count['error']} failed{skipped}")

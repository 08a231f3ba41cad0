"""lm-evaluation-harness' MMLU task over local CSV files in the original layout.

The harness' own files name a data set on the network. Here the template that it ships is loaded as it is and given the
local files instead: description, prompt, choices, examples and metric are its own.
"""

import csv
from pathlib import Path

import lm_eval
import yaml
from datasets import Dataset, DatasetDict
from lm_eval.api.task import ConfigurableTask

DEFAULT = Path(lm_eval.__file__).parent / "tasks" / "mmlu" / "default"
LETTERS = "ABCD"


def task(data, subject):
    config = yaml.safe_load((DEFAULT / "_default_template_yaml").read_text())
    own = yaml.safe_load((DEFAULT / f"mmlu_{subject}.yaml").read_text())
    config.update({key: own[key] for key in ("task", "description", "dataset_name")})
    files = {split: _rows(data / split / f"{subject}_{split}.csv") for split in ("dev", "test")}
    config["custom_dataset"] = lambda **_: DatasetDict({k: Dataset.from_list(v) for k, v in files.items()})
    return ConfigurableTask(config=config)


def _rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [{"question": question, "choices": list(choices), "answer": LETTERS.index(answer)}
                for question, *choices, answer in csv.reader(file)]

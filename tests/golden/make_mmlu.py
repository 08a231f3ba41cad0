"""Write tests/golden/mmlu.json: prompts of tests/data/mmlu as lm-evaluation-harness makes them with its default MMLU
template, and the group of every subject, for tests/test_mmlu.c.

Needs lm-eval (the venv of tests/oracle/run.sh has it). Run from anywhere: python tests/golden/make_mmlu.py
"""
import importlib.metadata
import json
import pathlib
import sys

import yaml

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "oracle"))
import harness  # noqa: E402

cases = []
for subject, shots in (("astronomy", 5), ("astronomy", 0), ("philosophy", 3), ("philosophy", 1)):
    task = harness.task(here.parent / "data" / "mmlu", subject)
    for number, doc in enumerate(task.test_docs()):
        cases.append({"subject": subject, "question": number, "shots": shots, "answer": doc["answer"],
                      "prompt": task.fewshot_context(doc, shots)})
groups = {}
for path in sorted(harness.DEFAULT.glob("mmlu_*.yaml")):
    own = yaml.safe_load(path.read_text())
    groups[path.stem.removeprefix("mmlu_")] = own["tag"].removeprefix("mmlu_").removesuffix("_tasks")
golden = {"made_by": f"lm-eval {importlib.metadata.version('lm-eval')}", "groups": groups, "cases": cases}
(here / "mmlu.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
print(len(cases), "prompts,", len(groups), "subjects")

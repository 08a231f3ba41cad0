"""Make everything in models/ again: both families side by side, one process and one thread each."""

import subprocess
import sys

import pretrain
import prompts
import tune

FAMILIES = ["llama", "qwen2"]


def main():
    if len(sys.argv) == 2:
        pretrain.main(sys.argv[1])
        tune.main(sys.argv[1])
        return
    prompts.main()
    runs = [subprocess.Popen([sys.executable, __file__, family]) for family in FAMILIES]
    if any([run.wait() for run in runs]):
        sys.exit("a family failed; see above")


if __name__ == "__main__":
    main()

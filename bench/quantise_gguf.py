"""Quantises a GGUF file with llama.cpp, every matrix to one type (Q4_K_M: to a mixture).

    python bench/quantise_gguf.py FILE.gguf Q8_0|Q4_K|Q4_K_M OUT.gguf      minutes for the 1B shape
"""

import os
import sys

import llama_cpp

FILE_TYPES = {"Q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0, "Q4_K": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_S,
              "Q4_K_M": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M}


def main():
    source, kind, target = sys.argv[1:]
    params = llama_cpp.llama_model_quantize_default_params()
    params.nthread, params.ftype = os.cpu_count(), FILE_TYPES[kind]
    params.pure = kind != "Q4_K_M"  # which is a mixture by name: Q6_K here and there
    unfinished = target + ".unfinished"
    status = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(unfinished), params)
    if status != 0:
        sys.exit(f"quantise_gguf: {source}: llama.cpp returned {status}")
    os.rename(unfinished, target)


if __name__ == "__main__":
    main()

"""The disk's sequential read rate over the shards of a checkpoint, after their pages were dropped from the cache.

    python bench/read_rate.py CHECKPOINT [GIGABYTES]      reads the first 8 GB of it, or so many

Also prints what /proc/self/io counted: read_bytes is what the filesystem fetched from its device, rchar what was
asked for. They agree where nothing came from the page cache.
"""

import os
import sys
import time
from pathlib import Path

CHUNK = 1 << 23


def counters():
    lines = Path("/proc/self/io").read_text().splitlines()
    return {key: int(value) for key, value in (line.split(": ") for line in lines)}


def read(path, limit):
    """Reads a file from its start, at most limit bytes; returns how many."""
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    done, buffer = 0, bytearray(CHUNK)
    while done < limit and (n := os.readv(fd, [buffer])):
        done += n
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    return done


def main():
    limit = int(float(sys.argv[2]) * 1e9) if len(sys.argv) > 2 else 8 * 10**9
    before, start, done = counters(), time.perf_counter(), 0
    for path in sorted(Path(sys.argv[1]).glob("*.safetensors")):
        if done < limit:
            done += read(path, limit - done)
    seconds, after = time.perf_counter() - start, counters()
    fetched, asked = (after[key] - before[key] for key in ("read_bytes", "rchar"))
    print(f"read {done / 1e9:.2f} GB in {seconds:.1f} s: {done / seconds / 1e6:.0f} MB/s; "
          f"read_bytes {fetched / 1e9:.2f} GB, rchar {asked / 1e9:.2f} GB")


if __name__ == "__main__":
    main()

"""Writes a checkpoint larger than the disk: one shard a layer, all with the bytes of the first, cloned by reflink.

    python bench/large_checkpoint.py Qwen2.5-72B FOLDER --tokenizer DIR [--template FILE]

FOLDER must lie on a filesystem that clones ranges (XFS, Btrfs); large_checkpoint.sh makes one. Every shard has a
header of its own with its layer's names, filled up to a whole block, because only whole blocks can be cloned; the
output projection shares the embeddings' bytes. Each shard is a file with its own page cache, so reading the model
moves as many bytes from the disk as if nothing were shared.
"""

import fcntl
import json
import os
import shutil
import struct

import numpy as np

import shapes
from make_checkpoint import arguments, safetensors_header, write_description, write_weights

BLOCK = 4096  # of mkfs.xfs
FICLONERANGE = 0x4020940D  # linux/fs.h: _IOW(0x94, 13, struct file_clone_range)


def clone_body(source, path, tensors):
    """A shard of these tensors with the bytes of source, which is as long behind its header."""
    with open(source, "rb") as original, open(path, "wb") as shard:
        shard.write(safetensors_header(tensors, BLOCK))
        shard.flush()
        (length,) = struct.unpack("<Q", original.read(8))
        start = 8 + length
        n_bytes = os.fstat(original.fileno()).st_size - start
        fcntl.ioctl(shard, FICLONERANGE, struct.pack("qQQQ", original.fileno(), start, n_bytes, shard.tell()))


class Shards:
    """Files of one folder and the index that says which tensor lies in which."""

    def __init__(self, folder, n):
        self.folder, self.n, self.names, self.total = folder, n, {}, 0

    def add(self, tensors):
        """The path of the next shard, which is to hold these tensors."""
        number = 1 + len(set(self.names.values()))
        name = f"model-{number:05d}-of-{self.n:05d}.safetensors"
        for tensor, dims in tensors:
            self.names[tensor] = name
            self.total += 2 * int(np.prod(dims))
        return self.folder / name

    def write_index(self):
        index = {"metadata": {"total_size": self.total}, "weight_map": self.names}
        (self.folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))


def write_shards(folder, shape, seed):
    """Embeddings, layers, the last norm, the output: the order of the names, each with its kind's bytes."""
    generator = np.random.default_rng(seed)
    norm, *head = shapes.output_tensors(shape)
    shards = Shards(folder, shape.layers + 2 + len(head))
    embeddings = list(shapes.embedding_tensors(shape))
    embedding_path = shards.add(embeddings)
    write_weights(embedding_path, embeddings, generator, BLOCK)
    for layer in range(shape.layers):
        tensors = list(shapes.layer_tensors(shape, layer))
        path = shards.add(tensors)
        if layer == 0:
            first = path
            write_weights(first, tensors, generator, BLOCK)
        else:
            clone_body(first, path, tensors)
    write_weights(shards.add([norm]), [norm], generator, BLOCK)
    if head:
        clone_body(embedding_path, shards.add(head), head)
    shards.write_index()


def main():
    args, shape = arguments("a checkpoint of a real shape that shares its layers' bytes")
    unfinished = args.folder.with_name(args.folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    write_description(unfinished, shape, args.tokenizer, args.template)
    write_shards(unfinished, shape, args.seed)
    os.rename(unfinished, args.folder)


if __name__ == "__main__":
    main()

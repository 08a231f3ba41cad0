#!/bin/sh
# A checkpoint of the largest shapes (141 to 145 GB) on a disk that has 5 GB: shards on an XFS image that share their
# bodies by reflink, each with its own header.
#
#   bench/large_checkpoint.sh make [SHAPE]      makes and mounts the image, writes the checkpoint, prints the disk's
#                                               read rate; SHAPE Qwen2.5-72B or Llama-3.1-70B. Two minutes.
#   bench/large_checkpoint.sh mount | unmount   an image made before
#   bench/large_checkpoint.sh remove            unmounts, deletes the image
#
# Needs root (losetup, mount) and xfsprogs; without them it says so and exits with 77, the code of skipped tests. A file
# with holes would be no stand-in: the kernel fills holes with zeros and reads no disk for them.
#
# The image is mounted through a loop device with direct I/O. Otherwise the image's own page cache would answer for the
# shared blocks, and all layers but the first would never touch the disk.
#
# Environment, beside common.sh's:
#   XFS_IMAGE   the image, a sparse file (BENCH_DIR/xfs.img); mounted at the same name without .img
set -eu

cd "$(dirname "$0")/.."
. bench/common.sh
action=${1:-}
shape=${2:-Qwen2.5-72B}
image=${XFS_IMAGE:-$work/xfs.img}
point=${image%.img}

skip() {
    echo "bench: $*; skipped" >&2
    exit 77
}

mount_image() {
    mountpoint -q "$point" && return
    mkdir -p "$point"
    device=$(losetup --find --show --direct-io=on "$image") || skip "no loop device with direct I/O for $image"
    mount -t xfs -o noatime "$device" "$point" || {
        losetup --detach "$device"
        skip "cannot mount $image; is XFS in this kernel?"
    }
}

unmount_image() {
    mountpoint -q "$point" || return 0
    device=$(findmnt --noheadings --output SOURCE "$point")
    umount "$point"
    losetup --detach "$device"
    rmdir "$point"
}

[ "$(id -u)" -eq 0 ] || skip "mounting an image needs root"
case $action in
make)
    command -v mkfs.xfs >/dev/null || skip "no mkfs.xfs; install xfsprogs"
    use_python
    mkdir -p "$(dirname "$image")"
    if [ ! -e "$image" ]; then
        truncate -s 24G "$image.unfinished"
        mkfs.xfs -q -b size=4096 -m reflink=1 "$image.unfinished"
        mv "$image.unfinished" "$image"
    fi
    mount_image
    description "$shape"
    checkpoint=$point/$shape$suffix
    [ -d "$checkpoint" ] || "$python" bench/large_checkpoint.py "$shape" "$checkpoint" --tokenizer "$tokenizer" \
        ${template:+--template "$template"}
    sync -f "$checkpoint"
    echo "$checkpoint: $(du -sh --apparent-size "$checkpoint" | cut -f 1) of files," \
        "$(du -h "$image" | cut -f 1) on disk"
    "$python" bench/read_rate.py "$checkpoint"
    ;;
mount) mount_image ;;
unmount) unmount_image ;;
remove)
    unmount_image
    rm -f "$image"
    ;;
*) fail "usage: bench/large_checkpoint.sh make [SHAPE] | mount | unmount | remove" ;;
esac

"""A guest that boots in seconds: the image's own kernel with a shell script for an agent.

The provider's half is all real: QEMU, the shim, the namespace, the virtio-serial port, the disks.
Only what runs in the machine is small, and what the kernel does before (`fakes.tiny_kernel`).
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from fakes.tiny_kernel import KERNEL_ARGS, make_initrd, unpack_kernel
from vmlab.images.store import FILES, Image, describe_file

AGENT = r"""#!/bin/sh
export PATH=/sbin:/usr/sbin:/bin:/usr/bin
mkdir -p /proc /sys /dev /run
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
frozen=false; seed=; serial=0
for m in /modules/*; do insmod $m; done
echo "tiny guest: up"
port=
while [ -z "$port" ]; do
    for p in /sys/class/virtio-ports/*; do
        [ "$(cat $p/name 2>/dev/null)" = org.vmlab.agent ] && port=/dev/${p##*/}
    done
done
exec 3<>$port
say() { echo "$1" >&3; }
mount_volume() {
    until [ -b /dev/vdb ]; do :; done
    [ -d /sys/module/ext4 ] || for m in /later/*; do insmod $m; done
    mkdir -p /mnt; mount -t ext4 /dev/vdb /mnt
}
seeded=false
read -r words </proc/cmdline
has() { case "$words" in *$1*) true ;; *) false ;; esac; }
while :; do
    if ! read -r line <&3; then sleep 1; continue; fi
    case "$line" in
    *'"type": "status"'*)
        trouble=
        case "$seed" in *TINY_TROUBLE*)
            trouble=',"trouble":{"ends":2,"plain":true,"line":"no such folder"}' ;;
        esac
        say '{"type":"status","agent":"tiny","seeded":'"$seeded$trouble"'}' ;;
    *'"type": "park"'*)
        if has TINY_NOPARK; then
            say '{"type":"error","phase":"boot","message":"asked not to park"}'
            continue
        fi
        say '{"type":"parked"}' ;;
    *'"type": "warm"'*) say '{"type":"warmed"}' ;;
    *'"type": "activity"'*)
        read -r up _ </proc/uptime
        case "$seed" in *TINY_DIGITS*)  # a number of 400 digits
            up=; while [ ${#up} -lt 400 ]; do up=${up}9999999999; done ;;
        esac
        say '{"type":"activity","idle_s":'$up',"why":[]}' ;;
    *'"type": "time"'*)
        read -r up _ </proc/uptime; read -r rtc </sys/class/rtc/rtc0/since_epoch
        echo "tiny guest: time ${line#*time_ns\": } up $up rtc $rtc"
        say '{"type":"timed","moved_s":0}' ;;
    *'"type": "warn"'*) say '{"type":"warned"}' ;;
    *'"type": "serve"'*)
        new=${line#*\"serial\": }; new=${new%%,*}
        [ $new -lt $serial ] || serial=$new
        say '{"type":"serving","serial":'$serial'}' ;;
    *'"type": "language"'*) say '{"type":"speaks"}' ;;
    *'"type": "keys"'*) say '{"type":"keyed"}' ;;
    *'"type": "run"'*)  # one without quotes or backslashes, and answered when it has ended
        id=${line#*\"id\": \"}; id=${id%%\"*}; command=${line#*\"command\": \"}
        output=$(sh -c "${command%%\"*}" 2>&1); status=$?
        say '{"type":"ran","id":"'"$id"'","status":'$status',"output":"'"$output"'"}' ;;
    *'"type": "freeze"'*)
        case "$seed" in
        *TINY_NOFREEZE*) say '{"type":"error","phase":"volume","message":"asked not to freeze"}' ;;
        *TINY_DEAF*) ;;
        *) frozen=true; say '{"type":"frozen"}' ;;
        esac ;;
    *'"type": "thaw"'*)
        case "$seed" in *TINY_SHORT*) frozen=false ;; esac
        say '{"type":"thawed","was_frozen":'$frozen'}'; frozen=false ;;
    *'"type": "grow"'*)
        size=$(($(cat /sys/block/vdb/size) / 2048))
        echo "tiny guest: grows to $size"; say '{"type":"grown","size_mib":'$size'}' ;;
    *'"type": "show"'*)
        case "$seed" in
        *TINY_NOSHOW*) say '{"type":"error","phase":"volume","message":"asked not to show"}' ;;
        *) until [ -e /sys/block/vdc ]; do :; done
           echo "tiny guest: shows $(cat /sys/block/vdc/serial) ro=$(cat /sys/block/vdc/ro)"
           say '{"type":"shown"}' ;;
        esac ;;
    *'"type": "hide"'*) say '{"type":"hidden"}' ;;
    *'"type": "poweroff"'*) echo "tiny guest: poweroff"; poweroff -f ;;
    *'"type": "seed"'*)
        seed=$line
        case "$line" in
        *TINY_FAIL*)
            say '{"type":"error","phase":"mounts","message":"asked to fail\u0007<b>"}'
            continue ;;
        *TINY_HALF*) say '{"type":"phase","phase":"identity"}'; continue ;;
        *TINY_SILENT*) continue ;;
        *TINY_CRASH*) poweroff -f ;;
        *TINY_RUBBISH*) say 'no json'; say '{"type":"phase","phase":"ready"}'; say '[]' ;;
        esac
        case "$line" in
        *TINY_FILL*)  # all of the volume again, with what cannot be left out of a file
            mount_volume
            cat /dev/urandom >/mnt/fill
            umount /mnt; echo "tiny guest: filled" ;;
        *TINY_WRITE_*)
            word=${line#*TINY_WRITE_}; word=${word%%\"*}
            # Into a file; the end of the mount brings it to the host's disk, as fsync does.
            mount_volume && echo "$word" >/mnt/word
            umount /mnt &&
            echo "tiny guest: wrote $word" ;;
        esac
        echo "tiny guest: seed taken"
        for phase in identity keys network mounts exercises server; do
            say '{"type":"phase","phase":"'$phase'"}'
        done
        seeded=true; say '{"type":"seeded"}'
        case "$line" in  # a moment later, so that the host hears the word before
        *TINY_REBOOT*) (sleep 1; reboot -f) & ;;
        *TINY_PANIC*) (sleep 1; echo c >/proc/sysrq-trigger) & ;;
        *TINY_LEAVE*) (sleep 1; poweroff -f) & ;;
        esac ;;
    esac
done
"""


def make_tiny_image(
    base: Image, images: Path, name: str = "tiny", version: str = "1", knobs: str = ""
) -> Image:
    """Publish a small image in the store at `images`; returns it.

    Args:
        knobs: words for the kernel's command line: TINY_NOPARK.
    """
    folder = images / name / version
    folder.mkdir(parents=True)
    (folder / "vmlinuz").write_bytes(unpack_kernel(base.kernel.read_bytes()))
    initrd = make_initrd(base.initrd.read_bytes(), AGENT)
    for file in ("initrd", "initrd-generic"):
        (folder / file).write_bytes(initrd)
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", folder / "disk.qcow2", "16M"], check=True
    )
    facts = {n: describe_file(folder / n) for n in FILES}
    manifest: dict[str, Any] = {
        "name": name,
        "version": version,
        "created": 0.0,
        "kernel_args": f"{KERNEL_ARGS} {knobs}".strip(),
        "disk_size_mib": 16,
        "files": {n: {"bytes": f.size_bytes, "sha256": f.sha256} for n, f in facts.items()},
        "packages": 0,
        "build_s": 0.0,
    }
    (folder / "image.json").write_text(json.dumps(manifest))
    current = images / name / "current"
    current.unlink(missing_ok=True)
    current.symlink_to(version)
    return Image(
        **{k: v for k, v in manifest.items() if k != "files"},
        recipe=version,
        folder=folder,
        files=facts,
    )

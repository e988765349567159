"""The image's own kernel, ready to run: what it would unpack and test at each boot is done once.

Hundreds of tests boot it under software emulation; so it takes 2 s of the processor instead of 5.
"""

from __future__ import annotations

import lzma
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

# Tests that the kernel makes of itself, and what guards a guest that runs nothing of anybody's.
_TESTS = (
    "crypto_kdf108_init",
    "jent_mod_init",
    "load_system_certificate_list",
    "init_encrypted",
    "bpf_tcp_ca_kfunc_init",
    "bpf_dummy_struct_ops_init",
    "trace_eval_init",
    "init_kprobe_trace",
)
KERNEL_ARGS = (
    "console=ttyS0 no_timer_check quiet panic=-1 cryptomgr.notests mitigations=off rodata=off "
    f"initcall_blacklist={','.join(_TESTS)}"
)

# By folder; `later` is loaded by a guest that mounts its volume, which takes it a fifth of a boot.
_MODULES = {
    "modules": ("virtio_pci", "virtio_console", "virtio_blk", "pvpanic_mmio"),
    "later": ("crc32c_generic", "ext4"),
}
_TRAILER = b"TRAILER!!!"
_SIGNATURE = b"~Module signature appended~\n"


@cache
def unpack_kernel(kernel: bytes) -> bytes:
    """Return the ELF kernel in a bzImage, which QEMU starts by its PVH entry.

    Ref: Linux, Documentation/arch/x86/boot.rst (setup_sects, payload_offset, payload_length).
    """
    (sectors,) = struct.unpack_from("<B", kernel, 0x1F1)
    offset, length = struct.unpack_from("<II", kernel, 0x248)
    begin = (sectors + 1) * 512 + offset
    return _unpack(kernel[begin : begin + length - 4])  # its last four bytes are its size


@cache
def make_initrd(base: bytes, init: str) -> bytes:
    """Return a plain archive with this script as /init, klibc's programs and the modules it needs.

    Args:
        base: an initrd of mkinitramfs: a plain archive with modules, then a packed one.
    """
    early = base.index(_TRAILER) + len(_TRAILER)
    packed = base[early:].lstrip(b"\0")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for archive in (base, _unpack(packed)):
            _run("cpio", "-i", "-d", "--quiet", "--no-absolute-filenames", given=archive, at=folder)
        _keep_what_is_needed(folder)
        (folder / "init").write_text(init)
        (folder / "init").chmod(0o755)
        names = "\n".join(str(path.relative_to(folder)) for path in sorted(folder.rglob("*")))
        return _run("cpio", "-o", "-H", "newc", "--quiet", given=names.encode(), at=folder)


def _keep_what_is_needed(folder: Path) -> None:
    (dependencies,) = folder.glob("usr/lib/modules/*/modules.dep")
    kept = set()
    for place, names in _MODULES.items():
        (folder / place).mkdir()
        for number, path in enumerate(_in_order(dependencies.read_text(), names)):
            content = lzma.decompress((dependencies.parent / path).read_bytes())
            file = folder / place / f"{number:02}-{_module(path)}.ko"
            file.write_bytes(_unsigned(content))
            kept.add(file)
    for file in list(folder.rglob("*")):
        if file.is_symlink() or not file.is_file() or file in kept:
            continue
        if not file.name.startswith("klibc-") and b"klibc-" not in file.read_bytes():
            file.unlink()


def _in_order(dependencies: str, modules: Iterable[str]) -> list[str]:
    """Return the files of the modules as they must be loaded; what is not listed is built in."""
    listed = {}
    for line in dependencies.splitlines():
        path, _, needs = line.partition(":")
        listed[_module(path)] = [*reversed(needs.split()), path]
    return list(dict.fromkeys(p for name in modules for p in listed.get(name, ())))


def _module(path: str) -> str:
    return Path(path).name.partition(".")[0].replace("-", "_")


def _unsigned(module: bytes) -> bytes:
    """Leave out the signature, which takes longer to check than the module to load.

    Ref: Linux, include/linux/module_signature.h.
    """
    if not module.endswith(_SIGNATURE):
        return module
    facts = len(module) - len(_SIGNATURE) - 12
    (length,) = struct.unpack_from(">I", module, facts + 8)
    return module[: facts - length]


def _unpack(data: bytes) -> bytes:
    """Undo zstd or gzip; the tool knows both."""
    return _run("zstd", "-dcq", given=data)


def _run(*words: str, given: bytes, at: Path | None = None) -> bytes:
    return subprocess.run(words, input=given, capture_output=True, check=True, cwd=at).stdout

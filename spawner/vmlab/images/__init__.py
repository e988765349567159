"""Images: recipes are read here, built into bootable disks, kept in a store and verified.

`recipe` and `mirrors` are pure; `build` drives the programs (mmdebstrap, pip, mke2fs, qemu-img);
`store` is what the providers use. Nothing here starts a machine.
"""

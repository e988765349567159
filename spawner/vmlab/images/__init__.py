"""Images: recipes are read here, built into bootable disks, kept in a store and verified.

`recipe` and `mirrors` are pure; `build` drives the programs (mmdebstrap, pip, mke2fs, qemu-img);
`store` is what the providers use. Nothing here starts a machine.

    recipe      recipe.toml, and the hash that names a version
    mirrors     Debian mirrors, from the host's own apt configuration
    bootstrap   the arguments of mmdebstrap
    inside      runs in the image's tree, as root there
    wheels      Python packages, checked against the lock file
    commands    runs the programs that make an image
    tree        the finished tree as data
    checks      no secret in it, nothing missing
    disk        from a tree to a bootable disk
    lab_files   JupyterLab's own files, for the host to serve
    progress    what a build says while it runs
    build       all of this, once per content
    store       which images there are, and whether they are whole
"""

"""The file server of an event, in its machine: the volume, folders, quotas, exports."""

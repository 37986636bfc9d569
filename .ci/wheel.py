"""Puts the repository's `data/` into the wheel, where `segedu.data` finds it."""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DataInWheel(BuildHookInterface):
    """An editable install reads `data/` in place: a copy of it would only grow stale."""

    def initialize(self, version, build_data):
        """Add `data/` unless the install is editable."""
        if version != "editable":
            build_data["force_include"]["data"] = "segedu/data/files"

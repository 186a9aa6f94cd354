"""What the wheel is made of besides Python: libtim_presence, and the tag that says where it runs.

TIM_WHEEL_LIBRARY is the library, TIM_WHEEL_PLATFORM the platform's tag, such as manylinux_2_17_x86_64. build_wheel.sh sets
both; a wheel without a library would be of no use, so without them there is none.
"""

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LibraryHook(BuildHookInterface):  # type: ignore[misc]
    """Puts the library into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is built."""
        library = os.environ.get("TIM_WHEEL_LIBRARY")
        platform = os.environ.get("TIM_WHEEL_PLATFORM")
        if not library or not platform:
            raise SystemExit("set TIM_WHEEL_LIBRARY and TIM_WHEEL_PLATFORM, or use build_wheel.sh")
        name = "libtim_presence" + Path(library).suffix
        build_data["force_include"][library] = f"tim_presence/lib/{name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"

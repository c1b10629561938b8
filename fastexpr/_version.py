"""The version, where the build, the package and what it writes find it."""

__version__ = "0.1.0"

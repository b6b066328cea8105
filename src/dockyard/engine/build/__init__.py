"""`docker build` by the classic builder: files and a Dockerfile in, an image and the story of it out."""

from dockyard.engine.build.builder import Builder
from dockyard.engine.build.endpoint import build_endpoint
from dockyard.engine.build.options import Options

__all__ = ["Builder", "Options", "build_endpoint"]

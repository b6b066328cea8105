"""dockyard: learn containers and Kubernetes on live systems.

`from dockyard import *` in a notebook gives the names below. They are made when first asked for, so that the
platform, the judge and the command line, which are in this package too, load nothing of Jupyter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dockyard.views.notebook import Notebook

    _notebook: Notebook

__all__ = [
    "bars",
    "check",
    "cut",
    "goto",
    "hint",
    "lesson",
    "load",
    "measured",
    "predict",
    "quiz",
    "reset",
    "rollout",
    "show",
    "timeline",
    "watch",
]


def __getattr__(name: str) -> Any:
    """The notebook's names, all methods of one object a process; a kernel's clients find the platform."""
    if name not in __all__ and name != "_notebook":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if "_notebook" not in globals():
        from dockyard.views.notebook import Notebook

        notebook = Notebook()
        notebook.install()
        globals()["_notebook"] = notebook
    notebook = globals()["_notebook"]
    return notebook if name == "_notebook" else getattr(notebook, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

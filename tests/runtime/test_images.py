"""The image store: names, removal, durability; and snapshots made from its images."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dockyard.runtime.image_removal import chain_ids
from dockyard.runtime.images import Image, ImageInUse, ImageNotFound, ImageStore
from dockyard.runtime.references import InvalidReference, familiar
from dockyard.runtime.snapshots import Snapshots
from dockyard.runtime.union import Union
from dockyard.wire.clock import FakeClock


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images", clock=FakeClock(1000))


def commit(store: ImageStore, files: dict[str, str], base: Image | None = None, **config: object) -> Image:
    tree = store.layers.new_tree()
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    return store.commit(base, store.add_layer(tree), dict(config), created_by=f"made {sorted(files)}")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("python", "python:latest"),
        ("docker.io/library/python:3", "python:3"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
        ("me/app:v1", "me/app:v1"),
    ],
)
def test_references_have_one_familiar_form(written: str, name: str) -> None:
    assert familiar(written) == name


@pytest.mark.parametrize("wrong", ["", "Bad Tag", "a:b:c", "UPPER:1", "a/../b", ":tag", "a:" + "t" * 200])
def test_no_reference(wrong: str) -> None:
    with pytest.raises(InvalidReference, match="invalid reference format"):
        familiar(wrong)


def test_image_is_found_by_name_id_and_beginning_of_id(store: ImageStore) -> None:
    image = commit(store, {"a": "1"})
    store.tag(image.id, "app")
    for reference in ("app", "app:latest", "docker.io/library/app", image.id, image.id[7:], image.id[7:19]):
        assert store.get(reference).id == image.id
    with pytest.raises(ImageNotFound, match="No such image: nosuch:1"):
        store.get("nosuch:1")


def test_equal_input_gives_the_same_image_and_one_layer(store: ImageStore) -> None:
    assert commit(store, {"a": "1"}).id == commit(store, {"a": "1"}).id
    assert commit(store, {"a": "2"}).id != commit(store, {"a": "1"}).id
    assert len(store.layers.names()) == 2


def test_removing_the_last_name_removes_the_image_and_what_only_it_needs(store: ImageStore) -> None:
    base = commit(store, {"base": "x"})
    store.tag(base.id, "base")
    middle = commit(store, {"middle": "x"}, base)
    top = commit(store, {"top": "x"}, middle)
    store.tag(top.id, "top")
    report = store.remove("top").report
    chains = chain_ids(top.layers)
    assert report == [
        {"Untagged": "top:latest"},
        {"Deleted": top.id},
        {"Deleted": chains[2]},
        {"Deleted": middle.id},
        {"Deleted": chains[1]},
    ]
    assert [image.id for image in store.list(all=True)] == [base.id]
    assert store.layers.names() == {store.layers.path(base.layers[0]).parent.name}


def test_image_with_two_names_is_only_removed_by_force(store: ImageStore) -> None:
    image = commit(store, {"a": "1"})
    store.tag(image.id, "one")
    store.tag(image.id, "two")
    with pytest.raises(ImageInUse, match="referenced in multiple repositories"):
        store.remove(image.id[7:19])
    assert store.remove("one").report == [{"Untagged": "one:latest"}]
    store.tag(image.id, "one")
    assert {"Deleted": image.id} in store.remove(image.id, force=True).report


def test_image_with_children_stays(store: ImageStore) -> None:
    base = commit(store, {"a": "1"})
    commit(store, {"b": "1"}, base)
    with pytest.raises(ImageInUse, match="image has dependent child images"):
        store.remove(base.id)


def test_intermediate_images_are_listed_only_when_asked(store: ImageStore) -> None:
    base = commit(store, {"a": "1"})
    top = commit(store, {"b": "1"}, base)
    assert [image.id for image in store.list()] == [top.id]
    assert len(store.list(all=True)) == 2


def test_history_names_the_image_of_each_step(store: ImageStore) -> None:
    base = commit(store, {"a": "four"})
    top = store.commit(base, None, {"Env": ["A=1"]}, created_by="ENV A=1")
    assert [(step["Id"], step["Size"], step["CreatedBy"]) for step in store.history(top.id)] == [
        (top.id, 0, "ENV A=1"),
        (base.id, 4, "made ['a']"),
    ]


def test_container_keeps_the_layers_of_a_removed_image(store: ImageStore, tmp_path: Path) -> None:
    image = commit(store, {"a": "1"})
    snapshots = Snapshots(tmp_path / "containers", store, overlay=True)
    rootfs = snapshots.prepare("c1", image)
    store.remove(image.id)
    assert (rootfs.layers[0] / "a").read_text() == "1"
    assert snapshots.get("c1") == rootfs
    snapshots.remove("c1")
    assert snapshots.get("c1") is None


def test_reopened_store_has_everything_and_sweeps_the_rest(store: ImageStore, tmp_path: Path) -> None:
    image = commit(store, {"a": "1"})
    store.tag(image.id, "app")
    store.add_layer(_tree(store, "never-committed"))
    store.close()
    again = ImageStore(tmp_path / "images", clock=FakeClock(2000))
    assert (again.get("app").id, again.get("app").config) == (image.id, image.config)
    assert len(again.layers.names()) == 1


def _tree(store: ImageStore, name: str) -> Path:
    tree = store.layers.new_tree()
    tree.mkdir()
    (tree / name).touch()
    return tree


def test_acknowledged_image_survives_a_kill(tmp_path: Path) -> None:
    program = """
        import os, sys
        from pathlib import Path
        from dockyard.runtime.images import ImageStore
        from dockyard.wire.clock import SystemClock
        store = ImageStore(Path(sys.argv[1]), clock=SystemClock())
        for number in range(1000):
            tree = store.layers.new_tree()
            tree.mkdir()
            (tree / "file").write_text(str(number))
            image = store.commit(None, store.add_layer(tree), {}, created_by=f"step {number}")
            store.tag(image.id, f"app:{number}")
            print(number, image.id, flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "images")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        lines = [process.stdout.readline().split() for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
    store = ImageStore(tmp_path / "images", clock=FakeClock(0))
    for number, identifier in lines:
        image = store.get(f"app:{number}")
        assert image.id == identifier
        assert Union(store.layer_paths(image)).read_text("/file") == number


def test_snapshot_without_overlays_knows_what_changed(store: ImageStore, tmp_path: Path) -> None:
    base = commit(store, {"etc/a": "1", "etc/b": "2", "usr/lib/shared": "library", "dir/x": "x"})
    top = commit(store, {"etc/a": "new"}, base)
    snapshots = Snapshots(tmp_path / "containers", store, overlay=False)
    merged = snapshots.prepare("c", top).merged
    assert (merged / "etc/a").read_text() == "new"
    assert (merged / "usr/lib/shared").stat().st_nlink > 1
    assert (merged / "etc/b").stat().st_nlink == 1
    (merged / "etc/b").write_text("changed")
    (merged / "etc/new").write_text("n")
    (merged / "dir/x").unlink()
    (merged / "dir").rmdir()
    layer = snapshots.diff("c")
    kinds = {entry.path: entry.kind for entry in store.layers.entries(layer.digest)}
    assert kinds == {"dir": "w", "etc": "d", "etc/b": "f", "etc/new": "f"}
    after = Union([*store.layer_paths(top), layer.tree])
    assert after.read_text("/etc/b") == "changed"
    assert not after.exists("/dir")
    assert Union(store.layer_paths(top)).read_text("/etc/b") == "2"


def test_shared_library_of_a_container_cant_be_written_in_place(store: ImageStore, tmp_path: Path) -> None:
    image = commit(store, {"usr/lib/shared": "library"})
    rootfs = Snapshots(tmp_path / "containers", store, overlay=False).prepare("c", image)
    assert (rootfs.merged / "usr/lib/shared").stat().st_mode & 0o222 == 0


def test_what_each_container_gets_of_its_own_is_no_part_of_a_layer(store: ImageStore, tmp_path: Path) -> None:
    image = commit(store, {"etc/a": "1"})
    snapshots = Snapshots(tmp_path / "containers", store, overlay=True)
    upper = snapshots.prepare("c", image).upper
    for name in ("etc/hosts", "etc/resolv.conf", "proc/x", "dev/null"):
        (upper / name).parent.mkdir(exist_ok=True)
        (upper / name).touch()
    assert store.layers.entries(snapshots.diff("c").digest) == []


def test_unreadable_directories_are_removed_too(store: ImageStore, tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "containers", store, overlay=True)
    locked = snapshots.prepare("c", commit(store, {"a": "1"})).upper / "locked"
    (locked / "deep").mkdir(parents=True)
    (locked / "deep" / "file").touch()
    os.chmod(locked / "deep", 0)
    os.chmod(locked, 0)
    snapshots.remove("c")
    assert snapshots.names() == []


def test_steps_of_a_build_dont_outlive_the_daemon(store: ImageStore, tmp_path: Path) -> None:
    image = commit(store, {"a": "1"})
    snapshots = Snapshots(tmp_path / "containers", store, overlay=True)
    snapshots.prepare("container", image)
    snapshots.prepare("step", image, temporary=True)
    assert Snapshots(tmp_path / "containers", store, overlay=True).names() == ["container"]


def test_equal_layers_of_two_builds_survive_the_removal_of_either_image(store: ImageStore) -> None:
    def build(name: str) -> None:
        for number in range(150):
            image = commit(store, {"same": "content"}, Env=[f"{name}={number}"])
            assert store.layers.entries(image.layers[0])
            store.remove(image.id, force=True)

    with ThreadPoolExecutor(2) as pool:
        builds = [pool.submit(build, name) for name in ("first", "second")]
    for each in builds:
        each.result()
    assert store.list(all=True) == []


def test_opaque_directory_hides_what_is_below_in_each_image(store: ImageStore) -> None:
    def archive(*names: str) -> io.BytesIO:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name in names:
                tar.addfile(tarfile.TarInfo(name))
        buffer.seek(0)
        return buffer

    above = archive("d/.wh..wh..opq", "d/own")
    digest = "sha256:" + hashlib.sha256(above.getvalue()).hexdigest()
    for number, comes_again in enumerate((True, True, False)):
        with store.incoming() as incoming:
            below = incoming.add(archive(f"d/below-{number}", "other"))
            above.seek(0)
            assert incoming.add(above).digest == digest if comes_again else incoming.have(digest)
            union = Union([below.tree, store.layers.path(digest)])
            assert sorted(union.listdir("/d")) == ["own"]
            assert union.exists("/other")
            document = {"os": "linux", "rootfs": {"diff_ids": [below.digest, digest]}}
            incoming.finish(json.dumps(document).encode())
    assert len(store.list()) == 3

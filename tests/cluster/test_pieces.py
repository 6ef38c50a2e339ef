"""The parts of the cluster set-up that decide something without touching an engine."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from cluster import addons, archive, binaries, cache, components, images, kind, process, settings, way
from cluster.errors import ClusterError

KUBERNETES = "1.36.3"


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> settings.Settings:
    monkeypatch.setenv("MODELROLLOUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MODELROLLOUT_GATEWAY_PORT", "18080")
    return settings.load()


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", ""])
def test_port_that_is_none_is_refused_by_name(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELROLLOUT_GATEWAY_PORT", port)
    with pytest.raises(ClusterError, match="MODELROLLOUT_GATEWAY_PORT"):
        settings.load()


def test_interrupted_build_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    def die(into: Path) -> None:
        (into / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.piece(tmp_path, "thing", "1", what="making a thing", build=die)
    assert list(tmp_path.iterdir()) == []

    made = cache.piece(tmp_path, "thing", "1", what="making a thing", build=lambda into: (into / "whole").touch())
    assert (made / "whole").exists()


def test_finished_piece_is_not_built_again(tmp_path: Path) -> None:
    first = cache.piece(tmp_path, "thing", "1", what="making a thing", build=lambda into: None)
    assert cache.piece(tmp_path, "thing", "1", what="making a thing", build=lambda into: pytest.fail("built")) == first


def test_sweep_removes_what_the_dead_left_and_nothing_of_the_living(tmp_path: Path) -> None:
    dead, living = (tmp_path / f"{cache.TEMPORARY_PREFIX}thing-1-{pid}" for pid in (2**22 + 1, os.getpid()))
    dead.mkdir()
    living.mkdir()
    cache.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [living]


def test_digest_tells_names_and_contents_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("b")
    before = cache.digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert cache.digest(tmp_path) != before
    assert cache.digest("ab", "c") != cache.digest("a", "bc")


def test_archive_holds_a_shared_layer_once(tmp_path: Path) -> None:
    shared = archive.layer(tmp_path / "1.tar", [archive.Entry("/etc/name", content=b"x", mode=0o644)])
    own = archive.layer(tmp_path / "2.tar", [archive.Entry("/bin/link", link="/bin/sh"), archive.Entry("/tmp")])
    config = {"StopSignal": "SIGRTMIN+3"}
    archive.write(
        tmp_path / "all.tar", [archive.Image("a:1", [shared], config), archive.Image("b:1", [shared, own], config)]
    )
    with tarfile.open(tmp_path / "all.tar") as tar:
        names = tar.getnames()
        manifest = json.load(tar.extractfile("manifest.json") or pytest.fail("no manifest"))
        described = json.load(tar.extractfile(manifest[1]["Config"]) or pytest.fail("no configuration"))
    assert names.count(shared.name) == 1
    assert [image["RepoTags"] for image in manifest] == [["a:1"], ["b:1"]]
    assert manifest[1]["Layers"] == [shared.name, own.name]
    assert described["rootfs"]["diff_ids"] == [f"sha256:{shared.digest}", f"sha256:{own.digest}"]
    assert described["config"] == config


def test_versions_come_from_the_module_files() -> None:
    assert binaries.version(binaries.KUBERNETES) == KUBERNETES
    with pytest.raises(ClusterError, match=r"no version of example\.com/nothing"):
        binaries.version("example.com/nothing")


def test_prometheus_is_tagged_with_its_own_version_number() -> None:
    assert components.prometheus_version().startswith("3.")


def test_manifests_have_no_placeholder_left() -> None:
    text = addons.manifests(addons.Images("c", "e", "p", "a"))
    assert "@" not in text
    assert f"nodePort: {kind.GATEWAY_NODE_PORT}" in text


@pytest.mark.parametrize("private", [True, False])
def test_ports_are_published_on_loopback_only(private: bool, chosen: settings.Settings) -> None:
    config = kind._config(chosen, private=private)
    nodes = config["nodes"]
    assert isinstance(nodes, list)
    mappings: list[Mapping[str, object]] = nodes[0]["extraPortMappings"]
    assert {mapping["listenAddress"] for mapping in mappings} == {"127.0.0.1"}
    assert {mapping["hostPort"] for mapping in mappings} == {18080, 9090}


def test_failed_program_is_one_sentence_with_the_end_of_its_output() -> None:
    with pytest.raises(ClusterError, match=r"(?s)^Trying failed \(exit 3\):\nno luck$"):
        process.run("sh", "-c", "echo no luck >&2; exit 3", what="Trying")
    with pytest.raises(ClusterError, match="needs the program 'no-such-program'"):
        process.run("no-such-program", what="Trying")


def test_process_is_known_by_id_and_start_time(tmp_path: Path) -> None:
    child = process.start(["sleep", "60"], log=tmp_path / "log")
    mine = process.owned(child.pid)
    mine.save(tmp_path / "record")
    assert process.load(tmp_path / "record") == mine
    assert not process.Owned(pid=mine.pid, started=mine.started + 1).alive()
    mine.end()
    child.wait()
    assert process.load(tmp_path / "record") is None


def test_image_context_leaves_out_hidden_files_and_adds_wheels(tmp_path: Path) -> None:
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    for path in (source / "Dockerfile", source / ".git/config", source / "pkg/__pycache__/a.pyc", source / "pkg/a.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    wheels.mkdir()
    (wheels / "a.whl").touch()
    context = images.Context(source, (wheels,))
    assert [name for name, _ in context.files()] == ["Dockerfile", "pkg/a.py", "wheels/a.whl"]
    before = context.digest()
    (source / "pkg/a.py").write_text("y")
    assert context.digest() != before


def test_unknown_engine_is_refused_by_name(chosen: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(way.VARIABLE, "lxc")
    with pytest.raises(ClusterError, match=way.VARIABLE):
        way.is_private(chosen)
    assert way.recorded(chosen) is None

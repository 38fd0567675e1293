"""The files that a specification depends on, found without running anything."""

from __future__ import annotations

from scopedrift.detectors.sources import named_files


def test_files_that_a_specification_names_are_told_with_those_in_its_folders(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("score.sh", "rules/a.yml", "rules/deep/b.yml", "mine.py", "rate/c", "my own/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for spec, named in {
        "program(command=sh score.sh)": ["score.sh"],
        "sigma(rules=./rules)": ["rules/a.yml", "rules/deep/b.yml"],
        "isolated(detector=./mine.py:Mine, memory=3)": ["mine.py"],
        "change-aware(detector=sigma(rules='rules/a.yml'))": ["rules/a.yml"],
        "isolated(detector=my own/x.py:X)": ["my own/x.py"],
        "ensemble(members=rate + my own/x.py + mine.py)": ["my own/x.py", "mine.py"],
        "isolated(detector=rate)": [],
        "first-seen(memory=14)": [],
    }.items():
        assert [str(path) for path in named_files(spec)] == named


def test_naming_the_sources_of_a_package_does_not_run_it(tmp_path, monkeypatch) -> None:
    (tmp_path / "eager").mkdir()
    for name in ("__init__", "inner"):
        (tmp_path / "eager" / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    for spec in ("isolated(detector=eager.inner:T)", "eager:T"):
        assert {path.name for path in named_files(spec)} == {"__init__.py", "inner.py"}
    assert not (tmp_path / "ran").exists()

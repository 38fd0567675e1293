"""What `scopedrift new detector NAME` writes passes `scopedrift check` at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from scopedrift.detectors.conformance.runner import check
from scopedrift.detectors.loading import load
from scopedrift.detectors.template import detector_template


@pytest.mark.parametrize(
    ("name", "class_name"),
    [("new-registry", "NewRegistry"), ("new_registry", "NewRegistry"), ("NewRegistry", "NewRegistry"), ("x", "X")],
)
def test_names_may_be_written_as_one_likes(name: str, class_name: str) -> None:
    assert f"class {class_name}(Detector):" in detector_template(name)


@pytest.mark.parametrize("name", ["", "7up", "a;b", "a.b", "../x", "ä b!"])
def test_names_that_cannot_be_classes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a class name: expected letters, digits and hyphens"):
        detector_template(name)


def test_the_template_passes_the_whole_check_and_can_be_asked_for_with_parameters(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(detector_template("mine"))
    detector = load(f"{path}(weight=2.0)")
    assert detector.parameters() == {"weight": 2.0}
    assert [str(finding) for finding in check(type(detector)) if not finding.ok] == []

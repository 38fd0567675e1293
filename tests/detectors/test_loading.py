"""Finding detectors by text: names, parameters, files, `module:Class`, entry points; and every refusal in words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scopedrift.detectors.builtin.first_seen import FirstSeen
from scopedrift.detectors.loading import available, find, load
from scopedrift.detectors.spec import SpecError

ONE = '''
from dataclasses import dataclass
from scopedrift.detectors import Detector, param

@dataclass
class One(Detector):
    """The only one."""

    weight: float = param(1.0, 0.5, 2.0)
    size: int = param(3)
    loud: bool = param(False)
    label: str = param("x")

    def __post_init__(self):
        if self.weight < 0:
            raise ValueError("weight must not be negative")
'''
TWO = ONE + "\nclass Other(Detector):\n    '''Another one.'''\n"


@pytest.fixture
def one(tmp_path: Path) -> Path:
    path = tmp_path / "one.py"
    path.write_text(ONE)
    return path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of somebody else, installed beside ours, with entry points."""
    name = "elsewhere_detectors"
    (tmp_path / f"{name}.py").write_text(TWO)
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[scopedrift.detectors]\nelsewhere = {name}:One\nbroken = {name}:Missing\n"
        f"no-detector = {name}:dataclass\nfirst-seen = {name}:One\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def refusal(spec: str) -> str:
    with pytest.raises(SpecError) as error:
        load(spec)
    return str(error.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "cannot read the detector '': expected name or name(parameter=value, ...)"),
        ("rate(volume=1", "cannot read the detector 'rate(volume=1': expected name or name(parameter=value, ...)"),
        ("rate(2)", "cannot read '2' in 'rate(2)': expected parameter=value"),
        ("rate(volume=)", "cannot read 'volume=' in 'rate(volume=)': expected parameter=value"),
        ("rate(volume=1, volume=2)", "parameter 'volume' is given twice in 'rate(volume=1, volume=2)'"),
        ("rate(volume=[1)", "unbalanced brackets or quotes in 'rate(volume=[1)'"),
        ("rate(volume='1)", 'unbalanced brackets or quotes in "rate(volume=\'1)"'),
        ("rat", "unknown detector 'rat': did you mean 'rate'? (module:Class and path/to/file.py work too)"),
        ("rate(volum=1)", "'rate' has no parameter 'volum': did you mean 'volume'?"),
        ("never(x=1)", "'never' has no parameter 'x': it has none"),
        ("rate(volume=much)", "parameter 'volume' of 'rate' must be float, not 'much'"),
        ("rate(volume=True)", "parameter 'volume' of 'rate' must be float, not True"),
        ("drift(method=3)", "parameter 'method' of 'drift' must be str, not 3"),
        ("isolation-forest(trees=2.5)", "parameter 'trees' of 'isolation-forest' must be int, not 2.5"),
        ("drift(method=magic)", "'drift' cannot be made: method must be page-hinkley or adwin, not 'magic'"),
        ("river(options={{'a': 1}})", "parameter 'options' of 'river' must be a dictionary such as {'a': 1}, not "),
        ("no_such_module:Thing", "cannot import 'no_such_module' for the detector 'no_such_module:Thing': No module"),
        ("json:JSONEncoder", "'json:JSONEncoder' is not a subclass of scopedrift.detectors.Detector"),
        ("json:JSONEncode", "'json:JSONEncode': no 'JSONEncode' in it: did you mean 'JSONEncoder'?"),
        ("no/such/file.py", "no such file: no/such/file.py"),
        ("ensemble(members=' ')", "'ensemble' cannot be made: an ensemble needs members, such as 'first-seen + rate'"),
        ("ensemble(members=rat)", "'ensemble' cannot be made: unknown detector 'rat': did you mean 'rate'?"),
    ],
)
def test_every_refusal_says_what_where_and_what_was_expected(spec: str, message: str) -> None:
    assert refusal(spec).startswith(message)


def test_an_unknown_name_without_likeness_lists_what_is_known() -> None:
    said = refusal("qqqqqq")
    assert said.startswith("unknown detector 'qqqqqq': known are agentnorm, always, chain-correlation, ")


def test_integers_are_fine_floats_and_parameters_given_in_code_win() -> None:
    detector = load("rate(volume=2, floor=0.2)", {"volume": 3.0})
    assert detector.parameters()["volume"] == 3.0
    assert isinstance(load("rate(volume=2)").parameters()["volume"], float)


@pytest.mark.parametrize("suffix", ["", ":One"])
def test_a_file_is_a_detector(one: Path, suffix: str) -> None:
    detector = load(f"{one}{suffix}(weight=2, loud=true)")
    assert type(detector).__name__ == "One"
    assert detector.parameters() == {"weight": 2.0, "size": 3, "loud": True, "label": "x"}


def test_a_file_is_read_afresh_each_time(one: Path) -> None:
    load(f"{one}")
    one.write_text(ONE.replace("param(3)", "param(44)"))
    assert load(f"{one}").parameters()["size"] == 44


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        (TWO, "", "defines 2 detectors: add one of :One, :Other"),
        (ONE, ":Onee", "no 'Onee' in it: did you mean 'One'?"),
        (ONE, ":dataclass", "is not a subclass of scopedrift.detectors.Detector"),
        ("x = 1", "", "defines no subclass of scopedrift.detectors.Detector"),
        ("def broken(:", "", "cannot be imported: SyntaxError: "),
        ("raise RuntimeError('on import')", "", "cannot be imported: RuntimeError: on import"),
        ("import not_there", "", "cannot be imported: ModuleNotFoundError: No module named 'not_there'"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, source: str, name: str, message: str) -> None:
    path = tmp_path / "file.py"
    path.write_text(source)
    assert message in refusal(f"{path}{name}")


def test_a_detector_that_refuses_its_parameters_says_why(one: Path) -> None:
    assert refusal(f"{one}(weight=-1)").endswith("cannot be made: weight must not be negative")


def test_module_and_class(package: str) -> None:
    assert type(load(f"{package}:One")).__name__ == "One"
    assert type(load(f"{package}:Other")).__name__ == "Other"
    assert refusal(f"{package}:") == f"'{package}:' defines 2 detectors: add one of :One, :Other"


def test_other_packages_offer_detectors_by_entry_point(package: str) -> None:
    detector = load("elsewhere(weight=1.5)")
    assert type(detector).__module__ == package
    listed = available()
    assert listed["elsewhere"].summary == "The only one."
    assert not listed["elsewhere"].reference
    assert "did you mean 'elsewhere'?" in refusal("elswhere")


def test_a_broken_plug_in_is_listed_with_its_fault_and_stops_nobody(package: str) -> None:
    listed = available()
    assert listed["broken"].summary == refusal("broken")
    assert refusal("broken").startswith(f"the plug-in 'broken' ({package}:Missing) cannot be loaded: ")
    assert listed["no-detector"].summary == refusal("no-detector")
    assert refusal("no-detector") == "'no-detector' is not a subclass of scopedrift.detectors.Detector"


def test_a_plug_in_cannot_take_the_place_of_a_built_in(package: str) -> None:
    assert find("first-seen") is FirstSeen
    assert available()["first-seen"].summary != "The only one."

"""Finding things in the bodies of records, decoded or not."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from scopedrift.simulator.records.reading.images import image_in, image_of

NAMES = st.sampled_from(["image", "imageUri", "trainingImage", "imageId", "path", "value", "a"])
TEXTS = st.sampled_from(["", "x", "ami-1", "ami-2", "/spec/image", "image", 'im"age', "é"])
BODY = st.recursive(
    TEXTS | st.none() | st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300)
@example([{"a": {"imageId": "ami-1"}, "imageId": "ami-2"}], False, (",", ":"))
@example([{"a": {"imageId": "ami-2"}, "imageId": "ami-1"}], False, (",", ":"))
@given(BODY, st.booleans(), st.sampled_from([(",", ":"), (" , ", " : ")]))
def test_an_image_in_json_text_is_the_one_in_its_value(body, escaped, separators):
    raw = json.dumps(body, ensure_ascii=escaped, separators=separators).encode()
    assert image_in(raw, body) == image_of(body)


def test_an_image_under_an_escaped_key_is_found():
    raw = rb'{"\u0069mage": "r/x:1"}'
    assert image_in(raw, json.loads(raw)) == "r/x:1"

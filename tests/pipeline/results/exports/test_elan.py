"""ELAN files against ELAN's schema, and through pympi and back."""

from __future__ import annotations

import warnings
from pathlib import PurePath
from xml.etree import ElementTree

import pytest

from affect_pipe.pipeline.results.exports.elan import eaf_bytes
from affect_pipe.pipeline.results.result_file import result_of

pympi = pytest.importorskip("pympi")


def opened(tmp_path, data, name="out.eaf"):
    path = tmp_path / name
    path.write_bytes(data)
    with warnings.catch_warnings():
        # It warns of versions of the format it does not know.
        warnings.simplefilter("error")
        return pympi.Elan.Eaf(str(path))


@pytest.mark.parametrize("name", ["talk", "nobody"])
def test_it_follows_elans_schema(request, eaf_schema, name):
    from lxml import etree

    eaf_schema.assertValid(etree.fromstring(eaf_bytes(request.getfixturevalue(name))))


def test_what_pympi_writes_of_it_follows_the_schema_too(talk, tmp_path, eaf_schema):
    from lxml import etree

    found = opened(tmp_path, eaf_bytes(talk))
    eaf_schema.assertValid(etree.fromstring(pympi.Elan.to_string(found).encode()))


def test_pympi_reads_text_speakers_and_predictions(talk, tmp_path):
    found = opened(tmp_path, eaf_bytes(talk))
    assert found.get_annotation_data_for_tier("text@Ann") == [(500, 2000, "I am glad to see you!")]
    assert found.get_parameters_for_tier("text@Ann")["PARTICIPANT"] == "Ann"
    # Two utterances of one speaker at once cannot be on one tier.
    assert found.get_annotation_data_for_tier("text@Bo B")[0][:2] == (1500, 4000)
    assert found.get_annotation_data_for_tier("text@Bo B (2)") == [(3000, 5250, "Who is\nthere?")]
    assert found.get_parameters_for_tier("text@Bo B (2)")["PARTICIPANT"] == "Bo B"
    # What takes no time takes the least.
    assert found.get_annotation_data_for_tier("text@A") == [(5250, 5251, "Me")]
    text = "I am glad to see you!"
    for kind, value in (
        ("sentiment", "positive"),
        ("sentiment intensity", "1.2346"),
        ("happy", "present"),
        ("happy intensity", "2.0876"),
        ("anger", "absent"),
        ("no-emotion", "absent"),
        ("modality visual", "absent: no face"),
    ):
        rows = found.get_ref_annotation_data_for_tier(f"{kind}@Ann")
        assert rows == [(500, 2000, value, text)], kind
    evidence = found.get_ref_annotation_data_for_tier("evidence")
    assert [row[2] for row in evidence] == ["insufficient: no words; too quiet"]
    assert [r[2] for r in found.get_ref_annotation_data_for_tier("face track")] == [
        "2 (mouth, 0.83)"
    ]
    # Nothing was predicted of the fifth; the absence of emotion has no degree.
    assert len(found.get_ref_annotation_data_for_tier("sentiment")) == 1
    assert "no-emotion intensity" not in found.get_tier_names()


def test_classes_come_from_vocabularies_and_tiers_hang_under_the_text(talk, tmp_path):
    found = opened(tmp_path, eaf_bytes(talk))
    values = [v[0][0] for v, _ in found.get_cv_entries("sentiment").values()]
    assert values == ["negative", "neutral", "positive"]
    for name in found.get_tier_names():
        if not name.startswith("text"):
            parameters = found.get_parameters_for_tier(name)
            assert parameters["PARENT_REF"].startswith("text")
            kind = found.get_parameters_for_linguistic_type(parameters["LINGUISTIC_TYPE_REF"])
            assert kind["CONSTRAINTS"] == "Symbolic_Association"
    root = ElementTree.fromstring(eaf_bytes(talk))
    entries = {e.get("CVE_ID"): e.findtext("CVE_VALUE") for e in root.iter("CV_ENTRY_ML")}
    referred = [a for a in root.iter("REF_ANNOTATION") if a.get("CVE_REF")]
    assert referred
    assert all(entries[a.get("CVE_REF")] == a.findtext("ANNOTATION_VALUE") for a in referred)


def test_a_round_trip_through_pympi_loses_nothing(talk, tmp_path):
    first = opened(tmp_path, eaf_bytes(talk))
    first.to_file(str(tmp_path / "again.eaf"))
    again = opened(tmp_path, (tmp_path / "again.eaf").read_bytes(), "third.eaf")
    assert again.tiers == first.tiers
    assert again.timeslots == first.timeslots
    assert again.controlled_vocabularies == first.controlled_vocabularies
    assert again.media_descriptors == first.media_descriptors


def test_the_media_is_named_relative_to_the_file(talk, tmp_path):
    found = opened(tmp_path, eaf_bytes(talk, PurePath("../films/two & more.mp4")))
    assert found.media_descriptors == [
        {
            "MEDIA_URL": "file:///two%20%26%20more.mp4",
            "RELATIVE_MEDIA_URL": "../films/two%20%26%20more.mp4",
            "MIME_TYPE": "video/mp4",
        }
    ]


def test_control_characters_of_a_transcript_make_no_broken_xml(talk, tmp_path):
    found = opened(tmp_path, eaf_bytes(talk))
    assert (
        "a bell \N{REPLACEMENT CHARACTER} -->" in found.get_annotation_data_for_tier("text")[1][2]
    )


def test_the_same_result_gives_the_same_bytes(talk):
    assert eaf_bytes(talk) == eaf_bytes(talk)
    slots = [
        int(slot.get("TIME_VALUE"))
        for slot in ElementTree.fromstring(eaf_bytes(talk)).iter("TIME_SLOT")
    ]
    assert slots == sorted(slots)


def test_other_models_have_the_tiers_of_what_they_predict(levels_result, tmp_path):
    found = opened(tmp_path, eaf_bytes(result_of(levels_result)))
    assert "sentiment" not in found.get_tier_names()
    assert next(v[0][0] for v, _ in found.get_cv_entries("arousal").values()) == "very low"
    assert [r[2] for r in found.get_ref_annotation_data_for_tier("arousal")] == ["high"]

"""Whose face is whose, from sightings whose truth is known."""

import pytest

from affect_pipe.extractors.visual.casting import Sighting, cast_faces

TALKS, LISTENS = 0.2, 0.04


def scene(*turns):
    """Sightings of turns (speaker, seconds, {track: evidence})."""
    return [
        Sighting(speaker, track, seconds, sign)
        for speaker, seconds, faces in turns
        for track, sign in faces.items()
    ]


def tracks(cast):
    return {name: part.tracks for name, part in cast.parts.items()}


def test_each_speaker_gets_the_face_that_talks():
    cast = cast_faces(
        scene(
            ("A", 5, {0: LISTENS, 1: TALKS}),
            ("B", 5, {0: TALKS, 1: LISTENS}),
            # One utterance misjudged does not matter.
            ("A", 2, {0: 0.12, 1: 0.1}),
        )
    )
    assert tracks(cast) == {"A": (1,), "B": (0,)}
    assert all(0.5 < part.confidence < 1 for part in cast.parts.values())
    assert cast.speaker_of(1) == "A"
    assert cast.speaker_of(7) is None


def test_a_speaker_who_is_never_in_view_gets_nobody():
    cast = cast_faces(scene(("A", 5, {0: TALKS}), ("B", 20, {0: LISTENS})))
    assert tracks(cast) == {"A": (0,)}
    # Nor a face that chews all the time.
    cast = cast_faces(scene(("A", 20, {0: 0.12}), ("B", 20, {0: 0.12}), ("C", 20, {0: 0.125})))
    assert all(part.confidence < 0.5 for part in cast.parts.values())


def test_one_face_is_one_speaker():
    cast = cast_faces(scene(("A", 10, {0: TALKS, 1: 0.1}), ("B", 10, {0: 0.19, 1: 0.1})))
    assert len(set(tracks(cast).values())) == len(cast.parts)
    assert tracks(cast)["A"] == (0,)


def test_a_sentence_given_to_the_wrong_speaker_does_not_cost_the_face():
    cast = cast_faces(scene(("A", 60, {0: TALKS}), ("B", 3, {0: TALKS})))
    assert tracks(cast) == {"A": (0,)}


def test_more_talk_makes_it_surer():
    def sure(seconds):
        turns = scene(("A", seconds, {0: TALKS}), ("B", seconds, {0: LISTENS}))
        return cast_faces(turns).parts["A"].confidence

    assert 0.5 < sure(2) < sure(5) < sure(50) < 1


@pytest.mark.parametrize("together", [False, True])
def test_a_face_found_again_follows_its_first_track(together):
    turns = scene(
        ("A", 10, {0: TALKS, 1: LISTENS}),
        ("B", 10, {0: LISTENS, 1: TALKS}),
        ("A", 8, {2: TALKS}),
        ("B", 8, {2: LISTENS}),
    )
    pairs = {frozenset((0, 1))} | ({frozenset((0, 2))} if together else set())
    found = tracks(cast_faces(turns, frozenset(pairs)))
    assert found == {"A": (0,) if together else (0, 2), "B": (1,)}


def test_nobody_in_view_is_an_empty_cast():
    assert cast_faces([]).parts == {}

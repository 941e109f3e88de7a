"""The starter's model card, in plain words, quoting its measurement."""

from __future__ import annotations

from collections.abc import Sequence

from affect_pipe.fusion.recipes.starter_report import StarterReport
from affect_pipe.pipeline.records import FeatureSpec

LICENCE = (
    "CC BY-NC-SA 4.0 (RAVDESS is among the training data); research use only; no commercial use"
)
TRAINING_DATA = (
    "MELD (dialogues of a television series; repository under GPL-3.0)",
    "CMU-MOSI train transcripts (research; Zadeh et al. 2016)",
    "SST-5 (film reviews; research; Socher et al. 2013)",
    "GoEmotions, Ekman grouping (comments; Apache-2.0 / CC BY 4.0; Demszky et al. 2020)",
    "RAVDESS speech, actors 1-14 (CC BY-NC-SA 4.0; Livingstone and Russo 2018)",
    "FER-2013 training images (faces from the web; Kaggle database contents licence)",
)

# What each feature set asks of whoever uses a checkpoint that reads it.
VOICE_LICENCES = {
    "egemaps": "The acoustic features come from\n"
    "openSMILE, whose licence allows research use only.",
    "covarep": "The acoustic features are\ncomputed by this package itself (Apache-2.0).",
}

_CARD = """\
# {name}

{role}: contextual inter-modal attention (Akhtar et al. 2019,
2020) over the utterances of a video, with four tasks at once: sentiment class (negative, neutral,
positive), sentiment intensity, emotions (anger, disgust, fear, happy, sad, surprise, no-emotion;
several may be present) and the intensity of each emotion. It reads

{features}

and copes with any of the three missing, for a whole video or a single utterance.

## What it was trained on

{training_data}

**No sample ever joined the three modalities in one person.** No labelled talking video was within
reach, so training dialogues were put together: each line of a MELD dialogue was given the voice of
a RAVDESS actor and a FER-2013 face *of the same emotion*, drawn anew in every epoch; one actor
speaks for one person throughout a dialogue, faces are of different people. The model therefore
knows how words, voice and face agree on an emotion. It has never seen how they disagree, as in
irony or a brave face, nor how they move together in time. Sentences by themselves (MOSI, SST-5,
GoEmotions), voices by themselves and faces by themselves complete the training; modalities were
dropped at random, and words were misheard on purpose in copies of the sentences, as speech
recognition mishears them.

- Calm counts as no emotion. FER-2013 names its people nowhere: the same face may be in several of
  its images.
- Emotion intensity comes from RAVDESS alone: a normal acted expression counts as 2 of 3, a strong
  one as 3, every other emotion as 0. Nobody judged how strong an expression looks or sounds.
- Sentiment intensity comes from SST-5 alone: the five grades are spread evenly over [-3, 3].
  Lines of paired dialogues were given, at a small weight, the mean intensity of SST-5's sentences
  of their sentiment class, so that intensity beside a voice or a face agrees with the class. Its
  correlation is known for sentences by themselves only.
- Some FER-2013 dev images are near-duplicates of training images, which flatters the accuracy on
  faces.
- Single-label GoEmotions comments also teach sentiment class by the relation that MELD's labels
  keep: happy is positive; anger, disgust, fear and sad are negative; no emotion is neutral.
- Faces are stills, so the features hold nothing of motion.
- The voice is normalised by the corpus's statistics, which give way to the video's own as its
  utterances add up.
- The weights are the mean over the last three quarters of training, as they stand at its end. The
  decision thresholds of the emotions were chosen on the dev parts, so the figures that use them
  (F1 and W-Acc means) flatter the model a little. The recipe's settings and the seed were chosen
  with the dev parts in view as well: another seed moves the figures from text by one
  to one and a half points either way.

It is made again by

```
affect-pipe train --recipe {name} --data DIR --out OUT --seed {seed}
```

## Figures

What `affect-pipe evaluate --recipe {name} --split dev` printed after training:

```
{report}
```

RAVDESS dev are actors 15 to 18, whom the model never heard, each as one video of 60 clips. In the
paired dialogues emotion labels decided which voice and face a line was given, so figures of
several modalities say that the model uses them together; real people are not as consistent, and
figures on real video will be lower. MOSI's test videos are measured here because MOSI has no dev
part. Early settings were compared on held-out MOSI train videos, but the later ones (cutting
dialogues, averaging weights, task weights) were settled with this figure printed beside the
others, so it is a development figure, not an untouched test.

{calibration}## Licence

{licence}.
RAVDESS makes the checkpoint non-commercial and share-alike. {voice_licence} \
FER-2013 comes under Kaggle's terms; MELD's
repository is under GPL-3.0; MOSI and SST-5 are for research. Cite them.

## What not to use it for

- Decisions about people: hiring, admission, credit, insurance, schooling, policing, border control.
- Medical or psychological judgement, lie detection, or measuring how somebody "really" feels.
- Judging, ranking or watching individuals, least of all without their informed consent.

It estimates how speech and expressions *would be labelled* by annotators of these corpora. That is
not what a person feels.

## Weaknesses

- Voices: 14 North American actors, two sentences, acted. Faces: small grey web images, mostly of
  full-on expressions, with noisy labels. Words: English of a sitcom, films, and web comments.
  Expect less elsewhere: other languages, accents, ages, dark or turned faces, telephone sound.
- Skin colour, age and gender were not labelled, so fairness between groups was not measured.
- Fear and disgust are rare in MELD, and confused with sadness and anger.
- A video of very few utterances gives the voice little of its own to be normalised by, and
  context little to work with.
- Sentiment intensity learnt from written reviews transfers to speech only roughly.
- With automatic transcripts, accuracy from words falls as the "misheard" rows show.
"""


_ROLES = {
    "starter": "The model `affect-pipe run` uses by default",
    "starter-covarep": "The starter with COVAREP's columns in place of eGeMAPS, for those who may "
    "not\nuse openSMILE (`affect-pipe run --model starter-covarep`)",
}
_CALIBRATED = """\
{section}
The data are the dev parts together: paired dialogues with every subset of modalities, and
GoEmotions. They agree across modalities by construction, so on real video the probabilities are
still too sure of themselves.

"""


def model_card(
    name: str,
    report: StarterReport,
    specs: Sequence[FeatureSpec],
    seed: int,
    calibration: str = "",
) -> str:
    """Write the card.

    Parameters
    ----------
    name : str
        Of the checkpoint.
    report : StarterReport
        Quoted as it prints.
    specs : sequence of FeatureSpec
        What the model reads.
    seed : int
        Of the training.
    calibration : str
        A section of its own; empty where nothing was calibrated.
    """
    features = [f"- {spec.modality}: `{spec.name}`, {spec.dim} columns" for spec in specs]
    voice = next(spec.name for spec in specs if spec.modality == "acoustic")
    return _CARD.format(
        name=name,
        role=_ROLES.get(name, "A model of its own"),
        voice_licence=VOICE_LICENCES.get(voice, ""),
        features="\n".join(features),
        training_data="\n".join(f"- {source}" for source in TRAINING_DATA),
        report=report.as_text(),
        licence=LICENCE,
        seed=seed,
        calibration=_CALIBRATED.format(section=calibration) if calibration else "",
    )

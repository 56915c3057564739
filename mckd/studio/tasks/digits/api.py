"""What programs may call of this task: say which digit a picture, a sound or both are."""

# No `from __future__ import annotations`: Gradio reads the types of what is returned as they are.

from collections.abc import Callable
from typing import Any

from mckd.studio.tasks import Api
from mckd.studio.tasks.digits.service import DigitService, Inputs

TOLD = (
    *("digit", "probability", "level", "headline", "summary", "conflict", "notes", "rows"),
    *("unlike", "calibrated"),
)


def functions(digits: DigitService) -> list[Callable[..., Any]]:
    def predict_digit(picture: str = "", sound: str = "") -> dict[str, Any]:
        """Say which digit was drawn, spoken, or both.

        Args:
            picture: an uploaded PNG of at most 512 x 512 pixels, one digit on a plain ground.
            sound: an uploaded WAV file of at most ten seconds, one digit in English.

        Returns:
            the digit, its probability, words; rows: probabilities of 0 to 9 from each and from
            both; unlike: which of picture and voice is like no digit, so that they mean little;
            calibrated: whether they were fitted to be as often right as they say
        """
        digits.model.wait()
        inputs = Inputs()
        if picture:
            digits.draw(inputs, digits.read_picture(picture))
        if sound:
            spoken = digits.read_sound(sound)
            if problem := spoken.get("problem"):
                raise ValueError(problem)
            digits.speak(inputs, spoken)
        answer = digits.answer(inputs, picture_on=True, voice_on=True)
        if answer["status"] != "answer":
            raise ValueError(" ".join(answer["notes"]))
        return {name: answer[name] for name in TOLD}

    return [predict_digit]


def models(digits: DigitService) -> list[dict[str, Any]]:
    return [{"modalities": ["picture", "voice"], **digits.about()}]


API = Api(functions, models)

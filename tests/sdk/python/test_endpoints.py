"""Everything that is not text generation: embeddings, models, files, audio, images."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from sides import Sides, given

EMBEDDING_MODEL = "text-embedding-3-small"
MEGABYTE = 1 << 20


def noise(length: int) -> bytes:
    """Bytes that no text encoding survives, the same on every run."""
    return random.Random(length).randbytes(length)


def fingerprint(content: bytes) -> dict[str, Any]:
    """What tells two long contents apart without filling the screen."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_embeddings_are_the_same(sides: Sides) -> None:
    # Left alone, the SDK asks for base64 and decodes it.
    outcome = sides.both(
        lambda client: client.embeddings.create(model=EMBEDDING_MODEL, input="a text to embed")
    )
    vector = outcome.value["data"][0]["embedding"]
    assert len(vector) > 100 and all(isinstance(number, float) for number in vector)


def test_embeddings_of_a_list_as_numbers_are_the_same(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.embeddings.create(
            model=EMBEDDING_MODEL,
            input=["one", "two", "three"],
            encoding_format="float",
            dimensions=64,
        )
    )
    assert [len(item["embedding"]) for item in outcome.value["data"]] == [64, 64, 64]


def test_embeddings_as_base64_text_are_the_same(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.embeddings.create(
            model=EMBEDDING_MODEL, input=[[1, 2, 3], [4, 5]], encoding_format="base64"
        )
    )
    assert all(isinstance(item["embedding"], str) for item in outcome.value["data"])


def test_moderations_are_the_same(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.moderations.create(
            model="omni-moderation-latest", input=["kind", "words"]
        )
    )
    assert len(outcome.value["results"]) == 2


def test_the_list_of_models_is_the_same(sides: Sides) -> None:
    async def ids(client):
        page = await given(client.models.list())
        return [model for model in page.data]

    outcome = sides.both(ids)
    assert "gpt-4o-mini" in [model["id"] for model in outcome.value]


def test_one_model_is_the_same(sides: Sides) -> None:
    outcome = sides.both(lambda client: client.models.retrieve("gpt-4o-mini"))
    assert outcome.value["id"] == "gpt-4o-mini"


def test_a_file_comes_back_byte_for_byte(sides: Sides) -> None:
    content = noise(MEGABYTE)

    async def round_trip(client):
        uploaded = await given(
            client.files.create(file=("noise-ü.bin", content), purpose="user_data")
        )
        fetched = await given(client.files.content(uploaded.id))
        listed = await given(client.files.list())
        deleted = await given(client.files.delete(uploaded.id))
        return {
            "uploaded": uploaded,
            "content": fingerprint(fetched.read()),
            "content_type": fetched.response.headers["content-type"],
            "is_listed": uploaded.id in [file.id for file in listed.data],
            "deleted": deleted,
        }

    outcome = sides.both(round_trip, ignore=("id", "created_at"))
    assert outcome.value["content"] == fingerprint(content)
    assert outcome.value["is_listed"]


def test_a_transcription_is_the_same(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.audio.transcriptions.create(
            model="gpt-4o-mini-transcribe",
            file=("speech.wav", noise(200_000)),
            language="en",
            prompt="A talk about rivers.",
        )
    )
    assert outcome.value["text"]


def test_a_transcription_as_plain_text_is_the_same(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.audio.transcriptions.create(
            model="gpt-4o-mini-transcribe",
            file=("speech.wav", noise(50_000)),
            response_format="text",
        )
    )
    assert isinstance(outcome.value, str) and outcome.value


def test_speech_is_the_same_bytes(sides: Sides) -> None:
    async def speak(client):
        speech = await given(
            client.audio.speech.create(
                model="gpt-4o-mini-tts", voice="alloy", input="Good morning. " * 40
            )
        )
        return fingerprint(speech.read()) | {"type": speech.response.headers["content-type"]}

    assert sides.both(speak).value["bytes"] > 1_000


def test_streamed_speech_is_the_same_bytes(sides: Sides) -> None:
    async def speak(client):
        manager = client.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="alloy", input="Good evening. " * 40
        )
        if hasattr(manager, "__aenter__"):
            async with manager as speech:
                return fingerprint(b"".join([piece async for piece in speech.iter_bytes()]))
        with manager as speech:
            return fingerprint(b"".join(speech.iter_bytes()))

    assert sides.both(speak).value["bytes"] > 1_000


def test_images_are_the_same(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.images.generate(model="gpt-image-1", prompt="A lighthouse", n=2)
    )
    assert all(image["b64_json"] for image in outcome.value["data"])
    assert len(outcome.value["data"]) == 2

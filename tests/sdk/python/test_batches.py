"""Files and batches as a gateway serves them itself, through the SDK's own calls."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import openai
import pytest
from openai.types import Batch

from sides import TLS, fresh_key

LONGEST_BATCH_S = 60
OVER = {"completed", "failed", "cancelled", "expired"}


def client_of(key: str) -> openai.OpenAI:
    return openai.OpenAI(
        api_key=key,
        base_url=os.environ["BATCHES_BASE_URL"],
        max_retries=0,
        http_client=openai.DefaultHttpxClient(verify=TLS),
    )


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    with client_of(fresh_key()) as client:
        yield client


def lines(count: int, model: str = "gpt-4o-mini") -> bytes:
    """A file of batch lines."""
    each = (
        {
            "custom_id": f"line-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": model,
                "max_tokens": 5,
                "messages": [{"role": "user", "content": f"say {number}"}],
            },
        }
        for number in range(count)
    )
    return "".join(json.dumps(line) + "\n" for line in each).encode()


def begun(client: openai.OpenAI, content: bytes, **more) -> Batch:
    file = client.files.create(file=("requests.jsonl", content), purpose="batch")
    assert (file.object, file.purpose, file.bytes) == ("file", "batch", len(content))
    return client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        **more,
    )


def until(client: openai.OpenAI, batch: Batch, holds) -> Batch:
    end = time.monotonic() + LONGEST_BATCH_S
    while not holds(batch := client.batches.retrieve(batch.id)):
        assert time.monotonic() < end, batch
        time.sleep(0.05)
    return batch


def over(client: openai.OpenAI, batch: Batch) -> Batch:
    return until(client, batch, lambda batch: batch.status in OVER)


def results(client: openai.OpenAI, file_id: str | None) -> list[dict]:
    if file_id is None:
        return []
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def test_a_batch_from_the_file_to_its_results(client: openai.OpenAI) -> None:
    batch = begun(client, lines(25), metadata={"job": "nightly"})
    assert (batch.object, batch.status) == ("batch", "validating")
    assert batch.metadata == {"job": "nightly"}
    assert batch.expires_at - batch.created_at == 24 * 3600
    batch = over(client, batch)
    assert batch.status == "completed", batch
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (25, 25, 0)
    assert batch.usage.total_tokens == batch.usage.input_tokens + batch.usage.output_tokens > 0
    assert batch.error_file_id is None and batch.errors is None
    done = results(client, batch.output_file_id)
    assert {line["custom_id"] for line in done} == {f"line-{number}" for number in range(25)}
    for line in done:
        assert line["error"] is None and line["response"]["status_code"] == 200
        assert line["response"]["body"]["object"] == "chat.completion"


def test_an_invalid_file_is_told_line_by_line(client: openai.OpenAI) -> None:
    batch = over(client, begun(client, lines(1) + b'{"custom_id": "b"}\nno json\n'))
    assert batch.status == "failed" and batch.failed_at
    assert [(error.code, error.line) for error in batch.errors.data] == [
        ("invalid_line", 2),
        ("invalid_line", 3),
    ]


def test_a_batch_is_cancelled(client: openai.OpenAI) -> None:
    batch = begun(client, lines(300, "gpt-4.1-slow"))
    until(client, batch, lambda batch: batch.request_counts.completed >= 1)
    assert client.batches.cancel(batch.id).status in {"cancelling", "cancelled"}
    batch = over(client, batch)
    assert batch.status == "cancelled" and batch.cancelled_at
    both = results(client, batch.output_file_id) + results(client, batch.error_file_id)
    assert len({line["custom_id"] for line in both}) == len(both) == 300
    done = over(client, begun(client, lines(1)))
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(done.id)


def test_lists_come_in_pages_and_files_go(client: openai.OpenAI) -> None:
    batches = [over(client, begun(client, lines(1))) for _ in range(3)]
    newest_first = [batch.id for batch in reversed(batches)]
    assert [batch.id for batch in client.batches.list(limit=2)] == newest_first
    outputs = {batch.output_file_id for batch in batches}
    assert {file.id for file in client.files.list(purpose="batch_output", limit=1)} == outputs
    assert {file.id for file in client.files.list(purpose="batch")} == {
        batch.input_file_id for batch in batches
    }
    for file in client.files.list():
        assert client.files.delete(file.id).deleted
    assert not client.files.list().data


def test_nobody_sees_what_belongs_to_another_key(client: openai.OpenAI) -> None:
    batch = over(client, begun(client, lines(1)))
    with client_of(fresh_key()) as other:
        for look in (
            lambda: other.batches.retrieve(batch.id),
            lambda: other.files.retrieve(batch.output_file_id),
            lambda: other.files.content(batch.output_file_id),
            lambda: other.files.delete(batch.output_file_id),
            lambda: other.batches.cancel(batch.id),
        ):
            with pytest.raises(openai.NotFoundError):
                look()
        assert not other.batches.list().data and not other.files.list().data


def test_what_cannot_be_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(file=("a.jsonl", lines(1)), purpose="fine-tune")
    assert refused.value.param == "purpose"
    file = client.files.create(file=("a.jsonl", lines(1)), purpose="batch")
    good = {
        "input_file_id": file.id,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    for param, wrong in [
        ("input_file_id", "file-nobody-has"),
        ("endpoint", "/v1/files"),
        ("completion_window", "48h"),
        ("metadata", {str(number): "x" for number in range(17)}),
    ]:
        with pytest.raises(openai.BadRequestError) as refused:
            client.batches.create(**good | {param: wrong})
        assert refused.value.param == param

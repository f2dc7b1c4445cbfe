// Files and batches as a gateway serves them itself, through the SDK's own calls.

import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { BadRequestError, ConflictError, NotFoundError, toFile } from 'openai';

import { client } from './sides.mjs';

const LONGEST_BATCH_MS = 60_000;
const OVER = ['completed', 'failed', 'cancelled', 'expired'];

const batchClient = () => client(process.env.BATCHES_BASE_URL);

/** A file of batch lines. */
function lines(count, model = 'gpt-4o-mini') {
  const each = Array.from({ length: count }, (_, number) => ({
    custom_id: `line-${number}`,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model, max_tokens: 5, messages: [{ role: 'user', content: `say ${number}` }] },
  }));
  return each.map((line) => `${JSON.stringify(line)}\n`).join('');
}

async function uploaded(caller, content) {
  const file = await toFile(Buffer.from(content), 'requests.jsonl');
  return caller.files.create({ file, purpose: 'batch' });
}

async function begun(caller, content, more = {}) {
  const file = await uploaded(caller, content);
  const bytes = Buffer.byteLength(content);
  assert.deepEqual([file.object, file.purpose, file.bytes], ['file', 'batch', bytes]);
  return caller.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
    ...more,
  });
}

async function until(caller, { id }, holds) {
  const end = Date.now() + LONGEST_BATCH_MS;
  for (;;) {
    const batch = await caller.batches.retrieve(id);
    if (holds(batch)) return batch;
    assert.ok(Date.now() < end, JSON.stringify(batch));
    await pause(50);
  }
}

const over = (caller, batch) => until(caller, batch, ({ status }) => OVER.includes(status));

async function results(caller, fileId) {
  if (!fileId) return [];
  const content = await caller.files.content(fileId);
  const text = await content.text();
  return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
}

async function all(page) {
  const found = [];
  for await (const one of page) found.push(one);
  return found;
}

test('a batch from the file to its results', async () => {
  const caller = batchClient();
  const created = await begun(caller, lines(25), { metadata: { job: 'nightly' } });
  assert.deepEqual([created.object, created.status], ['batch', 'validating']);
  assert.deepEqual(created.metadata, { job: 'nightly' });
  assert.equal(created.expires_at - created.created_at, 24 * 3600);
  const batch = await over(caller, created);
  assert.equal(batch.status, 'completed', JSON.stringify(batch));
  assert.deepEqual(batch.request_counts, { total: 25, completed: 25, failed: 0 });
  const { input_tokens: input, output_tokens: output, total_tokens: total } = batch.usage;
  assert.ok(total === input + output && total > 0);
  assert.ok(!batch.error_file_id && !batch.errors);
  const done = await results(caller, batch.output_file_id);
  const names = done.map((line) => line.custom_id).sort();
  assert.deepEqual(names, Array.from({ length: 25 }, (_, number) => `line-${number}`).sort());
  for (const { error, response } of done) {
    assert.equal(error, null);
    assert.deepEqual([response.status_code, response.body.object], [200, 'chat.completion']);
  }
});

test('an invalid file is told line by line', async () => {
  const caller = batchClient();
  const wrong = `${lines(1)}{"custom_id": "b"}\nno json\n`;
  const batch = await over(caller, await begun(caller, wrong));
  assert.equal(batch.status, 'failed');
  const told = batch.errors.data.map(({ code, line }) => [code, line]);
  assert.deepEqual(told, [['invalid_line', 2], ['invalid_line', 3]]);
});

test('a batch is cancelled', async () => {
  const caller = batchClient();
  const created = await begun(caller, lines(300, 'gpt-4.1-slow'));
  await until(caller, created, (batch) => batch.request_counts.completed >= 1);
  const { status } = await caller.batches.cancel(created.id);
  assert.ok(['cancelling', 'cancelled'].includes(status));
  const batch = await over(caller, created);
  assert.equal(batch.status, 'cancelled');
  const [output, errors] = [batch.output_file_id, batch.error_file_id];
  const both = [...await results(caller, output), ...await results(caller, errors)];
  assert.deepEqual([both.length, new Set(both.map((line) => line.custom_id)).size], [300, 300]);
  const done = await over(caller, await begun(caller, lines(1)));
  await assert.rejects(caller.batches.cancel(done.id), ConflictError);
});

test('lists come in pages, and files go', async () => {
  const caller = batchClient();
  const batches = [];
  for (let count = 0; count < 3; count += 1) {
    batches.push(await over(caller, await begun(caller, lines(1))));
  }
  const ids = (found) => found.map(({ id }) => id);
  assert.deepEqual(ids(await all(caller.batches.list({ limit: 2 }))), ids(batches).reverse());
  const outputs = await all(caller.files.list({ purpose: 'batch_output', limit: 1 }));
  assert.deepEqual(ids(outputs).sort(), batches.map((batch) => batch.output_file_id).sort());
  for (const { id } of await all(caller.files.list())) {
    assert.ok((await caller.files.delete(id)).deleted);
  }
  assert.deepEqual(await all(caller.files.list()), []);
});

test('nobody sees what belongs to another key', async () => {
  const caller = batchClient();
  const other = batchClient();
  const batch = await over(caller, await begun(caller, lines(1)));
  for (const look of [
    () => other.batches.retrieve(batch.id),
    () => other.files.retrieve(batch.output_file_id),
    () => other.files.content(batch.output_file_id),
    () => other.files.delete(batch.output_file_id),
    () => other.batches.cancel(batch.id),
  ]) {
    await assert.rejects(look(), NotFoundError);
  }
  assert.deepEqual([await all(other.batches.list()), await all(other.files.list())], [[], []]);
});

test('what cannot be is refused', async () => {
  const caller = batchClient();
  const isAbout = (param) => (error) => error instanceof BadRequestError && error.param === param;
  const tuned = caller.files.create({
    file: await toFile(Buffer.from(lines(1)), 'a.jsonl'),
    purpose: 'fine-tune',
  });
  await assert.rejects(tuned, isAbout('purpose'));
  const { id } = await uploaded(caller, lines(1));
  const good = {
    input_file_id: id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  };
  const many = Object.fromEntries(Array.from({ length: 17 }, (_, number) => [`${number}`, 'x']));
  for (const [param, wrong] of [
    ['input_file_id', 'file-nobody-has'],
    ['endpoint', '/v1/files'],
    ['completion_window', '48h'],
    ['metadata', many],
  ]) {
    await assert.rejects(caller.batches.create({ ...good, [param]: wrong }), isAbout(param));
  }
});

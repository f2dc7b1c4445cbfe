// Everything that is not text generation: embeddings, models, files, audio, images.

import assert from 'node:assert/strict';
import test from 'node:test';

import { toFile } from 'openai';

import { checkThatEverythingIsSettled } from './monitor.mjs';
import { both, fingerprint, noise } from './sides.mjs';

checkThatEverythingIsSettled();

const EMBEDDING_MODEL = 'text-embedding-3-small';
const MEGABYTE = 1 << 20;

test('embeddings are the same', async () => {
  // Left alone, the SDK asks for base64 and decodes it.
  const order = { model: EMBEDDING_MODEL, input: 'a text to embed' };
  const { value } = await both((client) => client.embeddings.create(order));
  assert.ok(value.data[0].embedding.length > 100);
  assert.ok(value.data[0].embedding.every(Number.isFinite));
});

test('embeddings of a list as numbers are the same', async () => {
  const texts = { model: EMBEDDING_MODEL, input: ['one', 'two'] };
  const order = { ...texts, encoding_format: 'float', dimensions: 64 };
  const { value } = await both((client) => client.embeddings.create(order));
  assert.deepEqual(value.data.map((item) => item.embedding.length), [64, 64]);
});

test('moderations are the same', async () => {
  const order = { model: 'omni-moderation-latest', input: ['kind', 'words'] };
  const { value } = await both((client) => client.moderations.create(order));
  assert.equal(value.results.length, 2);
});

test('models are the same', async () => {
  const { value } = await both(async (client) => ({
    all: (await client.models.list()).data,
    one: await client.models.retrieve('gpt-4o-mini'),
  }));
  assert.ok(value.all.some((model) => model.id === value.one.id));
});

test('a file comes back byte for byte', async () => {
  const content = noise(MEGABYTE);
  const roundTrip = async (client) => {
    const file = await toFile(content, 'noise.bin');
    const uploaded = await client.files.create({ file, purpose: 'user_data' });
    const fetched = await client.files.content(uploaded.id);
    const fetchedPrint = fingerprint(await fetched.arrayBuffer());
    return { uploaded, fetched: fetchedPrint, deleted: await client.files.delete(uploaded.id) };
  };
  const { value } = await both(roundTrip, { ignore: ['id', 'created_at'] });
  assert.deepEqual(value.fetched, fingerprint(content));
});

test('a transcription is the same', async () => {
  const { value } = await both(async (client) => {
    const file = await toFile(noise(200_000), 'speech.wav');
    const order = { model: 'gpt-4o-mini-transcribe', file, language: 'en' };
    return client.audio.transcriptions.create(order);
  });
  assert.ok(value.text);
});

test('speech is the same bytes', async () => {
  const order = { model: 'gpt-4o-mini-tts', voice: 'alloy', input: 'Good morning. '.repeat(40) };
  const { value } = await both(async (client) => {
    const speech = await client.audio.speech.create(order);
    return { ...fingerprint(await speech.arrayBuffer()), type: speech.headers.get('content-type') };
  });
  assert.ok(value.bytes > 1_000);
});

test('images are the same', async () => {
  const order = { model: 'gpt-image-1', prompt: 'A lighthouse', n: 2 };
  const { value } = await both((client) => client.images.generate(order));
  assert.equal(value.data.length, 2);
  assert.ok(value.data.every((image) => image.b64_json));
});

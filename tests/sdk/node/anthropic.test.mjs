// Anthropic's SDK against a provider that is like Anthropic.

import assert from 'node:assert/strict';
import test, { afterEach } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';

import { Simulator, eventually } from './monitor.mjs';
import { freshKey } from './sides.mjs';

const baseURL = process.env.ANTHROPIC_SIMULATOR_URL;
const simulator = new Simulator(baseURL);
const client = new Anthropic({ baseURL, apiKey: freshKey(), maxRetries: 0, timeout: 20_000 });

const MESSAGE = {
  model: 'claude-haiku-4-5',
  max_tokens: 64,
  messages: [{ role: 'user', content: 'Say something short.' }],
};
const WEATHER = {
  name: 'weather',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const withFault = (fault) => ({ headers: { 'x-simulator-fault': fault } });

afterEach(() => eventually(() => simulator.inFlight(), 0));

test('a message has its usage, its limits and its id', async () => {
  const { data, response, request_id } = await client.messages.create(MESSAGE).withResponse();
  assert.equal(data.content[0].type, 'text');
  assert.equal(data.usage.input_tokens, 11);
  assert.equal(response.headers.get('anthropic-ratelimit-input-tokens-limit'), '1000000000');
  assert.match(request_id, /^req_/);
});

test('a stream adds up to the whole message', async () => {
  const whole = await client.messages.create(MESSAGE);
  const final = await client.messages.stream(MESSAGE).finalMessage();
  assert.deepEqual(final.content[0].text, whole.content[0].text);
  assert.deepEqual(
    [final.id, final.stop_reason, final.usage.output_tokens],
    [whole.id, whole.stop_reason, whole.usage.output_tokens],
  );
});

test('a demanded tool is called, whole and in pieces', async () => {
  const asked = { ...MESSAGE, tools: [WEATHER], tool_choice: { type: 'any' } };
  const whole = await client.messages.create(asked);
  const [call] = whole.content;
  assert.deepEqual([call.type, call.name, whole.stop_reason], ['tool_use', 'weather', 'tool_use']);
  assert.equal(typeof call.input.city, 'string');
  const final = await client.messages.stream(asked).finalMessage();
  assert.deepEqual(final.content[0].input, call.input);
});

test('tokens are counted, and models listed', async () => {
  const { model, messages } = MESSAGE;
  assert.equal((await client.messages.countTokens({ model, messages })).input_tokens, 11);
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes('claude-haiku-4-5'));
});

const ERRORS = [
  ['429', Anthropic.RateLimitError, 429, 'rate_limit_error'],
  ['500', Anthropic.InternalServerError, 500, 'api_error'],
  ['503', Anthropic.InternalServerError, 529, 'overloaded_error'],
];

for (const [fault, raised, status, kind] of ERRORS) {
  test(`the fault ${fault} raises ${raised.name} with ${status}`, async () => {
    const call = client.messages.create(MESSAGE, withFault(fault));
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof raised);
      assert.deepEqual([error.status, error.error.error.type], [status, kind]);
      assert.equal(error.error.request_id, error.requestID);
      return true;
    });
  });
}

test('an error in a stream is raised', async () => {
  const stream = client.messages.stream(MESSAGE, withFault('error_in_stream;after=4'));
  await assert.rejects(stream.finalMessage(), /Overloaded/);
});

test('mistakes are told apart', async () => {
  const unknown = client.messages.create({ ...MESSAGE, model: 'model-does-not-exist' });
  await assert.rejects(unknown, Anthropic.NotFoundError);
  await assert.rejects(client.messages.create({ ...MESSAGE, messages: [] }), Anthropic.BadRequestError);
  const stranger = new Anthropic({ baseURL, apiKey: 'sk-invalid', maxRetries: 0 });
  await assert.rejects(stranger.messages.create(MESSAGE), Anthropic.AuthenticationError);
});

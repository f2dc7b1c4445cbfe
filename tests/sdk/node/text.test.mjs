// Chat completions, completions and responses, whole and streamed.

import assert from 'node:assert/strict';
import test from 'node:test';

import { CHAT, RESPONSE, chat, streamedChat, streamedResponse } from './calls.mjs';
import { checkThatEverythingIsSettled } from './monitor.mjs';
import { both } from './sides.mjs';

checkThatEverythingIsSettled();

const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather at a place.',
    parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
  },
};

test('a chat completion is the same', async () => {
  const { value } = await both(chat);
  assert.ok(value.choices[0].message.content);
  assert.ok(value.usage.total_tokens > 0);
});

for (const stream of [false, true]) {
  test(`a tool call is the same, ${stream ? 'streamed' : 'whole'}`, async () => {
    const order = { ...CHAT, tools: [WEATHER], tool_choice: 'required', stream };
    const { value, events } = await both((client) => client.chat.completions.create(order));
    const made = stream ? events[0].choices[0].delta : value.choices[0].message;
    assert.equal(made.tool_calls[0].function.name, 'get_weather');
  });
}

test('two choices are the same', async () => {
  const { value } = await both((client) => client.chat.completions.create({ ...CHAT, n: 2 }));
  assert.deepEqual(value.choices.map((choice) => choice.index), [0, 1]);
});

test('a stream that asks for no usage shows none', async () => {
  const { events } = await both(streamedChat);
  assert.ok(events.length > 2);
  for (const event of events) {
    assert.ok(!event.usage);
    assert.ok(event.choices.length > 0);
  }
});

test('a stream that asks for usage shows it once', async () => {
  const order = { ...CHAT, stream: true, stream_options: { include_usage: true } };
  const { events } = await both((client) => client.chat.completions.create(order));
  assert.deepEqual(events.filter((event) => event.usage), events.slice(-1));
  assert.deepEqual(events.at(-1).choices, []);
});

test('the streaming helper gives the same snapshot', async () => {
  const { value } = await both((client) =>
    client.chat.completions.stream(CHAT).finalChatCompletion());
  assert.ok(value.choices[0].message.content);
});

test('a completion is the same', async () => {
  const order = { model: 'gpt-4o-mini', prompt: 'Once upon a', max_tokens: 20 };
  const { value } = await both((client) => client.completions.create(order));
  assert.ok(value.choices[0].text);
});

test('a streamed completion shows no usage that was not asked for', async () => {
  const order = { model: 'gpt-4o-mini', prompt: 'Once upon a', max_tokens: 20, stream: true };
  const { events } = await both((client) => client.completions.create(order));
  assert.ok(events.length > 1);
  assert.ok(events.every((event) => !event.usage));
});

test('a response is the same, and so is what is kept of it', async () => {
  const { value } = await both(async (client) => {
    const made = await client.responses.create(RESPONSE);
    return { made, fetched: await client.responses.retrieve(made.id) };
  });
  assert.ok(value.made.output[0].content[0].text);
  assert.deepEqual(value.fetched, value.made);
});

test('a streamed response has the same events in order', async () => {
  const { events } = await both(streamedResponse);
  assert.equal(events[0].type, 'response.created');
  assert.match(events.at(-1).type, /^response\.(completed|incomplete)$/);
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
});

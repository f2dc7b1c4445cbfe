// Callers that give up: nothing of them stays in the queue, on the wire or in the books.

import assert from 'node:assert/strict';
import test from 'node:test';

import { CHAT, streamedChat } from './calls.mjs';
import { Simulator, checkThatEverythingIsSettled, eventually, gateway } from './monitor.mjs';
import { both, clientOf, freshKey } from './sides.mjs';

checkThatEverythingIsSettled();

const simulator = new Simulator();
// The gateway is configured to send one request at a time for this model and each key.
const ONE_AT_A_TIME = { ...CHAT, model: 'gpt-4.1-one-at-a-time' };

for (const stream of [false, true]) {
  test(`a timeout is raised alike, ${stream ? 'streamed' : 'whole'}`, async () => {
    const before = await simulator.faults('hang');
    const call = (client) => client.chat.completions.create({ ...CHAT, stream });
    const { error } = await both(call, { fault: 'hang', timeout: 500 });
    assert.equal(error.raised, 'APIConnectionTimeoutError');
    assert.equal(await simulator.faults('hang') - before, 2, 'both sides reached the provider');
  });
}

test('a caller that stops waiting leaves the queue', async () => {
  const received = (await simulator.counters()).received;
  const running = new AbortController();
  const apiKey = freshKey();
  const first = clientOf('gateway', { fault: 'hang', apiKey }).chat.completions
    .create(ONE_AT_A_TIME, { signal: running.signal })
    .catch((error) => error.constructor.name);
  await eventually(async () => (await gateway.unsettled()).in_flight, 1);
  const quick = clientOf('gateway', { apiKey });
  const leaver = new AbortController();
  const stays = quick.chat.completions.create(ONE_AT_A_TIME);
  const leaves = quick.chat.completions
    .create(ONE_AT_A_TIME, { signal: leaver.signal })
    .catch((error) => error.constructor.name);
  await eventually(() => gateway.waiting(), 2);
  leaver.abort();
  await eventually(() => gateway.waiting(), 1);
  running.abort();
  assert.ok((await stays).choices[0].message.content);
  assert.deepEqual(await Promise.all([first, leaves]), ['APIUserAbortError', 'APIUserAbortError']);
  // The one that gave up in time was never sent: it cost nothing.
  assert.equal((await simulator.counters()).received - received, 2);
});

test("a caller that leaves a stream frees the provider's side too", async () => {
  // A byte every 3 ms: the stream would go on for many seconds.
  const stream = await streamedChat(clientOf('gateway', { fault: 'slow_drip;ms=3' }));
  for await (const event of stream) {
    assert.ok(event.choices.length > 0);
    assert.equal((await gateway.unsettled()).in_flight, 1);
    break;
  }
  await eventually(async () => (await gateway.unsettled()).in_flight, 0);
  await eventually(() => simulator.inFlight(), 0);
});

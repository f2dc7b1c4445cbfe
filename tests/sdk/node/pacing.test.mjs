// What the gateway is for: more calls at once than the provider allows, and none refused.

import assert from 'node:assert/strict';
import test from 'node:test';

import { RateLimitError } from 'openai';

import { CHAT } from './calls.mjs';
import { Simulator } from './monitor.mjs';
import { client } from './sides.mjs';

const CALLS = 40;
const simulator = new Simulator(process.env.STRICT_SIMULATOR_URL);

/** The answers, or errors, of many calls at once that never retry. */
function burst(baseURL) {
  const caller = client(baseURL);
  const calls = Array.from({ length: CALLS }, (_, number) => {
    const messages = [{ role: 'user', content: `Question ${number}` }];
    return caller.chat.completions.create({ ...CHAT, messages });
  });
  return Promise.allSettled(calls);
}

test('straight to the provider some calls are refused', async () => {
  await simulator.reset();
  const settled = await burst(process.env.STRICT_DIRECT_BASE_URL);
  const refused = settled.filter((call) => call.status === 'rejected');
  assert.ok(refused.length > 0);
  assert.ok(refused.every((call) => call.reason instanceof RateLimitError));
  assert.equal(await simulator.refused(), refused.length);
});

// A gateway that learns keeps less free than one that was told, because it measures how much delays
// vary: on a machine that stalls, a call may meet a limit of one second and go again.
for (const [kind, refusedMax] of [['CONFIGURED', 0], ['LEARNING', 2]]) {
  test(`through the gateway every call is answered and hardly one refused: ${kind}`, async () => {
    await simulator.reset();
    const settled = await burst(process.env[`${kind}_BASE_URL`]);
    assert.deepEqual(settled.filter((call) => call.status === 'rejected'), []);
    assert.ok(await simulator.refused() <= refusedMax);
    assert.equal((await simulator.counters()).served, CALLS);
  });
}

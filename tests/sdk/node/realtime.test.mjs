// Realtime sessions over a WebSocket.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import test from 'node:test';

import { OpenAIRealtimeWS } from 'openai/realtime/ws';

import { checkThatEverythingIsSettled } from './monitor.mjs';
import { both } from './sides.mjs';

checkThatEverythingIsSettled();

const QUESTION = {
  type: 'message',
  role: 'user',
  content: [{ type: 'input_text', text: 'Which river is the longest?' }],
};

/** Asks one question and returns all events up to the end of the answer. */
async function session(client) {
  // The SDK always speaks TLS; the socket it is given here does not.
  const createConnection = ({ host, port }) => net.connect({ host, port });
  const order = { model: 'gpt-realtime', options: { createConnection } };
  const realtime = new OpenAIRealtimeWS(order, client);
  const events = [];
  await new Promise((resolve, reject) => {
    realtime.on('error', reject);
    realtime.on('event', (event) => events.push(event));
    realtime.on('session.created', () => {
      realtime.send({ type: 'conversation.item.create', item: QUESTION });
      realtime.send({ type: 'response.create', response: { max_output_tokens: 12 } });
    });
    realtime.on('response.done', resolve);
  });
  const closed = once(realtime.socket, 'close');
  realtime.close();
  await closed;
  return events;
}

test('a session has the same events in order', async () => {
  // The amount left depends on what was used before.
  const { value, error } = await both(session, { ignore: ['remaining', 'reset_seconds'] });
  assert.equal(error, undefined);
  assert.equal(value[0].type, 'session.created');
  assert.equal(value.at(-1).type, 'response.done');
  assert.ok(value.at(-1).response.usage.total_tokens > 0);
});

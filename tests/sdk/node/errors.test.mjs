// Refusals and errors: the same class, the same words, and never tried again without need.

import assert from 'node:assert/strict';
import test from 'node:test';

import { CHAT, REFUSED, chat, streamedChat, streamedResponse } from './calls.mjs';
import { Simulator, checkThatEverythingIsSettled } from './monitor.mjs';
import { both, each, on } from './sides.mjs';

checkThatEverythingIsSettled();

const simulator = new Simulator();

const withChat = (changes) => (client) => client.chat.completions.create({ ...CHAT, ...changes });

const MISTAKES = [
  ['no messages', withChat({ messages: [] }), {}, 'BadRequestError', 400],
  ['too many choices', withChat({ n: 500 }), {}, 'BadRequestError', 400],
  ['too long', withChat({ max_completion_tokens: 1_000_000 }), {}, 'BadRequestError', 400],
  ['a wrong key', chat, { apiKey: 'sk-invalid' }, 'AuthenticationError', 401],
  ['an unknown model', withChat({ model: 'model-does-not-exist' }), {}, 'NotFoundError', 404],
  ['an unknown path', (client) => client.post('/no/path', { body: {} }), {}, 'NotFoundError', 404],
];

for (const [what, call, options, raised, status] of MISTAKES) {
  test(`${what}: refused in the same words`, async () => {
    const { error } = await both(call, options);
    assert.deepEqual([error.raised, error.status], [raised, status]);
  });
}

for (const fault of ['500', '502', '503', '504']) {
  test(`a ${fault} that lasts is passed on in the provider's words`, async () => {
    const { error } = await both(chat, { fault });
    assert.deepEqual([error.raised, error.status], ['InternalServerError', Number(fault)]);
  });
}

test('a 429 that lasts is a rate limit error on both sides', async () => {
  const [direct, gateway] = await each(withChat({ model: REFUSED }), { fault: '429' });
  for (const { error } of [direct, gateway]) {
    assert.deepEqual([error.raised, error.status], ['RateLimitError', 429]);
  }
  assert.equal(direct.error.code, 'rate_limit_exceeded');
  assert.equal(gateway.error.code, 'OPENAI_RATE_LIMIT_EXHAUSTED');
});

for (const fault of ['insufficient_quota', '429_too_large']) {
  test(`${fault} is passed on unchanged after one try`, async () => {
    const before = await simulator.faults(fault);
    const { error } = await both(chat, { fault });
    assert.equal(error.raised, 'RateLimitError');
    assert.equal(await simulator.faults(fault) - before, 2, 'one try on each side');
  });
}

test('an error inside a streamed chat is raised alike', async () => {
  const { error, events } = await both(streamedChat, { fault: 'error_in_stream;after=3' });
  assert.equal(error.raised, 'APIError');
  assert.equal(events.length, 3);
});

test('an error inside a streamed response is told alike', async () => {
  const { error, events } = await both(streamedResponse, { fault: 'error_in_stream;after=5' });
  assert.ok(error || /^(error|response\.failed)$/.test(events.at(-1).type));
});

for (const call of [streamedChat, streamedResponse]) {
  test(`a stream that is cut breaks off alike: ${call.name}`, async () => {
    const { error, events } = await both(call, { fault: 'cut_stream;after=8' });
    assert.ok(error, 'a cut stream must not look complete');
    assert.equal(events.length, 8);
  });
}

test('a stream that is cut before any output never looks complete', async () => {
  for (const [call, events] of [[streamedChat, 0], [streamedResponse, 2]]) {
    const [direct, gateway] = await each(call, { fault: `cut_stream;after=${events}` });
    assert.ok(direct.error, call.name);
    assert.ok(gateway.error, call.name);
    const mended = await on('gateway', call, { fault: `cut_stream;after=${events};times=1` });
    assert.equal(mended.error, undefined, call.name);
    assert.ok(mended.events.length > events, call.name);
  }
});

test('truncated JSON is raised alike', async () => {
  const { error } = await both(chat, { fault: 'truncated_json' });
  assert.ok(error);
});

test('a broken connection is mended by the gateway', async () => {
  for (const fault of ['reset', 'garbage', 'cut_body']) {
    const [direct, gateway] = await each(chat, { fault: `${fault};times=1` });
    assert.ok(direct.error, fault);
    assert.equal(gateway.error, undefined, fault);
    assert.ok(gateway.value.choices[0].message.content, fault);
  }
});

for (const fault of ['500', '503', '429']) {
  test(`the gateway mends what the SDK would: ${fault}`, async () => {
    const call = async (client) => {
      const order = { ...CHAT, model: REFUSED };
      const { data, response } = await client.chat.completions.create(order).withResponse();
      return { data, attempts: response.headers.get('x-paceline-attempts') };
    };
    const direct = await on('direct', call, { fault: `${fault};times=2`, maxRetries: 2 });
    const gateway = await on('gateway', call, { fault: `${fault};times=2`, maxRetries: 0 });
    assert.deepEqual(gateway.value.data, direct.value.data);
    assert.equal(gateway.value.attempts, '3');
  });
}

test("the provider's headers come through and the gateway's are added", async () => {
  const headers = async (client) => {
    const { response } = await client.chat.completions.create(CHAT).withResponse();
    return Object.fromEntries(response.headers);
  };
  const [direct, gateway] = await each(headers);
  const same = [
    'content-type',
    'openai-organization',
    'openai-version',
    'x-ratelimit-limit-requests',
    'x-ratelimit-limit-tokens',
  ];
  for (const name of same) {
    assert.ok(direct.value[name], name);
    assert.equal(gateway.value[name], direct.value[name], name);
  }
  for (const name of ['x-request-id', 'x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens']) {
    assert.ok(direct.value[name] && gateway.value[name], name);
  }
  assert.equal(gateway.value['x-paceline-attempts'], '1');
  assert.ok(gateway.value['x-paceline-request-id']);
});

// Anthropic's SDK against providers of both dialects, through one gateway.

import assert from 'node:assert/strict';

import { jsonSchemaOutputFormat } from '@anthropic-ai/sdk/helpers/json-schema';

import { eventually } from './monitor.mjs';
import { NotTried, PDF, PIXEL, SCHEMA, checkForecast, runPairs } from './pairs.mjs';
import { freshKey } from './sides.mjs';

const ASK = [{ role: 'user', content: 'Why is the sky blue? Grüße, 世界.' }];
const TOOLS = {
  tools: [{ name: 'forecast', description: 'The weather at a place.', input_schema: SCHEMA }],
};
const DEMAND = { ...TOOLS, tool_choice: { type: 'any' } };

const asked = (pair, more) => ({
  model: pair.model,
  max_tokens: 60,
  system: 'You answer in one sentence.',
  messages: ASK,
  ...more,
});
const message = (pair, more, client = pair.client()) => client.messages.create(asked(pair, more));
const streamed = (pair, more) => pair.client().messages.stream(asked(pair, more));
const faulty = (pair, fault, more) => message(pair, more, pair.client({ fault }));

/** Tokens of a prompt without a part and with it. */
async function withPart(pair, part) {
  const prompt = async (...parts) => {
    const content = [{ type: 'text', text: 'What is this?' }, ...parts];
    const answer = await message(pair, { messages: [{ role: 'user', content }] });
    assert.ok(answer.content[0].text);
    return answer.usage.input_tokens;
  };
  return [await prompt(), await prompt(part)];
}

/** What a broken stream gave, and the error that it ended with. */
async function broken(stream) {
  const seen = [];
  try {
    for await (const event of await stream) seen.push(event.type);
  } catch (error) {
    return { seen, error };
  }
  return assert.fail('a broken stream must not look complete');
}

/** Checks an error's class, status and kind. */
async function raises(pair, [kind, status, type], call) {
  const error = await pair.raises(kind, status, call);
  assert.equal(error.error.error.type, type);
  return error;
}

const CASES = {
  async text(pair) {
    const { content, model, role, stop_reason: reason, usage } = await message(pair);
    assert.deepEqual([content[0].type, role, model], ['text', 'assistant', pair.model]);
    assert.ok(content[0].text);
    assert.match(reason, /^(end_turn|max_tokens)$/);
    assert.ok(usage.input_tokens > 10 && usage.output_tokens > 0);
  },

  async stream(pair) {
    const whole = await message(pair);
    const final = await streamed(pair).finalMessage();
    assert.deepEqual(
      [final.id, final.content[0].text, final.stop_reason],
      [whole.id, whole.content[0].text, whole.stop_reason],
    );
    const kinds = [];
    for await (const { type } of await message(pair, { stream: true })) kinds.push(type);
    assert.deepEqual([kinds[0], kinds.at(-1)], ['message_start', 'message_stop']);
  },

  async stream_usage(pair) {
    const { usage } = await message(pair);
    const final = await streamed(pair).finalMessage();
    for (const name of ['input_tokens', 'output_tokens']) {
      assert.equal(final.usage[name], usage[name], name);
    }
  },

  async tool_call(pair) {
    const { content: [call], stop_reason: reason } = await message(pair, DEMAND);
    assert.deepEqual([reason, call.type, call.name], ['tool_use', 'tool_use', 'forecast']);
    checkForecast(call.input);
  },

  async tool_stream(pair) {
    const { content: [whole] } = await message(pair, DEMAND);
    const pieces = [];
    const helper = streamed(pair, DEMAND).on('inputJson', (piece) => pieces.push(piece));
    const { content: [call], stop_reason: reason } = await helper.finalMessage();
    assert.deepEqual([call.id, call.input, reason], [whole.id, whole.input, 'tool_use']);
    assert.ok(pieces.length > 2, 'the arguments come in pieces');
  },

  async tool_result(pair) {
    const said = await message(pair, DEMAND);
    const result = { type: 'tool_result', tool_use_id: said.content[0].id, content: 'Rain.' };
    const turns = [
      ...ASK,
      { role: 'assistant', content: said.content },
      { role: 'user', content: [result] },
    ];
    assert.ok((await message(pair, { ...TOOLS, messages: turns })).content[0].text);
  },

  async image(pair) {
    const source = { type: 'base64', media_type: 'image/png', data: PIXEL };
    const [bare, full] = await withPart(pair, { type: 'image', source });
    assert.ok(full >= bare + 85, 'the provider saw the picture');
  },

  async pdf(pair) {
    const source = { type: 'base64', media_type: 'application/pdf', data: PDF };
    const [bare, full] = await withPart(pair, { type: 'document', source, title: 'a.pdf' });
    // The simulated OpenAI counts no files.
    assert.ok(full > bare || pair.provider === 'openai');
  },

  async cache(pair) {
    const text = `${freshKey()} ${'word '.repeat(2_000)}`;
    const system = [{ type: 'text', text, cache_control: { type: 'ephemeral' } }];
    const client = pair.client();
    // Sent to OpenAI all the same: the mark has to be left out.
    await message(pair, { system }, client);
    if (pair.provider === 'openai') {
      throw new NotTried('the simulated OpenAI caches only with `prompt_cache_key`');
    }
    const { usage } = await message(pair, { system }, client);
    assert.ok(usage.cache_read_input_tokens >= 1_024);
  },

  async structured(pair) {
    const format = jsonSchemaOutputFormat(SCHEMA);
    const answer = await pair.client().messages.parse(asked(pair, { output_config: { format } }));
    checkForecast(answer.parsed_output);
  },

  async thinking(pair) {
    const thinking = { type: 'enabled', budget_tokens: 2_048 };
    const { content, usage } = await message(pair, { max_tokens: 4_000, thinking });
    assert.ok(content.at(-1).text);
    // OpenAI keeps its reasoning to itself, but for its tokens.
    assert.ok(content[0].type === 'thinking' || usage.output_tokens_details.thinking_tokens > 0);
  },

  async top_k(pair) {
    assert.ok((await message(pair, { top_k: 5 })).content);
  },

  async prefill(pair) {
    const begun = { role: 'assistant', content: 'It is blue because' };
    assert.ok((await message(pair, { messages: [...ASK, begun] })).content);
  },

  async count_tokens(pair) {
    const { model } = pair;
    const count = async (request) => {
      const { input_tokens: tokens } = await pair.client().messages.countTokens({ model, ...request });
      return tokens;
    };
    const few = await count({ messages: ASK });
    const { usage } = await message(pair, { system: undefined });
    assert.ok(Math.abs(few - usage.input_tokens) <= Math.max(8, usage.input_tokens / 2));
    const long = [{ role: 'user', content: 'word '.repeat(500) }];
    assert.ok((await count({ ...TOOLS, messages: long })) > 400);
  },

  async request_id(pair) {
    assert.ok((await message(pair))._request_id);
    const error = await raises(pair, ['InternalServerError', 500, 'api_error'], faulty(pair, '500'));
    assert.ok(error.requestID);
  },

  async bad_request(pair) {
    // Each provider refuses it itself.
    const wrong = pair.provider === 'openai' ? { max_tokens: 1_000_000 } : { messages: [] };
    const expected = ['BadRequestError', 400, 'invalid_request_error'];
    const error = await raises(pair, expected, message(pair, wrong));
    assert.doesNotMatch(error.message, /untranslatable/);
  },

  async too_long(pair) {
    const messages = [{ role: 'user', content: 'word '.repeat(400_000) }];
    const expected = ['BadRequestError', 400, 'invalid_request_error'];
    const error = await raises(pair, expected, message(pair, { messages }));
    assert.match(error.error.error.message, /^prompt is too long/);
  },

  async bad_key(pair) {
    const call = message(pair, {}, pair.client({ apiKey: 'sk-invalid' }));
    await raises(pair, ['AuthenticationError', 401, 'authentication_error'], call);
  },

  async no_model(pair) {
    const model = pair.provider === 'openai' ? 'gpt-absent' : 'claude-absent';
    await raises(pair, ['NotFoundError', 404, 'not_found_error'], message(pair, { model }));
  },

  async rate_limit(pair) {
    const call = faulty(pair, '429;times=1');
    const error = await raises(pair, ['RateLimitError', 429, 'rate_limit_error'], call);
    assert.ok(Number(error.headers.get('retry-after')) > 0);
  },

  async server_error(pair) {
    await raises(pair, ['InternalServerError', 500, 'api_error'], faulty(pair, '500'));
  },

  async overload(pair) {
    await raises(pair, ['OverloadedError', 529, 'overloaded_error'], faulty(pair, '503'));
  },

  async stream_error(pair) {
    const { seen, error } = await broken(faulty(pair, 'error_in_stream;after=5', { stream: true }));
    assert.ok(seen.length > 0 && error instanceof pair.errors.APIError);
    assert.ok(error.error.error.message);
  },

  async stream_cut(pair) {
    const { seen } = await broken(faulty(pair, 'cut_stream;after=5', { stream: true }));
    assert.ok(seen.length > 0 && !seen.includes('message_stop'));
  },

  async timeout(pair) {
    const call = message(pair, {}, pair.client({ fault: 'hang', timeout: 500 }));
    await assert.rejects(call, pair.errors.APIConnectionTimeoutError);
  },

  async abort(pair) {
    const stream = await faulty(pair, 'slow_drip;ms=3', { stream: true });
    // Leaving the loop ends the call.
    for await (const event of stream) {
      assert.ok(event.type);
      break;
    }
    await eventually(() => pair.simulator.inFlight(), 0);
  },

  async retries(pair) {
    const { received } = await pair.simulator.counters();
    const client = pair.client({ fault: '429;times=1', maxRetries: 2 });
    assert.ok((await message(pair, {}, client)).content[0].text);
    assert.equal((await pair.simulator.counters()).received - received, 2);
  },
};

runPairs('anthropic', CASES, { top_k: 'top_k', prefill: 'messages' });

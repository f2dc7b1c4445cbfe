// OpenAI's SDK against providers of both dialects, through one gateway.

import assert from 'node:assert/strict';

import { eventually } from './monitor.mjs';
import { PDF, PIXEL, SCHEMA, checkForecast, runPairs } from './pairs.mjs';
import { freshKey } from './sides.mjs';

const ASK = [
  { role: 'system', content: 'You answer in one sentence.' },
  { role: 'user', content: 'Why is the sky blue? Grüße, 世界.' },
];
const FUNCTION = { name: 'forecast', description: 'The weather at a place.', parameters: SCHEMA };
const TOOLS = { tools: [{ type: 'function', function: FUNCTION }] };
const DEMAND = { ...TOOLS, tool_choice: 'required' };
const RESPONSES_TOOLS = { tools: [{ type: 'function', strict: true, ...FUNCTION }] };

const asked = (pair, more) => ({
  model: pair.model, messages: ASK, max_completion_tokens: 60, ...more,
});
const chat = (pair, more, client = pair.client()) =>
  client.chat.completions.create(asked(pair, more));
const respond = (pair, more, client = pair.client()) => client.responses.create({
  model: pair.model,
  instructions: 'You answer in one sentence.',
  input: 'Name three rivers.',
  max_output_tokens: 40,
  store: false,
  ...more,
});
const faulty = (pair, fault, more) => chat(pair, more, pair.client({ fault }));

async function all(stream) {
  const elements = [];
  for await (const element of await stream) elements.push(element);
  return elements;
}

/** Tokens of a prompt without a part and with it. */
async function withPart(pair, part) {
  const prompt = async (...parts) => {
    const content = [{ type: 'text', text: 'What is this?' }, ...parts];
    const answer = await chat(pair, { messages: [{ role: 'user', content }] });
    assert.ok(answer.choices[0].message.content);
    return answer.usage.prompt_tokens;
  };
  return [await prompt(), await prompt(part)];
}

/** What a broken stream gave, and the error that it ended with. */
async function broken(stream) {
  const seen = [];
  try {
    for await (const chunk of await stream) seen.push(chunk);
  } catch (error) {
    return { seen, error };
  }
  return assert.fail('a broken stream must not look complete');
}

const CASES = {
  async text(pair) {
    const { choices, model, object, usage } = await chat(pair);
    assert.ok(choices[0].message.content);
    assert.match(choices[0].finish_reason, /^(stop|length)$/);
    assert.deepEqual([object, model], ['chat.completion', pair.model]);
    assert.ok(usage.prompt_tokens > 10 && usage.completion_tokens > 0);
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  },

  async stream(pair) {
    const whole = await chat(pair);
    const chunks = await all(chat(pair, { stream: true }));
    const said = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    assert.equal(said, whole.choices[0].message.content);
    assert.equal(chunks.at(-1).choices[0].finish_reason, whole.choices[0].finish_reason);
    assert.ok(!chunks.some((chunk) => chunk.usage), 'nobody asked for the usage');
  },

  async stream_usage(pair) {
    const { usage } = await chat(pair);
    const chunks = await all(chat(pair, { stream: true, stream_options: { include_usage: true } }));
    const last = chunks.at(-1);
    assert.deepEqual(last.choices, []);
    for (const name of ['prompt_tokens', 'completion_tokens', 'total_tokens']) {
      assert.equal(last.usage[name], usage[name], name);
    }
  },

  async tool_call(pair) {
    const [choice] = (await chat(pair, DEMAND)).choices;
    const [call] = choice.message.tool_calls;
    assert.deepEqual([choice.finish_reason, call.function.name], ['tool_calls', 'forecast']);
    checkForecast(JSON.parse(call.function.arguments));
  },

  async tool_stream(pair) {
    const [call] = (await chat(pair, DEMAND)).choices[0].message.tool_calls;
    const chunks = await all(chat(pair, { ...DEMAND, stream: true }));
    const pieces = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
    assert.ok(pieces.length > 2, 'the arguments come in pieces');
    assert.equal(pieces.map((piece) => piece.function.arguments).join(''), call.function.arguments);
    const helper = pair.client().chat.completions.stream(asked(pair, DEMAND));
    const final = await helper.finalChatCompletion();
    assert.deepEqual(final.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);
  },

  async tool_result(pair) {
    const said = (await chat(pair, DEMAND)).choices[0].message;
    const result = { role: 'tool', tool_call_id: said.tool_calls[0].id, content: 'Rain.' };
    const answer = await chat(pair, { ...TOOLS, messages: [...ASK, said, result] });
    assert.ok(answer.choices[0].message.content);
  },

  async image(pair) {
    const url = `data:image/png;base64,${PIXEL}`;
    const [bare, full] = await withPart(pair, { type: 'image_url', image_url: { url } });
    assert.ok(full >= bare + 85, 'the provider saw the picture');
  },

  async pdf(pair) {
    const file = { filename: 'a.pdf', file_data: `data:application/pdf;base64,${PDF}` };
    const [bare, full] = await withPart(pair, { type: 'file', file });
    // The simulated OpenAI counts no files.
    assert.ok(full > bare || pair.provider === 'openai');
  },

  async cache(pair) {
    const part = { type: 'text', text: `${freshKey()} ${'word '.repeat(2_000)}` };
    const request = { messages: [{ role: 'system', content: [part] }, ASK[1]] };
    if (pair.provider === 'openai') request.prompt_cache_key = 'conversation';
    else part.cache_control = { type: 'ephemeral' };
    const client = pair.client();
    await chat(pair, request, client);
    const { usage } = await chat(pair, request, client);
    const { cached_tokens: cached } = usage.prompt_tokens_details;
    assert.ok(cached >= 1_024 && cached < usage.prompt_tokens);
  },

  async structured(pair) {
    const format = { type: 'json_schema', json_schema: { name: 'forecast', schema: SCHEMA, strict: true } };
    const answer = await pair.client().chat.completions.parse(asked(pair, { response_format: format }));
    checkForecast(answer.choices[0].message.parsed);
  },

  async json_mode(pair) {
    assert.ok((await chat(pair, { response_format: { type: 'json_object' } })).choices);
  },

  async choices(pair) {
    assert.equal((await chat(pair, { n: 2 })).choices.length, 2);
  },

  async logprobs(pair) {
    assert.ok((await chat(pair, { logprobs: true })).choices);
  },

  async effort(pair) {
    const { usage } = await chat(pair, { reasoning_effort: 'low', max_completion_tokens: 4_000 });
    assert.ok(usage.completion_tokens_details.reasoning_tokens > 0);
  },

  async responses(pair) {
    const { id, model, output_text: text, status, usage } = await respond(pair);
    assert.ok(text && id.startsWith('resp_'));
    assert.equal(model, pair.model);
    assert.match(status, /^(in)?complete(d)?$/);
    assert.equal(usage.total_tokens, usage.input_tokens + usage.output_tokens);
  },

  async responses_stream(pair) {
    const whole = await respond(pair);
    const events = await all(respond(pair, { stream: true }));
    assert.equal(events[0].type, 'response.created');
    assert.match(events.at(-1).type, /^response\.(in)?complete(d)?$/);
    const deltas = events.filter(({ type }) => type === 'response.output_text.delta');
    assert.equal(deltas.map(({ delta }) => delta).join(''), whole.output_text);
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
    const helper = pair.client().responses.stream({
      model: pair.model, input: 'Name three rivers.', max_output_tokens: 40, store: false,
    });
    assert.ok((await helper.finalResponse()).output_text);
  },

  async responses_tools(pair) {
    const first = await respond(pair, { ...RESPONSES_TOOLS, tool_choice: 'required' });
    const call = first.output.find(({ type }) => type === 'function_call');
    checkForecast(JSON.parse(call.arguments));
    const result = { type: 'function_call_output', call_id: call.call_id, output: 'Rain.' };
    const question = { role: 'user', content: 'How is the weather?' };
    const input = [question, ...first.output, result];
    assert.ok((await respond(pair, { ...RESPONSES_TOOLS, input })).output_text);
  },

  async responses_tool_stream(pair) {
    const request = { ...RESPONSES_TOOLS, tool_choice: 'required', stream: true };
    const events = await all(respond(pair, request));
    const of = (kind) => events.filter(({ type }) => type === `response.function_call_arguments.${kind}`);
    const [done] = of('done');
    assert.ok(of('delta').length > 1);
    assert.equal(of('delta').map(({ delta }) => delta).join(''), done.arguments);
    checkForecast(JSON.parse(events.at(-1).response.output.at(-1).arguments));
  },

  async responses_kept(pair) {
    const before = pair.provider === 'openai' ? (await respond(pair, { store: true })).id : 'resp_1';
    assert.ok((await respond(pair, { previous_response_id: before })).output_text);
  },

  async request_id(pair) {
    assert.ok((await chat(pair))._request_id);
    const error = await pair.raises('InternalServerError', 500, faulty(pair, '500'));
    assert.ok(error.requestID);
  },

  async bad_request(pair) {
    // Anthropic takes four marks at most, OpenAI gives 128 answers at most.
    const mark = { type: 'text', text: 'word', cache_control: { type: 'ephemeral' } };
    const wrong = pair.provider === 'openai'
      ? { n: 500 }
      : { messages: [{ role: 'user', content: Array(5).fill(mark) }] };
    const error = await pair.raises('BadRequestError', 400, chat(pair, wrong));
    assert.ok(error.requestID);
    assert.equal(error.type, 'invalid_request_error');
    assert.notEqual(error.code, 'untranslatable', 'the provider refuses it, not the gateway');
  },

  async too_long(pair) {
    const messages = [{ role: 'user', content: 'word '.repeat(400_000) }];
    const error = await pair.raises('BadRequestError', 400, chat(pair, { messages }));
    assert.equal(error.code, 'context_length_exceeded');
  },

  async bad_key(pair) {
    const stranger = pair.client({ apiKey: 'sk-invalid' });
    const error = await pair.raises('AuthenticationError', 401, chat(pair, {}, stranger));
    assert.equal(error.code, 'invalid_api_key');
  },

  async no_model(pair) {
    const model = pair.provider === 'openai' ? 'gpt-absent' : 'claude-absent';
    const error = await pair.raises('NotFoundError', 404, chat(pair, { model }));
    assert.equal(error.code, 'model_not_found');
  },

  async rate_limit(pair) {
    const error = await pair.raises('RateLimitError', 429, faulty(pair, '429;times=1'));
    assert.equal(error.code, 'rate_limit_exceeded');
    assert.ok(Number(error.headers.get('retry-after')) > 0);
  },

  async server_error(pair) {
    const error = await pair.raises('InternalServerError', 500, faulty(pair, '500'));
    assert.equal(error.type, 'server_error');
  },

  async overload(pair) {
    await pair.raises('InternalServerError', 503, faulty(pair, '503'));
  },

  async stream_error(pair) {
    const stream = faulty(pair, 'error_in_stream;after=5', { stream: true });
    const { seen, error } = await broken(stream);
    assert.ok(seen.length > 0 && error instanceof pair.errors.APIError && error.error.message);
  },

  async stream_cut(pair) {
    const { seen } = await broken(faulty(pair, 'cut_stream;after=5', { stream: true }));
    assert.ok(seen.length > 0 && !seen.at(-1).choices[0].finish_reason);
  },

  async timeout(pair) {
    const call = chat(pair, {}, pair.client({ fault: 'hang', timeout: 500 }));
    await assert.rejects(call, pair.errors.APIConnectionTimeoutError);
  },

  async abort(pair) {
    const stream = await faulty(pair, 'slow_drip;ms=3', { stream: true });
    // Leaving the loop ends the call.
    for await (const chunk of stream) {
      assert.ok(chunk.choices);
      break;
    }
    await eventually(() => pair.simulator.inFlight(), 0);
  },

  async retries(pair) {
    const { received } = await pair.simulator.counters();
    const client = pair.client({ fault: '429;times=1', maxRetries: 2 });
    assert.ok((await chat(pair, {}, client)).choices[0].message.content);
    assert.equal((await pair.simulator.counters()).received - received, 2);
  },
};

runPairs('openai', CASES, {
  json_mode: 'response_format',
  choices: 'n',
  logprobs: 'logprobs',
  responses_kept: 'previous_response_id',
});

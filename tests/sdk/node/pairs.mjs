// Each SDK against each provider, through one gateway, and what is told of it.
//
// A case is a function that returns where the SDK's user is given what they asked for. A request that
// the gateway refuses because the other API has no words for it is an answer too, if the case is
// expected to be refused. Each case tells one cell of the table in docs/conformance.md.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import test from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

import { Gateway, Simulator, eventually } from './monitor.mjs';
import { freshKey } from './sides.mjs';

const { ANTHROPIC_SIMULATOR_URL, CONFORMANCE, PAIRS_ADMIN_TOKEN, PAIRS_URL, SIMULATOR_URL } =
  process.env;
const MODELS = { openai: 'gpt-4o-mini', anthropic: 'claude-haiku-4-5' };
const simulators = {
  openai: new Simulator(SIMULATOR_URL),
  anthropic: new Simulator(ANTHROPIC_SIMULATOR_URL),
};
const books = new Gateway(PAIRS_URL, PAIRS_ADMIN_TOKEN);

/** A picture of one pixel. */
export const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
export const PDF = 'JVBERi0xLjQKJSVFT0YK';
export const SCHEMA = {
  type: 'object',
  properties: { place: { type: 'string' }, days: { type: 'integer' } },
  required: ['place', 'days'],
  additionalProperties: false,
};

/** Whether a value is what SCHEMA describes. */
export function checkForecast({ place, days }) {
  assert.equal(typeof place, 'string');
  assert.ok(Number.isInteger(days));
}

/** Why a case cannot show what it is about. */
export class NotTried extends Error {}

/** One SDK and the provider whose model it asks for. */
class Pair {
  constructor(sdk, provider) {
    Object.assign(this, { sdk, provider, model: MODELS[provider] });
    this.errors = sdk === 'openai' ? OpenAI : Anthropic;
    this.simulator = simulators[provider];
  }

  /** A client of the SDK with a key of its own. */
  client({ fault, ...options } = {}) {
    const defaultHeaders = fault ? { 'x-simulator-fault': `${fault};key=${randomUUID()}` } : {};
    const given = { apiKey: freshKey(), timeout: 20_000, maxRetries: 0, defaultHeaders, ...options };
    return this.sdk === 'openai'
      ? new OpenAI({ baseURL: `${PAIRS_URL}/v1`, ...given })
      : new Anthropic({ baseURL: PAIRS_URL, ...given });
  }

  /** Runs a call that has to fail, and checks the error's class and status. */
  async raises(kind, status, call) {
    const error = await call.then(() => assert.fail('no error'), (error) => error);
    assert.equal(error.constructor, this.errors[kind], String(error));
    assert.equal(error.status, status);
    return error;
  }
}

/**
 * Runs cases, by row, against both providers. `refused` names the field that the gateway has to name
 * when it refuses what the provider of the other dialect cannot be told.
 */
export function runPairs(sdk, cases, refused) {
  for (const provider of Object.keys(MODELS)) {
    const pair = new Pair(sdk, provider);
    for (const [row, run] of Object.entries(cases)) {
      const field = sdk === provider ? undefined : refused[row];
      test(`${sdk} to ${provider}: ${row}`, async () => {
        const cell = field ? await checkRefused(pair, run, field) : await checkDone(pair, run);
        const column = `${sdk}/node/${provider}`;
        appendFileSync(CONFORMANCE, `${JSON.stringify({ row, column, cell })}\n`);
      });
    }
  }
}

async function checkDone(pair, run) {
  let cell = 'yes';
  try {
    await run(pair);
  } catch (error) {
    if (!(error instanceof NotTried)) throw error;
    cell = `not tried: ${error.message}`;
  }
  await eventually(() => books.unsettled(), { outstanding: 0, in_flight: 0, waiting: 0 });
  return cell;
}

async function checkRefused(pair, run, field) {
  const before = await received();
  const error = await pair.raises('BadRequestError', 400, run(pair));
  assert.ok(error.message.includes(field), error.message);
  assert.equal(await received(), before, 'what is refused reaches no provider');
  return `refused: \`${field}\``;
}

async function received() {
  const counters = await Promise.all(Object.values(simulators).map((each) => each.counters()));
  return counters.reduce((total, { received }) => total + received, 0);
}
